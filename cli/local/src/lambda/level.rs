//! The level of a line that a function prints, as Lambda reads it to filter application logs.
//!
//! Lambda's guide, "Log-level filtering": outside the managed runtimes a line has a level when it is a JSON object with a
//! valid `level` and a valid RFC 3339 time. Every other line is `INFO`.

use serde::Deserialize;
use serde_json::Value as Json;

/// How much a line matters, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

/// The fields of a line that decide whether it is kept.
#[derive(Deserialize)]
struct Line {
    level: Option<Json>,
    #[serde(alias = "time")]
    timestamp: Option<Json>,
}

impl Level {
    /// Reads the name of a level, in any case.
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

    /// The level of a printed line.
    pub(super) fn of(line: &[u8]) -> Self {
        Self::stated(line).unwrap_or(Self::Info)
    }

    fn stated(line: &[u8]) -> Option<Self> {
        if !line.trim_ascii_start().starts_with(b"{") {
            return None;
        }
        let Line { level, timestamp } = serde_json::from_slice(line).ok()?;
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
            (format!(r#"{{"level":"debug","msg":"x",{time}}}"#), Level::Debug),
            (format!(r#"{{{time},"level":"TRACE"}}"#), Level::Trace),
            (format!(r#" {{{time},"level":"Error"}}"#), Level::Error),
            (r#"{"level":"debug","time":"2024-11-02T16:51:31+01:00"}"#.to_owned(), Level::Debug),
            (format!(r#"{{"level":"loud",{time}}}"#), Level::Info),
            (format!(r#"{{"level":3,{time}}}"#), Level::Info),
            (format!(r"{{{time}}}"), Level::Info),
            (r#"{"level":"debug"}"#.to_owned(), Level::Info),
            (r#"{"level":"debug","timestamp":"yesterday"}"#.to_owned(), Level::Info),
            (r#"{"level":"debug","timestamp":1730566291}"#.to_owned(), Level::Info),
            (r#"{"level":"debug","#.to_owned(), Level::Info),
            (r#"["debug"]"#.to_owned(), Level::Info),
            ("level=debug".to_owned(), Level::Info),
        ] {
            assert_eq!(Level::of(line.as_bytes()), expected, "{line}");
        }
        assert!(Level::Debug < Level::Info && Level::Error < Level::Fatal);
    }
}
