//! The result of `invoke`: the response of the deployed function.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value as Json;

use super::logs;
use crate::render::CommandView;
use crate::style::{TextStyle, Tone};
use crate::text;

/// The response of a function.
#[derive(Clone, Debug, Serialize)]
pub struct InvokeView {
    /// The HTTP status. It is 200 for a payload that is not an HTTP response, and 500 for a failed invocation.
    status: u64,
    headers: BTreeMap<String, String>,
    body: Json,
    duration_ms: f64,
    log: String,
    /// Lambda's error type of a failed invocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<String>,
}

impl InvokeView {
    /// Returns the view of a response: the payload, Lambda's error type, the duration in milliseconds, and
    /// the log tail.
    pub fn new(payload: &Json, function_error: Option<String>, duration_ms: f64, log: String) -> Self {
        let http = payload.get("statusCode").and_then(Json::as_u64).filter(|_| function_error.is_none());
        let headers = payload.get("headers").and_then(Json::as_object).filter(|_| http.is_some());
        let headers = headers.into_iter().flatten().map(|(name, value)| {
            (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        });
        let body = match (http, payload.get("body")) {
            (None, _) => payload.clone(),
            // The body is a string. If it contains JSON, `--json` shows the parsed JSON.
            (Some(_), Some(Json::String(text))) => {
                serde_json::from_str(text).unwrap_or_else(|_| text.clone().into())
            }
            (Some(_), other) => other.cloned().unwrap_or(Json::Null),
        };
        let status = http.unwrap_or(if function_error.is_some() { 500 } else { 200 });
        Self { status, headers: headers.collect(), body, duration_ms, log, function_error }
    }

    /// Whether the invocation failed, the status is 500 or higher, or the batch response lists failed items.
    pub fn is_failure(&self) -> bool {
        let failed_items = self.body.get("batchItemFailures").and_then(Json::as_array);
        self.function_error.is_some()
            || self.status >= 500
            || failed_items.is_some_and(|items| !items.is_empty())
    }
}

/// A generated event.
#[derive(Clone, Debug, Serialize)]
pub struct EventView {
    /// The event as JSON.
    pub event: Json,
}

impl CommandView for EventView {
    fn render(&self, _: TextStyle) -> String {
        text::clean_lines(&serde_json::to_string_pretty(&self.event).unwrap_or_default()) + "\n"
    }
}

impl CommandView for InvokeView {
    fn render(&self, style: TextStyle) -> String {
        let tone = match self.status {
            _ if self.is_failure() => Tone::Bad,
            400.. => Tone::Warn,
            _ => Tone::Good,
        };
        let status = match &self.function_error {
            Some(error) => format!("failed: {}", text::clean(error)),
            None => self.status.to_string(),
        };
        let mut out = format!("{}  {:.1} ms\n", style.paint(tone, status), self.duration_ms);
        for (name, value) in &self.headers {
            let line = format!("{}: {}", text::clean(name), text::clean(value));
            let _ = writeln!(out, "{}", style.paint(Tone::Dim, line));
        }
        let body = match &self.body {
            Json::Null => String::new(),
            Json::String(text) => text::clean_lines(text),
            other => text::clean_lines(&serde_json::to_string_pretty(other).unwrap_or_default()),
        };
        if !body.is_empty() {
            let _ = writeln!(out, "\n{}", body.trim_end());
        }
        let log = logs::render_tail(&self.log, style);
        if !log.is_empty() {
            let _ = write!(out, "\n{}\n{log}", style.paint(Tone::Dim, "log"));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::Renderable as _;
    use crate::test_styles::{COLOUR, visible};

    fn view() -> InvokeView {
        let payload = json!({
            "statusCode": 200,
            "headers": { "content-type": "application/json", "x": "\u{1b}[2J" },
            "body": "{\"v\":1,\"path\":\"/\",\"hits\":8}",
        });
        InvokeView::new(
            &payload,
            None,
            3.25,
            "START RequestId: 8f5e2c1a Version: 1\n{\"level\":\"INFO\",\"message\":\"counted\"}\n".to_owned(),
        )
    }

    #[test]
    fn response_is_shown_with_log() {
        insta::assert_snapshot!(view().to_text(TextStyle::PLAIN), @r#"
        200  3.2 ms
        content-type: application/json
        x: \u{1b}[2J

        {
          "hits": 8,
          "path": "/",
          "v": 1
        }

        log
          start    request=8f5e2c1a
          INFO   counted
        "#);
        assert!(visible(&view().to_text(COLOUR)).starts_with("<32m200</>  3.2 ms\n"));
        assert!(!view().is_failure());
    }

    #[test]
    fn json_format_is_stable() {
        insta::assert_snapshot!(view().to_json(), @r#"{"v":1,"status":200,"headers":{"content-type":"application/json","x":"\u001b[2J"},"body":{"hits":8,"path":"/","v":1},"duration_ms":3.25,"log":"START RequestId: 8f5e2c1a Version: 1\n{\"level\":\"INFO\",\"message\":\"counted\"}\n"}"#);
    }

    #[test]
    fn failed_invocation_shows_lambdas_error() {
        let payload = json!({"errorType": "Panic", "errorMessage": "boom"});
        let failed = InvokeView::new(&payload, Some("Unhandled".to_owned()), 1.0, String::new());
        assert!(failed.is_failure());
        insta::assert_snapshot!(failed.to_text(TextStyle::PLAIN), @r#"
        failed: Unhandled  1.0 ms

        {
          "errorMessage": "boom",
          "errorType": "Panic"
        }
        "#);
        let other = InvokeView::new(&json!({"batchItemFailures": []}), None, 1.0, String::new());
        assert_eq!((other.status, other.is_failure()), (200, false));
        let failed_batch = json!({"batchItemFailures": [{"itemIdentifier": "m-1"}]});
        assert!(
            InvokeView::new(&failed_batch, None, 1.0, String::new()).is_failure(),
            "a message was refused"
        );
        let text =
            InvokeView::new(&json!({"statusCode": 503, "body": "busy\u{7}"}), None, 1.0, String::new());
        assert!(text.is_failure());
        assert_eq!(text.to_text(TextStyle::PLAIN), "503  1.0 ms\n\nbusy\\u{7}\n");
    }
}
