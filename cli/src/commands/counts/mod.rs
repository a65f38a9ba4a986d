//! `hitctl counts`: the numbers, straight from the table.

mod import;
mod parse;
mod read;
mod write;

use hit_counter::path;
use hitctl_config::{Loaded, names};
use tokio_util::sync::CancellationToken;

use crate::cloud::{self, Access, Cloud, Counts, Numbers};
use crate::commands::steps;
use crate::report::{CountRow, Exit, Failure};
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
    let loaded = session.load()?;
    let reads = matches!(command, Command::List(_) | Command::Get(_) | Command::Export(_));
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
        Command::Import(args) => import::run(session, &counts, &loaded.env, args).await,
    }
}

/// Every count, in the order of the paths.
pub(super) async fn all(cloud: &dyn Cloud, loaded: &Loaded) -> Result<Vec<CountRow>, Failure> {
    Ok(of(cloud, loaded, &CancellationToken::new())?.all().await?)
}

/// Every number of the table.
pub(super) async fn numbers(
    cloud: &dyn Cloud,
    loaded: &Loaded,
    stop: &CancellationToken,
) -> Result<Numbers, Failure> {
    Ok(of(cloud, loaded, stop)?.numbers().await?)
}

fn of(cloud: &dyn Cloud, loaded: &Loaded, stop: &CancellationToken) -> Result<Counts, Failure> {
    Ok(Counts::new(cloud.table(&names::table(&loaded.app.app, &loaded.env))?, stop))
}

/// The key that a path is counted under: by the rules of the function itself.
fn key(path: &str) -> Result<String, Failure> {
    match path::normalise(path) {
        Ok(key) => Ok(key.into_string()),
        Err(why) => Err(Failure::usage(format!("{path:?} is not counted: {why}"))),
    }
}
