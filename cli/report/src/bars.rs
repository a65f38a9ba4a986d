//! Shows progress on a terminal: running steps are redrawn at the bottom, and finished steps remain above them as text.
//!
//! Nothing is shown in the first quarter of a second or before the first changed resource, so that a quick run that
//! changes nothing shows only its result. The cursor is never hidden, so the terminal is intact after the program is killed.

use std::time::Duration;

use hitctl_engine::{Action, Address, Event, Phase};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::phases;
use super::progress::{ProgressDisplay, TICK};
use super::progress_text::{self, ProgressLine};
use super::style::{TextStyle, Tone};
use super::text;

/// The time after the start of the progress at which drawing begins.
const DRAW_DELAY: Duration = Duration::from_millis(250);
/// The maximum number of redrawn lines. More would hide the finished steps.
const MAX_LINES: usize = 12;

/// The step that a redrawn line shows.
#[derive(Clone, PartialEq)]
enum RowSubject {
    Phase(Phase),
    Resource(Address),
}

/// One redrawn line, for a running step.
struct ActiveRow {
    subject: RowSubject,
    verb: &'static str,
    subject_text: String,
    name: String,
    note: String,
    /// The start of the step, as the time since the start of the progress.
    started_at: Duration,
}

/// Draws progress on a terminal.
pub(crate) struct TerminalProgress<T> {
    term: T,
    style: TextStyle,
    rows: Vec<ActiveRow>,
    /// The lines to print when drawing begins. `None` after drawing has begun.
    pending_lines: Option<Vec<String>>,
    /// The indicatif bar that redraws the bottom lines. `None` if no step is running.
    bar: Option<ProgressBar>,
}

impl<T: TermLike + Clone + Send + 'static> TerminalProgress<T> {
    pub(crate) fn new(term: T, style: TextStyle) -> Self {
        let style = TextStyle { width: Some(term.width()), ..style };
        Self { term, style, rows: Vec::new(), pending_lines: Some(Vec::new()), bar: None }
    }

    /// Begins drawing. Prints the lines of the steps that have already finished.
    fn start_drawing(&mut self) {
        for line in self.pending_lines.take().into_iter().flatten() {
            self.print(&line);
        }
    }

    /// Prints lines as text above the redrawn lines.
    fn print_above(&mut self, lines: Vec<String>) {
        match &mut self.pending_lines {
            Some(pending_lines) => pending_lines.extend(lines),
            None => lines.iter().for_each(|line| self.print(line)),
        }
    }

    fn print(&self, line: &str) {
        let print = || {
            // A closed terminal must not stop the run.
            drop(self.term.write_line(line).and_then(|()| self.term.flush()));
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn draw(&mut self, at: Duration) {
        if self.pending_lines.is_some() {
            return;
        }
        if self.rows.is_empty() {
            self.clear();
            return;
        }
        let mut lines: Vec<String> = self.rows.iter().flat_map(|row| self.render_row(row, at)).collect();
        if lines.len() > MAX_LINES {
            let more = lines.len() - MAX_LINES + 1;
            lines.truncate(MAX_LINES - 1);
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

    fn render_row(&self, row: &ActiveRow, at: Duration) -> Vec<String> {
        let frames: &[char] = if self.style.unicode {
            &['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
        } else {
            &['|', '/', '-', '\\']
        };
        // The frame depends only on the time, so events do not change the speed of the animation.
        let frame_index = usize::try_from(at.as_millis() / TICK.as_millis()).unwrap_or(0);
        let mark = format!("{} ", frames[frame_index % frames.len()]);
        let took = at.saturating_sub(row.started_at).as_millis();
        ProgressLine {
            verb: row.verb,
            tone: Some(Tone::Link),
            subject: &row.subject_text,
            name: &row.name,
            note: &row.note,
            took_ms: u64::try_from(took).ok().filter(|ms| *ms >= 100),
        }
        .render(&mark, self.style)
    }

    fn add_row(
        &mut self,
        subject: RowSubject,
        verb: &'static str,
        subject_text: String,
        name: &str,
        at: Duration,
    ) {
        self.rows.retain(|row| row.subject != subject);
        let name = text::clean(name).into_owned();
        self.rows.push(ActiveRow { subject, verb, subject_text, name, note: String::new(), started_at: at });
    }

    fn set_note(&mut self, subject: &RowSubject, note: String) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.subject == *subject) {
            row.note = note;
        }
    }

    /// Removes the line of a step and prints its final state above the redrawn lines.
    fn finish_row(&mut self, subject: &RowSubject, verb: &str, tone: Tone, note: &str, took_ms: Option<u64>) {
        let row = self.rows.iter().position(|row| row.subject == *subject).map(|at| self.rows.remove(at));
        let (subject_text, name) = match (&row, subject) {
            (Some(row), _) => (row.subject_text.clone(), row.name.clone()),
            (None, RowSubject::Phase(phase)) => (progress_text::phase_subject(phase, ""), String::new()),
            (None, RowSubject::Resource(address)) => (address.to_string(), String::new()),
        };
        let line =
            ProgressLine { verb, tone: Some(tone), subject: &subject_text, name: &name, note, took_ms };
        self.print_above(line.render("  ", self.style));
    }

    fn finish_phase(&mut self, phase: &Phase, ok: bool, took_ms: u64) {
        let subject = RowSubject::Phase(phase.clone());
        let [_, done, _] = phases::phase_texts(phase);
        if *phase == phases::APPLY {
            // The lines of the resources have already shown the result of each change.
            self.rows.retain(|row| row.subject != subject);
        } else if ok {
            self.finish_row(&subject, done, Tone::Good, "", Some(took_ms));
        } else {
            self.finish_row(&subject, progress_text::failed_verb(phase), Tone::Bad, "", Some(took_ms));
        }
    }
}

impl<T: TermLike + Clone + Send + 'static> ProgressDisplay for TerminalProgress<T> {
    fn event(&mut self, event: &Event, at: Duration) {
        let resource = |address: &Address| RowSubject::Resource(address.clone());
        match event {
            // Each changed resource has its own line. Unchanged resources have none.
            Event::PhaseStarted { phase, .. } if *phase == phases::APPLY => {}
            Event::Started { action: Action::Keep, .. } | Event::Finished { action: Action::Keep, .. } => {}
            Event::PhaseStarted { phase, detail } => {
                let [verb, ..] = phases::phase_texts(phase);
                self.add_row(
                    RowSubject::Phase(phase.clone()),
                    verb,
                    progress_text::phase_subject(phase, detail),
                    "",
                    at,
                );
            }
            Event::PhaseNote { phase, note } => {
                self.set_note(&RowSubject::Phase(phase.clone()), text::clean(note).into_owned());
            }
            Event::PhaseEnded { phase, ok, took_ms } => self.finish_phase(phase, *ok, *took_ms),
            Event::Started { address, name, action } => {
                self.add_row(resource(address), action.present_participle(), address.to_string(), name, at);
            }
            Event::Waiting { address, attempt, why } => {
                self.set_note(&resource(address), progress_text::retry_note(*attempt, why));
            }
            Event::Finished { address, action, took_ms } => {
                // Every change is listed, however quick the run is.
                self.start_drawing();
                self.finish_row(
                    &resource(address),
                    action.past_participle(),
                    progress_text::action_tone(*action),
                    "",
                    Some(*took_ms),
                );
            }
            Event::Failed { address, fault, .. } => {
                self.start_drawing();
                self.finish_row(&resource(address), "failed", Tone::Bad, &text::clean(&fault.message), None);
            }
            Event::Skipped { address, because, .. } => {
                let why = progress_text::skip_reason(because.as_ref());
                self.finish_row(&resource(address), "skipped", Tone::Warn, &why, None);
            }
            Event::Interrupted { in_flight } => {
                // Show the reaction to Ctrl-C at once, even before the drawing delay is over.
                self.start_drawing();
                let message = text::wrap(&progress_text::interrupt_message(in_flight), 2, self.style);
                self.print_above(message.lines().map(|line| self.style.paint(Tone::Warn, line)).collect());
            }
        }
        self.tick(at);
    }

    fn tick(&mut self, at: Duration) {
        if at >= DRAW_DELAY {
            self.start_drawing();
        }
        self.draw(at);
    }

    fn wants_ticks(&self) -> bool {
        true
    }

    fn show_text(&mut self, text: &str) {
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

    /// Returns the content of the terminal `until_ms` milliseconds after the start of the recorded run, or at its end.
    fn screen(recorded: &str, columns: u16, until_ms: Option<u64>) -> String {
        let term = InMemoryTerm::new(40, columns);
        let mut bars = TerminalProgress::new(term.clone(), TextStyle::PLAIN);
        replay(recorded, &mut bars, until_ms.map(Duration::from_millis));
        if until_ms.is_none() {
            bars.finish(Duration::ZERO);
        }
        term.contents()
    }

    #[test]
    fn quick_run_draws_nothing() {
        let term = InMemoryTerm::new(40, 80);
        let mut bars = TerminalProgress::new(term.clone(), TextStyle::PLAIN);
        replay(QUICK, &mut bars, None);
        bars.finish(Duration::from_millis(45));
        assert_eq!(term.moves_since_last_check(), "");
    }

    #[test]
    fn drawing_begins_after_quarter_of_a_second() {
        assert_eq!(screen(DEPLOY, 80, Some(250)), "");
        insta::assert_snapshot!(screen(DEPLOY, 80, Some(350)), @"
          started   the local cloud                                    (84ms)
        ⠸ building  the function for this machine (x86_64)             (0.2s)
        ");
    }

    #[test]
    fn build_row_shows_compiled_crate() {
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
    fn waiting_row_shows_reason() {
        insta::assert_snapshot!(screen(DEPLOY, 100, Some(66_040)), @"
          started   the local cloud                                    (84ms)
          built     the function for this machine (x86_64)             (1m 04s)
          read      the deployed resources                             (19ms)
          created   log_group.function         /aws/lambda/hits-local  (58ms)
          created   role.function              hits-local              (0.2s)
          created   table.hits                 hits-local              (1.2s)
        ⠋ replacing function.counter           waiting: the role has not propagated yet, attempt 3  (1.5s)
        ");
    }

    #[test]
    fn finished_steps_remain_as_text() {
        insta::assert_snapshot!(screen(DEPLOY, 80, None), @"
          started   the local cloud                                    (84ms)
          built     the function for this machine (x86_64)             (1m 04s)
          read      the deployed resources                             (19ms)
          created   log_group.function         /aws/lambda/hits-local  (58ms)
          created   role.function              hits-local              (0.2s)
          created   table.hits                 hits-local              (1.2s)
        interrupted: no new changes will start; finishing function.counter
          failed    function.counter           failed to create function hits-local: th…
          skipped   http_api.api               because function.counter failed
          skipped   permission.http_api        because the run was interrupted
        ");
        insta::assert_snapshot!(screen(DEPLOY, 40, None), @"
          started   the local cloud  (84ms)
          built     the function for …  (1m 04s)
          read      the deployed resour…  (19ms)
          created   log_group.function  (58ms)
          created   role.function  (0.2s)
          created   table.hits  (1.2s)
        interrupted: no new changes will start;
          finishing function.counter
          failed    function.counter
                    failed to create function h…
          skipped   http_api.api
                    because function.counter fa…
          skipped   permission.http_api
                    because the run was interru…
        ");
    }

    #[test]
    fn interrupt_is_shown_at_once() {
        let term = InMemoryTerm::new(10, 120);
        let mut bars = TerminalProgress::new(term.clone(), TextStyle::PLAIN);
        bars.event(&Event::Interrupted { in_flight: vec![] }, Duration::from_millis(5));
        insta::assert_snapshot!(term.contents(), @"interrupted: no new changes will start; finishing the calls in progress");
    }

    #[test]
    fn warning_is_printed_above_active_rows() {
        let term = InMemoryTerm::new(10, 80);
        let mut bars = TerminalProgress::new(term.clone(), TextStyle::PLAIN);
        replay(DEPLOY, &mut bars, Some(Duration::from_millis(350)));
        bars.show_text("warning: something\n");
        insta::assert_snapshot!(term.contents(), @"
          started   the local cloud                                    (84ms)
        warning: something
        ⠸ building  the function for this machine (x86_64)             (0.2s)
        ");
    }

    #[test]
    fn active_rows_are_limited() {
        let term = InMemoryTerm::new(30, 80);
        let mut bars = TerminalProgress::new(term.clone(), TextStyle { unicode: false, ..TextStyle::PLAIN });
        for n in 0..40 {
            let address = Address::new("table", &format!("t{n}"));
            let event = Event::Started { address, name: "n".to_owned(), action: Action::Create };
            bars.event(&event, Duration::from_millis(300));
        }
        let shown = term.contents();
        assert_eq!(shown.lines().count(), MAX_LINES);
        assert!(shown.starts_with("\\ creating  table.t0") && shown.ends_with("and 29 more"), "{shown}");
    }
}
