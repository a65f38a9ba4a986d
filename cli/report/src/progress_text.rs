//! Renders the texts and lines that all progress displays share.

use hitctl_engine::{Action, Address, Phase};

use super::format;
use super::phases;
use super::style::{TextStyle, Tone};
use super::text;

/// Returns the tone of an action.
pub(crate) fn action_tone(action: Action) -> Tone {
    match action {
        Action::Keep => Tone::Dim,
        Action::Create => Tone::Good,
        Action::Update => Tone::Warn,
        Action::Replace => Tone::Special,
        Action::Delete => Tone::Bad,
    }
}

/// Returns the symbol of an action.
pub(crate) fn symbol(action: Action, style: TextStyle) -> char {
    if action == Action::Replace && !style.unicode { '*' } else { action.symbol() }
}

/// Returns the verb of a phase that failed. Sending "stopped", because some messages may have been sent before.
pub(crate) fn failed_verb(phase: &Phase) -> &'static str {
    if *phase == phases::SEND { "stopped" } else { "failed" }
}

/// Returns the subject of a phase from its detail. A leading verb such as "reading" is removed, because the
/// line begins with a verb.
pub(crate) fn phase_subject(phase: &Phase, detail: &str) -> String {
    let [.., default] = phases::phase_texts(phase);
    let detail = match detail.trim().split_once(' ') {
        Some((verb, rest)) if verb.ends_with("ing") => rest,
        _ => detail.trim(),
    };
    text::clean(if detail.is_empty() { default } else { detail }).into_owned()
}

/// Returns the reason why a change was skipped.
pub(crate) fn skip_reason(because: Option<&Address>) -> String {
    match because {
        Some(address) => format!("because {address} failed"),
        None => "because the run was interrupted".to_owned(),
    }
}

/// Returns the note for a repeated attempt.
pub(crate) fn retry_note(attempt: u32, why: &str) -> String {
    format!("waiting: {}, attempt {attempt}", text::clean(why))
}

/// Returns the message after the first Ctrl-C.
pub(crate) fn interrupt_message(in_flight: &[Address]) -> String {
    let names: Vec<&str> = in_flight.iter().map(Address::as_str).collect();
    let what = if names.is_empty() { "the calls in progress".to_owned() } else { join_names(&names) };
    format!("interrupted: no new changes will start; finishing {what}")
}

/// Joins names: `a`, `a and b`, `a, b and c`.
pub(crate) fn join_names(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// One line of progress: `created   table.hits              hits-local            (1.2s)`.
pub(crate) struct ProgressLine<'a> {
    pub(crate) verb: &'a str,
    pub(crate) tone: Option<Tone>,
    pub(crate) subject: &'a str,
    /// The physical name of a resource. Omitted on narrow terminals.
    pub(crate) name: &'a str,
    /// A progress note or a reason. It is shown instead of the name. On narrow terminals, it has its own line.
    pub(crate) note: &'a str,
    pub(crate) took_ms: Option<u64>,
}

const VERB_WIDTH: usize = 9;
/// The length of the address `event_source_mapping.hits`. Only `event_invoke_config.counter` is longer.
const SUBJECT_WIDTH: usize = 25;
const NAME_WIDTH: usize = 22;

impl ProgressLine<'_> {
    /// Renders one line, or two lines on narrow terminals. The first line begins with `mark`. The second line has the
    /// note, indented to the column of the subject.
    pub(crate) fn render(&self, mark: &str, style: TextStyle) -> Vec<String> {
        let time = self.took_ms.map(|ms| format!("({})", format::took(ms))).unwrap_or_default();
        let verb = text::pad(self.verb, VERB_WIDTH);
        let verb = self.tone.map_or_else(|| verb.clone(), |tone| style.paint(tone, &verb));
        let indent = text::width(mark) + VERB_WIDTH + 1;
        let available = style.columns().saturating_sub(indent);
        let time_width = if time.is_empty() { 0 } else { time.len() + 2 };
        let dim_time = style.paint(Tone::Dim, &time);
        let line = |body: String| format!("{mark}{verb} {body}  {dim_time}").trim_end().to_owned();

        if style.columns() < indent + SUBJECT_WIDTH + NAME_WIDTH + 12 {
            let subject = text::truncate(self.subject, available.saturating_sub(time_width), style);
            let mut lines = vec![line(subject.into_owned())];
            if !self.note.is_empty() {
                let note = text::truncate(self.note, available, style);
                lines.push(format!("{:indent$}{}", "", style.paint(Tone::Dim, &note)));
            }
            return lines;
        }
        let detail = if self.note.is_empty() { self.name } else { self.note };
        if detail.is_empty() {
            let subject = text::truncate(self.subject, available.saturating_sub(time_width), style);
            return vec![line(text::pad(&subject, SUBJECT_WIDTH + 2 + NAME_WIDTH))];
        }
        let subject = text::pad(self.subject, SUBJECT_WIDTH);
        let used = text::width(&subject) + 2 + time_width;
        let detail = text::pad(&text::truncate(detail, available.saturating_sub(used), style), NAME_WIDTH);
        vec![line(format!("{subject}  {}", style.paint(Tone::Dim, &detail)))]
    }
}
