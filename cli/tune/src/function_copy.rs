//! The measuring in an account: a copy of the deployed function, which runs as the same role with the same code and environment, is
//! asked only what does not count, and is deleted whatever happens. What a killed run left is found by its name and its tags.

use std::collections::BTreeMap;
use std::path::Path;

use hitctl_artifact::Artifact;
use hitctl_cloud::{Cloud, DriverOptions, Web};
use hitctl_config::{Loaded, names};
use hitctl_engine::{Cx, Driver, Drivers, Fault, FaultKind, Live, Node, Outputs, Owner, Sink, Value};
use hitctl_resources::{FunctionSpec, Spec as _, Tags};
use hitctl_stack::address;
use hitctl_stack::memory::{Call, Start};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::lambda_report;
use super::request::{self, Asks};

/// The tag that says what it is.
const TAG: &str = "hitctl:tune";
/// The variable whose change makes the next invocation start a new process.
const VARIABLE: &str = "HITCTL_TUNE_START";
/// How much code there may be, as Lambda has it for what is uploaded directly.
const MAX_ZIP: u64 = 50 * 1024 * 1024;
/// The function as it is deployed; `None` where there is none, or it is somebody else's.
pub async fn deployed(
    cloud: &dyn Cloud,
    loaded: &Loaded,
    sink: &Sink,
    stop: &CancellationToken,
) -> Result<Option<FunctionSpec>, Fault> {
    let name = names::function(&loaded.app.app, &loaded.env);
    let node = Node::present(address::counter(), name, json!({})).absent();
    let cx = Cx::new(node.address.clone(), sink.clone(), stop.clone());
    let drivers = cloud.drivers(DriverOptions::default());
    let live = drivers.get(FunctionSpec::KIND)?.read(&cx, &node).await?;
    let Some(live) = live.filter(|live| live.owner == Owner::Ours) else { return Ok(None) };
    serde_json::from_value(live.spec).map(Some).map_err(misfit)
}

/// Fetches the code of the deployed function into a directory.
pub async fn code(
    cloud: &dyn Cloud,
    env: &BTreeMap<String, String>,
    name: &str,
    of: &FunctionSpec,
    dir: &Path,
) -> Result<Artifact, Fault> {
    let failed = |cause: String| {
        Fault::fatal("code_not_fetched", format!("failed to fetch the code of function {name}"))
            .caused_by(cause)
            .hinted("run the command again; where a proxy leads to the web, set HTTPS_PROXY")
    };
    let url = cloud.code(name).await?;
    let bytes = Web::new(env)?.fetch(&url, MAX_ZIP).await.map_err(failed)?;
    let sha256 = hex::encode(Sha256::digest(&bytes));
    if sha256 != of.code_sha256 {
        return Err(failed("what came has another hash than what is deployed".to_owned()));
    }
    let zip = dir.join("function.zip");
    std::fs::write(&zip, &bytes).map_err(|error| failed(error.to_string()))?;
    Ok(Artifact { zip, bytes: bytes.len() as u64, sha256, arch: of.arch, built: false })
}

/// A copy of the deployed function, there or not.
pub struct Copy<'a> {
    cloud: &'a dyn Cloud,
    drivers: Drivers,
    node: Node,
    tags: Tags,
    sink: Sink,
    stop: CancellationToken,
    /// What the copy is like, once it is there.
    live: Option<FunctionSpec>,
    /// How many processes it was made to start.
    starts: u32,
}

impl<'a> Copy<'a> {
    /// The copy of an app's function, made with these drivers; they have its code at hand. Changes stop with `stop`, the end does not.
    pub fn new(
        cloud: &'a dyn Cloud,
        loaded: &Loaded,
        drivers: Drivers,
        sink: &Sink,
        stop: &CancellationToken,
    ) -> Result<Self, Fault> {
        let (app, env) = (&loaded.app.app, &loaded.env);
        let node = hitctl_stack::tuned_function(app, env).ok_or_else(|| {
            let base = names::function(app, env);
            Fault::fatal(
                "name_too_long",
                format!("the function {base} can have no copy: `{base}-tune` is too long a name"),
            )
            .hinted(format!(
                "measure it here with `--env local`, or take a name of at most {} characters",
                names::MAX_BASE - 5
            ))
        })?;
        let mut tags = names::tags(app, env);
        tags.insert(TAG.to_owned(), "true".to_owned());
        Ok(Self { cloud, drivers, node, tags, sink: sink.clone(), stop: stop.clone(), live: None, starts: 0 })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.node.name
    }

    fn driver(&self) -> Result<&dyn Driver, Fault> {
        self.drivers.get(FunctionSpec::KIND)
    }

    fn cx(&self) -> Cx {
        Cx::new(self.node.address.clone(), self.sink.clone(), self.stop.clone())
    }

    /// Brings it to that memory size, and sees to it that its next invocation starts a new process: a change of the
    /// configuration ends those that run.
    pub async fn renew(&mut self, of: &FunctionSpec, memory_mb: u32) -> Result<(), Fault> {
        self.starts += 1;
        let mut want = of.clone();
        want.memory_mb = memory_mb;
        want.reserved_concurrency = None;
        want.environment.insert(VARIABLE.to_owned(), Value::from(self.starts.to_string()));
        want.tags.clone_from(&self.tags);
        let json = to_json(&want)?;
        let node = Node { want: hitctl_engine::Want::Present(json.clone()), ..self.node.clone() };
        match &self.live {
            None => {
                // Whatever becomes of the call, it may be there from now on.
                self.live = Some(want);
                self.driver()?.create(&self.cx(), &node, &json).await?;
            }
            Some(have) => {
                let have = Live { spec: to_json(have)?, outputs: Outputs::new(), owner: Owner::Ours };
                self.live = Some(want);
                self.driver()?.update(&self.cx(), &node, &have, &json, &[]).await?;
            }
        }
        Ok(())
    }

    /// Asks a process that is new, and then so often again. What Lambda does not report is missing.
    pub async fn ask(&self, warm: u32) -> Result<Start, Fault> {
        let mut start = Start { first: self.call(0).await?, warm: Vec::new() };
        for n in 1..=warm {
            if self.stop.is_cancelled() {
                break;
            }
            let call = self.call(n).await?;
            // Lambda may start another process at any time: that is no warm call.
            if call.init_ms.is_none() {
                start.warm.push(call);
            }
        }
        Ok(start)
    }

    async fn call(&self, n: u32) -> Result<Call, Fault> {
        let answer = self.cloud.invoke(self.name(), &Asks::Reading.event(n)).await?;
        let wrong = answer.function_error.or_else(|| request::fault(&answer.payload));
        if let Some(wrong) = wrong {
            let name = self.name();
            return Err(Fault::fatal(
                "tune_function",
                format!("the function {name} cannot be measured: it did not answer as it should"),
            )
            .caused_by(format!("{wrong}: {}", answer.payload))
            .hinted("look at `hitctl logs`: it writes to the same log as the deployed function"));
        }
        Ok(lambda_report::call(&answer.log_tail))
    }

    /// Deletes it, if it is there: also after an interrupt, and what an earlier run left. Whether there was one.
    pub async fn remove(&mut self) -> Result<bool, Fault> {
        let cx = Cx::new(self.node.address.clone(), self.sink.clone(), CancellationToken::new());
        let Some(live) = self.driver()?.read(&cx, &self.node).await? else {
            self.live = None;
            return Ok(false);
        };
        if let Owner::Other(owner) = &live.owner {
            let message = format!("function {} is there already and is not this app's", self.name());
            return Err(Fault { kind: FaultKind::NotOurs, ..Fault::fatal("not_ours", message) }
                .caused_by(owner.as_str())
                .hinted("delete what bears the name, or change `app` in hitctl.toml"));
        }
        self.driver()?.delete(&cx, &self.node, &live).await?;
        self.live = None;
        Ok(true)
    }
}

fn to_json(spec: &FunctionSpec) -> Result<Json, Fault> {
    serde_json::to_value(spec).map_err(misfit)
}

fn misfit(error: serde_json::Error) -> Fault {
    Fault::fatal("spec", "the settings of a function do not have its shape")
        .caused_by(error)
        .hinted("this is a mistake in hitctl: please report it")
}
