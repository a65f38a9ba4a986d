//! Renders log lines: JSON lines of the function, Lambda's own lines in text and JSON format, and other lines
//! unchanged.
//!
//! A log contains text that strangers sent, so everything is escaped before it is shown.

use std::fmt::Write as _;

use serde::Serialize;
use serde::ser::SerializeStruct;
use serde_json::{Map, Value as Json};

use crate::render::{CommandView, Renderable};
use crate::style::{TextStyle, Tone};
use crate::text;

/// Log lines, oldest first.
#[derive(Clone, Debug, Serialize)]
pub struct LogsView {
    /// The log lines.
    pub lines: Vec<LogLine>,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The time in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The line as it was logged.
    pub message: String,
}

/// A parsed log line.
struct ParsedLogLine {
    /// A level such as `INFO`, or `start`, `end` or `report` for Lambda's own lines.
    level: String,
    message: String,
    fields: Vec<(String, String)>,
}

impl LogLine {
    /// Returns the level of the line, if it has one.
    pub fn level(&self) -> Option<String> {
        let level = parse(&self.message).level;
        (!level.is_empty()).then_some(level)
    }
}

impl Serialize for LogLine {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("LogLine", 3)?;
        out.serialize_field("timestamp", &format_time(self.timestamp_ms, "%Y-%m-%dT%H:%M:%S%.3fZ"))?;
        out.serialize_field("level", &self.level())?;
        out.serialize_field("message", self.message.trim_end())?;
        out.end()
    }
}

impl CommandView for LogLine {
    fn render(&self, style: TextStyle) -> String {
        let format = if style.narrow() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S%.3fZ" };
        let time = style.paint(Tone::Dim, format_time(self.timestamp_ms, format));
        format!("{time} {}", render_message(&self.message, style)).trim_end().to_owned() + "\n"
    }
}

impl CommandView for LogsView {
    fn render(&self, style: TextStyle) -> String {
        self.lines.iter().map(|line| Renderable::to_text(line, style)).collect()
    }
}

/// Renders the lines of a log tail, without times.
pub(super) fn render_tail(log: &str, style: TextStyle) -> String {
    log.lines().filter(|line| !line.trim().is_empty()).fold(String::new(), |mut out, line| {
        let _ = writeln!(out, "  {}", render_message(line, style));
        out
    })
}

/// Renders a line without its time: level, message and fields.
fn render_message(line: &str, style: TextStyle) -> String {
    let ParsedLogLine { level, message, fields } = parse(line);
    let tone = match level.as_str() {
        "ERROR" | "FATAL" | "CRITICAL" => Tone::Bad,
        "WARN" => Tone::Warn,
        "INFO" => Tone::Good,
        _ => Tone::Dim,
    };
    let is_lambda_line = level.chars().any(char::is_lowercase);
    let body = text::clean(&message);
    let body = if is_lambda_line { style.paint(Tone::Dim, body) } else { body.into_owned() };
    let mut out = format!("{} {body}", style.paint(tone, text::pad(&text::clean(&level), 6)));
    for (name, value) in fields {
        let field = format!("{}={}", text::clean(&name), text::clean(&value));
        let _ = write!(out, "  {}", style.paint(Tone::Dim, field));
    }
    out.trim_end().to_owned()
}

fn parse(line: &str) -> ParsedLogLine {
    let line = line.trim_end();
    match serde_json::from_str::<Json>(line) {
        Ok(Json::Object(object)) => match object.get("type").and_then(Json::as_str) {
            Some(kind) if kind.starts_with("platform.") && object.contains_key("record") => {
                parse_platform_json(kind, &object)
            }
            _ => parse_application(object),
        },
        _ => parse_platform_text(line).unwrap_or_else(|| ParsedLogLine {
            level: String::new(),
            message: line.to_owned(),
            fields: Vec::new(),
        }),
    }
}

/// Parses a JSON line of the function.
fn parse_application(mut object: Map<String, Json>) -> ParsedLogLine {
    // Some loggers nest the message in `fields`.
    if let Some(Json::Object(inner)) = object.remove("fields") {
        for (name, value) in inner {
            object.entry(name).or_insert(value);
        }
    }
    let mut remove_first = |names: &[&str]| names.iter().find_map(|name| object.remove(*name)).map(unquoted);
    let level = remove_first(&["level", "severity", "lvl"]).unwrap_or_default().to_uppercase();
    let message = remove_first(&["message", "msg", "errorMessage"]).unwrap_or_default();
    let request = remove_first(&["requestId", "request_id", "AWSRequestId"]);
    // The time of the log event is shown instead of the time in the line.
    drop(remove_first(&["timestamp", "time", "ts"]));
    let mut fields: Vec<(String, String)> =
        object.into_iter().map(|(name, value)| (name, quoted_if_needed(unquoted(value)))).collect();
    fields.extend(request.map(|id| ("request".to_owned(), short_id(&id))));
    let level = if level == "WARNING" { "WARN".to_owned() } else { level };
    ParsedLogLine { level, message, fields }
}

/// Parses one of Lambda's own lines in JSON format.
fn parse_platform_json(kind: &str, object: &Map<String, Json>) -> ParsedLogLine {
    let record = object.get("record").unwrap_or(&Json::Null);
    let metric =
        |name: &str| record.get("metrics").and_then(|metrics| metrics.get(name)).and_then(Json::as_f64);
    let event = kind.trim_start_matches("platform.");
    let (level, message) = match event {
        "report" => {
            let parts = [
                metric("durationMs").map(|ms| format!("{ms} ms")),
                metric("billedDurationMs").map(|ms| format!("billed {ms} ms")),
                metric("maxMemoryUsedMB")
                    .zip(metric("memorySizeMB"))
                    .map(|(used, size)| format!("{used} of {size} MB")),
                metric("initDurationMs").map(|ms| format!("init {ms} ms")),
                failed_status(record.get("status").and_then(Json::as_str)),
            ];
            ("report", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
        }
        "start" => ("start", String::new()),
        "runtimeDone" => {
            ("end", failed_status(record.get("status").and_then(Json::as_str)).unwrap_or_default())
        }
        other if other.starts_with("init") => ("init", other.trim_start_matches("init").to_lowercase()),
        other => ("lambda", other.to_owned()),
    };
    let id = record.get("requestId").and_then(Json::as_str);
    let fields = id.map(|id| ("request".to_owned(), short_id(id))).into_iter().collect();
    ParsedLogLine { level: level.to_owned(), message, fields }
}

/// Parses one of Lambda's own lines in text format.
fn parse_platform_text(line: &str) -> Option<ParsedLogLine> {
    let request = |rest: &str| {
        let id = rest.strip_prefix("RequestId: ")?.split_whitespace().next()?;
        Some(vec![("request".to_owned(), short_id(id))])
    };
    let parsed = |level: &str, message: String, fields| {
        Some(ParsedLogLine { level: level.to_owned(), message, fields })
    };
    let (word, rest) = line.split_once(' ')?;
    match word {
        "START" => parsed("start", String::new(), request(rest)?),
        "END" => parsed("end", String::new(), request(rest)?),
        "INIT_START" => parsed("init", rest.replace('\t', ", "), Vec::new()),
        "REPORT" => {
            let fields = request(rest)?;
            let part = |name: &str| {
                let parts = rest.split('\t').find_map(|part| part.trim().strip_prefix(name));
                parts.map(|value| value.trim_start_matches(':').trim().to_owned())
            };
            let used = part("Max Memory Used").zip(part("Memory Size"));
            let parts = [
                part("Duration"),
                part("Billed Duration").map(|ms| format!("billed {ms}")),
                used.map(|(used, size)| format!("{} of {size}", used.trim_end_matches(" MB"))),
                part("Init Duration").map(|ms| format!("init {ms}")),
                failed_status(part("Status").as_deref()),
            ];
            parsed("report", parts.into_iter().flatten().collect::<Vec<_>>().join(", "), fields)
        }
        _ => None,
    }
}

/// Returns the status of an invocation, or `None` if it is `success`.
fn failed_status(status: Option<&str>) -> Option<String> {
    status.filter(|status| *status != "success").map(str::to_owned)
}

/// Returns a value as text. A string has no quotes.
fn unquoted(value: Json) -> String {
    match value {
        Json::String(text) => text,
        other => other.to_string(),
    }
}

fn quoted_if_needed(value: String) -> String {
    if value.is_empty() || value.contains(char::is_whitespace) { format!("{value:?}") } else { value }
}

/// Shortens a request ID to 8 characters, which are enough to distinguish requests.
fn short_id(id: &str) -> String {
    id.chars().take(8).collect()
}

/// Formats a time in UTC. A time that is out of range is shown as a number.
fn format_time(ms: i64, format: &str) -> String {
    jiff::Timestamp::from_millisecond(ms)
        .map_or_else(|_| ms.to_string(), |at| at.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_styles::{COLOUR, NARROW, visible};

    const LINES: &[&str] = &[
        r#"{"timestamp":"2026-09-20T10:00:00.123Z","level":"INFO","message":"counted","requestId":"8f5e2c1a-77aa","path":"/a b","hits":7}"#,
        r#"{"level":"warning","fields":{"message":"slow","ms":120}}"#,
        r#"{"level":"ERROR","message":"table is gone"}"#,
        "START RequestId: 8f5e2c1a-77aa Version: $LATEST\n",
        "REPORT RequestId: 8f5e2c1a-77aa\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 15 MB\tInit Duration: 14.00 ms\t\n",
        "END RequestId: 8f5e2c1a-77aa",
        r#"{"time":"x","type":"platform.report","record":{"requestId":"8f5e2c1a-77aa","metrics":{"durationMs":1.2,"billedDurationMs":2,"memorySizeMB":128,"maxMemoryUsedMB":15},"status":"timeout"}}"#,
        r#"{"time":"x","type":"platform.start","record":{"requestId":"8f5e2c1a-77aa"}}"#,
        "thread 'main' panicked",
        "\u{1b}]0;owned\u{7} bell \r and [31mred",
        "{not json",
        "",
        "REPORT nothing of the kind",
        "[1,2]",
        r#"{"level":"info","message":"\u001b[2J gone?","\u001b":1}"#,
    ];

    fn view() -> LogsView {
        let line = |(n, text): (usize, &&str)| LogLine {
            timestamp_ms: 1_789_898_400_123 + i64::try_from(n).unwrap(),
            message: (*text).to_owned(),
        };
        LogsView { lines: LINES.iter().enumerate().map(line).collect() }
    }

    #[test]
    fn log_lines_are_parsed_and_escaped() {
        insta::assert_snapshot!(Renderable::to_text(&view(), TextStyle::PLAIN), @r#"
        2026-09-20 10:00:00.123Z INFO   counted  hits=7  path="/a b"  request=8f5e2c1a
        2026-09-20 10:00:00.124Z WARN   slow  ms=120
        2026-09-20 10:00:00.125Z ERROR  table is gone
        2026-09-20 10:00:00.126Z start    request=8f5e2c1a
        2026-09-20 10:00:00.127Z report 1.23 ms, billed 2 ms, 15 of 128 MB, init 14.00 ms  request=8f5e2c1a
        2026-09-20 10:00:00.128Z end      request=8f5e2c1a
        2026-09-20 10:00:00.129Z report 1.2 ms, billed 2 ms, 15 of 128 MB, timeout  request=8f5e2c1a
        2026-09-20 10:00:00.130Z start    request=8f5e2c1a
        2026-09-20 10:00:00.131Z        thread 'main' panicked
        2026-09-20 10:00:00.132Z        \u{1b}]0;owned\u{7} bell \r and [31mred
        2026-09-20 10:00:00.133Z        {not json
        2026-09-20 10:00:00.134Z
        2026-09-20 10:00:00.135Z        REPORT nothing of the kind
        2026-09-20 10:00:00.136Z        [1,2]
        2026-09-20 10:00:00.137Z INFO   \u{1b}[2J gone?  \u{1b}=1
        "#);
        let narrow = Renderable::to_text(&view().lines[2], NARROW);
        assert_eq!(narrow, "10:00:00 ERROR  table is gone\n");
        insta::assert_snapshot!(visible(&Renderable::to_text(&view().lines[2], COLOUR)), @"<2m2026-09-20 10:00:00.125Z</> <31mERROR </> table is gone");
    }

    #[test]
    fn json_contains_unparsed_line() {
        let view = LogsView { lines: view().lines[1..3].to_vec() };
        insta::assert_snapshot!(view.to_json(), @r#"{"v":1,"lines":[{"timestamp":"2026-09-20T10:00:00.124Z","level":"WARN","message":"{\"level\":\"warning\",\"fields\":{\"message\":\"slow\",\"ms\":120}}"},{"timestamp":"2026-09-20T10:00:00.125Z","level":"ERROR","message":"{\"level\":\"ERROR\",\"message\":\"table is gone\"}"}]}"#);
        assert!(view.lines[0].to_json().starts_with(r#"{"v":1,"timestamp":"#));
    }

    #[test]
    fn time_out_of_range_is_number() {
        let line = LogLine { timestamp_ms: i64::MAX, message: "x".to_owned() };
        assert!(Renderable::to_text(&line, TextStyle::PLAIN).starts_with("9223372036854775807 "));
    }
}
