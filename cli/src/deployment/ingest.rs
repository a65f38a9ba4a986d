//! Shared steps of the commands that send to a queue or an event bus: connecting to the cloud, and reading files.

use std::io::Read as _;
use std::path::Path;

use hitctl_cloud::{AccessMode, Cloud};
use hitctl_config::LoadedConfig;
use hitctl_engine::Address;
use hitctl_report::{Exit, Failure};

use super::context::{CloudContext, RunContext};
use super::plan::read_live;
use crate::session::Session;

/// Connects to the cloud and prints its location. Starts the local cloud only if the resource at `address` is deployed
/// there.
pub(crate) async fn open(run: RunContext<'_>, address: &Address) -> Result<Box<dyn Cloud>, Failure> {
    let cloud = run.open_and_announce(AccessMode::Read).await?;
    if cloud.is_running() {
        return Ok(cloud);
    }
    check_deployed(&run.in_cloud(&*cloud), address).await?;
    run.cloud(AccessMode::Write).await
}

/// Fails if the resource at `address` is not deployed.
pub(crate) async fn check_deployed(context: &CloudContext<'_>, address: &Address) -> Result<(), Failure> {
    let (_, live) = read_live(context).await?;
    if live.observed(address).is_some() {
        return Ok(());
    }
    Err(not_deployed(&address.kind().replace('_', " "), &context.config.env))
}

/// Returns the failure for a resource that is not deployed.
pub(crate) fn not_deployed(what: &str, env: &str) -> Failure {
    Failure::new("not_deployed", format!("no {what} is deployed in environment {env}"))
        .hinted(format!("run `hitctl deploy --env {env}` first"))
}

/// Returns the failure for a command that needs a disabled feature. `problem` follows the name of the environment, and
/// `key = true` enables the feature.
pub(crate) fn disabled(code: &'static str, config: &LoadedConfig, problem: &str, key: &str) -> Failure {
    let env = &config.env;
    Failure::new(code, format!("environment {env} {problem}"))
        .hinted(format!("set `{key} = true` in hitctl.toml, then run `hitctl deploy --env {env}`"))
        .with_exit(Exit::Usage)
}

/// Reads a whole file, or stdin for `-`. Fails if it has more than `max_bytes` bytes.
pub(crate) fn read_content(session: &Session, file: &Path, max_bytes: u64) -> Result<Vec<u8>, Failure> {
    let name = if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
    let failed = |error: std::io::Error| {
        Failure::new("not_read", format!("failed to read {name}")).caused_by(error).with_exit(Exit::Usage)
    };
    let mut content = Vec::new();
    if file == Path::new("-") {
        session.console.read_input(max_bytes, &mut content).map_err(failed)?;
    } else {
        let file = std::fs::File::open(session.cwd.join(file)).map_err(failed)?;
        file.take(max_bytes + 1).read_to_end(&mut content).map_err(failed)?;
    }
    if content.len() as u64 > max_bytes {
        return Err(Failure::usage(format!("{name} is larger than {} MiB", max_bytes / 1024 / 1024)));
    }
    Ok(content)
}
