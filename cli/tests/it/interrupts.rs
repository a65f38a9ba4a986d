//! Ctrl-C: no signal ends the process by itself, what only reads stops at the first, what writes at the second.

use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use hitctl::{Interrupts, World};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::support::{Buffer, Ran, Yard, artifact};

/// A configuration with an env on AWS.
const CONFIG: &str = "region = \"eu-central-1\"\nfunction.arch = \"x86_64\"\n[env.local]\n[env.test]\n";

/// How long the tests wait for what should come at once: a busy machine is slow.
const LONG: Duration = Duration::from_secs(30);

/// Waits for something, looking again and again.
#[track_caller]
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(since.elapsed() < LONG, "{what} did not come");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

fn user_of_an_emulator(world: &mut World) {
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ] {
        world.env.insert(name.to_owned(), value.to_owned());
    }
}

/// A server that accepts connections and never answers.
struct Mute(TcpListener);

impl Mute {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }
}

/// Runs a command and, beside it, whatever presses Ctrl-C by what is seen on stderr.
fn run(
    yard: &Yard,
    args: &[&str],
    change: impl FnOnce(&mut World),
    press: impl FnOnce(UnboundedSender<()>, &Buffer) + Send,
) -> Ran {
    let (sender, receiver) = unbounded_channel();
    let stderr = Buffer::default();
    std::thread::scope(|scope| {
        let seen = stderr.clone();
        scope.spawn(move || press(sender, &seen));
        let mut ran = yard.run_as(args, |world| {
            user_of_an_emulator(world);
            world.interrupts = Interrupts::Channel(receiver);
            world.stderr = Box::new(stderr.clone());
            change(world);
        });
        ran.stderr = stderr.text();
        ran
    })
}

#[test]
fn reading_command_on_a_mute_endpoint_stops_at_the_first_interrupt() {
    let (yard, mute) = (Yard::with(CONFIG), Mute::new());
    for command in ["status", "doctor", "plan"] {
        let url = mute.url();
        let zip = artifact();
        let mut args = vec![command, "--env", "test", "--endpoint-url", &url];
        if command == "plan" {
            args.extend(["--artifact", &zip]);
        }
        let impatient = |world: &mut World| world.patience = Duration::from_millis(100);
        let since = Instant::now();
        let ran = run(&yard, &args, impatient, |press, stderr| {
            until("the wait", || stderr.text().contains("waiting for").then_some(()));
            press.send(()).unwrap();
            // No second one: a sender that is gone sends nothing.
        });
        assert_eq!(ran.code, 130, "{ran:?}");
        assert!(since.elapsed() < LONG, "{command}");
        let host = url.trim_start_matches("http://");
        assert!(ran.stderr.contains(&format!("waiting for {host} to answer\n")), "{ran:?}");
        assert!(ran.stderr.ends_with("error: interrupted\n"), "{ran:?}");
        assert!(!ran.stderr.contains("again"), "{ran:?}");
    }
}

#[test]
fn writing_command_on_a_mute_endpoint_stops_at_the_second_interrupt() {
    let (yard, mute) = (Yard::with(CONFIG), Mute::new());
    let (zip, url) = (artifact(), mute.url());
    let args = ["deploy", "--env", "test", "--endpoint-url", &url, "--artifact", &zip];
    let impatient = |world: &mut World| world.patience = Duration::from_millis(100);
    let ran = run(&yard, &args, impatient, |press, stderr| {
        until("the wait", || stderr.text().contains("waiting for").then_some(()));
        press.send(()).unwrap();
        let said = "finishing this call; press Ctrl-C again to stop now\n";
        until("the word", || stderr.text().contains(said).then_some(()));
        press.send(()).unwrap();
    });
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(
        ran.stderr.ends_with("error: interrupted; the call in progress may or may not have taken effect\n"),
        "{ran:?}"
    );
}

#[test]
fn interrupt_under_a_progress_bar_is_answered_above_it() {
    let (yard, mute) = (Yard::with(CONFIG), Mute::new());
    let (zip, url) = (artifact(), mute.url());
    let args = ["deploy", "--env", "test", "--endpoint-url", &url, "--artifact", &zip];
    let terminal = |world: &mut World| {
        world.patience = Duration::from_millis(100);
        (world.stderr_tty, world.width) = (true, Some(100));
    };
    let ran = run(&yard, &args, terminal, |press, stderr| {
        until("the wait", || stderr.text().contains("waiting for").then_some(()));
        press.send(()).unwrap();
        until("the word", || stderr.text().contains("press Ctrl-C again to stop now\n").then_some(()));
        press.send(()).unwrap();
    });
    assert_eq!(ran.code, 130, "{ran:?}");
}

#[test]
fn interrupt_before_the_command_began_changes_nothing() {
    let yard = Yard::with("");
    let (sender, receiver) = unbounded_channel();
    sender.send(()).unwrap();
    let ran = yard.run_as(&["local", "start"], |world| world.interrupts = Interrupts::Channel(receiver));
    assert_eq!((ran.code, ran.stderr.as_str()), (130, "error: interrupted; nothing was changed\n"));
    assert!(!yard.state().exists(), "nothing was started");
}

#[test]
fn build_that_does_not_end_is_killed_at_the_first_interrupt() {
    let yard = Yard::with("");
    let file = yard.path().join("cargo.pid");
    yard.tool(
        "cargo",
        &format!(
            "case \"$1\" in -*) echo 'cargo 1.95.0' ;; *) trap '' TERM; echo $$ > {}; while :; do sleep 1; done ;; esac",
            file.display()
        ),
    );
    let pid = || std::fs::read_to_string(&file).ok().filter(|pid| pid.ends_with('\n'));
    let since = Instant::now();
    let ran = run(
        &yard,
        &["build"],
        |_| {},
        |press, _| {
            until("the build", pid);
            press.send(()).unwrap();
        },
    );
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(since.elapsed() < LONG, "{ran:?}");
    let pid = Pid::from_raw(pid().unwrap().trim().parse().unwrap()).unwrap();
    // An orphan is reaped by init in its own time; until then it is a zombie.
    until("the end of the build", || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit(')').next().map(str::trim_start).unwrap_or_default();
        (state.is_empty() || state.starts_with(['Z', 'X'])).then_some(())
    });
}

#[test]
fn input_that_does_not_come_is_not_waited_for_after_an_interrupt() {
    let yard = Yard::with("[queue]\nenabled = true\n");
    let (reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
    let blocked = |world: &mut World| world.stdin = Box::new(std::io::BufReader::new(reader));
    let ran = run(&yard, &["send", "--file", "-"], blocked, |press, _| press.send(()).unwrap());
    drop(writer);
    assert_eq!(ran.code, 130, "{ran:?}");
}

/// Whether a process catches a signal.
fn catches(pid: u32, signal: Signal) -> Option<bool> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    Some(mask & (1 << (signal.as_raw() - 1)) != 0)
}

fn signal(child: &Child, signal: Signal) {
    // An error means that it ended by itself.
    let _ = kill_process(Pid::from_child(child), signal);
}

#[test]
fn no_output_comes_before_signals_are_caught() {
    let yard = Yard::new();
    for round in 0..10 {
        let mut command = yard.command(&["completions", "bash"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        // More than a pipe holds: the process is still in its first write when the first byte is read.
        stdout.read_exact(&mut [0]).unwrap();
        assert!(child.try_wait().unwrap().is_none(), "the output has to be longer than a pipe");
        for caught in [Signal::INT, Signal::TERM] {
            assert_eq!(catches(child.id(), caught), Some(true), "round {round}: {caught:?}");
        }
        std::io::copy(&mut stdout, &mut std::io::sink()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn early_signal_never_kills_the_process_by_itself() {
    let (yard, mute) = (Yard::with(CONFIG), Mute::new());
    let url = mute.url();
    let hanging = ["status", "--env", "test", "--endpoint-url", &url];
    let quick = ["env", "list"];
    let mut interrupted = 0;
    for round in 0..40_u32 {
        let args: &[&str] = if round % 4 == 3 { &quick } else { &hanging };
        let sent = if round % 2 == 0 { Signal::INT } else { Signal::TERM };
        let mut command = yard.command(args);
        command.envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // What comes before `main` cannot be caught.
        until("the handler", || {
            let over = child.try_wait().unwrap().is_some();
            (over || catches(child.id(), sent) == Some(true)).then_some(())
        });
        let delay = Instant::now();
        while delay.elapsed() < Duration::from_micros(u64::from(round) * 100) {
            std::hint::spin_loop();
        }
        signal(&child, sent);
        let output = child.wait_with_output().unwrap();
        let (status, stderr) = (output.status, String::from_utf8_lossy(&output.stderr));
        assert_eq!(status.signal(), None, "round {round}: {sent:?} killed it");
        match status.code() {
            Some(130) => interrupted += 1,
            Some(0) if args == quick => {}
            code => panic!("round {round}: {code:?} {stderr}"),
        }
    }
    assert!(interrupted >= 30, "what hangs was interrupted each time, not {interrupted} times");
}

#[test]
fn daemon_ends_in_order_on_both_signals() {
    for sent in [Signal::TERM, Signal::INT] {
        let yard = Yard::with("");
        let state = yard.state().display().to_string();
        let mut child = yard
            .command(&["local", "serve", "--state-dir", &state])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("the daemon", || yard.state().join("daemon.json").exists().then_some(()));
        signal(&child, sent);
        let status = child.wait().unwrap();
        assert_eq!((status.code(), status.signal()), (Some(0), None), "{sent:?}");
        assert!(!yard.state().join("daemon.json").exists(), "it says that it is gone");
    }
}

#[test]
fn mute_endpoint_is_named_on_stderr_while_the_process_waits() {
    let (yard, mute) = (Yard::with(CONFIG), Mute::new());
    let (zip, url) = (artifact(), mute.url());
    let place = ["--env", "test", "--endpoint-url", url.as_str()];
    for args in [&["status"][..], &["deploy", "--artifact", &zip], &["status", "--json", "-v"]] {
        let mut command = yard.command(&[args, &place].concat());
        command.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        let since = Instant::now();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
        let waiting = lines.map_while(Result::ok).find(|line| line.contains("waiting for"));
        let took = since.elapsed();
        signal(&child, Signal::KILL);
        child.wait().unwrap();
        let waiting = waiting.unwrap_or_else(|| panic!("{args:?}"));
        let host = url.trim_start_matches("http://");
        let expected = if args.contains(&"--json") {
            format!("{{\"event\":\"waiting\",\"message\":\"waiting for {host} to answer\",\"v\":1}}")
        } else {
            format!("waiting for {host} to answer")
        };
        assert_eq!(waiting, expected);
        // Two seconds, and what a busy machine adds.
        assert!(took > Duration::from_millis(1_400) && took < Duration::from_secs(8), "{args:?}: {took:?}");
    }
}
