//! The results of `dlq list`, `dlq redrive` and `dlq purge`.

use std::fmt::Write as _;

use serde::Serialize;

use crate::failure::Exit;
use crate::format::plural;
use crate::render::CommandView;
use crate::style::{TextStyle, Tone};
use crate::{format, text};

/// The maximum number of characters of a body in the text output. JSON contains the whole body.
const MAX_BODY_CHARS: usize = 200;

/// Dead letters, oldest first.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLettersView {
    /// The dead letters.
    pub messages: Vec<DeadLetterRow>,
    /// The name of the dead-letter queue.
    pub queue: String,
    /// The approximate number of messages in the queue.
    pub about: u64,
    /// The environment.
    #[serde(skip)]
    pub env: String,
}

/// One dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetterRow {
    /// The message ID.
    pub id: String,
    /// The message, event or payload that was not counted.
    pub body: String,
    /// The receive count, including the receive by this command.
    pub received: u64,
    /// The reason why it became a dead letter.
    pub why: String,
    /// `message`, `event` or `invocation`.
    pub kind: String,
    /// The time when it was sent, in UTC.
    pub sent: Option<String>,
}

/// The result of a redrive.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RedriveView {
    /// The environment.
    pub env: String,
    /// The name of the dead-letter queue.
    pub queue: String,
    /// The number of dead letters that were sent back to the queue.
    pub to_queue: u64,
    /// The number of dead letters with which the function was invoked.
    pub to_function: u64,
    /// The dead letters that were not redriven, or not deleted after that.
    pub failed: Vec<FailedRedrive>,
    /// The requested IDs that were not found.
    pub missing: Vec<String>,
    /// The approximate number of messages that another consumer has received, if this command received none.
    pub hidden: u64,
    /// The duration in milliseconds.
    pub took_ms: u64,
}

/// A dead letter that was not redriven, or not deleted after that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedRedrive {
    /// The message ID.
    pub id: String,
    /// The reason.
    pub why: String,
}

/// The result of a purge.
#[derive(Clone, Debug, Serialize)]
pub struct PurgeView {
    /// The environment.
    pub env: String,
    /// The name of the dead-letter queue.
    pub queue: String,
    /// The approximate number of deleted messages.
    pub purged: u64,
}

impl RedriveView {
    /// Returns the exit status.
    pub fn exit(&self) -> Exit {
        match (self.failed.is_empty() && self.missing.is_empty(), self.to_queue + self.to_function) {
            (true, _) => Exit::Done,
            (false, 0) => Exit::Error,
            (false, _) => Exit::Partial,
        }
    }
}

impl CommandView for DeadLettersView {
    fn render(&self, style: TextStyle) -> String {
        let queue = text::clean(&self.queue);
        if self.messages.is_empty() {
            return match self.about {
                0 => empty_queue_text(&queue),
                n => hidden_messages_text(&queue, n, style),
            };
        }
        let mut out = String::new();
        for row in &self.messages {
            let id = style.paint(Tone::Strong, text::clean(&row.id));
            let details = [Some(row.kind.as_str()), row.sent.as_deref()].into_iter().flatten();
            let details =
                details.map(|part| style.paint(Tone::Dim, text::clean(part))).collect::<Vec<_>>().join(" ");
            let _ = writeln!(out, "{}", text::wrap_after_head(&id, &details, 2, style));
            let why = style.paint(Tone::Bad, text::clean(&row.why));
            let _ = writeln!(out, "{}", text::wrap_after_head("  why  ", &why, 8, style));
            let body: String = row.body.chars().take(MAX_BODY_CHARS).collect();
            let available = style.columns().saturating_sub(8).min(MAX_BODY_CHARS);
            let ellipsis = if body.len() < row.body.len() { style.ellipsis() } else { "" };
            let body = format!("{}{ellipsis}", text::clean(&body));
            let _ = writeln!(out, "  body  {}", text::truncate(&body, available, style));
        }
        let shown = self.messages.len() as u64;
        let total_suffix = if self.about > shown {
            format!(" of about {}", format::number(self.about, style))
        } else {
            String::new()
        };
        let noun = if shown == 1 && total_suffix.is_empty() { "message" } else { "messages" };
        let total_line = format!("{}{total_suffix} {noun} in {queue}", format::number(shown, style));
        let _ = writeln!(out, "\n{}", text::wrap(&total_line, 0, style));
        let next = format!("hitctl dlq redrive --env {}", text::clean(&self.env));
        let _ = writeln!(out, "next  {}", style.paint(Tone::Link, next));
        out
    }
}

/// Returns the text for an empty dead-letter queue.
fn empty_queue_text(queue: &str) -> String {
    format!("The dead-letter queue {queue} is empty.\n")
}

/// Returns the text for a queue that is not empty but returned no messages.
fn hidden_messages_text(queue: &str, about: u64, style: TextStyle) -> String {
    let message = format!(
        "{queue} has about {} but returned none: another consumer has received them. If a killed command \
         received them, they become visible again when its visibility timeout ends.",
        plural(about, "message")
    );
    text::wrap(&message, 0, style) + "\n"
}

impl CommandView for RedriveView {
    fn render(&self, style: TextStyle) -> String {
        let mut out = match (self.to_queue, self.to_function) {
            (0, 0) if self.exit() == Exit::Done && self.hidden > 0 => {
                hidden_messages_text(&text::clean(&self.queue), self.hidden, style)
            }
            (0, 0) if self.exit() == Exit::Done => empty_queue_text(&text::clean(&self.queue)),
            (0, 0) => "No messages were redriven.\n".to_owned(),
            (n, 0) => format!("Sent {} back to the queue.\n", plural(n, "message")),
            (_, n) => format!("Sent {} to the function.\n", plural(n, "message")),
        };
        for FailedRedrive { id, why } in &self.failed {
            let head = style.paint(Tone::Bad, format!("{} was not redriven:", text::clean(id)));
            let _ = writeln!(out, "{}", text::wrap_after_head(&head, &text::clean(why), 2, style));
        }
        for id in &self.missing {
            let head = style.paint(Tone::Bad, format!("{} was not found:", text::clean(id)));
            let why = "it was redriven or deleted before, or another consumer has received it";
            let _ = writeln!(out, "{}", text::wrap_after_head(&head, why, 2, style));
        }
        if self.to_queue + self.to_function > 0 {
            let next = format!("hitctl status --env {}", text::clean(&self.env));
            let _ = writeln!(out, "next  {}", style.paint(Tone::Link, next));
        }
        out
    }
}

impl CommandView for PurgeView {
    fn render(&self, _: TextStyle) -> String {
        let queue = text::clean(&self.queue);
        match self.purged {
            0 => empty_queue_text(&queue),
            1 => format!("Deleted 1 message from {queue}.\n"),
            n => format!("Deleted about {n} messages from {queue}.\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Renderable as _;
    use crate::test_styles::{NARROW, WIDE, fits};

    fn list() -> DeadLettersView {
        let row = |id: &str, body: &str, why: &str, kind: &str| DeadLetterRow {
            id: id.to_owned(),
            body: body.to_owned(),
            received: 6,
            why: why.to_owned(),
            kind: kind.to_owned(),
            sent: Some("2026-09-20T10:00:00Z".to_owned()),
        };
        DeadLettersView {
            messages: vec![
                row(
                    "059f36b4-87a3-44ab-83d2-661975830a7d",
                    "{\"pth\":\"/\"}\u{1b}",
                    "there is no path",
                    "message",
                ),
                row("0e6a37b1", &"x".repeat(300), "NO_PERMISSIONS: not authorized", "event"),
            ],
            queue: "hits-prod-dlq".to_owned(),
            about: 7,
            env: "prod".to_owned(),
        }
    }

    #[test]
    fn dead_letters_are_listed_with_reasons() {
        insta::assert_snapshot!(list().to_text(WIDE), @r#"
        059f36b4-87a3-44ab-83d2-661975830a7d message 2026-09-20T10:00:00Z
          why   there is no path
          body  {"pth":"/"}\u{1b}
        0e6a37b1 event 2026-09-20T10:00:00Z
          why   NO_PERMISSIONS: not authorized
          body  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…

        2 of about 7 messages in hits-prod-dlq
        next  hitctl dlq redrive --env prod
        "#);
        assert!(fits(
            &DeadLettersView { messages: list().messages[..1].to_vec(), ..list() }.to_text(NARROW),
            NARROW
        ));
        let view = DeadLettersView { messages: list().messages[..1].to_vec(), about: 1, ..list() };
        insta::assert_snapshot!(view.to_json(), @r#"{"v":1,"messages":[{"id":"059f36b4-87a3-44ab-83d2-661975830a7d","body":"{\"pth\":\"/\"}\u001b","received":6,"why":"there is no path","kind":"message","sent":"2026-09-20T10:00:00Z"}],"queue":"hits-prod-dlq","about":1}"#);
        let none = DeadLettersView { messages: Vec::new(), about: 0, ..list() };
        assert_eq!(none.to_text(WIDE), "The dead-letter queue hits-prod-dlq is empty.\n");
        insta::assert_snapshot!(DeadLettersView { about: 2, ..none }.to_text(WIDE), @"
        hits-prod-dlq has about 2 messages but returned none: another consumer has received them. If a
        killed command received them, they become visible again when its visibility timeout ends.
        ");
    }

    fn redrive_view() -> RedriveView {
        RedriveView { env: "prod".to_owned(), queue: "hits-prod-dlq".to_owned(), ..RedriveView::default() }
    }

    #[test]
    fn redrive_shows_destinations_and_failures() {
        let view = RedriveView { to_queue: 3, ..redrive_view() };
        assert_eq!(view.exit(), Exit::Done);
        insta::assert_snapshot!(view.to_text(TextStyle::PLAIN), @"
        Sent 3 messages back to the queue.
        next  hitctl status --env prod
        ");
        let failed = FailedRedrive { id: "m-1".to_owned(), why: "the function failed".to_owned() };
        let view = RedriveView {
            to_function: 1,
            failed: vec![failed],
            missing: vec!["m-2".to_owned()],
            ..redrive_view()
        };
        assert_eq!(view.exit(), Exit::Partial);
        insta::assert_snapshot!(view.to_text(TextStyle::PLAIN), @"
        Sent 1 message to the function.
        m-1 was not redriven: the function failed
        m-2 was not found: it was redriven or deleted before, or another consumer has received it
        next  hitctl status --env prod
        ");
        insta::assert_snapshot!(view.to_json(), @r#"{"v":1,"env":"prod","queue":"hits-prod-dlq","to_queue":0,"to_function":1,"failed":[{"id":"m-1","why":"the function failed"}],"missing":["m-2"],"hidden":0,"took_ms":0}"#);
        let none_redriven = RedriveView { to_function: 0, ..view };
        assert_eq!(none_redriven.exit(), Exit::Error);
        let empty = redrive_view();
        assert_eq!(empty.to_text(TextStyle::PLAIN), "The dead-letter queue hits-prod-dlq is empty.\n");
        let hidden = RedriveView { hidden: 3, ..empty };
        assert!(hidden.to_text(TextStyle::PLAIN).contains("about 3 messages but returned none"));
        assert_eq!(hidden.exit(), Exit::Done);
    }

    #[test]
    fn purge_shows_number_of_deleted_messages() {
        let view = |purged| PurgeView { env: "prod".to_owned(), queue: "hits-prod-dlq".to_owned(), purged };
        assert_eq!(view(0).to_text(WIDE), "The dead-letter queue hits-prod-dlq is empty.\n");
        assert_eq!(view(1).to_text(WIDE), "Deleted 1 message from hits-prod-dlq.\n");
        assert_eq!(view(9).to_json(), r#"{"v":1,"env":"prod","queue":"hits-prod-dlq","purged":9}"#);
    }
}
