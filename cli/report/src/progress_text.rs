//! The words and lines for what happens, the same in every way of reporting: verbs stand in a column.

use hitctl_engine::{Action, Address, Phase};

use super::format;
use super::phases;
use super::style::{Style, Tone};
use super::text;

/// What an action means for a resource.
pub(crate) fn tone(action: Action) -> Tone {
    match action {
        Action::Keep => Tone::Dim,
        Action::Create => Tone::Good,
        Action::Update => Tone::Warn,
        Action::Replace => Tone::Special,
        Action::Delete => Tone::Bad,
    }
}

/// One character for an action.
pub(crate) fn sign(action: Action, style: Style) -> char {
    if action == Action::Replace && !style.unicode { '*' } else { action.sign() }
}

/// The word for a phase that did not come to its end. What was sent on the way is sent.
pub(crate) fn not_done(phase: &Phase) -> &'static str {
    if *phase == phases::SEND { "stopped" } else { "failed" }
}

/// What a part of the run works on: its own words, without the "reading" or "asking" they may begin with, since a verb
/// stands before them anyway.
pub(crate) fn phase_subject(of: &Phase, detail: &str) -> String {
    let [.., default] = phases::words(of);
    let detail = match detail.trim().split_once(' ') {
        Some((verb, rest)) if verb.ends_with("ing") => rest,
        _ => detail.trim(),
    };
    text::clean(if detail.is_empty() { default } else { detail }).into_owned()
}

/// Why a change was not tried.
pub(crate) fn skipped_because(because: Option<&Address>) -> String {
    match because {
        Some(address) => format!("since {address} failed"),
        None => "since the run was interrupted".to_owned(),
    }
}

/// Why a call is tried again.
pub(crate) fn waiting(attempt: u32, why: &str) -> String {
    format!("waiting: {}, attempt {attempt}", text::clean(why))
}

/// What the user reads after the first Ctrl-C.
pub(crate) fn interrupted(in_flight: &[Address]) -> String {
    let names: Vec<&str> = in_flight.iter().map(Address::as_str).collect();
    let what = if names.is_empty() { "the calls in progress".to_owned() } else { list(&names) };
    format!("interrupted: no further change starts; finishing {what}")
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// One line of progress: `created   table.hits              hits-local            (1.2s)`.
pub(crate) struct Line<'a> {
    pub(crate) verb: &'a str,
    pub(crate) tone: Option<Tone>,
    pub(crate) subject: &'a str,
    /// The name in the cloud: left out where there is little room.
    pub(crate) name: &'a str,
    /// Why: takes the place of the name, and a line of its own where there is little room.
    pub(crate) note: &'a str,
    pub(crate) took_ms: Option<u64>,
}

const VERB: usize = 9;
/// As long as `event_source_mapping.hits`; of all addresses only `event_invoke_config.counter` is longer.
const SUBJECT: usize = 25;
const NAME: usize = 22;

impl Line<'_> {
    /// The line, or two where there is little room, each beginning with `mark` or as many blanks.
    pub(crate) fn render(&self, mark: &str, style: Style) -> Vec<String> {
        let time = self.took_ms.map(|ms| format!("({})", format::took(ms))).unwrap_or_default();
        let verb = text::pad(self.verb, VERB);
        let verb = self.tone.map_or_else(|| verb.clone(), |tone| style.paint(tone, &verb));
        let start = text::width(mark) + VERB + 1;
        let room = style.columns().saturating_sub(start);
        let time_room = if time.is_empty() { 0 } else { time.len() + 2 };
        let dim_time = style.paint(Tone::Dim, &time);
        let line = |body: String| format!("{mark}{verb} {body}  {dim_time}").trim_end().to_owned();

        if style.columns() < start + SUBJECT + NAME + 12 {
            let subject = text::truncate(self.subject, room.saturating_sub(time_room), style);
            let mut lines = vec![line(subject.into_owned())];
            if !self.note.is_empty() {
                let note = text::truncate(self.note, room, style);
                lines.push(format!("{:start$}{}", "", style.paint(Tone::Dim, &note)));
            }
            return lines;
        }
        let more = if self.note.is_empty() { self.name } else { self.note };
        if more.is_empty() {
            let subject = text::truncate(self.subject, room.saturating_sub(time_room), style);
            return vec![line(text::pad(&subject, SUBJECT + 2 + NAME))];
        }
        let subject = text::pad(self.subject, SUBJECT);
        let taken = text::width(&subject) + 2 + time_room;
        let more = text::pad(&text::truncate(more, room.saturating_sub(taken), style), NAME);
        vec![line(format!("{subject}  {}", style.paint(Tone::Dim, &more)))]
    }
}
