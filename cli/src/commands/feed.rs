//! What the commands share that put something on a queue or a bus: the way to the cloud, and what is read from files.

use std::io::Read as _;
use std::path::Path;

use hitctl_config::Loaded;
use hitctl_engine::{Address, Sink};

use crate::cloud::{self, Access, Cloud, Drive};
use crate::commands::steps;
use crate::report::{Exit, Failure};
use crate::session::Session;
use crate::stack::Code;

/// Opens the cloud, and says which before the first write. The one on this machine is started only where that resource is
/// deployed to it.
pub(super) async fn open(
    session: &Session,
    loaded: &Loaded,
    address: &Address,
    sink: &Sink,
) -> Result<Box<dyn Cloud>, Failure> {
    let cloud = steps::open(session, loaded, Access::Read, sink).await?;
    if cloud.is_running() {
        return Ok(cloud);
    }
    deployed(session, loaded, &*cloud, address, sink).await?;
    cloud::open(session, loaded, Access::Write, sink).await
}

/// Whether that resource is there.
pub(super) async fn deployed(
    session: &Session,
    loaded: &Loaded,
    cloud: &dyn Cloud,
    address: &Address,
    sink: &Sink,
) -> Result<(), Failure> {
    let code = Code { sha256: String::new(), arch: loaded.app.function.arch };
    let graph = steps::design(loaded, cloud.place(), &code)?;
    let live = steps::survey(session, &graph, &cloud.drivers(Drive::default()), sink).await?;
    if live.live(address).is_some() {
        return Ok(());
    }
    let (env, kind) = (&loaded.env, address.kind().replace('_', " "));
    Err(Failure::new("not_deployed", format!("there is no {kind} in env {env}"))
        .hinted(format!("run `hitctl deploy --env {env}` first")))
}

/// A whole file, or stdin for `-`.
pub(super) fn content(session: &Session, file: &Path, largest: u64) -> Result<Vec<u8>, Failure> {
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
