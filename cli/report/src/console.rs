//! Writes to stdout and stderr, and reads answers from stdin. No other module does.
//!
//! Results go to stdout, messages to stderr. A closed stdout (`| head`) is not an error. After any other failed write
//! to stdout, [`Console::finish`] returns an error.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::bars::TerminalProgress;
use super::failure::{self, Exit, Failure};
use super::input::StdinReader;
use super::json_lines::NdjsonProgress;
use super::notifier::Notifier;
use super::plain::PlainProgress;
use super::progress::Progress;
use super::render::Renderable;
use super::style::{self, ColorChoice, TextStyle, Tone};
use super::term::{SharedStream, StreamTerm};
use super::text;
use super::view::LogLine;

/// The streams of the process, and the options for output.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line or a fact about a stream"
)]
pub struct ConsoleOptions<'a> {
    /// The stream for results.
    pub stdout: Box<dyn Write + Send>,
    /// The stream for messages and progress.
    pub stderr: Box<dyn Write + Send>,
    /// The stream for answers.
    pub stdin: Box<dyn BufRead + Send>,
    /// Whether stdout is a terminal.
    pub stdout_tty: bool,
    /// Whether stderr is a terminal.
    pub stderr_tty: bool,
    /// Whether stdin is a terminal.
    pub stdin_tty: bool,
    /// The width of the terminal in columns.
    pub width: Option<u16>,
    /// The value of `--color`.
    pub color: ColorChoice,
    /// The environment variables, such as `NO_COLOR`, `CI` and `TERM`.
    pub env: &'a BTreeMap<String, String>,
    /// `--json`: writes exactly one JSON object to stdout.
    pub json: bool,
    /// `--quiet`: shows only results and errors.
    pub quiet: bool,
    /// How many times `-v` was given.
    pub verbose: u8,
    /// `--no-input`: never asks a question.
    pub no_input: bool,
    /// How long a host may take to respond before a message reports it.
    pub slow_threshold: Duration,
}

/// The result of a yes/no question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConfirmResult {
    /// Confirmed.
    Yes,
    /// Declined, or the input ended without an answer.
    No,
    /// The session is not interactive.
    NotInteractive,
    /// Ctrl-C was pressed.
    Interrupted,
}

/// The terminal interface of hitctl.
pub struct Console {
    stdout: SharedStream,
    /// Stderr and its options.
    notifier: Notifier,
    stdin: StdinReader,
    stop: CancellationToken,
    stdout_style: TextStyle,
    /// Whether to show progress bars on stderr.
    use_bars: bool,
    is_interactive: bool,
    /// Whether the JSON object of `--json` was written.
    json_written: AtomicBool,
    /// Whether the reader of stdout has closed it.
    stdout_closed: AtomicBool,
    /// Whether a write to stdout failed.
    stdout_failed: AtomicBool,
}

/// The error message for a confirmation in a session that is not interactive: stdin or stderr is not a terminal,
/// `CI` is set, or `--no-input` was given.
const NOT_INTERACTIVE: &str = "confirmation required, but this is not an interactive terminal";
/// The assumed width of a terminal whose width is unknown, in columns.
const DEFAULT_WIDTH: u16 = 80;

impl Console {
    /// Creates the console, and decides the style of each stream from the options.
    pub fn new(options: ConsoleOptions<'_>) -> Self {
        let ConsoleOptions { env, color, width, .. } = options;
        let is_ci = style::is_ci(env);
        let stderr_style = TextStyle::decide(color, env, options.stderr_tty, width);
        let notifier = Notifier::new(SharedStream::new(options.stderr), stderr_style, options.slow_threshold);
        let (json, quiet, verbose) = (options.json, options.quiet, options.verbose);
        Self {
            stdout_style: TextStyle::decide(color, env, options.stdout_tty, width),
            use_bars: options.stderr_tty && !is_ci && !style::is_dumb(env),
            is_interactive: options.stdin_tty && options.stderr_tty && !is_ci && !options.no_input,
            stdout: SharedStream::new(options.stdout),
            notifier: Notifier { json, quiet, verbose, ..notifier },
            stdin: StdinReader::new(options.stdin),
            stop: CancellationToken::new(),
            json_written: AtomicBool::new(false),
            stdout_closed: AtomicBool::new(false),
            stdout_failed: AtomicBool::new(false),
        }
    }

    /// Sets the token that cancels questions.
    #[must_use]
    pub fn with_stop(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }

    /// Returns the notifier, with which other parts of the program, such as AWS calls, write messages to stderr.
    pub fn notifier(&self) -> &Notifier {
        &self.notifier
    }

    /// Whether `--json` was given.
    pub fn is_json(&self) -> bool {
        self.notifier.json
    }

    /// Starts the progress display: bars on a terminal, plain lines elsewhere, NDJSON with `--json -v`.
    pub fn progress(&self) -> Progress {
        let Notifier { stderr, display, style, .. } = self.notifier.clone();
        match (self.notifier.json, self.notifier.verbose) {
            (true, 0) => Progress::none(),
            (true, _) => Progress::start(NdjsonProgress::new(stderr), &display),
            _ if self.notifier.quiet => Progress::none(),
            _ if self.use_bars => {
                let term = StreamTerm::new(stderr, style.width.unwrap_or(DEFAULT_WIDTH));
                Progress::start(TerminalProgress::new(term, style), &display)
            }
            (false, verbose) => Progress::start(PlainProgress::new(stderr, verbose > 0), &display),
        }
    }

    /// Shows the result of a command. Ends a running progress display first.
    pub fn result(&self, report: &dyn Renderable) {
        if self.notifier.json {
            self.print_json(report.to_json());
        } else {
            self.print(&report.to_text(self.stdout_style));
        }
    }

    /// Writes the JSON object.
    fn print_json(&self, json: impl Display) {
        self.json_written.store(true, Ordering::Relaxed);
        self.print(&format!("{json}\n"));
    }

    /// Writes a text such as a script, a manual or an export to stdout. With `--json`, it is the field `text` of the
    /// JSON object. On a terminal, control characters are escaped.
    pub fn text(&self, text: &str) {
        if self.notifier.json {
            self.print_json(json!({ "v": 1, "text": text }));
        } else if self.stdout_style.tty {
            self.print(&text::clean_lines(text));
        } else {
            self.print(text);
        }
    }

    /// Writes the help of this program, which contains colours, to stdout.
    pub fn help(&self, text: &str) {
        self.print(&text::with_colour(text, self.stdout_style));
    }

    /// Writes the help of this program, which contains colours, to stderr.
    pub fn help_as_error(&self, text: &str) {
        self.notifier.write(&text::with_colour(text, self.notifier.style));
    }

    /// Reports that the result was written to a file. With `--json`, the JSON object contains the path of the file.
    pub fn file_written(&self, file: &Path, message: &str) {
        self.message(message);
        if self.notifier.json {
            self.print_json(json!({ "v": 1, "file": file }));
        }
    }

    /// Shows a log line at once. With `--json`, each line is one JSON object. Returns `false` if stdout is closed or a
    /// write failed.
    pub fn stream_line(&self, line: &LogLine) -> bool {
        self.print(&if self.notifier.json { line.to_json() + "\n" } else { line.to_text(self.stdout_style) });
        !self.stdout_closed.load(Ordering::Relaxed) && !self.stdout_failed.load(Ordering::Relaxed)
    }

    /// Shows on stderr the view to which the next question refers.
    pub fn preview(&self, report: &dyn Renderable) {
        if !self.notifier.quiet && !self.notifier.json {
            self.notifier.write(&report.to_text(self.notifier.style));
        }
    }

    /// Shows a message on stderr.
    pub fn message(&self, text: &str) {
        self.notifier.message(text);
    }

    /// Shows a warning.
    pub fn warn(&self, text: &str) {
        self.notifier.warn(text);
    }

    /// Writes a text to stderr without wrapping or escaping it, even with `--quiet`.
    pub fn write_stderr(&self, text: &str) {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        self.notifier.write(&format!("{text}{end}"));
    }

    /// Shows a failure: as text on stderr, or with `--json` as the JSON object on stdout. Returns the exit
    /// status.
    pub fn show_failure(&self, failure: &Failure) -> Exit {
        self.notifier.display.end();
        if self.notifier.json && !self.json_written.swap(true, Ordering::Relaxed) {
            self.print(&(failure::to_json(failure) + "\n"));
        } else if self.notifier.json && self.notifier.verbose > 0 {
            self.notifier.write(&(failure::to_json(failure) + "\n"));
        } else {
            self.notifier.write(&failure::to_text(failure, self.notifier.style));
        }
        failure.exit
    }

    /// Ends the progress display and returns the exit status. `Done` becomes `Error` if the result could not be
    /// written.
    pub fn finish(&self, exit: Exit) -> Exit {
        self.notifier.display.end();
        if exit == Exit::Done && self.stdout_failed.load(Ordering::Relaxed) { Exit::Error } else { exit }
    }

    /// Asks a yes/no question. The default is no.
    async fn prompt_yes_no(&self, question: &str) -> ConfirmResult {
        let is_yes = |answer: &str| matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes");
        let question = format!("{} [y/N]", text::clean_lines(question));
        self.prompt_with(&format!("{} ", text::wrap(&question, 0, self.notifier.style)), is_yes).await
    }

    /// Asks for confirmation, unless `yes` (`--yes`) is set. The exit status of the failure is 3 if the answer is no or
    /// the session is not interactive.
    pub async fn confirm(&self, question: &str, yes: bool) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        let hint = "run the same command with `--yes` to confirm";
        confirmation_result(self.prompt_yes_no(question).await, question, hint)
    }

    /// Asks the user to type the name `expected` before data is lost, unless `confirmed_name` (`--confirm NAME`) is
    /// that name. `--yes` does not confirm a loss. The exit status of the failure is 3.
    pub async fn confirm_loss(
        &self,
        warning: &str,
        expected: &str,
        confirmed_name: Option<&str>,
    ) -> Result<(), Failure> {
        match confirmed_name {
            Some(name) if name == expected => return Ok(()),
            Some(name) => return Err(Failure::wrong_confirmation(expected, name)),
            None => {}
        }
        if self.is_interactive {
            let text = text::wrap(&text::clean_lines(warning), 0, self.notifier.style);
            self.write_stderr(&self.notifier.style.paint(Tone::Warn, text));
        }
        let name = self.notifier.style.paint(Tone::Strong, text::clean(expected));
        let answer =
            self.prompt_with(&format!("Type {name} to confirm: "), |answer| answer == expected).await;
        confirmation_result(answer, warning, &format!("run the same command with `--confirm {expected}`"))
    }

    /// Reads all of stdin, but at most one byte more than `max`, so that the caller can detect that the input is too
    /// long. Fails with [`io::ErrorKind::Interrupted`] on Ctrl-C.
    pub fn read_input(&self, max: u64, into: &mut Vec<u8>) -> io::Result<()> {
        self.stdin.read(max, &self.stop).map(|input| into.extend(input))
    }

    /// Asks for a line of text. Returns `None` if the session is not interactive, or the answer is empty.
    pub async fn prompt_line(&self, question: &str) -> Result<Option<String>, Failure> {
        match self.read_line(question).await {
            ReadLineResult::Text(answer) => Ok(Some(answer).filter(|answer| !answer.is_empty())),
            ReadLineResult::End | ReadLineResult::NotInteractive => Ok(None),
            ReadLineResult::Interrupted => Err(Failure::interrupted("interrupted; nothing was changed")),
        }
    }

    async fn prompt_with(&self, question: &str, is_yes: impl Fn(&str) -> bool) -> ConfirmResult {
        match self.read_line(question).await {
            ReadLineResult::Text(answer) if is_yes(&answer) => ConfirmResult::Yes,
            ReadLineResult::Text(_) | ReadLineResult::End => ConfirmResult::No,
            ReadLineResult::Interrupted => ConfirmResult::Interrupted,
            ReadLineResult::NotInteractive => ConfirmResult::NotInteractive,
        }
    }

    async fn read_line(&self, question: &str) -> ReadLineResult {
        if !self.is_interactive {
            return ReadLineResult::NotInteractive;
        }
        self.notifier.display.end();
        self.notifier.write(question);
        let Ok(receive) = self.stdin.read_line() else { return ReadLineResult::NotInteractive };
        let answer = tokio::select! {
            biased;
            () = self.stop.cancelled() => {
                self.notifier.write("\n");
                return ReadLineResult::Interrupted;
            }
            answer = receive => answer.ok().flatten(),
        };
        match answer {
            Some(answer) if answer.ends_with('\n') => ReadLineResult::Text(answer.trim().to_owned()),
            // The answer has no line end, so end the line of the question here.
            _ => {
                self.notifier.write("\n");
                ReadLineResult::End
            }
        }
    }

    fn print(&self, text: &str) {
        self.notifier.display.end();
        if self.stdout_closed.load(Ordering::Relaxed) || self.stdout_failed.load(Ordering::Relaxed) {
            return;
        }
        match self.stdout.write(text.as_bytes()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.stdout_closed.store(true, Ordering::Relaxed);
            }
            Err(error) => {
                self.stdout_failed.store(true, Ordering::Relaxed);
                let failure =
                    Failure::new("not_written", "failed to write the result to stdout").caused_by(error);
                self.notifier.write(&failure::to_text(&failure, self.notifier.style));
            }
        }
    }
}

/// The result of reading one line.
enum ReadLineResult {
    /// The line, trimmed.
    Text(String),
    /// The input ended.
    End,
    Interrupted,
    NotInteractive,
}

/// Returns a failure if the question was not confirmed. `hint` names the flag that confirms without a question.
fn confirmation_result(answer: ConfirmResult, question: &str, hint: &str) -> Result<(), Failure> {
    Err(match answer {
        ConfirmResult::Yes => return Ok(()),
        ConfirmResult::No => {
            Failure::new("declined", "not confirmed; nothing was changed").with_exit(Exit::Confirm)
        }
        ConfirmResult::Interrupted => Failure::interrupted("interrupted; nothing was changed"),
        ConfirmResult::NotInteractive => {
            Failure::new("confirmation_needed", format!("{NOT_INTERACTIVE}: {question}"))
                .hinted(hint)
                .with_exit(Exit::Confirm)
        }
    })
}

#[cfg(test)]
mod tests;
