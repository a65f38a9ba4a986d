//! Writes log lines as JSON, each with one write. Lines must not contain the address or the user agent of a
//! client.

use std::fmt::Display;
use std::io::Write;

use crate::json::JsonObject;
use crate::moment::Moment;

/// The level of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every request.
    Debug,
    /// Rare events.
    Info,
    /// Problems that did not fail a request.
    Warn,
    /// Failures.
    Error,
}

impl Level {
    /// Parses `debug`, `info`, `warn` or `error`, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        let mut levels = [Self::Debug, Self::Info, Self::Warn, Self::Error].into_iter();
        levels.find(|level| level.name().eq_ignore_ascii_case(name.trim()))
    }

    /// Returns the name in AWS's spelling.
    fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// The value of an additional field.
#[derive(Clone, Copy, Debug)]
pub enum LogField<'a> {
    /// A string value.
    Text(&'a str),
    /// A numeric value.
    Number(u64),
}

/// A log line that is written later, without its level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// The message, without any values.
    pub message: &'static str,
    /// The field after the message.
    pub detail: LogDetail,
}

/// The field of a [`LogEvent`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogDetail {
    /// The field `cause`: why an operation failed.
    Cause(String),
    /// A field with this name, which holds a number.
    Number(&'static str, u64),
}

impl LogEvent {
    /// Creates an event about a failure.
    pub fn failure(message: &'static str, cause: &dyn Display) -> Self {
        Self { message, detail: LogDetail::Cause(cause.to_string()) }
    }
}

/// The log writer.
pub struct Logger {
    level: Level,
    clock: fn() -> Moment,
    out: Box<dyn Write>,
}

impl std::fmt::Debug for Logger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logger").field("level", &self.level).finish_non_exhaustive()
    }
}

impl Logger {
    /// Creates a logger that writes lines at `level` and above to `out`.
    pub fn new(level: Level, clock: fn() -> Moment, out: Box<dyn Write>) -> Self {
        Self { level, clock, out }
    }

    /// Returns whether lines at `level` are written.
    pub fn is_on(&self, level: Level) -> bool {
        level >= self.level
    }

    /// Writes a line at level `warn` or `error` about a failure.
    pub(crate) fn write_failure(
        &mut self,
        level: Level,
        request_id: &str,
        message: &str,
        cause: &dyn Display,
    ) {
        self.write_line(level, Some(request_id), message, &[("cause", LogField::Text(&cause.to_string()))]);
    }

    /// Writes a line about an event.
    pub fn write_event(&mut self, level: Level, request_id: Option<&str>, event: &LogEvent) {
        let field = match &event.detail {
            LogDetail::Cause(cause) => ("cause", LogField::Text(cause)),
            LogDetail::Number(name, number) => (*name, LogField::Number(*number)),
        };
        self.write_line(level, request_id, event.message, &[field]);
    }

    /// Writes a line. Write errors are ignored, because they are no reason to lose a hit.
    pub fn write_line(
        &mut self,
        level: Level,
        request_id: Option<&str>,
        message: &str,
        fields: &[(&str, LogField<'_>)],
    ) {
        if !self.is_on(level) {
            return;
        }
        let mut line = JsonObject::new()
            .text("timestamp", &(self.clock)().rfc3339_millis())
            .text("level", level.name())
            .text("message", message);
        if let Some(id) = request_id {
            line = line.text("requestId", id);
        }
        for (name, value) in fields {
            line = match *value {
                LogField::Text(value) => line.text(name, value),
                LogField::Number(value) => line.number(name, value),
            };
        }
        let mut line = line.end();
        line.push('\n');
        drop(self.out.write_all(line.as_bytes()));
        drop(self.out.flush());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    struct SharedBuffer(Arc<Mutex<Vec<u8>>>);

    impl Write for SharedBuffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_json_with_time_level_and_request() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let clock = || Moment::from_millis(1_789_898_400_123);
        let mut log = Logger::new(Level::Info, clock, Box::new(SharedBuffer(Arc::clone(&written))));
        log.write_line(Level::Debug, None, "not written", &[]);
        log.write_line(Level::Info, None, "started", &[]);
        log.write_line(
            Level::Error,
            Some("r-1"),
            "a \"b\"\n",
            &[("status", LogField::Number(503)), ("key", LogField::Text("/x"))],
        );
        log.write_event(Level::Warn, Some("r-2"), &LogEvent::failure("failed to read", &"timed out"));
        let skipped = LogEvent { message: "skipped lines", detail: LogDetail::Number("lines", 2) };
        log.write_event(Level::Warn, None, &skipped);
        let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        insta::assert_snapshot!(written, @r#"
        {"timestamp":"2026-09-20T10:00:00.123Z","level":"INFO","message":"started"}
        {"timestamp":"2026-09-20T10:00:00.123Z","level":"ERROR","message":"a \"b\"\n","requestId":"r-1","status":503,"key":"/x"}
        {"timestamp":"2026-09-20T10:00:00.123Z","level":"WARN","message":"failed to read","requestId":"r-2","cause":"timed out"}
        {"timestamp":"2026-09-20T10:00:00.123Z","level":"WARN","message":"skipped lines","lines":2}
        "#);
    }

    #[test]
    fn levels_are_read_in_any_case() {
        assert_eq!(Level::parse(" WARN "), Some(Level::Warn));
        assert_eq!(Level::parse("verbose"), None);
        assert!(Level::Debug < Level::Info && Level::Info < Level::Warn && Level::Warn < Level::Error);
    }
}
