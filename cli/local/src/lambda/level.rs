//! The log level of a line that a function prints, as Lambda determines it to filter application logs.
//!
//! Lambda's guide, "Log-level filtering": outside the managed runtimes, a line has a level if it is a JSON
//! object with a valid `level` and a valid RFC 3339 time. Every other line is `INFO`.

use serde::Deserialize;
use serde_json::Value as Json;

/// The level of a log line, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

/// The fields of a log line that determine its level.
#[derive(Deserialize)]
struct JsonLogLine {
    level: Option<Json>,
    #[serde(alias = "time")]
    timestamp: Option<Json>,
}

impl LogLevel {
    /// Parses the name of a level, in any case.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let all = [
            ("trace", Self::Trace),
            ("debug", Self::Debug),
            ("info", Self::Info),
            ("warn", Self::Warn),
            ("error", Self::Error),
            ("fatal", Self::Fatal),
        ];
        all.into_iter().find(|(level, _)| level.eq_ignore_ascii_case(name)).map(|(_, level)| level)
    }

    /// Returns the level of a printed line.
    pub(super) fn of_line(line: &[u8]) -> Self {
        Self::explicit(line).unwrap_or(Self::Info)
    }

    fn explicit(line: &[u8]) -> Option<Self> {
        if !line.trim_ascii_start().starts_with(b"{") {
            return None;
        }
        let JsonLogLine { level, timestamp } = serde_json::from_slice(line).ok()?;
        timestamp?.as_str()?.parse::<jiff::Timestamp>().ok()?;
        Self::parse(level?.as_str()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_without_a_valid_level_and_time_is_info() {
        let time = r#""timestamp":"2024-11-02T16:51:31.587199Z""#;
        for (line, expected) in [
            (format!(r#"{{"level":"debug","msg":"x",{time}}}"#), LogLevel::Debug),
            (format!(r#"{{{time},"level":"TRACE"}}"#), LogLevel::Trace),
            (format!(r#" {{{time},"level":"Error"}}"#), LogLevel::Error),
            (r#"{"level":"debug","time":"2024-11-02T16:51:31+01:00"}"#.to_owned(), LogLevel::Debug),
            (format!(r#"{{"level":"loud",{time}}}"#), LogLevel::Info),
            (format!(r#"{{"level":3,{time}}}"#), LogLevel::Info),
            (format!(r"{{{time}}}"), LogLevel::Info),
            (r#"{"level":"debug"}"#.to_owned(), LogLevel::Info),
            (r#"{"level":"debug","timestamp":"yesterday"}"#.to_owned(), LogLevel::Info),
            (r#"{"level":"debug","timestamp":1730566291}"#.to_owned(), LogLevel::Info),
            (r#"{"level":"debug","#.to_owned(), LogLevel::Info),
            (r#"["debug"]"#.to_owned(), LogLevel::Info),
            ("level=debug".to_owned(), LogLevel::Info),
        ] {
            assert_eq!(LogLevel::of_line(line.as_bytes()), expected, "{line}");
        }
        assert!(LogLevel::Debug < LogLevel::Info && LogLevel::Error < LogLevel::Fatal);
    }
}
