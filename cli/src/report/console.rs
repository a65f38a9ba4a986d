//! The one place that writes to stdout and stderr and reads answers.
//!
//! Results go to stdout, talk to stderr. A reader of stdout that went away (`| head`) is no error; a full disk is, and
//! is remembered until [`Console::end`].

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read as _, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::bars::Bars;
use super::failure::{self, Exit, Failure};
use super::json_lines::JsonLines;
use super::plain::Plain;
use super::progress::{Progress, Slot};
use super::style::{self, ColorChoice, Style, Tone};
use super::term::{Shared, StreamTerm};
use super::text;
use super::view::{LogLine, Report};

/// The streams of a run, and what the user said about them.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line or a fact about a stream"
)]
pub struct ConsoleOptions<'a> {
    /// Where results go.
    pub stdout: Box<dyn Write + Send>,
    /// Where talk goes.
    pub stderr: Box<dyn Write + Send>,
    /// Where answers come from.
    pub stdin: Box<dyn BufRead + Send>,
    /// Whether somebody looks at stdout.
    pub stdout_tty: bool,
    /// Whether somebody looks at stderr.
    pub stderr_tty: bool,
    /// Whether somebody can answer.
    pub stdin_tty: bool,
    /// The width of the terminal in columns.
    pub width: Option<u16>,
    /// `--color`.
    pub color: ColorChoice,
    /// The environment: `NO_COLOR`, `CI`, `TERM` and the like are read from it.
    pub env: &'a BTreeMap<String, String>,
    /// `--json`: stdout carries exactly one JSON object.
    pub json: bool,
    /// `--quiet`: only results and errors.
    pub quiet: bool,
    /// How many times `-v` was given.
    pub verbose: u8,
    /// `--no-input`: never ask.
    pub no_input: bool,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Agreed.
    Yes,
    /// Not agreed, or no answer before the end of the input.
    No,
    /// Nobody is there to ask.
    CannotAsk,
    /// Ctrl-C in place of an answer.
    Interrupted,
}

/// Where everything is shown and asked.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line or a fact about a stream"
)]
pub struct Console {
    stdout: Shared,
    stderr: Shared,
    stdin: Arc<Mutex<Box<dyn BufRead + Send>>>,
    stop: CancellationToken,
    out: Style,
    err: Style,
    /// Bars may be drawn on stderr.
    animate: bool,
    can_ask: bool,
    json: bool,
    quiet: bool,
    verbose: u8,
    slot: Slot,
    /// The one JSON object is written.
    answered: AtomicBool,
    /// Nobody reads stdout any more.
    gone: AtomicBool,
    /// Stdout could not be written.
    broken: AtomicBool,
}

/// What is said where a question cannot be asked: input or messages go elsewhere, in CI, or with `--no-input`.
const NOT_INTERACTIVE: &str = "confirmation required, but this is not an interactive terminal";
/// An answer longer than this is none.
const LONGEST_ANSWER: u64 = 1024;
/// Where nobody said how wide the terminal is.
const USUAL_WIDTH: u16 = 80;

impl Console {
    /// Decides, once, how each stream is used.
    pub fn new(options: ConsoleOptions<'_>) -> Self {
        let ConsoleOptions { env, color, width, .. } = options;
        let machine = style::is_ci(env);
        Self {
            out: Style::decide(color, env, options.stdout_tty, width),
            err: Style::decide(color, env, options.stderr_tty, width),
            animate: options.stderr_tty && !machine && !style::is_dumb(env),
            can_ask: options.stdin_tty && options.stderr_tty && !machine && !options.no_input,
            stdout: Shared::new(options.stdout),
            stderr: Shared::new(options.stderr),
            stdin: Arc::new(Mutex::new(options.stdin)),
            stop: CancellationToken::new(),
            json: options.json,
            quiet: options.quiet,
            verbose: options.verbose,
            slot: Slot::default(),
            answered: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        }
    }

    /// Questions end, unanswered, when `stop` is cancelled.
    #[must_use]
    pub fn stopped_by(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }

    /// How results look: for commands that choose between a long and a short form.
    pub fn style(&self) -> Style {
        self.out
    }

    /// Whether `--json` was given.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Starts to show what happens: bars on a terminal, plain lines elsewhere, NDJSON with `--json -v`.
    pub fn progress(&self) -> Progress {
        if self.json {
            return match self.verbose {
                0 => Progress::none(),
                _ => Progress::start(JsonLines::new(self.stderr.clone()), &self.slot),
            };
        }
        if self.quiet {
            return Progress::none();
        }
        if self.animate {
            let term = StreamTerm::new(self.stderr.clone(), self.err.width.unwrap_or(USUAL_WIDTH));
            return Progress::start(Bars::new(term, self.err), &self.slot);
        }
        Progress::start(Plain::new(self.stderr.clone(), self.verbose > 0), &self.slot)
    }

    /// Shows what a command has found out. Ends a running progress first.
    pub fn result(&self, report: &dyn Report) {
        let text = if self.json { report.json() + "\n" } else { report.human(self.out) };
        self.answered.store(true, Ordering::Relaxed);
        self.print(&text);
    }

    /// Writes a text to stdout as it is: scripts, manuals, exports; with `--json` as the `text` of the one object. A
    /// terminal is spared what it would obey.
    pub fn text(&self, text: &str) {
        if self.json {
            self.answered.store(true, Ordering::Relaxed);
            self.print(&format!("{}\n", json!({ "v": 1, "text": text })));
        } else if self.out.tty {
            self.print(&text::clean_lines(text));
        } else {
            self.print(text);
        }
    }

    /// Says that the result is in a file, and with `--json` in which.
    pub fn wrote(&self, file: &Path, talk: &str) {
        self.talk(talk);
        if self.json {
            self.answered.store(true, Ordering::Relaxed);
            self.print(&format!("{}\n", json!({ "v": 1, "file": file })));
        }
    }

    /// Shows log lines: all in one object with `--json`.
    pub fn log(&self, lines: &[LogLine]) {
        self.result(&super::view::LogsView { lines: lines.to_vec() });
    }

    /// Shows a log line as it comes: one object a line with `--json`. `false` when nobody reads any more.
    pub fn stream(&self, line: &LogLine) -> bool {
        self.print(&if self.json { line.json() + "\n" } else { line.human(self.out) });
        !self.gone.load(Ordering::Relaxed) && !self.broken.load(Ordering::Relaxed)
    }

    /// Shows on stderr what is about to be asked about.
    pub fn preview(&self, report: &dyn Report) {
        if !self.quiet && !self.json {
            self.to_stderr(&report.human(self.err));
        }
    }

    /// Says something that is not the result.
    pub fn talk(&self, text: &str) {
        if !self.quiet {
            self.say("talk", text, &text::wrap(&text::clean_lines(text), 0, self.err));
        }
    }

    /// Warns.
    pub fn warn(&self, text: &str) {
        if !self.quiet {
            let head = self.err.paint(Tone::Warn, "warning:");
            self.say("warning", text, &text::headed(&head, &text::clean_lines(text), 2, self.err));
        }
    }

    /// Writes a text of ours to stderr as it is, even with `--quiet`.
    pub fn complain(&self, text: &str) {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        self.to_stderr(&format!("{text}{end}"));
    }

    /// Shows what went wrong, and says how the program ends: on stderr for people, as the one object on stdout with
    /// `--json`.
    pub fn failure(&self, failure: &Failure) -> Exit {
        self.slot.end();
        if self.json && !self.answered.swap(true, Ordering::Relaxed) {
            self.print(&(failure::json(failure) + "\n"));
        } else if self.json && self.verbose > 0 {
            self.to_stderr(&(failure::json(failure) + "\n"));
        } else {
            self.to_stderr(&failure::human(failure, self.err));
        }
        failure.exit
    }

    /// How the program ends when it would end with `exit`: an unwritten result is an error.
    pub fn end(&self, exit: Exit) -> Exit {
        self.slot.end();
        if exit == Exit::Done && self.broken.load(Ordering::Relaxed) { Exit::Error } else { exit }
    }

    /// Asks a question that is answered by y or N.
    pub async fn confirm(&self, question: &str) -> Answer {
        let is_yes = |answer: &str| matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes");
        self.ask(&format!("{} [y/N] ", text::clean_lines(question)), is_yes).await
    }

    /// Asks for a name to be typed.
    pub async fn confirm_typed(&self, expected: &str) -> Answer {
        let name = self.err.paint(Tone::Strong, text::clean(expected));
        self.ask(&format!("Type {name} to go on: "), |answer| answer == expected).await
    }

    /// Asks, unless `yes` (`-y`) answers already. Ends the program with 3 when nobody agrees.
    pub async fn agree(&self, question: &str, yes: bool) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        match self.confirm(question).await {
            Answer::Yes => Ok(()),
            Answer::No => Err(declined()),
            Answer::Interrupted => Err(Failure::interrupted("interrupted; nothing was changed")),
            Answer::CannotAsk => {
                Err(Failure::new("confirmation_needed", format!("{NOT_INTERACTIVE}: {question}"))
                    .hinted("run the same command with `--yes` to agree beforehand")
                    .exits(Exit::Confirm))
            }
        }
    }

    /// Has a loss of data confirmed by its name: `given` (`--confirm NAME`) or typed. `-y` does not cover it. Ends the
    /// program with 3 when it is not confirmed.
    pub async fn confirm_loss(
        &self,
        warning: &str,
        expected: &str,
        given: Option<&str>,
    ) -> Result<(), Failure> {
        let hint = format!("run the same command with `--confirm {expected}`");
        let failure = |message: String| {
            Failure::new("confirmation_needed", message).hinted(hint.clone()).exits(Exit::Confirm)
        };
        match given {
            Some(name) if name == expected => return Ok(()),
            Some(name) => return Err(failure(format!("--confirm says {name:?}, but this is {expected:?}"))),
            None => {}
        }
        if self.can_ask {
            let text = text::wrap(&text::clean_lines(warning), 0, self.err);
            self.complain(&self.err.paint(Tone::Warn, text));
        }
        match self.confirm_typed(expected).await {
            Answer::Yes => Ok(()),
            Answer::No => Err(declined()),
            Answer::Interrupted => Err(Failure::interrupted("interrupted; nothing was changed")),
            Answer::CannotAsk => Err(failure(format!("{NOT_INTERACTIVE}: {warning}"))),
        }
    }

    /// Reads all of stdin, but no more than one byte over `max`, so that the caller can tell that it is too long.
    pub fn read_input(&self, max: u64, into: &mut Vec<u8>) -> io::Result<()> {
        let mut stdin = self.stdin.lock().unwrap_or_else(PoisonError::into_inner);
        (&mut *stdin).take(max.saturating_add(1)).read_to_end(into).map(drop)
    }

    async fn ask(&self, question: &str, is_yes: impl Fn(&str) -> bool) -> Answer {
        if !self.can_ask {
            return Answer::CannotAsk;
        }
        self.slot.end();
        self.to_stderr(question);
        let (send, receive) = oneshot::channel();
        let stdin = Arc::clone(&self.stdin);
        // A thread of its own: nothing can end a read of a terminal, and Ctrl-C has to be heard meanwhile.
        let asking = std::thread::Builder::new().name("answer".to_owned()).spawn(move || {
            // Whoever asked may have given up.
            drop(send.send(read_answer(&mut **stdin.lock().unwrap_or_else(PoisonError::into_inner))));
        });
        if asking.is_err() {
            return Answer::CannotAsk;
        }
        let answer = tokio::select! {
            biased;
            () = self.stop.cancelled() => {
                self.to_stderr("\n");
                return Answer::Interrupted;
            }
            answer = receive => answer.ok().flatten(),
        };
        match answer {
            Some(answer) if answer.ends_with('\n') && is_yes(answer.trim()) => Answer::Yes,
            Some(answer) if answer.ends_with('\n') => Answer::No,
            // The end of the input leaves the cursor after the question.
            _ => {
                self.to_stderr("\n");
                Answer::No
            }
        }
    }

    fn print(&self, text: &str) {
        self.slot.end();
        if self.gone.load(Ordering::Relaxed) || self.broken.load(Ordering::Relaxed) {
            return;
        }
        match self.stdout.write(text.as_bytes()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone.store(true, Ordering::Relaxed);
            }
            Err(error) => {
                self.broken.store(true, Ordering::Relaxed);
                let failure =
                    Failure::new("not_written", "failed to write the result to stdout").caused_by(error);
                self.to_stderr(&failure::human(&failure, self.err));
            }
        }
    }

    fn say(&self, event: &str, text: &str, human: &str) {
        if self.json && self.verbose > 0 {
            // The stream of events stays one object a line.
            self.to_stderr(&format!("{}\n", json!({ "v": 1, "event": event, "message": text })));
        } else {
            self.to_stderr(&format!("{human}\n"));
        }
    }

    fn to_stderr(&self, text: &str) {
        if !self.slot.say(text) {
            // There is nobody left to tell.
            drop(self.stderr.write(text.as_bytes()));
        }
    }
}

/// One line, with its end unless the input ends before.
fn read_answer(stdin: &mut (dyn BufRead + Send)) -> Option<String> {
    let mut answer = Vec::new();
    stdin.take(LONGEST_ANSWER).read_until(b'\n', &mut answer).ok()?;
    String::from_utf8(answer).ok()
}

fn declined() -> Failure {
    Failure::new("declined", "not confirmed; nothing was changed").exits(Exit::Confirm)
}

#[cfg(test)]
#[path = "console_tests.rs"]
mod tests;
