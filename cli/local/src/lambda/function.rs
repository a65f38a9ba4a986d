//! The configuration of one version of a function, with which its processes are started.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hitctl_resources::FunctionSpec;

use super::environment;
use super::level::LogLevel;
use super::runner_state::{RunnerConfig, RunnerState};

/// The configuration of one version of a function. Each process belongs to one version. When a version is
/// replaced, its running invocations finish on it.
pub(super) struct FunctionConfig {
    pub(super) name: String,
    pub(super) arn: String,
    /// The name of the log group.
    pub(super) group: String,
    /// The minimum level of the function's log lines; `None` if the log format has no levels.
    pub(super) min_log_level: Option<LogLevel>,
    pub(super) memory_mb: u32,
    pub(super) timeout: Duration,
    /// The directory with the unpacked code.
    pub(super) dir: PathBuf,
    pub(super) code_sha256: String,
    pub(super) environment: Vec<(String, String)>,
    pub(super) shared: Arc<RunnerState>,
}

impl FunctionConfig {
    /// Creates the configuration of the version that a spec describes, with its code in `dir`.
    pub(super) fn new(name: &str, spec: &FunctionSpec, dir: PathBuf, shared: &Arc<RunnerState>) -> Self {
        let RunnerConfig { region, account, endpoint, .. } = &shared.config;
        let group = spec.log_group.get().cloned().unwrap_or_else(|| format!("/aws/lambda/{name}"));
        Self {
            name: name.to_owned(),
            arn: format!("arn:aws:lambda:{region}:{account}:function:{name}"),
            environment: environment::common(name, spec, &group, &dir, region, endpoint),
            group,
            min_log_level: min_log_level(spec),
            memory_mb: spec.memory_mb,
            timeout: Duration::from_secs(u64::from(spec.timeout_s)),
            dir,
            code_sha256: spec.code_sha256.clone(),
            shared: Arc::clone(shared),
        }
    }
}

/// Returns the minimum level of log lines that Lambda keeps. Lambda filters only if the format is JSON.
fn min_log_level(spec: &FunctionSpec) -> Option<LogLevel> {
    let level = spec.app_log_level.as_deref().and_then(LogLevel::parse);
    (spec.log_format == "JSON").then(|| level.unwrap_or(LogLevel::Info))
}
