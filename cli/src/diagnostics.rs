//! Writes log lines to stderr for `-vv` and `HITCTL_LOG`, such as every AWS call with its request ID and duration.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;

use hitctl_report::{Failure, Notifier};
use tracing::Dispatch;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

/// The variable with the filter: a level, or a list such as `hitctl_cloud=debug,aws_config=trace`.
const VARIABLE: &str = "HITCTL_LOG";
/// The filter of `-vv`: every call and the sources of every failure, but no log lines of libraries.
const VERBOSE: &str = "hitctl=debug,hitctl_cloud=debug";

/// Returns the subscriber for log lines. It discards them unless the variable is set or `-v` is given twice.
pub(crate) fn dispatch(
    env: &BTreeMap<String, String>,
    verbose: u8,
    notifier: &Notifier,
) -> Result<Dispatch, Failure> {
    let set = env.get(VARIABLE).map(|value| value.trim()).filter(|value| !value.is_empty());
    let Some(filter) = set.or((verbose > 1).then_some(VERBOSE)) else { return Ok(Dispatch::none()) };
    let targets: Targets = filter.parse().map_err(|_| {
        Failure::usage(format!("{VARIABLE}: expected a level or a list of targets, found {filter:?}"))
            .hinted("set it to `debug`, or to a list such as `hitctl_cloud=debug,aws_config=trace`")
    })?;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .without_time()
        .with_writer(StderrWriter(notifier.clone()));
    Ok(Dispatch::new(tracing_subscriber::registry().with(targets).with(lines)))
}

/// Logs the sources of a failure that the console does not show, from the outermost to the innermost.
pub(crate) fn log_sources(failure: &Failure) {
    for failure in failure.all() {
        let mut error = failure.source().and_then(Error::source);
        while let Some(source) = error {
            tracing::debug!(code = failure.code.as_str(), source = %source, "caused by");
            error = source.source();
        }
    }
}

/// Writes log lines to stderr, above the progress display.
struct StderrWriter(Notifier);

impl<'a> MakeWriter<'a> for StderrWriter {
    type Writer = LogLineWriter<'a>;

    fn make_writer(&'a self) -> LogLineWriter<'a> {
        LogLineWriter(&self.0)
    }
}

struct LogLineWriter<'a>(&'a Notifier);

impl io::Write for LogLineWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.log_line(String::from_utf8_lossy(bytes).trim());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
