//! A place to deploy to, as the commands see it. What a deploy does to it goes through [`Cloud::drivers`] and the engine;
//! the rest is what people ask of something that is deployed: call it, read its counts, read its log.

use std::time::Duration;

use aws_types::SdkConfig;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hitctl_engine::{Address, Cx, Drivers, Fault, Finding, Graph, Sink, Snapshot};
use hitctl_resources::aws::{self, Aws, Quota};
use hitctl_resources::versions::{self, Version};
use hitctl_resources::{CodePackage, Place, Tags};
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use crate::bus::Bus;
use crate::distribution::Distribution;
use crate::queue::Queue;
use crate::table::Table;

/// A place to deploy to.
pub trait Cloud: Send + Sync {
    /// What its ARNs are made of.
    fn place(&self) -> &Place;

    /// Whether it can be called. What is deployed can be read of one that cannot.
    fn is_running(&self) -> bool;

    /// Returns problems of the cloud itself, such as a full disk.
    fn notices(&self) -> BoxFuture<'_, Result<Vec<String>, Fault>> {
        std::future::ready(Ok(Vec::new())).boxed()
    }

    /// Who is asking, where that is known.
    fn identity(&self) -> Option<&str> {
        None
    }

    /// Returns the AWS account; `None` for the local cloud, which has no quotas, no versions and no access of others.
    fn account(&self) -> Option<&Aws> {
        None
    }

    /// Returns the configuration for SDK clients of the cloud's services.
    fn sdk(&self) -> Result<SdkConfig, Fault>;

    /// Returns the shortest pause between two requests for log lines. `FilterLogEvents` is bounded to a few calls a second, for the whole account.
    fn logs_every(&self) -> Duration {
        if self.account().is_some() { Duration::from_secs(1) } else { Duration::from_millis(200) }
    }

    /// How many invocations may run at once in the account, where that is bounded and known. `None` also where the caller may
    /// not ask, or an emulator does not know the call: the call that reserves reports the rest.
    fn concurrency(&self) -> BoxFuture<'_, Option<Quota>> {
        async move {
            let quota = aws::concurrency_quota(&self.account()?.config).await;
            quota.ok().filter(|quota| quota.limit > 0)
        }
        .boxed()
    }

    /// How many writes a second one table may take in the account; `None` where nothing bounds it.
    fn table_writes(&self) -> BoxFuture<'_, Option<Result<u32, Fault>>> {
        async move { Some(aws::table_writes_quota(&self.account()?.config).await) }.boxed()
    }

    /// What reads and writes its resources.
    fn drivers(&self, drive: DriverOptions) -> Drivers;

    /// Every app and env that something there is tagged with. Where to look, and no proof that something is there.
    fn deployments<'a>(
        &'a self,
        sink: &'a Sink,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, Fault>>;

    /// Finds access that others added to our live resources. It is reported and left as it is.
    fn foreign_access<'a>(
        &'a self,
        graph: &'a Graph,
        live: &'a Snapshot,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Vec<Finding>> {
        async move {
            let Some(account) = self.account() else { return Vec::new() };
            let cx = Cx::new(Address::new("account", "access"), Sink::none(), stop.clone());
            hitctl_resources::foreign_access(account, &cx, graph, live).await
        }
        .boxed()
    }

    /// Calls a function and waits for its answer.
    fn invoke<'a>(&'a self, function: &'a str, event: &'a Json) -> BoxFuture<'a, Result<Answer, Fault>>;

    /// Where the code of a function can be fetched for some minutes, by whoever knows the address.
    fn code<'a>(&'a self, _function: &'a str) -> BoxFuture<'a, Result<String, Fault>> {
        let fault = Fault::fatal("no_code_url", "the local cloud serves no code: it is built here");
        std::future::ready(Err(fault)).boxed()
    }

    /// A table of that name, there or not.
    fn table(&self, name: &str) -> Result<Table, Fault>;

    /// A queue of that name, there or not.
    fn queue(&self, name: &str) -> Result<Queue, Fault> {
        Ok(Queue::new(&self.sdk()?, name, self.account().is_none()))
    }

    /// An event bus of that name, there or not.
    fn bus(&self, name: &str) -> Result<Bus, Fault> {
        Ok(Bus::new(&self.sdk()?, name))
    }

    /// The CloudFront distribution with that id, there or not.
    fn distribution(&self, id: &str) -> Result<Distribution, Fault>;

    /// Whether the state of distributions can be read. The local cloud has none: it records what is invalidated.
    fn has_distributions(&self) -> bool {
        self.account().is_some()
    }

    /// The lines of a log group since a time that have a text, oldest first: some of them, where there are very many.
    fn lines<'a>(
        &'a self,
        group: &'a str,
        since_ms: i64,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Vec<String>, Fault>>;

    /// What was logged to a group since a time, after a cursor of an earlier page.
    fn logs<'a>(
        &'a self,
        group: &'a str,
        since_ms: i64,
        after: Option<String>,
    ) -> BoxFuture<'a, Result<LogPage, Fault>>;

    /// The published versions of the function, newest first.
    fn versions<'a>(&'a self, cx: &'a Cx) -> BoxFuture<'a, Result<Vec<Version>, Fault>> {
        async move { versions::list(self.account().ok_or_else(no_versions)?, cx).await }.boxed()
    }

    /// Lets a version answer, in one step.
    fn switch<'a>(&'a self, cx: &'a Cx, to: &'a Version) -> BoxFuture<'a, Result<(), Fault>> {
        async move { versions::switch(self.account().ok_or_else(no_versions)?, cx, to).await }.boxed()
    }
}

/// What a cloud says that runs what was deployed last, and nothing else.
fn no_versions() -> Fault {
    Fault::fatal("no_versions", "the local cloud keeps no versions: it runs what was deployed last")
        .hinted("deploy the older code again, or give its zip to `hitctl deploy --artifact`")
}

/// With what and for whom resources are read and written.
#[derive(Clone, Debug, Default)]
pub struct DriverOptions {
    /// The code that the function should run.
    pub code: Option<CodePackage>,
    /// Whether resources of our names that are somebody else's are taken over.
    pub adopt: bool,
    /// Whether the live URL is asked in the end until that code answers.
    pub called_at_the_end: bool,
    /// Whose resources are ours, where that is not the app and env in force.
    pub tags: Option<Tags>,
}

/// What a function answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The payload.
    pub payload: Json,
    /// Lambda's word for a failed invocation: `Unhandled`.
    pub function_error: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// The last lines of the log of this invocation.
    pub log_tail: String,
}

/// Some of what was logged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogPage {
    /// Milliseconds since 1970 and message, oldest first.
    pub events: Vec<(i64, String)>,
    /// Where to go on.
    pub next: Option<String>,
}

/// What a command is about to do with a cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only look: what is not running is not started.
    Read,
    /// Remove: what is not running is not started, but what runs has to be of this build.
    Remove,
    /// Change or call: it has to run.
    Write,
}
