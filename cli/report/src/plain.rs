//! Progress in CI and files: one line for each event that is worth one, in order, without colour and without moving.

use std::collections::BTreeMap;
use std::time::Duration;

use hitctl_engine::{Action, Address, Event, Phase};

use super::phases;
use super::progress::Consumer;
use super::progress_text::{self, Line};
use super::style::Style;
use super::term::Shared;
use super::text;

/// Something that goes on and on gets a line this often, so that nobody takes the program for dead.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Writes progress as plain lines.
pub(crate) struct Plain {
    out: Shared,
    /// Every note and every attempt gets a line.
    verbose: bool,
    phases: Vec<(Phase, String)>,
    names: BTreeMap<Address, String>,
    /// What was last said of each wait, and when.
    waits: BTreeMap<Address, (String, Duration)>,
    noted: Duration,
}

impl Plain {
    pub(crate) fn new(out: Shared, verbose: bool) -> Self {
        Self {
            out,
            verbose,
            phases: Vec::new(),
            names: BTreeMap::new(),
            waits: BTreeMap::new(),
            noted: Duration::ZERO,
        }
    }

    fn line(&self, at: Duration, verb: &str, subject: &str, name: &str, note: &str, took_ms: Option<u64>) {
        let line = Line { verb, tone: None, subject, name, note, took_ms };
        let mark = text::pad(&since(at), 9);
        for line in line.render(&mark, Style::PLAIN) {
            // A reader that went away is no reason to stop the work.
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

    fn phase(&mut self, phase: &Phase, event: &Event, at: Duration) {
        let [doing, done, _] = phases::words(phase);
        let subject = self.subject(phase);
        match event {
            // The build is the one part that takes long before anything else is said.
            Event::PhaseStarted { .. }
                if *phase == phases::BUILD || (self.verbose && *phase != phases::APPLY) =>
            {
                self.noted = at;
                self.line(at, doing, &subject, "", "", None);
            }
            Event::PhaseNote { note, .. } if self.verbose || at.saturating_sub(self.noted) >= HEARTBEAT => {
                self.noted = at;
                self.line(at, doing, &text::clean(note), "", "", None);
            }
            // The resources of an apply say all there is, and reading is nothing to speak of unless it fails.
            Event::PhaseEnded { ok, took_ms, .. }
                if *phase != phases::APPLY && (*phase != phases::SURVEY || !ok || self.verbose) =>
            {
                let word = if *ok { done } else { progress_text::not_done(phase) };
                self.line(at, word, &subject, "", "", Some(*took_ms));
            }
            _ => {}
        }
    }

    fn waiting(&mut self, address: &Address, attempt: u32, why: &str, at: Duration) {
        let news = match self.waits.get(address) {
            Some((said, when)) => said != why || at.saturating_sub(*when) >= HEARTBEAT,
            None => true,
        };
        if news || self.verbose {
            self.waits.insert(address.clone(), (why.to_owned(), at));
            let note = format!("{}, attempt {attempt}", text::clean(why));
            self.line(at, "waiting", address.as_str(), "", &note, None);
        }
    }
}

impl Consumer for Plain {
    fn event(&mut self, event: &Event, at: Duration) {
        match event {
            Event::PhaseStarted { phase, detail } => {
                self.phases.push((phase.clone(), progress_text::phase_subject(phase, detail)));
                self.phase(phase, event, at);
            }
            Event::PhaseNote { phase, .. } | Event::PhaseEnded { phase, .. } => self.phase(phase, event, at),
            Event::Started { address, name, action } => {
                self.names.insert(address.clone(), text::clean(name).into_owned());
                if self.verbose && *action != Action::Keep {
                    self.line(at, action.doing(), address.as_str(), self.name(address), "", None);
                }
            }
            Event::Waiting { address, attempt, why } => self.waiting(address, *attempt, why, at),
            Event::Finished { action: Action::Keep, .. } => {}
            Event::Finished { address, action, took_ms } => {
                self.line(at, action.done(), address.as_str(), self.name(address), "", Some(*took_ms));
            }
            Event::Failed { address, fault, .. } => {
                self.line(at, "failed", address.as_str(), "", &text::clean(&fault.message), None);
            }
            Event::Skipped { address, because, .. } => {
                let why = progress_text::skipped_because(because.as_ref());
                self.line(at, "skipped", address.as_str(), "", &why, None);
            }
            Event::Interrupted { in_flight } => {
                self.say(&format!("{}\n", progress_text::interrupted(in_flight)));
            }
        }
    }

    fn say(&mut self, text: &str) {
        drop(self.out.write(text.as_bytes()));
    }
}

/// The time since the run began, always in seconds: `+0.1s`, `+1m 04s`.
fn since(at: Duration) -> String {
    if at < Duration::from_mins(1) {
        format!("+{}.{}s", at.as_secs(), at.subsec_millis() / 100)
    } else {
        format!("+{}", super::format::took(u64::try_from(at.as_millis()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::progress::replay::{DEPLOY, QUICK, replay};
    use super::super::term::tests::Captured;
    use super::*;

    fn lines(recorded: &str, verbose: bool) -> String {
        let out = Captured::default();
        replay(recorded, &mut Plain::new(out.shared(), verbose), None);
        out.text()
    }

    #[test]
    fn one_line_for_each_event_worth_one() {
        insta::assert_snapshot!(lines(DEPLOY, false), @"
        +0.0s    started   the local cloud                                    (84ms)
        +0.0s    building  the function for this machine (x86_64)
        +14.0s   building  compiling hit-counter v0.1.0
        +1m 04s  built     the function for this machine (x86_64)             (1m 04s)
        +1m 04s  created   log_group.function         /aws/lambda/hits-local  (58ms)
        +1m 04s  created   role.function              hits-local              (0.2s)
        +1m 04s  waiting   function.counter           the role is not visible yet, attempt 1
        +1m 05s  created   table.hits                 hits-local              (1.2s)
        interrupted: no further change starts; finishing function.counter
        +1m 07s  failed    function.counter           failed to create function hits-local: the role cannot be assumed by Lambda
        +1m 07s  skipped   http_api.api               since function.counter failed
        +1m 07s  skipped   permission.http_api        since the run was interrupted
        ");
        assert_eq!(
            lines(QUICK, false),
            "+0.0s    checked   http://127.0.0.1:8700/healthz                      (8ms)\n"
        );
    }

    #[test]
    fn with_v_every_event_gets_one() {
        let lines = lines(DEPLOY, true);
        for wanted in [
            "compiling hyper",
            "creating  table.hits",
            "replacing function.counter",
            "attempt 2",
            "starting",
            "read ",
        ] {
            assert!(lines.contains(wanted), "{wanted}\n{lines}");
        }
        assert!(!lines.contains('\u{1b}'));
    }
}
