//! Measures the function in an AWS account with a copy of the deployed function. The copy has the same role, code and environment,
//! gets only requests that do not count, and is always deleted. The copy of a killed run is found by its name and its tags.

use std::collections::BTreeMap;
use std::path::Path;

use hitctl_artifact::Artifact;
use hitctl_cloud::{Cloud, DriverOptions, WebClient};
use hitctl_config::{LoadedConfig, names};
use hitctl_engine::{
    Driver, DriverContext, Drivers, EventSink, Fault, FaultKind, Node, ObservedState, Outputs, Owner,
    SpecValue,
};
use hitctl_resources::{FunctionSpec, Spec as _, Tags};
use hitctl_stack::address;
use hitctl_stack::memory::{InvocationTiming, ProcessTimings};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::lambda_report;
use super::request::{self, MeasuringRequest};

/// The tag that marks a copy.
const COPY_TAG: &str = "hitctl:tune";
/// The environment variable that is changed to make the next invocation start a new process.
const RESTART_VARIABLE: &str = "HITCTL_TUNE_START";
/// Lambda's limit for a zip that is uploaded directly: 50 MB.
const MAX_ZIP_BYTES: u64 = 50 * 1024 * 1024;

/// Reads the spec of the deployed function. Returns `None` if it does not exist or belongs to another owner.
pub async fn read_deployed(
    cloud: &dyn Cloud,
    loaded: &LoadedConfig,
    sink: &EventSink,
    stop: &CancellationToken,
) -> Result<Option<FunctionSpec>, Fault> {
    let name = names::function(&loaded.app.app, &loaded.env);
    let node = Node::present(address::counter(), name, json!({})).absent();
    let cx = DriverContext::new(node.address.clone(), sink.clone(), stop.clone());
    let drivers = cloud.drivers(DriverOptions::default());
    let observed = drivers.get(FunctionSpec::KIND)?.read(&cx, &node).await?;
    let Some(observed) = observed.filter(|observed| observed.owner == Owner::Ours) else { return Ok(None) };
    serde_json::from_value(observed.spec).map(Some).map_err(spec_error)
}

/// Downloads the code of the deployed function into a directory, and checks its hash.
pub async fn download_code(
    cloud: &dyn Cloud,
    env: &BTreeMap<String, String>,
    name: &str,
    function: &FunctionSpec,
    dir: &Path,
) -> Result<Artifact, Fault> {
    let failed = |cause: String| {
        Fault::fatal("code_not_fetched", format!("failed to download the code of the function {name}"))
            .caused_by(cause)
            .hinted("run the command again; if this network requires a proxy, set `HTTPS_PROXY`")
    };
    let url = cloud.code_url(name).await?;
    let bytes = WebClient::new(env)?.fetch(&url, MAX_ZIP_BYTES).await.map_err(failed)?;
    let sha256 = hex::encode(Sha256::digest(&bytes));
    if sha256 != function.code_sha256 {
        return Err(failed("the hash of the download differs from that of the deployed code".to_owned()));
    }
    let zip = dir.join("function.zip");
    std::fs::write(&zip, &bytes).map_err(|error| failed(error.to_string()))?;
    Ok(Artifact { zip, bytes: bytes.len() as u64, sha256, arch: function.arch, built: false })
}

/// A copy of the deployed function, which may not exist yet.
pub struct FunctionCopy<'a> {
    cloud: &'a dyn Cloud,
    drivers: Drivers,
    node: Node,
    tags: Tags,
    sink: EventSink,
    stop: CancellationToken,
    /// The last desired spec of the copy; `None` until the copy may exist.
    spec: Option<FunctionSpec>,
    /// The number of changes to the copy, each of which makes it start a new process.
    start_count: u32,
}

impl<'a> FunctionCopy<'a> {
    /// Prepares a copy of an app's function, but does not create it. The drivers must have the code of the function.
    /// `stop` interrupts changes, but not the deletion of the copy.
    pub fn new(
        cloud: &'a dyn Cloud,
        loaded: &LoadedConfig,
        drivers: Drivers,
        sink: &EventSink,
        stop: &CancellationToken,
    ) -> Result<Self, Fault> {
        let (app, env) = (&loaded.app.app, &loaded.env);
        let node = hitctl_stack::tuned_function(app, env).ok_or_else(|| {
            let base = names::function(app, env);
            Fault::fatal("name_too_long", format!("the name {base}-tune of the copy is too long")).hinted(
                format!(
                    "measure on this machine with `--env local`, or shorten {base} to at most {} characters",
                    names::MAX_BASE_NAME_CHARS - "-tune".len()
                ),
            )
        })?;
        let mut tags = names::tags(app, env);
        tags.insert(COPY_TAG.to_owned(), "true".to_owned());
        Ok(Self {
            cloud,
            drivers,
            node,
            tags,
            sink: sink.clone(),
            stop: stop.clone(),
            spec: None,
            start_count: 0,
        })
    }

    /// Returns the name of the copy.
    pub fn name(&self) -> &str {
        &self.node.name
    }

    fn driver(&self) -> Result<&dyn Driver, Fault> {
        self.drivers.get(FunctionSpec::KIND)
    }

    fn cx(&self) -> DriverContext {
        DriverContext::new(self.node.address.clone(), self.sink.clone(), self.stop.clone())
    }

    /// Creates or updates the copy with this memory size. The next invocation starts a new process, because a change of the
    /// configuration ends the running ones.
    pub async fn set_memory(&mut self, function: &FunctionSpec, memory_mb: u32) -> Result<(), Fault> {
        self.start_count += 1;
        let mut desired = function.clone();
        desired.memory_mb = memory_mb;
        desired.reserved_concurrency = None;
        desired
            .environment
            .insert(RESTART_VARIABLE.to_owned(), SpecValue::from(self.start_count.to_string()));
        desired.tags.clone_from(&self.tags);
        let json = to_json(&desired)?;
        let node = Node { desired: hitctl_engine::DesiredState::Present(json.clone()), ..self.node.clone() };
        match &self.spec {
            None => {
                // The copy may exist from now on, even if the call fails.
                self.spec = Some(desired);
                self.driver()?.create(&self.cx(), &node, &json).await?;
            }
            Some(spec) => {
                let observed =
                    ObservedState { spec: to_json(spec)?, outputs: Outputs::new(), owner: Owner::Ours };
                self.spec = Some(desired);
                self.driver()?.update(&self.cx(), &node, &observed, &json, &[]).await?;
            }
        }
        Ok(())
    }

    /// Measures a first invocation and `warm` further ones. Timings that Lambda does not report are `None`.
    pub async fn measure(&self, warm: u32) -> Result<ProcessTimings, Fault> {
        let mut timings = ProcessTimings { first: self.invoke(0).await?, warm: Vec::new() };
        for n in 1..=warm {
            if self.stop.is_cancelled() {
                break;
            }
            let timing = self.invoke(n).await?;
            // Lambda may start another process at any time. Its first invocation is not a warm one.
            if timing.init_ms.is_none() {
                timings.warm.push(timing);
            }
        }
        Ok(timings)
    }

    async fn invoke(&self, n: u32) -> Result<InvocationTiming, Fault> {
        let result = self.cloud.invoke(self.name(), &MeasuringRequest::ReadOnly.event(n)).await?;
        let error = result.function_error.or_else(|| request::response_error(&result.payload));
        if let Some(error) = error {
            let name = self.name();
            return Err(Fault::fatal("tune_function", format!("failed to measure the function {name}"))
                .caused_by(format!("{error}: {}", result.payload))
                .hinted("run `hitctl logs`; the copy writes to the same log as the deployed function"));
        }
        Ok(lambda_report::parse_timing(&result.log_tail))
    }

    /// Deletes the copy if it exists, even a copy of an earlier run, and even after an interruption. Returns whether it
    /// existed.
    pub async fn delete(&mut self) -> Result<bool, Fault> {
        let cx = DriverContext::new(self.node.address.clone(), self.sink.clone(), CancellationToken::new());
        let Some(observed) = self.driver()?.read(&cx, &self.node).await? else {
            self.spec = None;
            return Ok(false);
        };
        if let Owner::Other(owner) = &observed.owner {
            let message = format!("the function {} exists and does not belong to this app", self.name());
            return Err(Fault { kind: FaultKind::NotOurs, ..Fault::fatal("not_ours", message) }
                .caused_by(owner.as_str())
                .hinted("delete that function, or change `app` in hitctl.toml"));
        }
        self.driver()?.delete(&cx, &self.node, &observed).await?;
        self.spec = None;
        Ok(true)
    }
}

fn to_json(spec: &FunctionSpec) -> Result<Json, Fault> {
    serde_json::to_value(spec).map_err(spec_error)
}

fn spec_error(error: serde_json::Error) -> Fault {
    Fault::fatal("spec", "internal error: failed to convert the settings of a function; please report it")
        .caused_by(error)
}
