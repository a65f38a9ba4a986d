//! Dead letters: what there is, what went round again, what was deleted.

use std::fmt::Write as _;

use serde::Serialize;

use crate::failure::Exit;
use crate::format::plural;
use crate::render::View;
use crate::style::{Style, Tone};
use crate::{format, text};

/// The longest part of a letter that people are shown, in characters; scripts get all of it.
const MOST_OF_BODY: usize = 200;

/// Dead letters, oldest first.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLettersView {
    /// The letters.
    pub messages: Vec<DeadLetterRow>,
    /// The queue that they are on.
    pub queue: String,
    /// How many there are, as far as the queue says.
    pub about: u64,
    /// The environment.
    #[serde(skip)]
    pub env: String,
}

/// One dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetterRow {
    /// What SQS calls it.
    pub id: String,
    /// What was to be counted.
    pub body: String,
    /// How often it was received, looks included.
    pub received: u64,
    /// Why it is here.
    pub why: String,
    /// `message`, `event` or `invocation`.
    pub kind: String,
    /// When it was sent, in UTC.
    pub sent: Option<String>,
}

/// Dead letters that were sent round again.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RedriveView {
    /// The environment.
    pub env: String,
    /// The queue that they were on.
    pub queue: String,
    /// How many went back onto the queue of hits.
    pub to_queue: u64,
    /// How many the function was given itself.
    pub to_function: u64,
    /// Those that stay.
    pub failed: Vec<Stuck>,
    /// Ids that were asked for and are not there.
    pub missing: Vec<String>,
    /// About how many somebody else has in hand, where nothing came.
    pub hidden: u64,
    /// Milliseconds.
    pub took_ms: u64,
}

/// A letter that stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stuck {
    /// What SQS calls it.
    pub id: String,
    /// Why.
    pub why: String,
}

/// Dead letters that were deleted.
#[derive(Clone, Debug, Serialize)]
pub struct PurgeView {
    /// The environment.
    pub env: String,
    /// The queue that they were on.
    pub queue: String,
    /// About how many there were.
    pub purged: u64,
}

impl RedriveView {
    /// How the program ends.
    pub fn exit(&self) -> Exit {
        match (self.failed.is_empty() && self.missing.is_empty(), self.to_queue + self.to_function) {
            (true, _) => Exit::Done,
            (false, 0) => Exit::Error,
            (false, _) => Exit::Partial,
        }
    }
}

impl View for DeadLettersView {
    fn render(&self, style: Style) -> String {
        let queue = text::clean(&self.queue);
        if self.messages.is_empty() {
            return match self.about {
                0 => format!("There are no dead letters in {queue}.\n"),
                n => in_hand(&queue, n, style),
            };
        }
        let mut out = String::new();
        for row in &self.messages {
            let id = style.paint(Tone::Strong, text::clean(&row.id));
            let about = [Some(row.kind.as_str()), row.sent.as_deref()].into_iter().flatten();
            let about =
                about.map(|part| style.paint(Tone::Dim, text::clean(part))).collect::<Vec<_>>().join(" ");
            let _ = writeln!(out, "{}", text::headed(&id, &about, 2, style));
            let why = style.paint(Tone::Bad, text::clean(&row.why));
            let _ = writeln!(out, "{}", text::headed("  why  ", &why, 8, style));
            let body: String = row.body.chars().take(MOST_OF_BODY).collect();
            let room = style.columns().saturating_sub(8).min(MOST_OF_BODY);
            let cut = if body.len() < row.body.len() { style.ellipsis() } else { "" };
            let body = format!("{}{cut}", text::clean(&body));
            let _ = writeln!(out, "  body  {}", text::truncate(&body, room, style));
        }
        let shown = self.messages.len() as u64;
        let of = if self.about > shown {
            format!(" of about {}", format::number(self.about, style))
        } else {
            String::new()
        };
        let letters = if shown == 1 { "dead letter" } else { "dead letters" };
        let sum = format!("{}{of} {letters} in {queue}", format::number(shown, style));
        let _ = writeln!(out, "\n{}", text::wrap(&sum, 0, style));
        let next = format!("hitctl dlq redrive --env {}", text::clean(&self.env));
        let _ = writeln!(out, "next  {}", style.paint(Tone::Link, next));
        out
    }
}

/// Where nothing comes of a queue that is not empty.
fn in_hand(queue: &str, about: u64, style: Style) -> String {
    let said = format!(
        "Nothing came of {queue}, which says that it holds about {about}: somebody else has them in hand, or had until a \
         moment ago. What a run that was killed had in hand shows up again within a minute or so."
    );
    text::wrap(&said, 0, style) + "\n"
}

impl View for RedriveView {
    fn render(&self, style: Style) -> String {
        let mut out = match (self.to_queue, self.to_function) {
            (0, 0) if self.exit() == Exit::Done && self.hidden > 0 => {
                in_hand(&text::clean(&self.queue), self.hidden, style)
            }
            (0, 0) if self.exit() == Exit::Done => {
                format!("There are no dead letters in {}.\n", text::clean(&self.queue))
            }
            (0, 0) => "No dead letter was sent round again.\n".to_owned(),
            (n, 0) => format!("Sent {} back onto the queue of hits.\n", plural(n, "dead letter")),
            (_, n) => format!("Gave {} to the function.\n", plural(n, "dead letter")),
        };
        for Stuck { id, why } in &self.failed {
            let head = style.paint(Tone::Bad, format!("{} stays:", text::clean(id)));
            let _ = writeln!(out, "{}", text::headed(&head, &text::clean(why), 2, style));
        }
        for id in &self.missing {
            let head = style.paint(Tone::Bad, format!("{} was not found:", text::clean(id)));
            let why = "it is no dead letter any more, or somebody else looks at it";
            let _ = writeln!(out, "{}", text::headed(&head, why, 2, style));
        }
        if self.to_queue + self.to_function > 0 {
            let next = format!("hitctl status --env {}", text::clean(&self.env));
            let _ = writeln!(out, "next  {}", style.paint(Tone::Link, next));
        }
        out
    }
}

impl View for PurgeView {
    fn render(&self, _: Style) -> String {
        let queue = text::clean(&self.queue);
        match self.purged {
            0 => format!("There are no dead letters in {queue}.\n"),
            1 => format!("Deleted the dead letter in {queue}.\n"),
            n => format!("Deleted about {n} dead letters in {queue}.\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Report as _;
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
    fn letters_are_shown_with_their_reasons() {
        insta::assert_snapshot!(list().human(WIDE), @r#"
        059f36b4-87a3-44ab-83d2-661975830a7d message 2026-09-20T10:00:00Z
          why   there is no path
          body  {"pth":"/"}\u{1b}
        0e6a37b1 event 2026-09-20T10:00:00Z
          why   NO_PERMISSIONS: not authorized
          body  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…

        2 of about 7 dead letters in hits-prod-dlq
        next  hitctl dlq redrive --env prod
        "#);
        assert!(fits(
            &DeadLettersView { messages: list().messages[..1].to_vec(), ..list() }.human(NARROW),
            NARROW
        ));
        let view = DeadLettersView { messages: list().messages[..1].to_vec(), about: 1, ..list() };
        insta::assert_snapshot!(view.json(), @r#"{"v":1,"messages":[{"id":"059f36b4-87a3-44ab-83d2-661975830a7d","body":"{\"pth\":\"/\"}\u001b","received":6,"why":"there is no path","kind":"message","sent":"2026-09-20T10:00:00Z"}],"queue":"hits-prod-dlq","about":1}"#);
        let none = DeadLettersView { messages: Vec::new(), about: 0, ..list() };
        assert_eq!(none.human(WIDE), "There are no dead letters in hits-prod-dlq.\n");
        insta::assert_snapshot!(DeadLettersView { about: 2, ..none }.human(WIDE), @"
        Nothing came of hits-prod-dlq, which says that it holds about 2: somebody else has them in hand, or
        had until a moment ago. What a run that was killed had in hand shows up again within a minute or so.
        ");
    }

    fn redriven() -> RedriveView {
        RedriveView { env: "prod".to_owned(), queue: "hits-prod-dlq".to_owned(), ..RedriveView::default() }
    }

    #[test]
    fn where_letters_went() {
        let view = RedriveView { to_queue: 3, ..redriven() };
        assert_eq!(view.exit(), Exit::Done);
        insta::assert_snapshot!(view.human(Style::PLAIN), @"
        Sent 3 dead letters back onto the queue of hits.
        next  hitctl status --env prod
        ");
        let stuck = Stuck { id: "m-1".to_owned(), why: "the function failed".to_owned() };
        let view = RedriveView {
            to_function: 1,
            failed: vec![stuck],
            missing: vec!["m-2".to_owned()],
            ..redriven()
        };
        assert_eq!(view.exit(), Exit::Partial);
        insta::assert_snapshot!(view.human(Style::PLAIN), @"
        Gave 1 dead letter to the function.
        m-1 stays: the function failed
        m-2 was not found: it is no dead letter any more, or somebody else looks at it
        next  hitctl status --env prod
        ");
        insta::assert_snapshot!(view.json(), @r#"{"v":1,"env":"prod","queue":"hits-prod-dlq","to_queue":0,"to_function":1,"failed":[{"id":"m-1","why":"the function failed"}],"missing":["m-2"],"hidden":0,"took_ms":0}"#);
        let nothing = RedriveView { to_function: 0, ..view };
        assert_eq!(nothing.exit(), Exit::Error);
        let none = redriven();
        assert_eq!(none.human(Style::PLAIN), "There are no dead letters in hits-prod-dlq.\n");
        let hidden = RedriveView { hidden: 3, ..none };
        assert!(hidden.human(Style::PLAIN).contains("about 3: somebody else has them in hand"));
        assert_eq!(hidden.exit(), Exit::Done);
    }

    #[test]
    fn what_was_deleted() {
        let view = |purged| PurgeView { env: "prod".to_owned(), queue: "hits-prod-dlq".to_owned(), purged };
        assert_eq!(view(0).human(WIDE), "There are no dead letters in hits-prod-dlq.\n");
        assert_eq!(view(1).human(WIDE), "Deleted the dead letter in hits-prod-dlq.\n");
        assert_eq!(view(9).json(), r#"{"v":1,"env":"prod","queue":"hits-prod-dlq","purged":9}"#);
    }
}
