//! Writes short messages to stderr for any part of the program. They appear above a running progress display, and as
//! events with `--json -v`. A notifier must not show results or ask questions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use super::progress::DisplaySlot;
use super::style::{TextStyle, Tone};
use super::term::SharedStream;
use super::text;

/// The minimum time between two reports of the same slow host.
const REPEAT_INTERVAL: Duration = Duration::from_secs(30);

/// Writes messages to stderr. Clones write to the same stream.
#[derive(Clone)]
pub struct Notifier {
    pub(super) stderr: SharedStream,
    pub(super) display: DisplaySlot,
    pub(super) style: TextStyle,
    pub(super) json: bool,
    pub(super) quiet: bool,
    pub(super) verbose: u8,
    pub(super) slow_threshold: Duration,
    /// The time of the last report of each slow host.
    pub(super) last_reports: Arc<Mutex<BTreeMap<String, Instant>>>,
}

impl Notifier {
    pub(super) fn new(stderr: SharedStream, style: TextStyle, slow_threshold: Duration) -> Self {
        Self {
            stderr,
            display: DisplaySlot::default(),
            style,
            json: false,
            quiet: false,
            verbose: 0,
            slow_threshold,
            last_reports: Arc::default(),
        }
    }

    /// Returns how long a host may take to respond before it is reported.
    pub fn slow_threshold(&self) -> Duration {
        self.slow_threshold
    }

    /// Reports that a host has not responded yet, at most every 30 seconds for each host.
    pub fn report_slow_host(&self, host: &str) {
        let now = Instant::now();
        {
            let mut last_reports = self.last_reports.lock().unwrap_or_else(PoisonError::into_inner);
            if last_reports.get(host).is_some_and(|last| now.duration_since(*last) < REPEAT_INTERVAL) {
                return;
            }
            last_reports.insert(host.to_owned(), now);
        }
        self.emit_wrapped("waiting", &format!("waiting for {host} to respond"));
    }

    /// Reports the first Ctrl-C, even with `--quiet`: the user must know that a second Ctrl-C stops the command at
    /// once.
    pub fn report_interrupt(&self) {
        let text = "finishing the current call; press Ctrl-C again to stop now";
        self.emit("interrupting", text, text);
    }

    /// Writes a log line, even with `--quiet`, because the user requested logs.
    pub fn log_line(&self, line: &str) {
        self.emit("log", line, &text::clean_lines(line));
    }

    /// Shows a message.
    pub(super) fn message(&self, text: &str) {
        self.emit_wrapped("talk", text);
    }

    /// Shows a warning.
    pub(super) fn warn(&self, text: &str) {
        if !self.quiet {
            let head = self.style.paint(Tone::Warn, "warning:");
            self.emit(
                "warning",
                text,
                &text::wrap_after_head(&head, &text::clean_lines(text), 2, self.style),
            );
        }
    }

    fn emit_wrapped(&self, event: &str, text: &str) {
        if !self.quiet {
            self.emit(event, text, &text::wrap(&text::clean_lines(text), 0, self.style));
        }
    }

    fn emit(&self, event: &str, text: &str, rendered: &str) {
        if self.json && self.verbose > 0 {
            // With `--json -v`, every line on stderr is a JSON object.
            self.write(&format!("{}\n", json!({ "v": 1, "event": event, "message": text })));
        } else {
            self.write(&format!("{rendered}\n"));
        }
    }

    /// Writes a rendered text.
    pub(super) fn write(&self, text: &str) {
        if !self.display.show_text(text) {
            // If stderr is closed, the error cannot be reported.
            drop(self.stderr.write(text.as_bytes()));
        }
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("slow_threshold", &self.slow_threshold).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::term::tests::CapturedStream;
    use super::*;

    fn notifier(out: &CapturedStream) -> Notifier {
        Notifier::new(out.shared(), TextStyle::PLAIN, Duration::ZERO)
    }

    #[test]
    fn slow_host_is_reported_once_within_interval() {
        let out = CapturedStream::default();
        let notifier = notifier(&out);
        notifier.report_slow_host("a");
        notifier.clone().report_slow_host("a");
        notifier.report_slow_host("b\u{1b}");
        assert_eq!(out.text(), "waiting for a to respond\nwaiting for b\\u{1b} to respond\n");
    }

    #[test]
    fn quiet_notifier_hides_slow_hosts() {
        let out = CapturedStream::default();
        let quiet = Notifier { quiet: true, ..notifier(&out) };
        quiet.report_slow_host("a");
        assert_eq!(out.text(), "");
        quiet.report_interrupt();
        assert_eq!(out.text(), "finishing the current call; press Ctrl-C again to stop now\n");
    }

    #[test]
    fn slow_host_with_json_and_verbose_is_an_event() {
        let out = CapturedStream::default();
        let events = Notifier { json: true, verbose: 1, ..notifier(&out) };
        events.report_slow_host("a");
        assert_eq!(out.text(), "{\"event\":\"waiting\",\"message\":\"waiting for a to respond\",\"v\":1}\n");
    }
}
