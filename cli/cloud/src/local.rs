//! The cloud on this machine, as the commands see it.

use std::path::Path;
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
use hitctl_engine::{Drivers, Fault, Phase, Sink};
use hitctl_local::logs::Query;
use hitctl_local::{Client, LocalDriver, Offline, client};
use hitctl_resources::{Place, Tags};
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use crate::aws::connector;
use crate::cloud::{Access, Answer, Cloud, DriverOptions, LogPage};
use crate::distribution::Distribution;
use crate::request::{LocalOptions, Request};
use crate::slow_calls::SlowCalls;
use crate::table::Table;

/// The part of a run that starts the local cloud.
pub const START_PHASE: Phase = Phase::new("start");

/// The cloud on this machine.
pub(crate) struct Local {
    place: Place,
    tags: Tags,
    /// The client of the running cloud, or the recorded resources of a stopped one.
    cloud: Result<Client, Arc<Offline>>,
    /// Reports that the local cloud has not answered yet.
    slow_calls: SlowCalls,
}

impl Local {
    /// Opens it; starts it where it has to run.
    pub(crate) async fn open(
        request: &Request<'_>,
        local: &LocalOptions<'_>,
        sink: &Sink,
    ) -> Result<Self, Fault> {
        let places = &local.places;
        let state_dir = places.state_dir();
        let note = match request.access {
            // What only reads moves nothing.
            Access::Read => client::pending(places)?,
            Access::Remove => client::relocate(places).await?,
            Access::Write => client::claim(places).await?,
        };
        if let Some(note) = note {
            (local.warn)(&note);
        }
        let place = hitctl_local::place();
        let tags = names::tags(&request.loaded.app.app, &request.loaded.env);
        let client = match request.access {
            Access::Read => Client::connect(&state_dir).await?,
            Access::Write => Some(start(local, &state_dir, sink).await?),
            // One that runs may be of another build: what changes it has to be of its own.
            Access::Remove => match Client::connect(&state_dir).await? {
                Some(client) if client.endpoint().build_id != local.build_id => {
                    Some(start(local, &state_dir, sink).await?)
                }
                client => client,
            },
        };
        let cloud = match client {
            Some(client) => Ok(client),
            None => Err(Arc::new(Offline::read(&state_dir)?)),
        };
        Ok(Self { place, tags, cloud, slow_calls: request.slow_calls.clone() })
    }

    fn running(&self) -> Result<&Client, Fault> {
        self.cloud.as_ref().map_err(|_| {
            Fault::fatal("local_stopped", "the local cloud does not run").hinted("run `hitctl local start`")
        })
    }
}

/// How long a call may take, its repetitions included.
const CALL: Duration = Duration::from_secs(30);

/// What clients of its endpoint are made of: no TLS, no file is read, and what is signed is signed for nobody.
fn sdk(endpoint: &str, slow_calls: &SlowCalls) -> SdkConfig {
    let credentials = Credentials::new("local", "local", None, None, "local");
    let bounds = TimeoutConfig::builder().connect_timeout(Duration::from_secs(2)).operation_timeout(CALL);
    SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::from_static(hitctl_local::REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(connector::local(slow_calls))
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(20)))
        .timeout_config(bounds.build())
        .build()
}

/// Starts it unless it runs, and says so only when that took something.
async fn start(local: &LocalOptions<'_>, state_dir: &Path, sink: &Sink) -> Result<Client, Fault> {
    let build_id = local.build_id;
    if let Some(client) = Client::connect(state_dir).await?
        && client.endpoint().build_id == build_id
    {
        return Ok(client);
    }
    let starting = Client::ensure(state_dir, local.exe, build_id);
    Ok(sink.phase(START_PHASE, "starting the local cloud", starting).await?.0)
}

impl Cloud for Local {
    fn place(&self) -> &Place {
        &self.place
    }

    fn is_running(&self) -> bool {
        self.cloud.is_ok()
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

    fn drivers(&self, drive: DriverOptions) -> Drivers {
        let tags = drive.tags.unwrap_or_else(|| self.tags.clone());
        let driver = match &self.cloud {
            Ok(client) => LocalDriver::new(client.clone(), tags, drive.code),
            Err(stopped) => LocalDriver::offline(Arc::clone(stopped), tags),
        };
        Drivers::all(Arc::new(driver.adopting(drive.adopt)))
    }

    fn deployments<'a>(
        &'a self,
        _sink: &'a Sink,
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

    fn invoke<'a>(&'a self, function: &'a str, event: &'a Json) -> BoxFuture<'a, Result<Answer, Fault>> {
        async move {
            let event = Bytes::from(event.to_string());
            let invoked = self.running()?.invoke(function, event).await?;
            Ok(Answer {
                payload: invoked.payload,
                function_error: invoked.function_error,
                duration_ms: invoked.duration_ms,
                log_tail: invoked.log_tail,
            })
        }
        .boxed()
    }

    fn table(&self, name: &str) -> Result<Table, Fault> {
        Ok(Table::local(&self.running()?.endpoint().table, name))
    }

    fn sdk(&self) -> Result<SdkConfig, Fault> {
        Ok(sdk(&self.running()?.endpoint().table, &self.slow_calls))
    }

    fn distribution(&self, id: &str) -> Result<Distribution, Fault> {
        Ok(Distribution::new(&self.sdk()?, hitctl_local::REGION, id))
    }

    fn lines<'a>(
        &'a self,
        group: &'a str,
        since_ms: i64,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Vec<String>, Fault>> {
        async move {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = self.logs(group, since_ms, after).await?;
                if page.events.is_empty() {
                    return Ok(found);
                }
                after = page.next;
                let lines = page.events.into_iter().map(|(_, line)| line);
                found.extend(lines.filter(|line| line.contains(text)));
            }
        }
        .boxed()
    }

    fn logs<'a>(
        &'a self,
        group: &'a str,
        since_ms: i64,
        after: Option<String>,
    ) -> BoxFuture<'a, Result<LogPage, Fault>> {
        async move {
            let query = Query { after, since_ms: u64::try_from(since_ms).unwrap_or(0), limit: 0 };
            let page = self.running()?.logs(group, &query).await?;
            let time = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
            let events =
                page.events.into_iter().map(|event| (time(event.timestamp), event.message)).collect();
            Ok(LogPage { events, next: Some(page.next) })
        }
        .boxed()
    }
}
