//! The one place that writes to stdout and stderr and reads answers.
//!
//! Results go to stdout, talk to stderr. A reader of stdout that went away (`| head`) is no error; a full disk is, and
//! is remembered until [`Console::end`].

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::bars::Bars;
use super::failure::{self, Exit, Failure};
use super::input::Input;
use super::json_lines::JsonLines;
use super::notifier::Notifier;
use super::plain::Plain;
use super::progress::Progress;
use super::render::Report;
use super::style::{self, ColorChoice, Style, Tone};
use super::term::{Shared, StreamTerm};
use super::text;
use super::view::LogLine;

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
    /// How long a host may take to answer before it is said that it is waited for.
    pub patience: Duration,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
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
pub struct Console {
    stdout: Shared,
    /// Stderr, and how it is used.
    notifier: Notifier,
    stdin: Input,
    stop: CancellationToken,
    out: Style,
    /// Bars may be drawn on stderr.
    animate: bool,
    can_ask: bool,
    /// The one JSON object is written.
    answered: AtomicBool,
    /// Nobody reads stdout any more.
    gone: AtomicBool,
    /// Stdout could not be written.
    broken: AtomicBool,
}

/// The error where a question cannot be asked: stdin or stderr is no terminal, `CI` is set, or `--no-input` was given.
const NOT_INTERACTIVE: &str = "confirmation required, but this is not an interactive terminal";
/// Where nobody said how wide the terminal is.
const USUAL_WIDTH: u16 = 80;

impl Console {
    /// Decides, once, how each stream is used.
    pub fn new(options: ConsoleOptions<'_>) -> Self {
        let ConsoleOptions { env, color, width, .. } = options;
        let machine = style::is_ci(env);
        let err = Style::decide(color, env, options.stderr_tty, width);
        let notifier = Notifier::new(Shared::new(options.stderr), err, options.patience);
        let (json, quiet, verbose) = (options.json, options.quiet, options.verbose);
        Self {
            out: Style::decide(color, env, options.stdout_tty, width),
            animate: options.stderr_tty && !machine && !style::is_dumb(env),
            can_ask: options.stdin_tty && options.stderr_tty && !machine && !options.no_input,
            stdout: Shared::new(options.stdout),
            notifier: Notifier { json, quiet, verbose, ..notifier },
            stdin: Input::new(options.stdin),
            stop: CancellationToken::new(),
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

    /// Writes messages to stderr from elsewhere, such as during an AWS call.
    pub fn notifier(&self) -> &Notifier {
        &self.notifier
    }

    /// Whether `--json` was given.
    pub fn is_json(&self) -> bool {
        self.notifier.json
    }

    /// Starts to show what happens: bars on a terminal, plain lines elsewhere, NDJSON with `--json -v`.
    pub fn progress(&self) -> Progress {
        let Notifier { stderr, slot, style, .. } = self.notifier.clone();
        match (self.notifier.json, self.notifier.verbose) {
            (true, 0) => Progress::none(),
            (true, _) => Progress::start(JsonLines::new(stderr), &slot),
            _ if self.notifier.quiet => Progress::none(),
            _ if self.animate => {
                let term = StreamTerm::new(stderr, style.width.unwrap_or(USUAL_WIDTH));
                Progress::start(Bars::new(term, style), &slot)
            }
            (false, verbose) => Progress::start(Plain::new(stderr, verbose > 0), &slot),
        }
    }

    /// Shows what a command has found out. Ends a running progress first.
    pub fn result(&self, report: &dyn Report) {
        if self.notifier.json { self.answer(report.json()) } else { self.print(&report.human(self.out)) }
    }

    /// Writes the one JSON object.
    fn answer(&self, json: impl Display) {
        self.answered.store(true, Ordering::Relaxed);
        self.print(&format!("{json}\n"));
    }

    /// Writes a text to stdout as it is: scripts, manuals, exports; with `--json` as the `text` of the one object. A
    /// terminal is spared what it would obey.
    pub fn text(&self, text: &str) {
        if self.notifier.json {
            self.answer(json!({ "v": 1, "text": text }));
        } else if self.out.tty {
            self.print(&text::clean_lines(text));
        } else {
            self.print(text);
        }
    }

    /// Says that the result is in a file, and with `--json` in which.
    pub fn wrote(&self, file: &Path, talk: &str) {
        self.talk(talk);
        if self.notifier.json {
            self.answer(json!({ "v": 1, "file": file }));
        }
    }

    /// Shows a log line as it comes: one object a line with `--json`. `false` when nobody reads any more.
    pub fn stream(&self, line: &LogLine) -> bool {
        self.print(&if self.notifier.json { line.json() + "\n" } else { line.human(self.out) });
        !self.gone.load(Ordering::Relaxed) && !self.broken.load(Ordering::Relaxed)
    }

    /// Shows on stderr what is about to be asked about.
    pub fn preview(&self, report: &dyn Report) {
        if !self.notifier.quiet && !self.notifier.json {
            self.notifier.write(&report.human(self.notifier.style));
        }
    }

    /// Says something that is not the result.
    pub fn talk(&self, text: &str) {
        self.notifier.talk(text);
    }

    /// Warns.
    pub fn warn(&self, text: &str) {
        self.notifier.warn(text);
    }

    /// Writes a text of ours to stderr as it is, even with `--quiet`.
    pub fn complain(&self, text: &str) {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        self.notifier.write(&format!("{text}{end}"));
    }

    /// Shows what went wrong, and says how the program ends: on stderr for people, as the one object on stdout with
    /// `--json`.
    pub fn failure(&self, failure: &Failure) -> Exit {
        self.notifier.slot.end();
        if self.notifier.json && !self.answered.swap(true, Ordering::Relaxed) {
            self.print(&(failure::json(failure) + "\n"));
        } else if self.notifier.json && self.notifier.verbose > 0 {
            self.notifier.write(&(failure::json(failure) + "\n"));
        } else {
            self.notifier.write(&failure::human(failure, self.notifier.style));
        }
        failure.exit
    }

    /// How the program ends when it would end with `exit`: an unwritten result is an error.
    pub fn end(&self, exit: Exit) -> Exit {
        self.notifier.slot.end();
        if exit == Exit::Done && self.broken.load(Ordering::Relaxed) { Exit::Error } else { exit }
    }

    /// Asks a question that is answered by y or N.
    async fn confirm(&self, question: &str) -> Answer {
        let is_yes = |answer: &str| matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes");
        self.ask(&format!("{} [y/N] ", text::clean_lines(question)), is_yes).await
    }

    /// Asks, unless `yes` (`-y`) answers already. Ends the program with 3 when nobody agrees.
    pub async fn agree(&self, question: &str, yes: bool) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        let hint = "run the same command with `--yes` to agree beforehand";
        decided(self.confirm(question).await, question, hint)
    }

    /// Has a loss of data confirmed by its name: `given` (`--confirm NAME`) or typed. `-y` does not cover it. Ends the
    /// program with 3 when it is not confirmed.
    pub async fn confirm_loss(
        &self,
        warning: &str,
        expected: &str,
        given: Option<&str>,
    ) -> Result<(), Failure> {
        match given {
            Some(name) if name == expected => return Ok(()),
            Some(name) => return Err(Failure::wrong_confirmation(expected, name)),
            None => {}
        }
        if self.can_ask {
            let text = text::wrap(&text::clean_lines(warning), 0, self.notifier.style);
            self.complain(&self.notifier.style.paint(Tone::Warn, text));
        }
        let name = self.notifier.style.paint(Tone::Strong, text::clean(expected));
        let answer = self.ask(&format!("Type {name} to go on: "), |answer| answer == expected).await;
        decided(answer, warning, &format!("run the same command with `--confirm {expected}`"))
    }

    /// Reads all of stdin, but no more than one byte over `max`, so that the caller can tell that it is too long. Fails
    /// with [`io::ErrorKind::Interrupted`] on Ctrl-C.
    pub fn read_input(&self, max: u64, into: &mut Vec<u8>) -> io::Result<()> {
        self.stdin.read(max, &self.stop).map(|input| into.extend(input))
    }

    /// Asks for a line of text. `None` where nobody can answer, or the answer is empty.
    pub async fn question(&self, question: &str) -> Result<Option<String>, Failure> {
        match self.line(question).await {
            Line::Text(answer) => Ok(Some(answer).filter(|answer| !answer.is_empty())),
            Line::End | Line::CannotAsk => Ok(None),
            Line::Interrupted => Err(Failure::interrupted("interrupted; nothing was changed")),
        }
    }

    async fn ask(&self, question: &str, is_yes: impl Fn(&str) -> bool) -> Answer {
        match self.line(question).await {
            Line::Text(answer) if is_yes(&answer) => Answer::Yes,
            Line::Text(_) | Line::End => Answer::No,
            Line::Interrupted => Answer::Interrupted,
            Line::CannotAsk => Answer::CannotAsk,
        }
    }

    async fn line(&self, question: &str) -> Line {
        if !self.can_ask {
            return Line::CannotAsk;
        }
        self.notifier.slot.end();
        self.notifier.write(question);
        let Ok(receive) = self.stdin.ask() else { return Line::CannotAsk };
        let answer = tokio::select! {
            biased;
            () = self.stop.cancelled() => {
                self.notifier.write("\n");
                return Line::Interrupted;
            }
            answer = receive => answer.ok().flatten(),
        };
        match answer {
            Some(answer) if answer.ends_with('\n') => Line::Text(answer.trim().to_owned()),
            // The end of the input leaves the cursor after the question.
            _ => {
                self.notifier.write("\n");
                Line::End
            }
        }
    }

    fn print(&self, text: &str) {
        self.notifier.slot.end();
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
                self.notifier.write(&failure::human(&failure, self.notifier.style));
            }
        }
    }
}

/// The result of waiting for a line.
enum Line {
    /// The line, without blanks at its ends.
    Text(String),
    /// The input ended.
    End,
    Interrupted,
    CannotAsk,
}

/// Returns the failure of a question that was not agreed to. `hint` says how to agree without a question.
fn decided(answer: Answer, asked: &str, hint: &str) -> Result<(), Failure> {
    Err(match answer {
        Answer::Yes => return Ok(()),
        Answer::No => Failure::new("declined", "not confirmed; nothing was changed").exits(Exit::Confirm),
        Answer::Interrupted => Failure::interrupted("interrupted; nothing was changed"),
        Answer::CannotAsk => Failure::new("confirmation_needed", format!("{NOT_INTERACTIVE}: {asked}"))
            .hinted(hint)
            .exits(Exit::Confirm),
    })
}

#[cfg(test)]
#[path = "console_tests.rs"]
mod tests;
