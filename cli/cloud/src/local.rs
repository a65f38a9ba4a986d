//! Implements [`Cloud`] for the local cloud.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hitctl_config::names;
use hitctl_engine::{Drivers, EventSink, Fault, Phase};
use hitctl_local::client::StartOutcome;
use hitctl_local::logs::LogEventQuery;
use hitctl_local::{LocalClient, LocalDriver, OfflineCloud, client};
use hitctl_resources::{CloudLocation, Tags};
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use crate::aws::connector;
use crate::cloud::{AccessMode, Cloud, DriverOptions, InvokeResult, LogPage};
use crate::distribution::Distribution;
use crate::options::{CloudOptions, LocalOptions};
use crate::slow_calls::SlowCallReporter;
use crate::table::DynamoDbTable;

/// The phase that starts the local cloud.
pub const START_PHASE: Phase = Phase::new("start");

/// The daemon on this machine as a deployment target.
pub(crate) struct LocalCloud {
    location: CloudLocation,
    tags: Tags,
    /// The client of the running cloud, or the recorded resources of a stopped one.
    cloud: Result<LocalClient, Arc<OfflineCloud>>,
    /// The state directory, if opening this cloud has started the daemon.
    started_in: Option<PathBuf>,
    /// Reports that the local cloud has not responded yet.
    slow_calls: SlowCallReporter,
}

impl LocalCloud {
    /// Connects to the local cloud. Starts it if the access requires that.
    pub(crate) async fn open(
        options: &CloudOptions<'_>,
        local: &LocalOptions<'_>,
        sink: &EventSink,
    ) -> Result<Self, Fault> {
        let state_paths = &local.state_paths;
        let state_dir = state_paths.state_dir();
        let note = match options.access {
            // A read does not move the state directory.
            AccessMode::Read => client::pending_move_notice(state_paths)?,
            AccessMode::Remove => client::relocate(state_paths).await?,
            AccessMode::Write => client::prepare_state_dir(state_paths).await?,
        };
        if let Some(note) = note {
            (local.warn)(&note);
        }
        let location = hitctl_local::location();
        let tags = names::tags(&options.loaded.app.app, &options.loaded.env);
        let mut started = false;
        let client = match options.access {
            AccessMode::Read => LocalClient::connect(&state_dir).await?,
            AccessMode::Write => Some(ensure_started(local, &state_dir, sink, &mut started).await?),
            // A running daemon may be of another build. Changes require a daemon of the same build.
            AccessMode::Remove => match LocalClient::connect(&state_dir).await? {
                Some(client) if client.endpoint().build_id != local.build_id => {
                    Some(ensure_started(local, &state_dir, sink, &mut started).await?)
                }
                client => client,
            },
        };
        let cloud = match client {
            Some(client) => Ok(client),
            None => Err(Arc::new(OfflineCloud::read(&state_dir)?)),
        };
        if let Some(client) = cloud.as_ref().ok().filter(|_| started) {
            // A restart may have changed ports, which the notices report.
            client.status().await?.notices.iter().for_each(|notice| (local.warn)(notice));
        }
        let started_in = started.then_some(state_dir);
        Ok(Self { location, tags, cloud, started_in, slow_calls: options.slow_calls.clone() })
    }

    fn running_client(&self) -> Result<&LocalClient, Fault> {
        self.cloud.as_ref().map_err(|stopped| {
            let hint = if stopped.resources.is_empty() {
                "run `hitctl deploy` first"
            } else {
                "run `hitctl local start`"
            };
            Fault::fatal("local_stopped", "the local cloud is not running").hinted(hint)
        })
    }
}

/// How long an unused daemon may take to stop before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// The time limit of one call with its retries.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Returns the SDK configuration for the local endpoint: no TLS, no config files, and dummy credentials.
fn local_sdk_config(endpoint: &str, slow_calls: &SlowCallReporter) -> SdkConfig {
    let credentials = Credentials::new("local", "local", None, None, "local");
    let timeouts =
        TimeoutConfig::builder().connect_timeout(Duration::from_secs(2)).operation_timeout(CALL_TIMEOUT);
    SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::from_static(hitctl_local::REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(connector::local_client(slow_calls))
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(20)))
        .timeout_config(timeouts.build())
        .build()
}

/// Starts the local cloud unless it runs already. Sends a phase event and sets `started` only if it has to be started.
async fn ensure_started(
    local: &LocalOptions<'_>,
    state_dir: &Path,
    sink: &EventSink,
    started: &mut bool,
) -> Result<LocalClient, Fault> {
    let build_id = local.build_id;
    if let Some(client) = LocalClient::connect(state_dir).await?
        && client.endpoint().build_id == build_id
    {
        return Ok(client);
    }
    let start = LocalClient::ensure_running(state_dir, local.exe, build_id);
    let (client, outcome) = sink.phase(START_PHASE, "starting the local cloud", start).await?;
    *started = outcome != StartOutcome::AlreadyRunning;
    Ok(client)
}

impl Cloud for LocalCloud {
    fn location(&self) -> &CloudLocation {
        &self.location
    }

    fn is_running(&self) -> bool {
        self.cloud.is_ok()
    }

    fn abandon(&self) -> BoxFuture<'_, ()> {
        async {
            let (Ok(client), Some(state_dir)) = (&self.cloud, &self.started_in) else { return };
            if client.resources().await.is_ok_and(|resources| resources.is_empty()) {
                // If this fails, an idle daemon remains, which `hitctl local stop` stops.
                drop(LocalClient::stop(state_dir, STOP_TIMEOUT).await);
            }
        }
        .boxed()
    }

    fn notices(&self) -> BoxFuture<'_, Result<Vec<String>, Fault>> {
        async {
            match &self.cloud {
                Ok(client) => Ok(client.status().await?.notices),
                Err(_) => Ok(Vec::new()),
            }
        }
        .boxed()
    }

    fn drivers(&self, options: DriverOptions) -> Drivers {
        let tags = options.tags.unwrap_or_else(|| self.tags.clone());
        let driver = match &self.cloud {
            Ok(client) => LocalDriver::new(client.clone(), tags, options.code),
            Err(stopped) => LocalDriver::offline(Arc::clone(stopped), tags),
        };
        Drivers::for_all_kinds(Arc::new(driver.with_adoption(options.adopt)))
    }

    fn deployments<'a>(
        &'a self,
        _sink: &'a EventSink,
        _stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, Fault>> {
        async move {
            let deployed = match &self.cloud {
                Ok(client) => client.resources().await?,
                Err(stopped) => stopped.resources.clone(),
            };
            Ok(hitctl_local::deployments(&deployed).into_iter().collect())
        }
        .boxed()
    }

    fn invoke<'a>(
        &'a self,
        function: &'a str,
        event: &'a Json,
    ) -> BoxFuture<'a, Result<InvokeResult, Fault>> {
        async move {
            let event = Bytes::from(event.to_string());
            let invoked = self.running_client()?.invoke(function, event).await?;
            Ok(InvokeResult {
                payload: invoked.payload,
                function_error: invoked.function_error,
                duration_ms: invoked.duration_ms,
                log_tail: invoked.log_tail,
            })
        }
        .boxed()
    }

    fn table(&self, name: &str) -> Result<DynamoDbTable, Fault> {
        Ok(DynamoDbTable::local(&self.running_client()?.endpoint().table, name))
    }

    fn sdk_config(&self) -> Result<SdkConfig, Fault> {
        Ok(local_sdk_config(&self.running_client()?.endpoint().table, &self.slow_calls))
    }

    fn distribution(&self, id: &str) -> Result<Distribution, Fault> {
        Ok(Distribution::new(&self.sdk_config()?, hitctl_local::REGION, id))
    }

    fn search_logs<'a>(
        &'a self,
        group: &'a str,
        since_ms: i64,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Vec<String>, Fault>> {
        async move {
            let (mut lines_found, mut after) = (Vec::new(), None);
            loop {
                let page = self.log_page(group, since_ms, after).await?;
                if page.events.is_empty() {
                    return Ok(lines_found);
                }
                after = page.next_cursor;
                let lines = page.events.into_iter().map(|(_, line)| line);
                lines_found.extend(lines.filter(|line| line.contains(text)));
            }
        }
        .boxed()
    }

    fn log_page<'a>(
        &'a self,
        group: &'a str,
        since_ms: i64,
        after: Option<String>,
    ) -> BoxFuture<'a, Result<LogPage, Fault>> {
        async move {
            // A limit of 0 is the default limit.
            let query = LogEventQuery { after, since_ms: u64::try_from(since_ms).unwrap_or(0), limit: 0 };
            let page = self.running_client()?.logs(group, &query).await?;
            let time = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
            let events =
                page.events.into_iter().map(|event| (time(event.timestamp), event.message)).collect();
            Ok(LogPage { events, next_cursor: Some(page.next) })
        }
        .boxed()
    }
}
