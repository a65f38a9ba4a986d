//! Tests of the console with captured streams.

use std::io::Cursor;

use hitctl_engine::Event;

use super::super::term::tests::CapturedStream;
use super::*;
use crate::view::BuildView;

struct TestConsole {
    console: Console,
    stdout: CapturedStream,
    stderr: CapturedStream,
}

#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "the flags are those of `ConsoleOptions`")]
struct TestOptions {
    tty: bool,
    json: bool,
    quiet: bool,
    verbose: u8,
    no_input: bool,
    env: &'static [(&'static str, &'static str)],
    stdin: &'static str,
}

const PIPE: TestOptions =
    TestOptions { tty: false, json: false, quiet: false, verbose: 0, no_input: false, env: &[], stdin: "" };
const TTY: TestOptions = TestOptions { tty: true, ..PIPE };

fn test_console(options: TestOptions) -> TestConsole {
    let (stdout, stderr) = (CapturedStream::default(), CapturedStream::default());
    let console = console_with_stdout(options, Box::new(stdout.clone()), &stderr);
    TestConsole { console, stdout, stderr }
}

fn console_with_stdout(
    options: TestOptions,
    stdout: Box<dyn Write + Send>,
    stderr: &CapturedStream,
) -> Console {
    let env = options.env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Console::new(ConsoleOptions {
        stdout,
        stderr: Box::new(stderr.clone()),
        stdin: Box::new(Cursor::new(options.stdin)),
        stdout_tty: options.tty,
        stderr_tty: options.tty,
        stdin_tty: options.tty,
        width: options.tty.then_some(60),
        color: ColorChoice::Auto,
        env: &env,
        json: options.json,
        quiet: options.quiet,
        verbose: options.verbose,
        no_input: options.no_input,
        slow_threshold: Duration::from_mins(1),
    })
}

fn build() -> BuildView {
    BuildView { zip: "a.zip".into(), bytes: 524_288, sha256: "ab".to_owned(), arch: "arm64".to_owned() }
}

#[test]
fn json_mode_prints_one_object_on_stdout() {
    let test = test_console(TestOptions { json: true, ..PIPE });
    test.console.message("hello");
    test.console.result(&build());
    let exit = test.console.show_failure(&Failure::new("x", "failed to build").with_exit(Exit::Smoke));
    assert_eq!(exit, Exit::Smoke);
    assert_eq!(
        test.stdout.text(),
        "{\"v\":1,\"zip\":\"a.zip\",\"bytes\":524288,\"sha256\":\"ab\",\"arch\":\"arm64\"}\n"
    );
    assert_eq!(test.stderr.text(), "hello\nerror: failed to build\n");

    let test = test_console(TestOptions { json: true, ..PIPE });
    test.console.show_failure(&Failure::usage("no such thing"));
    assert_eq!(
        test.stdout.text(),
        "{\"v\":1,\"error\":{\"code\":\"usage\",\"message\":\"no such thing\",\"cause\":null,\"hint\":null,\"request_id\":null}}\n"
    );
    assert_eq!(test.stderr.text(), "");
}

#[test]
fn json_verbose_stderr_lines_are_objects() {
    let test = test_console(TestOptions { json: true, verbose: 1, ..PIPE });
    let progress = test.console.progress();
    test.console.message("to this machine");
    progress.sink().send(Event::PhaseEnded { phase: crate::phases::SMOKE, ok: true, took_ms: 3 });
    test.console.warn("careful");
    test.console.result(&build());
    test.console.show_failure(&Failure::new("x", "failed to build"));
    let stderr = test.stderr.text();
    let events: Vec<serde_json::Value> =
        stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = events.iter().map(|e| e["event"].as_str().unwrap_or("error")).collect();
    assert_eq!(kinds, ["talk", "phase_ended", "warning", "error"]);
}

#[test]
fn quiet_mode_shows_only_results_and_errors() {
    let test = test_console(TestOptions { quiet: true, ..PIPE });
    let progress = test.console.progress();
    progress.sink().send(Event::PhaseEnded { phase: crate::phases::SMOKE, ok: true, took_ms: 3 });
    test.console.message("hello");
    test.console.warn("careful");
    progress.finish();
    test.console.result(&build());
    test.console.show_failure(&Failure::new("x", "failed to build"));
    assert!(test.stdout.text().contains("512 KiB"));
    assert_eq!(test.stderr.text(), "error: failed to build\n");
}

#[test]
fn progress_is_plain_in_pipe_and_ci_and_bars_on_terminal() {
    let show = |options: TestOptions| {
        let test = test_console(options);
        let progress = test.console.progress();
        progress.sink().send(Event::PhaseEnded { phase: crate::phases::SMOKE, ok: true, took_ms: 3 });
        progress.finish();
        test.stderr.text()
    };
    assert_eq!(show(PIPE), "+0.0s    checked   the live URL                                       (3ms)\n");
    assert_eq!(show(TestOptions { env: &[("CI", "true")], ..TTY }), show(PIPE));
    assert_eq!(show(TestOptions { env: &[("TERM", "dumb")], ..TTY }), show(PIPE));
    assert_eq!(show(TTY), "", "a quick run on a terminal stays silent");
    assert_eq!(show(TestOptions { json: true, ..TTY }), "");
}

#[tokio::test]
async fn prompts_appear_only_in_interactive_sessions() {
    let answers = [
        ("y\n", ConfirmResult::Yes),
        ("YES\n", ConfirmResult::Yes),
        ("\n", ConfirmResult::No),
        ("", ConfirmResult::No),
        ("yep\n", ConfirmResult::No),
    ];
    for (stdin, expected) in answers {
        let test = test_console(TestOptions { stdin, ..TTY });
        assert_eq!(test.console.prompt_yes_no("Apply?").await, expected, "{stdin:?}");
        assert!(test.stderr.text().starts_with("Apply? [y/N] "));
    }
    for options in [PIPE, TestOptions { no_input: true, ..TTY }, TestOptions { env: &[("CI", "1")], ..TTY }] {
        let test = test_console(TestOptions { stdin: "y\n", ..options });
        assert_eq!(test.console.prompt_yes_no("Apply?").await, ConfirmResult::NotInteractive);
        let failure = test.console.confirm("Apply?", false).await.unwrap_err();
        assert_eq!((failure.exit, failure.code.as_str()), (Exit::Confirm, "confirmation_needed"));
        assert_eq!(test.stderr.text(), "");
        test.console.confirm("Apply?", true).await.unwrap();
    }
}

#[tokio::test]
async fn confirm_loss_requires_name() {
    let confirm_loss = async |options: TestOptions, confirm: Option<&str>| {
        let result = test_console(options).console.confirm_loss("All gone.", "prod", confirm).await;
        result.map_err(|failure| failure.exit)
    };
    assert_eq!(confirm_loss(TestOptions { stdin: "prod\n", ..TTY }, None).await, Ok(()));
    assert_eq!(confirm_loss(TestOptions { stdin: "y\n", ..TTY }, None).await, Err(Exit::Confirm));
    assert_eq!(confirm_loss(PIPE, None).await, Err(Exit::Confirm));
    assert_eq!(confirm_loss(PIPE, Some("prod")).await, Ok(()));
    assert_eq!(confirm_loss(PIPE, Some("test")).await, Err(Exit::Confirm));
}

/// A terminal without any input.
struct SilentStdin(std::sync::mpsc::Receiver<u8>);

impl io::Read for SilentStdin {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        let _sender_dropped = self.0.recv();
        Ok(0)
    }
}

#[tokio::test]
async fn ctrl_c_cancels_question() {
    let test = test_console(TTY);
    // The read blocks until the sender is dropped at the end of the test.
    let (_sender, terminal) = std::sync::mpsc::channel();
    let stop = CancellationToken::new();
    let mut console = test.console.with_stop(stop.clone());
    console.stdin = StdinReader::new(Box::new(io::BufReader::new(SilentStdin(terminal))));
    let confirmation = console.confirm("Apply?", false);
    let (answer, ()) = tokio::join!(confirmation, async { stop.cancel() });
    assert_eq!(answer.unwrap_err().exit, Exit::Interrupted);
    assert_eq!(test.stderr.text(), "Apply? [y/N] \n");
}

/// Fails every write with one kind of error.
struct FailingWriter(io::ErrorKind);

impl Write for FailingWriter {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn write_to_closed_stdout_is_no_error_but_to_full_disk_is() {
    let stderr = CapturedStream::default();
    let console = console_with_stdout(PIPE, Box::new(FailingWriter(io::ErrorKind::BrokenPipe)), &stderr);
    console.result(&build());
    assert!(!console.stream_line(&LogLine { timestamp_ms: 0, message: "x".to_owned() }));
    assert_eq!((console.finish(Exit::Done), stderr.text()), (Exit::Done, String::new()));

    let console = console_with_stdout(PIPE, Box::new(FailingWriter(io::ErrorKind::StorageFull)), &stderr);
    console.result(&build());
    assert_eq!(console.finish(Exit::Done), Exit::Error);
    assert!(stderr.text().starts_with("error: failed to write the result to stdout\n"), "{}", stderr.text());
}

#[test]
fn read_input_is_limited() {
    let test = test_console(TestOptions { stdin: "0123456789", ..PIPE });
    let mut into = Vec::new();
    test.console.read_input(4, &mut into).unwrap();
    assert_eq!(into, b"01234");
}

#[test]
fn messages_are_wrapped_and_escaped() {
    let test = test_console(TTY);
    test.console.warn("the name \u{1b}[2J of this thing is very long and has to be wrapped somewhere");
    insta::assert_snapshot!(test.stderr.text().replace('\u{1b}', "ESC"), @r"
    ESC[33mwarning:ESC[0m the name \u{1b}[2J of this thing is very long and
      has to be wrapped somewhere
    ");
}
