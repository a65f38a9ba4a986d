//! Writes progress in CI and to files: one line for each important event, without colours or cursor movements.

use std::collections::BTreeMap;
use std::time::Duration;

use hitctl_engine::{Action, Address, Event, Phase};

use super::phases;
use super::progress::ProgressDisplay;
use super::progress_text::{self, ProgressLine};
use super::style::TextStyle;
use super::term::SharedStream;
use super::text;

/// The interval at which a long step prints a line, to show that it is still running.
const NOTE_INTERVAL: Duration = Duration::from_secs(10);

/// Writes progress as plain lines.
pub(crate) struct PlainProgress {
    out: SharedStream,
    /// Whether to print every note and every attempt.
    verbose: bool,
    phases: Vec<(Phase, String)>,
    names: BTreeMap<Address, String>,
    /// The last printed reason for which each resource waits, and when it was printed.
    last_waits: BTreeMap<Address, (String, Duration)>,
    last_note: Duration,
}

impl PlainProgress {
    pub(crate) fn new(out: SharedStream, verbose: bool) -> Self {
        Self {
            out,
            verbose,
            phases: Vec::new(),
            names: BTreeMap::new(),
            last_waits: BTreeMap::new(),
            last_note: Duration::ZERO,
        }
    }

    fn print_line(
        &self,
        at: Duration,
        verb: &str,
        subject: &str,
        name: &str,
        note: &str,
        took_ms: Option<u64>,
    ) {
        let line = ProgressLine { verb, tone: None, subject, name, note, took_ms };
        let mark = text::pad(&format_elapsed(at), 9);
        for line in line.render(&mark, TextStyle::PLAIN) {
            // A closed stream must not stop the run.
            drop(self.out.write(format!("{line}\n").as_bytes()));
        }
    }

    fn subject(&self, phase: &Phase) -> String {
        let known = self.phases.iter().rev().find(|(known, _)| known == phase);
        known.map_or_else(|| progress_text::phase_subject(phase, ""), |(_, subject)| subject.clone())
    }

    fn name(&self, address: &Address) -> &str {
        self.names.get(address).map_or("", String::as_str)
    }

    fn handle_phase(&mut self, phase: &Phase, event: &Event, at: Duration) {
        let [verb, done, _] = phases::phase_texts(phase);
        let subject = self.subject(phase);
        match event {
            // Only a build can take long until its next event, so its start is printed too.
            Event::PhaseStarted { .. }
                if *phase == phases::BUILD || (self.verbose && *phase != phases::APPLY) =>
            {
                self.last_note = at;
                self.print_line(at, verb, &subject, "", "", None);
            }
            Event::PhaseNote { note, .. }
                if self.verbose || at.saturating_sub(self.last_note) >= NOTE_INTERVAL =>
            {
                self.last_note = at;
                self.print_line(at, verb, &text::clean(note), "", "", None);
            }
            // The changed resources of the apply phase have their own lines. The survey phase gets a line only if it
            // fails.
            Event::PhaseEnded { ok, took_ms, .. }
                if *phase != phases::APPLY && (*phase != phases::SURVEY || !ok || self.verbose) =>
            {
                let verb = if *ok { done } else { progress_text::failed_verb(phase) };
                self.print_line(at, verb, &subject, "", "", Some(*took_ms));
            }
            _ => {}
        }
    }

    fn handle_waiting(&mut self, address: &Address, attempt: u32, why: &str, at: Duration) {
        let is_new = match self.last_waits.get(address) {
            Some((last_reason, printed_at)) => {
                last_reason != why || at.saturating_sub(*printed_at) >= NOTE_INTERVAL
            }
            None => true,
        };
        if is_new || self.verbose {
            self.last_waits.insert(address.clone(), (why.to_owned(), at));
            let note = format!("{}, attempt {attempt}", text::clean(why));
            self.print_line(at, "waiting", address.as_str(), "", &note, None);
        }
    }
}

impl ProgressDisplay for PlainProgress {
    fn event(&mut self, event: &Event, at: Duration) {
        match event {
            Event::PhaseStarted { phase, detail } => {
                self.phases.push((phase.clone(), progress_text::phase_subject(phase, detail)));
                self.handle_phase(phase, event, at);
            }
            Event::PhaseNote { phase, .. } | Event::PhaseEnded { phase, .. } => {
                self.handle_phase(phase, event, at);
            }
            Event::Started { address, name, action } => {
                self.names.insert(address.clone(), text::clean(name).into_owned());
                if self.verbose && *action != Action::Keep {
                    self.print_line(
                        at,
                        action.present_participle(),
                        address.as_str(),
                        self.name(address),
                        "",
                        None,
                    );
                }
            }
            Event::Waiting { address, attempt, why } => self.handle_waiting(address, *attempt, why, at),
            Event::Finished { action: Action::Keep, .. } => {}
            Event::Finished { address, action, took_ms } => {
                self.print_line(
                    at,
                    action.past_participle(),
                    address.as_str(),
                    self.name(address),
                    "",
                    Some(*took_ms),
                );
            }
            Event::Failed { address, fault, .. } => {
                self.print_line(at, "failed", address.as_str(), "", &text::clean(&fault.message), None);
            }
            Event::Skipped { address, because, .. } => {
                let why = progress_text::skip_reason(because.as_ref());
                self.print_line(at, "skipped", address.as_str(), "", &why, None);
            }
            Event::Interrupted { in_flight } => {
                self.show_text(&format!("{}\n", progress_text::interrupt_message(in_flight)));
            }
        }
    }

    fn show_text(&mut self, text: &str) {
        drop(self.out.write(text.as_bytes()));
    }
}

/// Formats the time since the start of the progress: `+0.1s`, `+1m 04s`.
fn format_elapsed(at: Duration) -> String {
    if at < Duration::from_mins(1) {
        format!("+{}.{}s", at.as_secs(), at.subsec_millis() / 100)
    } else {
        format!("+{}", super::format::took(u64::try_from(at.as_millis()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::progress::replay::{DEPLOY, QUICK, replay};
    use super::super::term::tests::CapturedStream;
    use super::*;

    fn lines(recorded: &str, verbose: bool) -> String {
        let out = CapturedStream::default();
        replay(recorded, &mut PlainProgress::new(out.shared(), verbose), None);
        out.text()
    }

    #[test]
    fn important_events_get_one_line_each() {
        insta::assert_snapshot!(lines(DEPLOY, false), @"
        +0.0s    started   the local cloud                                    (84ms)
        +0.0s    building  the function for this machine (x86_64)
        +14.0s   building  compiling hit-counter v0.1.0
        +1m 04s  built     the function for this machine (x86_64)             (1m 04s)
        +1m 04s  created   log_group.function         /aws/lambda/hits-local  (58ms)
        +1m 04s  created   role.function              hits-local              (0.2s)
        +1m 04s  waiting   function.counter           the role has not propagated yet, attempt 1
        +1m 05s  created   table.hits                 hits-local              (1.2s)
        interrupted: no new changes will start; finishing function.counter
        +1m 07s  failed    function.counter           failed to create function hits-local: the role cannot be assumed by Lambda
        +1m 07s  skipped   http_api.api               because function.counter failed
        +1m 07s  skipped   permission.http_api        because the run was interrupted
        ");
        assert_eq!(
            lines(QUICK, false),
            "+0.0s    checked   http://127.0.0.1:8700/healthz                      (8ms)\n"
        );
    }

    #[test]
    fn verbose_mode_prints_every_event() {
        let lines = lines(DEPLOY, true);
        for expected in [
            "compiling hyper",
            "creating  table.hits",
            "replacing function.counter",
            "attempt 2",
            "starting",
            "read ",
        ] {
            assert!(lines.contains(expected), "{expected}\n{lines}");
        }
        assert!(!lines.contains('\u{1b}'));
    }
}
