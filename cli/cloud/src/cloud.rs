//! The deployment target as the commands see it. Deploys change it through [`Cloud::drivers`] and the engine.
//! The other methods serve commands that work with a deployed app: invoke it, read its counts, read its log.

use std::time::Duration;

use aws_types::SdkConfig;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hitctl_engine::{Address, DriverContext, Drivers, EventSink, Fault, Finding, Graph, Snapshot};
use hitctl_resources::aws::{self, Aws, ConcurrencyQuota};
use hitctl_resources::versions::{self, Version};
use hitctl_resources::{CloudLocation, CodePackage, Tags};
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use crate::bus::EventBus;
use crate::distribution::Distribution;
use crate::queue::SqsQueue;
use crate::table::DynamoDbTable;

/// A deployment target: an AWS account or the local cloud.
pub trait Cloud: Send + Sync {
    /// Returns the partition, region and account, which are part of ARNs.
    fn location(&self) -> &CloudLocation;

    /// Whether the cloud can be called. Deployed resources can be read even if it is not running.
    fn is_running(&self) -> bool;

    /// Returns problems of the cloud itself, such as a full disk.
    fn notices(&self) -> BoxFuture<'_, Result<Vec<String>, Fault>> {
        std::future::ready(Ok(Vec::new())).boxed()
    }

    /// Stops the local cloud if this command has started it and nothing is deployed there. Does nothing on AWS.
    fn abandon(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }

    /// Returns the ARN of the caller. `None` for the local cloud.
    fn identity(&self) -> Option<&str> {
        None
    }

    /// Returns the AWS account. `None` for the local cloud, which has no quotas, no versions and no access by
    /// others.
    fn account(&self) -> Option<&Aws> {
        None
    }

    /// Returns the configuration for SDK clients of the cloud's services.
    fn sdk_config(&self) -> Result<SdkConfig, Fault>;

    /// Returns the shortest pause between two requests for log events. AWS limits `FilterLogEvents` to a few
    /// calls a second for the whole account.
    fn log_poll_interval(&self) -> Duration {
        if self.account().is_some() { Duration::from_secs(1) } else { Duration::from_millis(200) }
    }

    /// Returns the quota of concurrent executions of the account. `None` if there is no such quota, or if an
    /// emulator reports a quota of 0.
    fn concurrency_quota(&self) -> BoxFuture<'_, Option<Result<ConcurrencyQuota, Fault>>> {
        async move {
            let quota = aws::concurrency_quota(&self.account()?.config).await;
            Some(quota).filter(|quota| !quota.as_ref().is_ok_and(|quota| quota.limit == 0))
        }
        .boxed()
    }

    /// Returns the write quota of one table, in writes per second. `None` if there is no such quota.
    fn table_writes_quota(&self) -> BoxFuture<'_, Option<Result<u32, Fault>>> {
        async move { Some(aws::table_writes_quota(&self.account()?.config).await) }.boxed()
    }

    /// Returns the drivers that read and change resources.
    fn drivers(&self, options: DriverOptions) -> Drivers;

    /// Lists every pair of app and environment in the tags of resources. A tag does not prove that the resource
    /// still exists.
    fn deployments<'a>(
        &'a self,
        sink: &'a EventSink,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, Fault>>;

    /// Finds permissions on the deployed resources that were not granted by hitctl. They are reported, not
    /// removed.
    fn foreign_access<'a>(
        &'a self,
        graph: &'a Graph,
        observed: &'a Snapshot,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Vec<Finding>> {
        async move {
            let Some(account) = self.account() else { return Vec::new() };
            let cx = DriverContext::new(Address::new("account", "access"), EventSink::none(), stop.clone());
            hitctl_resources::foreign_access(account, &cx, graph, observed).await
        }
        .boxed()
    }

    /// Invokes a function and waits for the result.
    fn invoke<'a>(&'a self, function: &'a str, event: &'a Json)
    -> BoxFuture<'a, Result<InvokeResult, Fault>>;

    /// Returns a URL from which the code of a function can be downloaded. It is valid for some minutes and
    /// needs no credentials.
    fn code_url<'a>(&'a self, _function: &'a str) -> BoxFuture<'a, Result<String, Fault>> {
        let fault = Fault::fatal(
            "no_code_url",
            "the local cloud has no code URL; the function is built on this machine",
        );
        std::future::ready(Err(fault)).boxed()
    }

    /// Creates a client for the table `name`, whether the table exists or not.
    fn table(&self, name: &str) -> Result<DynamoDbTable, Fault>;

    /// Creates a client for the queue `name`, whether the queue exists or not.
    fn queue(&self, name: &str) -> Result<SqsQueue, Fault> {
        Ok(SqsQueue::new(&self.sdk_config()?, name, self.account().is_none()))
    }

    /// Creates a client for the event bus `name`, whether the bus exists or not.
    fn bus(&self, name: &str) -> Result<EventBus, Fault> {
        Ok(EventBus::new(&self.sdk_config()?, name))
    }

    /// Creates a client for the CloudFront distribution `id`, whether the distribution exists or not.
    fn distribution(&self, id: &str) -> Result<Distribution, Fault>;

    /// Whether the state of distributions can be read. The local cloud has no distributions: it only records
    /// invalidations.
    fn has_distributions(&self) -> bool {
        self.account().is_some()
    }

    /// Returns the lines of a log group that contain `text`, oldest first. `since_ms` is in milliseconds since
    /// 1970. If there are very many lines, only some of them are returned.
    fn search_logs<'a>(
        &'a self,
        group: &'a str,
        since_ms: i64,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Vec<String>, Fault>>;

    /// Returns the events of a log group since `since_ms` (milliseconds since 1970). `after` is the cursor of
    /// an earlier page.
    fn log_page<'a>(
        &'a self,
        group: &'a str,
        since_ms: i64,
        after: Option<String>,
    ) -> BoxFuture<'a, Result<LogPage, Fault>>;

    /// Lists the published versions of the function, newest first.
    fn versions<'a>(&'a self, cx: &'a DriverContext) -> BoxFuture<'a, Result<Vec<Version>, Fault>> {
        async move { versions::list(self.account().ok_or_else(no_versions)?, cx).await }.boxed()
    }

    /// Points the live alias at a version. The switch is atomic.
    fn switch_live_version<'a>(
        &'a self,
        cx: &'a DriverContext,
        version: &'a Version,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        async move { versions::switch(self.account().ok_or_else(no_versions)?, cx, version).await }.boxed()
    }
}

/// Returns the fault of a cloud that publishes no versions.
fn no_versions() -> Fault {
    Fault::fatal("no_versions", "the local cloud keeps no versions; it runs the last deployed code")
        .hinted("deploy the older code again, or pass its zip to `hitctl deploy --artifact`")
}

/// Options for the drivers of a cloud.
#[derive(Clone, Debug, Default)]
pub struct DriverOptions {
    /// The code package of the function.
    pub code: Option<CodePackage>,
    /// Whether to adopt resources that have the names of this app's resources but not their tags.
    pub adopt: bool,
    /// Whether the command ends with a smoke test, which requests the live URL until it runs the new code.
    pub smoke_tested: bool,
    /// The tags of the resources, if they differ from the tags of the selected app and environment.
    pub tags: Option<Tags>,
}

/// The result of an invocation.
#[derive(Clone, Debug, PartialEq)]
pub struct InvokeResult {
    /// The payload that the function returned.
    pub payload: Json,
    /// Lambda's error type of a failed invocation, such as `Unhandled`.
    pub function_error: Option<String>,
    /// The duration of the invocation in milliseconds.
    pub duration_ms: f64,
    /// The last lines of the log of this invocation.
    pub log_tail: String,
}

/// A page of log events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogPage {
    /// Time in milliseconds since 1970 and message of each event, oldest first.
    pub events: Vec<(i64, String)>,
    /// The cursor of the next page.
    pub next_cursor: Option<String>,
}

/// The access that a command needs to a cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessMode {
    /// Read only. The local cloud is not started.
    Read,
    /// Remove resources. The local cloud is not started, but a running daemon must be of the same build.
    Remove,
    /// Change resources or call functions. The local cloud is started if necessary.
    Write,
}
