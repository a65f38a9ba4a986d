//! `hitctl local`: the cloud on this machine.

use std::path::PathBuf;
use std::time::Duration;

use hitctl_local::client::{Started, Stopped};
use hitctl_local::protocol::{Invalidation, Status};
use hitctl_local::{Client, ServeOptions, client, daemon};
use hitctl_report::{Exit, Failure, InvalidationRow, InvalidationsView, LocalStatusView};

use crate::session::Session;

/// What to do with the cloud on this machine.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Start it, with everything that was deployed to it
    Start,
    /// Stop it; what is deployed stays, and comes back with `start`
    Stop,
    /// Say whether it runs, and where
    Status,
    /// Stop it and forget everything that was deployed to it, counts too
    Reset(Reset),
    /// Run it in the foreground
    #[command(hide = true)]
    Serve(Serve),
}

/// Stop it and forget everything that was deployed to it, counts too
#[derive(Debug, clap::Args)]
pub struct Reset {
    /// Confirm without a question: the word `local`
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

/// Run it in the foreground.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// Where it keeps its state.
    #[arg(long, value_name = "DIR")]
    pub state_dir: PathBuf,
}

/// How long what runs may take to come to its end before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// Does it.
pub async fn run(session: &mut Session, command: Command) -> Result<Exit, Failure> {
    let loaded = session.load_any_env()?;
    let places = session.local_places(&loaded)?;
    let dir = places.state_dir();
    match command {
        Command::Start => {
            if let Some(note) = client::claim(&places).await? {
                session.console.talk(&note);
            }
            let (_, started) = Client::ensure(&dir, &session.exe, &session.build_id()).await?;
            session.console.talk(match started {
                Started::New => "started the local cloud",
                Started::Already => "the local cloud runs already",
                Started::Replaced => "started this version of the local cloud in place of another",
            });
        }
        Command::Stop => {
            client::stop_former(&places, STOP_WITHIN).await?;
            let stopped = Client::stop(&dir, STOP_WITHIN).await?;
            session.console.talk(match stopped {
                Stopped::NotRunning => "the local cloud does not run",
                Stopped::Gracefully => {
                    "stopped the local cloud; `hitctl local start` brings it back with its counts"
                }
                Stopped::Killed => {
                    "the local cloud did not answer and was killed; what it had counted is safe"
                }
            });
        }
        Command::Reset(args) => {
            if let Some(note) = client::follow(&places).await? {
                session.console.talk(&note);
            }
            let warning = format!("This removes everything in {}, counts too.", dir.display());
            session.console.confirm_loss(&warning, "local", args.confirm.as_deref()).await?;
            Client::reset(&dir, STOP_WITHIN).await?;
            session.console.talk("the local cloud is as new");
            // What an earlier version left was not named in the question, and is not removed.
            if let Some(note) = client::pending(&places)? {
                session.console.warn(&note);
            }
        }
        Command::Status | Command::Serve(_) => {
            if let Some(note) = client::pending(&places)? {
                session.console.warn(&note);
            }
        }
    }
    let status = match Client::connect(&dir).await? {
        // A daemon of another version may not know of them.
        Some(client) => Some((client.status().await?, client.invalidations().await.unwrap_or_default())),
        None => None,
    };
    session.console.result(&view(dir, status));
    Ok(Exit::Done)
}

/// Runs it in the foreground until it is told to stop. On a runtime of its own, small enough to idle for days.
pub fn serve(session: &Session, args: Serve) -> Result<Exit, Failure> {
    daemon::run(ServeOptions { state_dir: args.state_dir, build_id: session.build_id() })?;
    Ok(Exit::Done)
}

fn view(state_dir: PathBuf, status: Option<(Status, Vec<Invalidation>)>) -> LocalStatusView {
    match status {
        Some((status, invalidations)) => LocalStatusView {
            running: true,
            pid: Some(status.pid),
            control: Some(status.control),
            table: Some(status.table),
            state_dir,
            resources: status.resources as u64,
            invalidations: asked(invalidations),
            notices: status.notices,
        },
        None => LocalStatusView { state_dir, ..LocalStatusView::default() },
    }
}

/// What `CloudFront` was asked for: how often, and the last time.
fn asked(invalidations: Vec<Invalidation>) -> Option<InvalidationsView> {
    let asked = invalidations.len() as u64;
    let Invalidation { id, distribution, paths, created_ms, status, .. } =
        invalidations.into_iter().next_back()?;
    let at = i64::try_from(created_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let at = at.map(|at| at.to_string()).unwrap_or_default();
    Some(InvalidationsView { asked, last: InvalidationRow { id, distribution, paths, at, status } })
}
