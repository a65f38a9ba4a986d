//! The results of `send` and `emit`.

use std::fmt::Write as _;

use serde::Serialize;

use crate::failure::Exit;
use crate::render::CommandView;
use crate::style::{TextStyle, Tone};
use crate::{format, text};

/// The result of sending views to the queue.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SendView {
    /// The environment.
    pub env: String,
    /// The name of the queue.
    pub queue: String,
    /// The number of sent views.
    pub hits: u64,
    /// The number of messages that contain these views.
    pub messages: u64,
    /// The invalid lines, which were not sent.
    pub refused: Vec<RejectedLine>,
    /// The lines that the queue rejected.
    pub failed: Vec<RejectedLine>,
    /// The prefix of the message IDs.
    pub id_prefix: String,
    /// The duration in milliseconds.
    pub took_ms: u64,
    /// The batching window of the queue in seconds: the maximum time for which messages are collected before they are
    /// counted.
    #[serde(skip)]
    pub window_s: u32,
}

/// A line that was not sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedLine {
    /// The line number, starting at 1.
    pub line: u64,
    /// The reason.
    pub why: String,
}

/// The result of putting events on a bus.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EmitView {
    /// The environment.
    pub env: String,
    /// The name of the bus.
    pub bus: String,
    /// The number of accepted events.
    pub events: u64,
    /// The event IDs, in the order of the events.
    pub ids: Vec<String>,
    /// The rejected events.
    pub failed: Vec<FailedEvent>,
    /// The duration in milliseconds.
    pub took_ms: u64,
}

/// An event that the bus rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedEvent {
    /// The index in the list, starting at 0.
    pub index: usize,
    /// The error code of EventBridge.
    pub code: String,
    /// The error message of EventBridge.
    pub message: String,
}

impl SendView {
    /// Returns the exit status.
    pub fn exit(&self) -> Exit {
        match (self.failed.is_empty(), self.refused.is_empty()) {
            (true, true) => Exit::Done,
            (false, _) if self.messages > 0 => Exit::Partial,
            _ => Exit::Error,
        }
    }
}

impl CommandView for SendView {
    fn render(&self, style: TextStyle) -> String {
        let count = |n: u64, noun: &str| format::count(n, noun, style);
        let (views, messages) = (count(self.hits, "view"), count(self.messages, "message"));
        let mut out = format!("Sent {views} in {messages} to {}.\n", text::clean(&self.queue));
        for line in &self.failed {
            let head = style.paint(Tone::Bad, format!("line {} was not sent:", line.line));
            let _ = writeln!(out, "{}", text::wrap_after_head(&head, &text::clean(&line.why), 2, style));
        }
        if !self.refused.is_empty() {
            let lines = count(self.refused.len() as u64, "invalid line");
            let _ = writeln!(out, "{}", style.paint(Tone::Bad, format!("{lines} skipped.")));
        }
        if self.messages > 0 {
            if self.window_s > 0 {
                let _ = writeln!(
                    out,
                    "Messages are batched for up to {} s before they are counted.",
                    self.window_s
                );
            }
            let next = format!("hitctl counts list --env {}", text::clean(&self.env));
            let _ = writeln!(out, "next  {}", style.paint(Tone::Link, next));
        }
        out
    }
}

impl CommandView for EmitView {
    fn render(&self, style: TextStyle) -> String {
        let events = format::count(self.events, "event", style);
        let mut out = format!("Put {events} on the bus {}.\n", text::clean(&self.bus));
        for failed in &self.failed {
            let why = format!("{}: {}", text::clean(&failed.code), text::clean(&failed.message));
            let head = style.paint(Tone::Bad, format!("event {} was rejected:", failed.index));
            let _ = writeln!(out, "{}", text::wrap_after_head(&head, &why, 2, style));
        }
        if self.events > 0 {
            let next = format!("hitctl logs --follow --env {}", text::clean(&self.env));
            let _ = writeln!(out, "next  {}", style.paint(Tone::Link, next));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Renderable as _;
    use crate::test_styles::WIDE;

    fn sent() -> SendView {
        SendView {
            hits: 1_200,
            messages: 12,
            env: "prod".to_owned(),
            queue: "hits-prod-hits".to_owned(),
            id_prefix: "monday".to_owned(),
            window_s: 60,
            ..SendView::default()
        }
    }

    #[test]
    fn send_shows_sent_and_rejected_lines() {
        insta::assert_snapshot!(sent().to_text(WIDE), @"
        Sent 1,200 views in 12 messages to hits-prod-hits.
        Messages are batched for up to 60 s before they are counted.
        next  hitctl counts list --env prod
        ");
        assert_eq!(sent().exit(), Exit::Done);
        let invalid = RejectedLine { line: 3, why: "it is not UTF-8".to_owned() };
        let view = SendView { refused: vec![invalid.clone()], ..sent() };
        assert_eq!(view.exit(), Exit::Error);
        let failed = vec![RejectedLine { line: 4, why: "SQS\u{1b} is busy".to_owned() }];
        let view = SendView { refused: vec![invalid], failed, ..sent() };
        insta::assert_snapshot!(view.to_text(TextStyle::PLAIN), @r"
        Sent 1200 views in 12 messages to hits-prod-hits.
        line 4 was not sent: SQS\u{1b} is busy
        1 invalid line skipped.
        Messages are batched for up to 60 s before they are counted.
        next  hitctl counts list --env prod
        ");
        assert_eq!(view.exit(), Exit::Partial);
        insta::assert_snapshot!(view.to_json(), @r#"{"v":1,"env":"prod","queue":"hits-prod-hits","hits":1200,"messages":12,"refused":[{"line":3,"why":"it is not UTF-8"}],"failed":[{"line":4,"why":"SQS\u001b is busy"}],"id_prefix":"monday","took_ms":0}"#);
    }

    #[test]
    fn emit_shows_accepted_and_rejected_events() {
        let failed = FailedEvent { index: 2, code: "NotAuthorized".to_owned(), message: "no".to_owned() };
        let view = EmitView {
            env: "local".to_owned(),
            bus: "default".to_owned(),
            events: 1,
            ids: vec!["8f".to_owned()],
            failed: vec![failed],
            took_ms: 3,
        };
        insta::assert_snapshot!(view.to_text(TextStyle::PLAIN), @"
        Put 1 event on the bus default.
        event 2 was rejected: NotAuthorized: no
        next  hitctl logs --follow --env local
        ");
        insta::assert_snapshot!(view.to_json(), @r#"{"v":1,"env":"local","bus":"default","events":1,"ids":["8f"],"failed":[{"index":2,"code":"NotAuthorized","message":"no"}],"took_ms":3}"#);
    }
}
