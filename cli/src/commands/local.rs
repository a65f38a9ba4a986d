//! `hitctl local`: starts, stops, inspects and resets the cloud on this machine.

use std::path::PathBuf;
use std::time::Duration;

use hitctl_local::client::{StartOutcome, StopOutcome};
use hitctl_local::protocol::{DaemonStatus, InvalidationRecord};
use hitctl_local::{LocalClient, ServeOptions, client, daemon};
use hitctl_report::{Exit, Failure, InvalidationRow, InvalidationsView, LocalStatusView};

use crate::session::Session;

/// Subcommands of `local`.
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the help texts are the comments of the argument types")]
pub enum Command {
    /// Start the local cloud with everything that was deployed
    Start,
    /// Stop the local cloud; `start` continues with the same state
    Stop,
    /// Show whether the local cloud runs, its URLs and its endpoint
    Status,
    Reset(Reset),
    #[command(hide = true)]
    Serve(Serve),
}

/// Stop the local cloud and delete its state
///
/// The counts are deleted too, so the command asks for a confirmation.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl local reset\n  hitctl local reset --confirm local")]
pub struct Reset {
    /// Confirm with the word `local`
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

/// Run the local cloud in the foreground
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// The state directory.
    #[arg(long, value_name = "DIR")]
    pub state_dir: PathBuf,
}

/// How long the daemon may take to stop before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs a subcommand of `local`.
pub async fn run(session: &mut Session, command: Command) -> Result<Exit, Failure> {
    let config = session.load_any_env()?;
    let paths = session.local_state_paths(&config)?;
    let dir = paths.state_dir();
    match command {
        Command::Start => {
            if let Some(note) = client::prepare_state_dir(&paths).await? {
                session.console.message(&note);
            }
            let (_, started) = LocalClient::ensure_running(&dir, &session.exe, &session.build_id()).await?;
            session.console.message(match started {
                StartOutcome::Started => "started the local cloud",
                StartOutcome::AlreadyRunning => "the local cloud is already running",
                StartOutcome::Replaced => "replaced the running local cloud with this version",
            });
        }
        Command::Stop => {
            client::stop_former_daemon(&paths, STOP_TIMEOUT).await?;
            let stopped = LocalClient::stop(&dir, STOP_TIMEOUT).await?;
            session.console.message(match stopped {
                StopOutcome::NotRunning => "the local cloud is not running",
                StopOutcome::Gracefully => {
                    "stopped the local cloud; `hitctl local start` restarts it with its counts"
                }
                StopOutcome::Killed => "killed the local cloud, which did not respond; its counts are kept",
            });
        }
        Command::Reset(args) => {
            if let Some(note) = client::follow_moved_project(&paths).await? {
                session.console.message(&note);
            }
            let warning = format!("This deletes everything in {}, including the counts.", dir.display());
            session.console.confirm_loss(&warning, "local", args.confirm.as_deref()).await?;
            LocalClient::reset(&dir, STOP_TIMEOUT).await?;
            session.console.message("reset the local cloud");
            // The state of an earlier version is not deleted, because the question did not mention it.
            if let Some(note) = client::pending_move_notice(&paths)? {
                session.console.warn(&note);
            }
        }
        Command::Status | Command::Serve(_) => {
            if let Some(note) = client::pending_move_notice(&paths)? {
                session.console.warn(&note);
            }
        }
    }
    let status = match LocalClient::connect(&dir).await? {
        // A daemon of another version may not have the call for invalidations.
        Some(client) => Some((client.status().await?, client.invalidations().await.unwrap_or_default())),
        None => None,
    };
    session.console.result(&view(dir, status));
    Ok(Exit::Done)
}

/// Runs the local cloud in the foreground until a signal or `local stop` ends it. The daemon has its own small
/// runtime, because it can run idle for days.
pub fn serve(session: &Session, args: Serve) -> Result<Exit, Failure> {
    daemon::run(ServeOptions { state_dir: args.state_dir, build_id: session.build_id() })?;
    Ok(Exit::Done)
}

fn view(state_dir: PathBuf, status: Option<(DaemonStatus, Vec<InvalidationRecord>)>) -> LocalStatusView {
    match status {
        Some((status, invalidations)) => LocalStatusView {
            running: true,
            pid: Some(status.pid),
            control: Some(status.control),
            table: Some(status.table),
            state_dir,
            resources: status.resources as u64,
            invalidations: invalidations_view(invalidations),
            notices: status.notices,
        },
        None => LocalStatusView { state_dir, ..LocalStatusView::default() },
    }
}

/// Returns the number of invalidations that the local cloud has recorded, and the last one. `None` if there are none.
fn invalidations_view(invalidations: Vec<InvalidationRecord>) -> Option<InvalidationsView> {
    let count = invalidations.len() as u64;
    let InvalidationRecord { id, distribution, paths, created_ms, status, .. } =
        invalidations.into_iter().next_back()?;
    let created_at = i64::try_from(created_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let at = created_at.map(|at| at.to_string()).unwrap_or_default();
    Some(InvalidationsView {
        requested: count,
        last: InvalidationRow { id, distribution, paths, at, status },
    })
}
