//! `hitctl counts`: the numbers, straight from the table.

mod archive;
mod csv;
mod goatcounter;
mod goatcounter_json;
mod import;
mod json;
mod parse;
mod read;
mod reading;
mod records;
mod write;

use hitctl_config::{Loaded, names};
use tokio_util::sync::CancellationToken;

use crate::cloud::{self, Access, Cloud, Counts};
use crate::commands::steps;
use crate::report::{Exit, Failure, Numbers};
use crate::session::Session;

pub use read::Format;
pub(super) use read::{render, write_new};

/// What to do with the counts.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List every path and its hits, most hits first
    List(read::List),
    /// Show the counts of some paths
    Get(read::Get),
    /// Add hits to a path, or take some away
    Add(write::Add),
    /// Set the hits of a path
    Set(write::Set),
    /// Begin again with 0 hits
    Reset(write::Reset),
    /// Add the counts of some paths to another one, and forget them
    Merge(write::Merge),
    /// Give a path another name
    Rename(write::Rename),
    /// Forget some paths
    Delete(write::Delete),
    /// Count what a file says, once
    Import(import::Import),
    /// Write every count to a file or stdout
    Export(read::Export),
}

/// Does it.
pub async fn run(session: &mut Session, command: Command) -> Result<Exit, Failure> {
    let reads = match &command {
        Command::List(_) | Command::Get(_) | Command::Export(_) => true,
        Command::Import(args) => args.dry_run,
        _ => false,
    };
    let loaded =
        if reads { session.load()? } else { session.load_for_writing("change the counts of").await? };
    let sink = hitctl_engine::Sink::none();
    // Nothing is started for a table that is not there.
    let cloud = if reads {
        cloud::open(session, &loaded, Access::Read, &sink).await?
    } else {
        steps::open(session, &loaded, Access::Read, &sink).await?
    };
    let counts = of(&*cloud, &loaded, &session.stop)?;
    let session = &*session;
    match command {
        Command::List(args) => read::list(session, &counts, &args).await,
        Command::Get(args) => read::get(session, &counts, &args).await,
        Command::Export(args) => read::export(session, &counts, &args).await,
        Command::Add(args) => write::add(session, &counts, &args).await,
        Command::Set(args) => write::set(session, &counts, &loaded.env, &args).await,
        Command::Reset(args) => write::reset(session, &counts, &loaded.env, &args).await,
        Command::Merge(args) => write::merge(session, &counts, args).await,
        Command::Rename(args) => write::rename(session, &counts, &args).await,
        Command::Delete(args) => write::delete(session, &counts, &loaded.env, &args).await,
        Command::Import(args) => Box::pin(import::run(session, &counts, &loaded, args)).await,
    }
}

/// Every number of the table; whoever asks does not stop half way.
pub(super) async fn all(cloud: &dyn Cloud, loaded: &Loaded) -> Result<Numbers, Failure> {
    numbers(cloud, loaded, &CancellationToken::new()).await
}

/// Every number of the table.
pub(super) async fn numbers(
    cloud: &dyn Cloud,
    loaded: &Loaded,
    stop: &CancellationToken,
) -> Result<Numbers, Failure> {
    Ok(of(cloud, loaded, stop)?.numbers().await?)
}

/// The counts of the environment in force.
pub(super) fn of(cloud: &dyn Cloud, loaded: &Loaded, stop: &CancellationToken) -> Result<Counts, Failure> {
    let table = cloud.table(&names::table(&loaded.app.app, &loaded.env))?;
    Ok(Counts::new(table, stop).keeping(&loaded.app.counter.keep_query))
}

/// What a file of an export says.
#[cfg(test)]
pub(crate) fn read_back(content: &[u8]) -> Numbers {
    parse::numbers(content, import::Input::Auto, &parse::Taking::default())
        .map(|(numbers, _)| numbers)
        .unwrap_or_default()
}

/// The key that a path is counted under: by the rules of the function itself.
fn key(counts: &Counts, path: &str) -> Result<String, Failure> {
    parse::judged(path, counts.keep_query()).map_err(Failure::usage)
}
