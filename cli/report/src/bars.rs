//! Progress on a terminal: what is going on moves at the bottom, what is done stays above it as text.
//!
//! Nothing is drawn in the first quarter of a second, so that a quick run shows its result and nothing else. The
//! cursor is never hidden: there is nothing to restore when the program is stopped in the middle.

use std::time::Duration;

use hitctl_engine::{Action, Address, Event, Phase};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::phases;
use super::progress::{Consumer, TICK};
use super::progress_text::{self, Line};
use super::style::{Style, Tone};
use super::text;

/// Nothing is drawn before.
const QUIET: Duration = Duration::from_millis(250);
/// More moving lines than this would hide what is done.
const MOST_ROWS: usize = 12;

/// What a moving line is about.
#[derive(Clone, PartialEq)]
enum Subject {
    Phase(Phase),
    Resource(Address),
}

/// One moving line.
struct Row {
    subject: Subject,
    verb: &'static str,
    what: String,
    name: String,
    note: String,
    since: Duration,
}

/// Draws progress on a terminal.
pub(crate) struct Bars<T> {
    term: T,
    style: Style,
    rows: Vec<Row>,
    /// Lines to leave behind once drawing begins; `None` when it has begun.
    held: Option<Vec<String>>,
    /// Indicatif's hold on the bottom lines, while there are any.
    bar: Option<ProgressBar>,
}

impl<T: TermLike + Clone + Send + 'static> Bars<T> {
    pub(crate) fn new(term: T, style: Style) -> Self {
        let style = Style { width: Some(term.width()), ..style };
        Self { term, style, rows: Vec::new(), held: Some(Vec::new()), bar: None }
    }

    /// Begins to draw.
    fn reveal(&mut self) {
        for line in self.held.take().into_iter().flatten() {
            self.print(&line);
        }
    }

    /// Leaves lines behind as text, above what moves.
    fn leave(&mut self, lines: Vec<String>) {
        match &mut self.held {
            Some(held) => held.extend(lines),
            None => lines.iter().for_each(|line| self.print(line)),
        }
    }

    fn print(&self, line: &str) {
        let print = || {
            // A terminal that went away is no reason to stop the work.
            drop(self.term.write_line(line).and_then(|()| self.term.flush()));
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn draw(&mut self, at: Duration) {
        if self.held.is_some() {
            return;
        }
        if self.rows.is_empty() {
            self.clear();
            return;
        }
        let mut lines: Vec<String> = self.rows.iter().flat_map(|row| self.row(row, at)).collect();
        if lines.len() > MOST_ROWS {
            let more = lines.len() - MOST_ROWS + 1;
            lines.truncate(MOST_ROWS - 1);
            lines.push(format!("  and {more} more"));
        }
        let term = &self.term;
        let bar = self.bar.get_or_insert_with(|| {
            let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
            let bar = ProgressBar::with_draw_target(None, target);
            bar.set_style(
                ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar
        });
        bar.set_message(lines.join("\n"));
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn row(&self, row: &Row, at: Duration) -> Vec<String> {
        let frames: &[char] = if self.style.unicode {
            &['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
        } else {
            &['|', '/', '-', '\\']
        };
        // The frame follows from the time, so that it moves steadily however many events come.
        let turn = usize::try_from(at.as_millis() / TICK.as_millis()).unwrap_or(0);
        let mark = format!("{} ", frames[turn % frames.len()]);
        let took = at.saturating_sub(row.since).as_millis();
        Line {
            verb: row.verb,
            tone: Some(Tone::Link),
            subject: &row.what,
            name: &row.name,
            note: &row.note,
            took_ms: u64::try_from(took).ok().filter(|ms| *ms >= 100),
        }
        .render(&mark, self.style)
    }

    fn begin(&mut self, subject: Subject, verb: &'static str, what: String, name: &str, at: Duration) {
        self.rows.retain(|row| row.subject != subject);
        let name = text::clean(name).into_owned();
        self.rows.push(Row { subject, verb, what, name, note: String::new(), since: at });
    }

    fn note(&mut self, subject: &Subject, note: String) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.subject == *subject) {
            row.note = note;
        }
    }

    /// Ends a moving line, and leaves one behind.
    fn end(&mut self, subject: &Subject, verb: &str, tone: Tone, note: &str, took_ms: Option<u64>) {
        let row = self.rows.iter().position(|row| row.subject == *subject).map(|at| self.rows.remove(at));
        let (what, name) = match (&row, subject) {
            (Some(row), _) => (row.what.clone(), row.name.clone()),
            (None, Subject::Phase(phase)) => (progress_text::phase_subject(phase, ""), String::new()),
            (None, Subject::Resource(address)) => (address.to_string(), String::new()),
        };
        let line = Line { verb, tone: Some(tone), subject: &what, name: &name, note, took_ms };
        self.leave(line.render("  ", self.style));
    }

    fn end_phase(&mut self, phase: &Phase, ok: bool, took_ms: u64) {
        let subject = Subject::Phase(phase.clone());
        let [_, done, _] = phases::words(phase);
        if *phase == phases::APPLY {
            // Its resources have said all there is.
            self.rows.retain(|row| row.subject != subject);
        } else if ok {
            self.end(&subject, done, Tone::Good, "", Some(took_ms));
        } else {
            self.end(&subject, progress_text::not_done(phase), Tone::Bad, "", Some(took_ms));
        }
    }
}

impl<T: TermLike + Clone + Send + 'static> Consumer for Bars<T> {
    fn event(&mut self, event: &Event, at: Duration) {
        let resource = |address: &Address| Subject::Resource(address.clone());
        match event {
            // The resources of an apply have lines of their own; what is kept needs none.
            Event::PhaseStarted { phase, .. } if *phase == phases::APPLY => {}
            Event::Started { action: Action::Keep, .. } | Event::Finished { action: Action::Keep, .. } => {}
            Event::PhaseStarted { phase, detail } => {
                let [doing, ..] = phases::words(phase);
                self.begin(
                    Subject::Phase(phase.clone()),
                    doing,
                    progress_text::phase_subject(phase, detail),
                    "",
                    at,
                );
            }
            Event::PhaseNote { phase, note } => {
                self.note(&Subject::Phase(phase.clone()), text::clean(note).into_owned());
            }
            Event::PhaseEnded { phase, ok, took_ms } => self.end_phase(phase, *ok, *took_ms),
            Event::Started { address, name, action } => {
                self.begin(resource(address), action.doing(), address.to_string(), name, at);
            }
            Event::Waiting { address, attempt, why } => {
                self.note(&resource(address), progress_text::waiting(*attempt, why));
            }
            Event::Finished { address, action, took_ms } => {
                self.end(&resource(address), action.done(), progress_text::tone(*action), "", Some(*took_ms));
            }
            Event::Failed { address, fault, .. } => {
                self.end(&resource(address), "failed", Tone::Bad, &text::clean(&fault.message), None);
            }
            Event::Skipped { address, because, .. } => {
                let why = progress_text::skipped_because(because.as_ref());
                self.end(&resource(address), "skipped", Tone::Warn, &why, None);
            }
            Event::Interrupted { in_flight } => {
                // Whoever pressed Ctrl-C wants to know at once that it was heard.
                self.reveal();
                let said = text::wrap(&progress_text::interrupted(in_flight), 2, self.style);
                self.leave(said.lines().map(|line| self.style.paint(Tone::Warn, line)).collect());
            }
        }
        self.tick(at);
    }

    fn tick(&mut self, at: Duration) {
        if at >= QUIET {
            self.reveal();
        }
        self.draw(at);
    }

    fn ticks(&self) -> bool {
        true
    }

    fn say(&mut self, text: &str) {
        for line in text.lines() {
            self.print(line);
        }
    }

    fn finish(&mut self, _at: Duration) {
        self.rows.clear();
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::super::progress::replay::{DEPLOY, QUICK, replay};
    use super::*;

    /// What the terminal shows when the recorded run has come to `until_ms`, or to its end.
    fn screen(recorded: &str, columns: u16, until_ms: Option<u64>) -> String {
        let term = InMemoryTerm::new(40, columns);
        let mut bars = Bars::new(term.clone(), Style::PLAIN);
        replay(recorded, &mut bars, until_ms.map(Duration::from_millis));
        if until_ms.is_none() {
            bars.finish(Duration::ZERO);
        }
        term.contents()
    }

    #[test]
    fn a_quick_run_draws_nothing() {
        let term = InMemoryTerm::new(40, 80);
        let mut bars = Bars::new(term.clone(), Style::PLAIN);
        replay(QUICK, &mut bars, None);
        bars.finish(Duration::from_millis(45));
        assert_eq!(term.moves_since_last_check(), "");
    }

    #[test]
    fn nothing_is_drawn_before_a_quarter_of_a_second() {
        assert_eq!(screen(DEPLOY, 80, Some(250)), "");
        insta::assert_snapshot!(screen(DEPLOY, 80, Some(350)), @"
          started   the local cloud                                    (84ms)
        ⠸ building  the function for this machine (x86_64)             (0.2s)
        ");
    }

    #[test]
    fn the_build_says_what_is_compiled() {
        insta::assert_snapshot!(screen(DEPLOY, 90, Some(14_050)), @"
          started   the local cloud                                    (84ms)
        ⠋ building  the function for this machine (x86_64)  compiling hit-counter v0.1.0  (13.9s)
        ");
        insta::assert_snapshot!(screen(DEPLOY, 40, Some(14_050)), @"
          started   the local cloud  (84ms)
        ⠋ building  the function for t…  (13.9s)
                    compiling hit-counter v0.1.0
        ");
    }

    #[test]
    fn a_wait_says_why() {
        insta::assert_snapshot!(screen(DEPLOY, 100, Some(66_040)), @"
          started   the local cloud                                    (84ms)
          built     the function for this machine (x86_64)             (1m 04s)
          read      what is deployed                                   (19ms)
          created   log_group.function         /aws/lambda/hits-local  (58ms)
          created   role.function              hits-local              (0.2s)
          created   table.hits                 hits-local              (1.2s)
        ⠋ replacing function.counter           waiting: the role is not visible yet, attempt 3  (1.5s)
        ");
    }

    #[test]
    fn what_is_done_stays_as_text() {
        insta::assert_snapshot!(screen(DEPLOY, 80, None), @"
          started   the local cloud                                    (84ms)
          built     the function for this machine (x86_64)             (1m 04s)
          read      what is deployed                                   (19ms)
          created   log_group.function         /aws/lambda/hits-local  (58ms)
          created   role.function              hits-local              (0.2s)
          created   table.hits                 hits-local              (1.2s)
        interrupted: no further change starts; finishing function.counter
          failed    function.counter           failed to create function hits-local: th…
          skipped   http_api.api               since function.counter failed
          skipped   permission.http_api        since the run was interrupted
        ");
        insta::assert_snapshot!(screen(DEPLOY, 40, None), @"
          started   the local cloud  (84ms)
          built     the function for …  (1m 04s)
          read      what is deployed  (19ms)
          created   log_group.function  (58ms)
          created   role.function  (0.2s)
          created   table.hits  (1.2s)
        interrupted: no further change starts;
          finishing function.counter
          failed    function.counter
                    failed to create function h…
          skipped   http_api.api
                    since function.counter fail…
          skipped   permission.http_api
                    since the run was interrupt…
        ");
    }

    #[test]
    fn an_interrupt_is_answered_at_once() {
        let term = InMemoryTerm::new(10, 120);
        let mut bars = Bars::new(term.clone(), Style::PLAIN);
        bars.event(&Event::Interrupted { in_flight: vec![] }, Duration::from_millis(5));
        insta::assert_snapshot!(term.contents(), @"interrupted: no further change starts; finishing the calls in progress");
    }

    #[test]
    fn a_warning_goes_above_what_moves() {
        let term = InMemoryTerm::new(10, 80);
        let mut bars = Bars::new(term.clone(), Style::PLAIN);
        replay(DEPLOY, &mut bars, Some(Duration::from_millis(350)));
        bars.say("warning: something\n");
        insta::assert_snapshot!(term.contents(), @"
          started   the local cloud                                    (84ms)
        warning: something
        ⠸ building  the function for this machine (x86_64)             (0.2s)
        ");
    }

    #[test]
    fn many_resources_do_not_fill_the_screen() {
        let term = InMemoryTerm::new(30, 80);
        let mut bars = Bars::new(term.clone(), Style { unicode: false, ..Style::PLAIN });
        for n in 0..40 {
            let address = Address::new("table", &format!("t{n}"));
            let event = Event::Started { address, name: "n".to_owned(), action: Action::Create };
            bars.event(&event, Duration::from_millis(300));
        }
        let shown = term.contents();
        assert_eq!(shown.lines().count(), MOST_ROWS);
        assert!(shown.starts_with("\\ creating  table.t0") && shown.ends_with("and 29 more"), "{shown}");
    }
}
