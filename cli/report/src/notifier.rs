//! Short messages on stderr, from anywhere in the program: above a running display, and as events with `--json -v`.
//!
//! A notifier is a cheap clone of the console's stderr. It shows no results and asks nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use super::progress::Slot;
use super::style::{Style, Tone};
use super::term::Shared;
use super::text;

/// How often it is repeated that a host has not answered yet.
const REPEAT: Duration = Duration::from_secs(30);

/// Writes messages to stderr. Clones write to the same stream.
#[derive(Clone)]
pub struct Notifier {
    pub(super) stderr: Shared,
    pub(super) slot: Slot,
    pub(super) style: Style,
    pub(super) json: bool,
    pub(super) quiet: bool,
    pub(super) verbose: u8,
    pub(super) patience: Duration,
    /// When it was last said of a host that it has not answered.
    pub(super) waited: Arc<Mutex<BTreeMap<String, Instant>>>,
}

impl Notifier {
    pub(super) fn new(stderr: Shared, style: Style, patience: Duration) -> Self {
        Self {
            stderr,
            slot: Slot::default(),
            style,
            json: false,
            quiet: false,
            verbose: 0,
            patience,
            waited: Arc::default(),
        }
    }

    /// How long a host may take to answer before that is reported.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Reports that a host has not answered yet: once for each host, and again at most every 30 seconds.
    pub fn waiting(&self, host: &str) {
        let now = Instant::now();
        {
            let mut waited = self.waited.lock().unwrap_or_else(PoisonError::into_inner);
            if waited.get(host).is_some_and(|said| now.duration_since(*said) < REPEAT) {
                return;
            }
            waited.insert(host.to_owned(), now);
        }
        self.event("waiting", &format!("waiting for {host} to answer"));
    }

    /// Says that the first Ctrl-C was heard, even with `--quiet`: the user has to know that there is a second one.
    pub fn interrupting(&self) {
        let text = "finishing this call; press Ctrl-C again to stop now";
        self.say("interrupting", text, text);
    }

    /// Writes a log line, also with `--quiet`: it was asked for.
    pub fn diagnostic(&self, line: &str) {
        self.say("log", line, &text::clean_lines(line));
    }

    /// Says something that is not the result.
    pub(super) fn talk(&self, text: &str) {
        self.event("talk", text);
    }

    /// Warns.
    pub(super) fn warn(&self, text: &str) {
        if !self.quiet {
            let head = self.style.paint(Tone::Warn, "warning:");
            self.say("warning", text, &text::headed(&head, &text::clean_lines(text), 2, self.style));
        }
    }

    fn event(&self, event: &str, text: &str) {
        if !self.quiet {
            self.say(event, text, &text::wrap(&text::clean_lines(text), 0, self.style));
        }
    }

    fn say(&self, event: &str, text: &str, human: &str) {
        if self.json && self.verbose > 0 {
            // The stream of events stays one object a line.
            self.write(&format!("{}\n", json!({ "v": 1, "event": event, "message": text })));
        } else {
            self.write(&format!("{human}\n"));
        }
    }

    /// Writes a finished text.
    pub(super) fn write(&self, text: &str) {
        if !self.slot.say(text) {
            // There is nobody left to tell.
            drop(self.stderr.write(text.as_bytes()));
        }
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("patience", &self.patience).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::term::tests::Captured;
    use super::*;

    fn notifier(out: &Captured) -> Notifier {
        Notifier::new(out.shared(), Style::PLAIN, Duration::ZERO)
    }

    #[test]
    fn waiting_is_reported_once_per_host() {
        let out = Captured::default();
        let notifier = notifier(&out);
        notifier.waiting("a");
        notifier.clone().waiting("a");
        notifier.waiting("b\u{1b}");
        assert_eq!(out.text(), "waiting for a to answer\nwaiting for b\\u{1b} to answer\n");
    }

    #[test]
    fn quiet_notifier_says_nothing_of_late_answers() {
        let out = Captured::default();
        let quiet = Notifier { quiet: true, ..notifier(&out) };
        quiet.waiting("a");
        assert_eq!(out.text(), "");
        quiet.interrupting();
        assert_eq!(out.text(), "finishing this call; press Ctrl-C again to stop now\n");
    }

    #[test]
    fn late_answer_with_json_and_verbose_is_an_event() {
        let out = Captured::default();
        let events = Notifier { json: true, verbose: 1, ..notifier(&out) };
        events.waiting("a");
        assert_eq!(out.text(), "{\"event\":\"waiting\",\"message\":\"waiting for a to answer\",\"v\":1}\n");
    }
}
