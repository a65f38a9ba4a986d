//! The console with captured streams.

use std::io::Cursor;

use hitctl_engine::Event;

use super::super::term::tests::Captured;
use super::*;
use crate::view::BuildView;

struct Setup {
    console: Console,
    stdout: Captured,
    stderr: Captured,
}

#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "flags, as in the options")]
struct Given {
    tty: bool,
    json: bool,
    quiet: bool,
    verbose: u8,
    no_input: bool,
    env: &'static [(&'static str, &'static str)],
    stdin: &'static str,
}

const PIPE: Given =
    Given { tty: false, json: false, quiet: false, verbose: 0, no_input: false, env: &[], stdin: "" };
const TTY: Given = Given { tty: true, ..PIPE };

fn setup(given: Given) -> Setup {
    let (stdout, stderr) = (Captured::default(), Captured::default());
    let console = with_stdout(given, Box::new(stdout.clone()), &stderr);
    Setup { console, stdout, stderr }
}

fn with_stdout(given: Given, stdout: Box<dyn Write + Send>, stderr: &Captured) -> Console {
    let env = given.env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Console::new(ConsoleOptions {
        stdout,
        stderr: Box::new(stderr.clone()),
        stdin: Box::new(Cursor::new(given.stdin)),
        stdout_tty: given.tty,
        stderr_tty: given.tty,
        stdin_tty: given.tty,
        width: given.tty.then_some(60),
        color: ColorChoice::Auto,
        env: &env,
        json: given.json,
        quiet: given.quiet,
        verbose: given.verbose,
        no_input: given.no_input,
        patience: Duration::from_mins(1),
    })
}

fn build() -> BuildView {
    BuildView { zip: "a.zip".into(), bytes: 524_288, sha256: "ab".to_owned(), arch: "arm64".to_owned() }
}

#[test]
fn json_is_one_object_on_stdout_whatever_happens() {
    let s = setup(Given { json: true, ..PIPE });
    s.console.talk("hello");
    s.console.result(&build());
    let exit = s.console.failure(&Failure::new("x", "went wrong").exits(Exit::Smoke));
    assert_eq!(exit, Exit::Smoke);
    assert_eq!(
        s.stdout.text(),
        "{\"v\":1,\"zip\":\"a.zip\",\"bytes\":524288,\"sha256\":\"ab\",\"arch\":\"arm64\"}\n"
    );
    assert_eq!(s.stderr.text(), "hello\nerror: went wrong\n");

    let s = setup(Given { json: true, ..PIPE });
    s.console.failure(&Failure::usage("no such thing"));
    assert_eq!(
        s.stdout.text(),
        "{\"v\":1,\"error\":{\"code\":\"usage\",\"message\":\"no such thing\",\"cause\":null,\"hint\":null,\"request_id\":null}}\n"
    );
    assert_eq!(s.stderr.text(), "");
}

#[test]
fn every_line_of_json_v_on_stderr_is_an_object() {
    let s = setup(Given { json: true, verbose: 1, ..PIPE });
    let progress = s.console.progress();
    s.console.talk("to this machine");
    progress.sink().send(Event::PhaseEnded { phase: crate::phases::SMOKE, ok: true, took_ms: 3 });
    s.console.warn("careful");
    s.console.result(&build());
    s.console.failure(&Failure::new("x", "went wrong"));
    let stderr = s.stderr.text();
    let events: Vec<serde_json::Value> =
        stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = events.iter().map(|e| e["event"].as_str().unwrap_or("error")).collect();
    assert_eq!(kinds, ["talk", "phase_ended", "warning", "error"]);
}

#[test]
fn quiet_leaves_results_and_errors() {
    let s = setup(Given { quiet: true, ..PIPE });
    let progress = s.console.progress();
    progress.sink().send(Event::PhaseEnded { phase: crate::phases::SMOKE, ok: true, took_ms: 3 });
    s.console.talk("hello");
    s.console.warn("careful");
    progress.finish();
    s.console.result(&build());
    s.console.failure(&Failure::new("x", "went wrong"));
    assert!(s.stdout.text().contains("512 KiB"));
    assert_eq!(s.stderr.text(), "error: went wrong\n");
}

#[test]
fn a_pipe_and_ci_get_plain_lines_and_a_terminal_gets_bars() {
    let show = |given: Given| {
        let s = setup(given);
        let progress = s.console.progress();
        progress.sink().send(Event::PhaseEnded { phase: crate::phases::SMOKE, ok: true, took_ms: 3 });
        progress.finish();
        s.stderr.text()
    };
    assert_eq!(show(PIPE), "+0.0s    checked   the live URL                                       (3ms)\n");
    assert_eq!(show(Given { env: &[("CI", "true")], ..TTY }), show(PIPE));
    assert_eq!(show(Given { env: &[("TERM", "dumb")], ..TTY }), show(PIPE));
    assert_eq!(show(TTY), "", "a quick run on a terminal stays silent");
    assert_eq!(show(Given { json: true, ..TTY }), "");
}

#[tokio::test]
async fn questions_are_asked_only_of_people() {
    let answers = [
        ("y\n", Answer::Yes),
        ("YES\n", Answer::Yes),
        ("\n", Answer::No),
        ("", Answer::No),
        ("yep\n", Answer::No),
    ];
    for (stdin, want) in answers {
        let s = setup(Given { stdin, ..TTY });
        assert_eq!(s.console.confirm("Apply?").await, want, "{stdin:?}");
        assert!(s.stderr.text().starts_with("Apply? [y/N] "));
    }
    for given in [PIPE, Given { no_input: true, ..TTY }, Given { env: &[("CI", "1")], ..TTY }] {
        let s = setup(Given { stdin: "y\n", ..given });
        assert_eq!(s.console.confirm("Apply?").await, Answer::CannotAsk);
        let refused = s.console.agree("Apply?", false).await.unwrap_err();
        assert_eq!((refused.exit, refused.code.as_str()), (Exit::Confirm, "confirmation_needed"));
        assert_eq!(s.stderr.text(), "");
        s.console.agree("Apply?", true).await.unwrap();
    }
}

#[tokio::test]
async fn a_loss_needs_the_name() {
    let lose = async |given: Given, confirm: Option<&str>| {
        let lost = setup(given).console.confirm_loss("All gone.", "prod", confirm).await;
        lost.map_err(|failure| failure.exit)
    };
    assert_eq!(lose(Given { stdin: "prod\n", ..TTY }, None).await, Ok(()));
    assert_eq!(lose(Given { stdin: "y\n", ..TTY }, None).await, Err(Exit::Confirm));
    assert_eq!(lose(PIPE, None).await, Err(Exit::Confirm));
    assert_eq!(lose(PIPE, Some("prod")).await, Ok(()));
    assert_eq!(lose(PIPE, Some("test")).await, Err(Exit::Confirm));
}

/// A terminal at which nobody types anything.
struct Silent(std::sync::mpsc::Receiver<u8>);

impl io::Read for Silent {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        let _hung_up = self.0.recv();
        Ok(0)
    }
}

#[tokio::test]
async fn ctrl_c_ends_a_question() {
    let s = setup(TTY);
    // Held to the end: as long as it lives, the read does not return.
    let (_typist, terminal) = std::sync::mpsc::channel();
    let stop = CancellationToken::new();
    let mut console = s.console.stopped_by(stop.clone());
    console.stdin = Input::new(Box::new(io::BufReader::new(Silent(terminal))));
    let asked = console.agree("Apply?", false);
    let (answer, ()) = tokio::join!(asked, async { stop.cancel() });
    assert_eq!(answer.unwrap_err().exit, Exit::Interrupted);
    assert_eq!(s.stderr.text(), "Apply? [y/N] \n");
}

/// Fails every write in one way.
struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_went_away_is_no_error_but_a_full_disk_is() {
    let stderr = Captured::default();
    let console = with_stdout(PIPE, Box::new(Broken(io::ErrorKind::BrokenPipe)), &stderr);
    console.result(&build());
    assert!(!console.stream(&LogLine { timestamp_ms: 0, message: "x".to_owned() }));
    assert_eq!((console.end(Exit::Done), stderr.text()), (Exit::Done, String::new()));

    let console = with_stdout(PIPE, Box::new(Broken(io::ErrorKind::StorageFull)), &stderr);
    console.result(&build());
    assert_eq!(console.end(Exit::Done), Exit::Error);
    assert!(stderr.text().starts_with("error: failed to write the result to stdout\n"), "{}", stderr.text());
}

#[test]
fn input_is_bounded() {
    let s = setup(Given { stdin: "0123456789", ..PIPE });
    let mut into = Vec::new();
    s.console.read_input(4, &mut into).unwrap();
    assert_eq!(into, b"01234");
}

#[test]
fn talk_is_wrapped_and_safe() {
    let s = setup(TTY);
    s.console.warn("the name \u{1b}[2J of this thing is very long and has to be wrapped somewhere");
    insta::assert_snapshot!(s.stderr.text().replace('\u{1b}', "ESC"), @r"
    ESC[33mwarning:ESC[0m the name \u{1b}[2J of this thing is very long and
      has to be wrapped somewhere
    ");
}
