//! `hitctl counts`: reads and changes the counts in the table.

mod import;
mod read;
mod write;

use hitctl_cloud::AccessMode;
use hitctl_report::{Exit, Failure};

use crate::deployment::context::RunContext;
use crate::deployment::counts;
use crate::session::Session;

/// Subcommands of `counts`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List every path and its views, most views first
    List(read::List),
    /// Show the counts of some paths
    Get(read::Get),
    /// Add views to a path, or subtract some
    Add(write::Add),
    /// Set the views of a path
    Set(write::Set),
    /// Set the counts of paths to 0
    Reset(write::Reset),
    /// Merge the counts of several paths into one
    Merge(write::Merge),
    /// Rename a path
    Rename(write::Rename),
    /// Delete paths
    Delete(write::Delete),
    /// Import counts from a file (safe to repeat)
    Import(import::Import),
    /// Export all counts to a file or stdout
    Export(read::Export),
}

impl Command {
    pub(super) fn writes(&self) -> bool {
        match self {
            Self::List(_) | Self::Get(_) | Self::Export(_) => false,
            Self::Import(args) => !args.dry_run,
            _ => true,
        }
    }
}

/// Runs a subcommand of `counts`.
pub async fn run(session: &mut Session, command: Command) -> Result<Exit, Failure> {
    let writes = command.writes();
    let loaded =
        if writes { session.load_for_writing("change the counts of").await? } else { session.load()? };
    let session = &*session;
    let run = RunContext { session, config: &loaded, sink: &hitctl_engine::EventSink::none() };
    // A table that does not exist is no reason to start the local cloud.
    let cloud = if writes { run.open(AccessMode::Read).await? } else { run.cloud(AccessMode::Read).await? };
    let counts = counts::open(&*cloud, &loaded, &session.stop)?;
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
