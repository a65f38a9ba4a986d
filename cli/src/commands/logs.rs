//! `hitctl logs`.

use std::time::Duration;

use hitctl_cloud::{Access, Cloud};
use hitctl_config::names;
use hitctl_report::{Exit, Failure, LogLine, LogsView};

use crate::flags::duration;
use crate::session::Session;

/// Said where there is nothing to show, so that nobody waits for it.
const NOTHING: &str =
    "nothing was logged in that time; `--since 1h` looks further back, `--follow` waits for more";

/// Show what the function logged
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl logs --since 1h\n  hitctl logs --follow --filter error")]
pub struct Args {
    /// Go on showing what comes, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// Begin so long ago: 30s, 10m, 2h, 7d
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    pub since: Duration,
    /// Show only lines that contain this text
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
}

/// Shows the log.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let loaded = session.load()?;
    let cloud = session.cloud(&loaded, Access::Read, &hitctl_engine::Sink::none()).await?;
    let group = names::log_group(&loaded.app.app, &loaded.env);
    let since =
        jiff::Timestamp::now().as_millisecond() - i64::try_from(args.since.as_millis()).unwrap_or(i64::MAX);
    let mut after = None;
    let mut lines = Vec::new();
    loop {
        let more = pull(&*cloud, &group, since, &mut after, args.filter.as_deref()).await?;
        if args.follow {
            for line in &more {
                if !session.console.stream(line) {
                    // Nobody reads any more.
                    return Ok(session.console.end(Exit::Done));
                }
            }
            let pause = wait(cloud.logs_every());
            tokio::select! {
                () = pause => {}
                () = session.stop.cancelled() => return Ok(Exit::Interrupted),
            }
        } else if more.is_empty() {
            if lines.is_empty() {
                session.console.talk(NOTHING);
            }
            session.console.result(&LogsView { lines });
            return Ok(Exit::Done);
        } else {
            lines.extend(more);
        }
    }
}

/// The events since the cursor, which moves on.
async fn pull(
    cloud: &dyn Cloud,
    group: &str,
    since_ms: i64,
    after: &mut Option<String>,
    filter: Option<&str>,
) -> Result<Vec<LogLine>, Failure> {
    let mut lines = Vec::new();
    loop {
        let page = cloud.logs(group, since_ms, after.clone()).await?;
        let done = page.events.is_empty();
        if page.next.is_some() {
            *after = page.next;
        }
        let wanted =
            page.events.into_iter().filter(|(_, text)| filter.is_none_or(|filter| text.contains(filter)));
        lines.extend(wanted.map(|(timestamp_ms, message)| LogLine { timestamp_ms, message }));
        if done || !lines.is_empty() {
            return Ok(lines);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "following a log is polling by nature; Ctrl-C ends it")]
async fn wait(pause: Duration) {
    tokio::time::sleep(pause).await;
}
