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
#[expect(missing_docs, reason = "the help texts are the comments of the argument types")]
pub enum Command {
    List(read::List),
    Get(read::Get),
    Add(write::Add),
    Set(write::Set),
    Reset(write::Reset),
    Merge(write::Merge),
    Rename(write::Rename),
    Delete(write::Delete),
    Import(import::Import),
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

    /// Returns the paths among the arguments.
    fn paths(&self) -> Vec<&String> {
        match self {
            Self::List(_) | Self::Export(_) => Vec::new(),
            Self::Get(args) => args.paths.iter().collect(),
            Self::Add(args) => vec![&args.path],
            Self::Set(args) => vec![&args.path],
            Self::Reset(args) => args.paths.iter().collect(),
            Self::Merge(args) => args.paths.iter().collect(),
            Self::Rename(args) => vec![&args.old, &args.new],
            Self::Delete(args) => args.paths.iter().collect(),
            Self::Import(args) => args.path.iter().collect(),
        }
    }
}

/// Runs a subcommand of `counts`.
pub async fn run(session: &mut Session, command: Command) -> Result<Exit, Failure> {
    let writes = command.writes();
    let config =
        if writes { session.load_for_writing("change the counts of").await? } else { session.load()? };
    let session = &*session;
    // Check the arguments and files before connecting to the cloud.
    let keep_query = &config.app.counter.keep_query;
    command.paths().into_iter().try_for_each(|path| counts::key(keep_query, path).map(drop))?;
    let import = match &command {
        Command::Import(args) => Some(import::read(session, &config, args)?),
        _ => None,
    };
    let run = RunContext { session, config: &config, sink: &hitctl_engine::EventSink::none() };
    // `AccessMode::Read` also for changes: the local cloud need not be started if the table does not exist.
    let cloud = if writes {
        run.open_and_announce(AccessMode::Read).await?
    } else {
        run.cloud(AccessMode::Read).await?
    };
    let counts = counts::open(&*cloud, &config, &session.stop)?;
    match command {
        Command::List(args) => read::list(session, &counts, &args).await,
        Command::Get(args) => read::get(session, &counts, &args).await,
        Command::Export(args) => read::export(session, &counts, &args).await,
        Command::Add(args) => write::add(session, &counts, &args).await,
        Command::Set(args) => write::set(session, &counts, &config.env, &args).await,
        Command::Reset(args) => write::reset(session, &counts, &config.env, &args).await,
        Command::Merge(args) => write::merge(session, &counts, args).await,
        Command::Rename(args) => write::rename(session, &counts, &args).await,
        Command::Delete(args) => write::delete(session, &counts, &config.env, &args).await,
        Command::Import(args) => {
            let import = import.unwrap_or_default();
            Box::pin(import::run(session, &counts, &config, args, import)).await
        }
    }
}
