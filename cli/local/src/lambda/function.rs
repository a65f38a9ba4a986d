//! One version of a function: what its processes are started with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hitctl_resources::FunctionSpec;

use super::environment;
use super::level::Level;
use super::shared::{RunnerConfig, Shared};

/// A version of a function. Processes belong to one version; invocations that run when it is replaced finish in it.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) group: String,
    /// The least level of its own lines that reach the log; `None` where the log format knows no levels.
    pub(super) least_level: Option<Level>,
    pub(super) memory_mb: u32,
    pub(super) timeout: Duration,
    pub(super) dir: PathBuf,
    pub(super) code_sha256: String,
    pub(super) environment: Vec<(String, String)>,
    pub(super) shared: Arc<Shared>,
}

impl Function {
    /// The version that a spec describes, with its code in `dir`.
    pub(super) fn new(name: &str, spec: &FunctionSpec, dir: PathBuf, shared: &Arc<Shared>) -> Self {
        let RunnerConfig { region, account, endpoint, .. } = &shared.config;
        let group = spec.log_group.get().cloned().unwrap_or_else(|| format!("/aws/lambda/{name}"));
        Self {
            name: name.to_owned(),
            arn: format!("arn:aws:lambda:{region}:{account}:function:{name}"),
            environment: environment::common(name, spec, &group, &dir, region, endpoint),
            group,
            least_level: least_level(spec),
            memory_mb: spec.memory_mb,
            timeout: Duration::from_secs(u64::from(spec.timeout_s)),
            dir,
            code_sha256: spec.code_sha256.clone(),
            shared: Arc::clone(shared),
        }
    }
}

/// The least level of the function's own lines that Lambda would let through: it filters where the format is JSON.
fn least_level(spec: &FunctionSpec) -> Option<Level> {
    let level = spec.app_log_level.as_deref().and_then(Level::parse);
    (spec.log_format == "JSON").then(|| level.unwrap_or(Level::Info))
}
