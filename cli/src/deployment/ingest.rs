//! What the commands share that put something on a queue or a bus: the way to the cloud, and what is read from files.

use std::io::Read as _;
use std::path::Path;

use hitctl_cloud::{Access, Cloud};
use hitctl_config::Loaded;
use hitctl_engine::Address;
use hitctl_report::{Exit, Failure};

use super::context::{DeployContext, RunContext};
use super::plan::look;
use crate::session::Session;

/// Opens the cloud, and says which before the first write. The one on this machine is started only where that resource is
/// deployed to it.
pub(crate) async fn open(run: RunContext<'_>, address: &Address) -> Result<Box<dyn Cloud>, Failure> {
    let cloud = run.open(Access::Read).await?;
    if cloud.is_running() {
        return Ok(cloud);
    }
    deployed(&run.in_cloud(&*cloud), address).await?;
    run.cloud(Access::Write).await
}

/// Whether that resource is there.
pub(crate) async fn deployed(context: &DeployContext<'_>, address: &Address) -> Result<(), Failure> {
    let (_, live) = look(context).await?;
    if live.live(address).is_some() {
        return Ok(());
    }
    Err(not_deployed(&address.kind().replace('_', " "), &context.config.env))
}

/// The failure where something of the env is not there.
pub(crate) fn not_deployed(what: &str, env: &str) -> Failure {
    Failure::new("not_deployed", format!("there is no {what} in env {env}"))
        .hinted(format!("run `hitctl deploy --env {env}` first"))
}

/// The refusal where the configuration lacks what a command needs; `key` switches it on.
pub(crate) fn disabled(code: &'static str, loaded: &Loaded, lacks: &str, key: &str) -> Failure {
    let env = &loaded.env;
    Failure::new(code, format!("env {env} {lacks}"))
        .hinted(format!("set `{key} = true` in hitctl.toml, then run `hitctl deploy --env {env}`"))
        .exits(Exit::Usage)
}

/// A whole file, or stdin for `-`.
pub(crate) fn content(session: &Session, file: &Path, largest: u64) -> Result<Vec<u8>, Failure> {
    let name = if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
    let failed = |error: std::io::Error| {
        Failure::new("not_read", format!("failed to read {name}")).caused_by(error).exits(Exit::Usage)
    };
    let mut content = Vec::new();
    if file == Path::new("-") {
        session.console.read_input(largest, &mut content).map_err(failed)?;
    } else {
        let file = std::fs::File::open(session.cwd.join(file)).map_err(failed)?;
        file.take(largest + 1).read_to_end(&mut content).map_err(failed)?;
    }
    if content.len() as u64 > largest {
        return Err(Failure::usage(format!("{name} has more than {} MiB", largest / 1024 / 1024)));
    }
    Ok(content)
}
