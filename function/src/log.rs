//! Log lines: JSON on standard output, one write each. Never an address or a user agent of a client.

use std::fmt::Display;
use std::io::Write;

use crate::json::Object;
use crate::moment::Moment;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every request.
    Debug,
    /// What happens rarely.
    Info,
    /// What somebody should look at some day.
    Warn,
    /// What failed.
    Error,
}

impl Level {
    /// Reads `debug`, `info`, `warn` or `error`, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        let mut levels = [Self::Debug, Self::Info, Self::Warn, Self::Error].into_iter();
        levels.find(|level| level.name().eq_ignore_ascii_case(name.trim()))
    }

    /// As AWS writes it.
    fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// A field of a line beyond those that every line has.
#[derive(Clone, Copy, Debug)]
pub enum Field<'a> {
    /// A string.
    Text(&'a str),
    /// A number.
    Number(u64),
}

/// The log.
pub struct Log {
    level: Level,
    clock: fn() -> Moment,
    out: Box<dyn Write>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("level", &self.level).finish_non_exhaustive()
    }
}

impl Log {
    /// A log of what is at least at `level`.
    pub fn new(level: Level, clock: fn() -> Moment, out: Box<dyn Write>) -> Self {
        Self { level, clock, out }
    }

    /// Whether lines at `level` are written.
    pub fn is_on(&self, level: Level) -> bool {
        level >= self.level
    }

    /// Writes a line at level `warn` or `error` about something that failed.
    pub(crate) fn failure(&mut self, level: Level, request_id: &str, message: &str, cause: &dyn Display) {
        self.line(level, Some(request_id), message, &[("cause", Field::Text(&cause.to_string()))]);
    }

    /// Writes a line. A log that cannot be written is no reason to lose a hit: errors are dropped.
    pub fn line(
        &mut self,
        level: Level,
        request_id: Option<&str>,
        message: &str,
        fields: &[(&str, Field<'_>)],
    ) {
        if !self.is_on(level) {
            return;
        }
        let mut line = Object::new()
            .text("timestamp", &(self.clock)().rfc3339_millis())
            .text("level", level.name())
            .text("message", message);
        if let Some(id) = request_id {
            line = line.text("requestId", id);
        }
        for (name, value) in fields {
            line = match *value {
                Field::Text(value) => line.text(name, value),
                Field::Number(value) => line.number(name, value),
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

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
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
        let mut log = Log::new(Level::Info, clock, Box::new(Shared(Arc::clone(&written))));
        log.line(Level::Debug, None, "not written", &[]);
        log.line(Level::Info, None, "started", &[]);
        log.line(
            Level::Error,
            Some("r-1"),
            "a \"b\"\n",
            &[("status", Field::Number(503)), ("key", Field::Text("/x"))],
        );
        let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        insta::assert_snapshot!(written, @r#"
        {"timestamp":"2026-09-20T10:00:00.123Z","level":"INFO","message":"started"}
        {"timestamp":"2026-09-20T10:00:00.123Z","level":"ERROR","message":"a \"b\"\n","requestId":"r-1","status":503,"key":"/x"}
        "#);
    }

    #[test]
    fn levels_are_read_in_any_case() {
        assert_eq!(Level::parse(" WARN "), Some(Level::Warn));
        assert_eq!(Level::parse("verbose"), None);
        assert!(Level::Debug < Level::Info && Level::Info < Level::Warn && Level::Warn < Level::Error);
    }
}
