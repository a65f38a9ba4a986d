//! `hitctl logs`: shows the log lines of the function.

use std::time::Duration;

use hitctl_cloud::{AccessMode, Cloud};
use hitctl_config::names;
use hitctl_report::{Exit, Failure, LogLine, LogsView};

use crate::flags::duration;
use crate::session::Session;

/// The message if there is no log line.
const NO_LINES: &str =
    "no log lines in this period; pass `--since 1h` to start earlier, or `--follow` to wait for new lines";

/// Show the function's log
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl logs --since 1h\n  hitctl logs --follow --filter error")]
pub struct Args {
    /// Keep printing new lines until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// Start this long ago: 30s, 10m, 2h, 7d
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    pub since: Duration,
    /// Only lines that contain this text
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
}

/// Shows the log lines.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let config = session.load()?;
    let cloud = session.cloud(&config, AccessMode::Read, &hitctl_engine::EventSink::none()).await?;
    let group = names::log_group(&config.app.app, &config.env);
    let since =
        jiff::Timestamp::now().as_millisecond() - i64::try_from(args.since.as_millis()).unwrap_or(i64::MAX);
    let mut cursor = None;
    let mut lines = Vec::new();
    loop {
        let more = read_new_lines(&*cloud, &group, since, &mut cursor, args.filter.as_deref()).await?;
        if args.follow {
            for line in &more {
                if !session.console.stream_line(line) {
                    // The reader has closed stdout.
                    return Ok(session.console.finish(Exit::Done));
                }
            }
            let pause = wait(cloud.log_poll_interval());
            tokio::select! {
                () = pause => {}
                () = session.stop.cancelled() => return Ok(Exit::Interrupted),
            }
        } else if more.is_empty() {
            if lines.is_empty() {
                session.console.message(NO_LINES);
            }
            session.console.result(&LogsView { lines });
            return Ok(Exit::Done);
        } else {
            lines.extend(more);
        }
    }
}

/// Returns the next log lines after `cursor`, and moves the cursor behind them. Returns none if the log has no newer
/// line.
async fn read_new_lines(
    cloud: &dyn Cloud,
    group: &str,
    since_ms: i64,
    cursor: &mut Option<String>,
    filter: Option<&str>,
) -> Result<Vec<LogLine>, Failure> {
    let mut lines = Vec::new();
    loop {
        let page = cloud.log_page(group, since_ms, cursor.clone()).await?;
        let is_last = page.events.is_empty();
        if page.next_cursor.is_some() {
            *cursor = page.next_cursor;
        }
        let matching =
            page.events.into_iter().filter(|(_, text)| filter.is_none_or(|filter| text.contains(filter)));
        lines.extend(matching.map(|(timestamp_ms, message)| LogLine { timestamp_ms, message }));
        if is_last || !lines.is_empty() {
            return Ok(lines);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "following a log is polling by nature; Ctrl-C ends it")]
async fn wait(pause: Duration) {
    tokio::time::sleep(pause).await;
}
