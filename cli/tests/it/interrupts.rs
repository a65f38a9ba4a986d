//! Ctrl-C: no signal kills the process directly. Commands that only read stop at the first Ctrl-C, commands that write
//! at the second.

use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use hitctl::{Interrupts, ProcessContext};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::support::{Buffer, CommandOutput, TestEnv, artifact};

/// A configuration with an environment on AWS.
const CONFIG: &str = "region = \"eu-central-1\"\nfunction.arch = \"x86_64\"\n[env.local]\n[env.test]\n";

/// The timeout for effects that are usually immediate. It is long, since busy machines are slow.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Calls `poll` until it returns a value.
#[track_caller]
fn wait_for<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(value) = poll() {
            return value;
        }
        assert!(since.elapsed() < TIMEOUT, "{what} did not happen in time");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

fn set_dummy_credentials(process: &mut ProcessContext) {
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ] {
        process.env.insert(name.to_owned(), value.to_owned());
    }
}

/// A server that accepts connections and never responds.
struct SilentServer(TcpListener);

impl SilentServer {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }
}

/// Runs a command. In parallel, `press` sends interrupts. It can read stderr to choose the moment.
fn run(
    test_env: &TestEnv,
    args: &[&str],
    change: impl FnOnce(&mut ProcessContext),
    press: impl FnOnce(UnboundedSender<()>, &Buffer) + Send,
) -> CommandOutput {
    let (sender, receiver) = unbounded_channel();
    let stderr = Buffer::default();
    std::thread::scope(|scope| {
        let stderr_buffer = stderr.clone();
        scope.spawn(move || press(sender, &stderr_buffer));
        let mut output = test_env.run_with(args, |process| {
            set_dummy_credentials(process);
            process.interrupts = Interrupts::Channel(receiver);
            process.stderr = Box::new(stderr.clone());
            change(process);
        });
        output.stderr = stderr.text();
        output
    })
}

#[test]
fn reading_command_on_a_silent_endpoint_stops_at_the_first_interrupt() {
    let (test_env, server) = (TestEnv::with_config(CONFIG), SilentServer::new());
    for command in ["status", "doctor", "plan"] {
        let url = server.url();
        let zip = artifact();
        let mut args = vec![command, "--env", "test", "--endpoint-url", &url];
        if command == "plan" {
            args.extend(["--artifact", &zip]);
        }
        let short_threshold =
            |process: &mut ProcessContext| process.slow_threshold = Duration::from_millis(100);
        let since = Instant::now();
        let output = run(&test_env, &args, short_threshold, |sender, stderr| {
            wait_for("the message about waiting", || stderr.text().contains("waiting for").then_some(()));
            sender.send(()).unwrap();
            // The sender is dropped, so there is no second interrupt.
        });
        assert_eq!(output.code, 130, "{output:?}");
        assert!(since.elapsed() < TIMEOUT, "{command}");
        let host = url.trim_start_matches("http://");
        assert!(output.stderr.contains(&format!("waiting for {host} to respond\n")), "{output:?}");
        assert!(output.stderr.ends_with("error: interrupted\n"), "{output:?}");
        assert!(!output.stderr.contains("again"), "{output:?}");
    }
}

#[test]
fn writing_command_on_a_silent_endpoint_stops_at_the_second_interrupt() {
    let (test_env, server) = (TestEnv::with_config(CONFIG), SilentServer::new());
    let (zip, url) = (artifact(), server.url());
    let args = ["deploy", "--env", "test", "--endpoint-url", &url, "--artifact", &zip];
    let short_threshold = |process: &mut ProcessContext| process.slow_threshold = Duration::from_millis(100);
    let output = run(&test_env, &args, short_threshold, |sender, stderr| {
        wait_for("the message about waiting", || stderr.text().contains("waiting for").then_some(()));
        sender.send(()).unwrap();
        let expected = "finishing the current call; press Ctrl-C again to stop now\n";
        wait_for("the message about the interrupt", || stderr.text().contains(expected).then_some(()));
        sender.send(()).unwrap();
    });
    assert_eq!(output.code, 130, "{output:?}");
    assert!(
        output
            .stderr
            .ends_with("error: interrupted; the call in progress may or may not have taken effect\n"),
        "{output:?}"
    );
}

#[test]
fn interrupt_message_is_printed_above_progress_bar() {
    let (test_env, server) = (TestEnv::with_config(CONFIG), SilentServer::new());
    let (zip, url) = (artifact(), server.url());
    let args = ["deploy", "--env", "test", "--endpoint-url", &url, "--artifact", &zip];
    let terminal = |process: &mut ProcessContext| {
        process.slow_threshold = Duration::from_millis(100);
        (process.stderr_tty, process.width) = (true, Some(100));
    };
    let output = run(&test_env, &args, terminal, |sender, stderr| {
        wait_for("the message about waiting", || stderr.text().contains("waiting for").then_some(()));
        sender.send(()).unwrap();
        wait_for("the message about the interrupt", || {
            stderr.text().contains("press Ctrl-C again to stop now\n").then_some(())
        });
        sender.send(()).unwrap();
    });
    assert_eq!(output.code, 130, "{output:?}");
}

#[test]
fn interrupt_before_the_command_began_changes_nothing() {
    let test_env = TestEnv::with_config("");
    let (sender, receiver) = unbounded_channel();
    sender.send(()).unwrap();
    let output =
        test_env.run_with(&["local", "start"], |process| process.interrupts = Interrupts::Channel(receiver));
    assert_eq!((output.code, output.stderr.as_str()), (130, "error: interrupted; nothing was changed\n"));
    assert!(!test_env.state().exists(), "nothing was started");
}

#[test]
fn build_that_does_not_end_is_killed_at_the_first_interrupt() {
    let test_env = TestEnv::with_config("");
    let file = test_env.path().join("cargo.pid");
    test_env.stub_tool(
        "cargo",
        &format!(
            "case \"$1\" in -*) echo 'cargo 1.95.0' ;; *) trap '' TERM; echo $$ > {}; while :; do sleep 1; done ;; esac",
            file.display()
        ),
    );
    let pid = || std::fs::read_to_string(&file).ok().filter(|pid| pid.ends_with('\n'));
    let since = Instant::now();
    let output = run(
        &test_env,
        &["build"],
        |_| {},
        |sender, _| {
            wait_for("the build", pid);
            sender.send(()).unwrap();
        },
    );
    assert_eq!(output.code, 130, "{output:?}");
    assert!(since.elapsed() < TIMEOUT, "{output:?}");
    let pid = Pid::from_raw(pid().unwrap().trim().parse().unwrap()).unwrap();
    // The build is a zombie until init has reaped it.
    wait_for("the end of the build", || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit(')').next().map(str::trim_start).unwrap_or_default();
        (state.is_empty() || state.starts_with(['Z', 'X'])).then_some(())
    });
}

#[test]
fn interrupt_stops_waiting_for_stdin() {
    let test_env = TestEnv::with_config("[queue]\nenabled = true\n");
    let (reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
    let blocked = |process: &mut ProcessContext| process.stdin = Box::new(std::io::BufReader::new(reader));
    let output = run(&test_env, &["send", "--file", "-"], blocked, |sender, _| sender.send(()).unwrap());
    drop(writer);
    assert_eq!(output.code, 130, "{output:?}");
}

/// Whether a process catches a signal.
fn catches(pid: u32, signal: Signal) -> Option<bool> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    Some(mask & (1 << (signal.as_raw() - 1)) != 0)
}

fn signal(child: &Child, signal: Signal) {
    // An error means that the process has already ended.
    let _ = kill_process(Pid::from_child(child), signal);
}

#[test]
fn no_output_comes_before_signals_are_caught() {
    let test_env = TestEnv::new();
    // The command prints its argument, which makes the output larger than a pipe (64 KiB).
    let path = format!("/{}", "a".repeat(100_000));
    for round in 0..10 {
        let mut command = test_env.command(&["explain", "--path", &path]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        // The output is larger than a pipe, so the process is still writing when its first byte is read.
        stdout.read_exact(&mut [0]).unwrap();
        assert!(child.try_wait().unwrap().is_none(), "the output is larger than a pipe");
        for caught in [Signal::INT, Signal::TERM] {
            assert_eq!(catches(child.id(), caught), Some(true), "round {round}: {caught:?}");
        }
        std::io::copy(&mut stdout, &mut std::io::sink()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn early_signal_never_kills_the_process_directly() {
    let (test_env, server) = (TestEnv::with_config(CONFIG), SilentServer::new());
    let url = server.url();
    let hanging = ["status", "--env", "test", "--endpoint-url", &url];
    let quick = ["env", "list"];
    let mut interrupted = 0;
    for round in 0..40_u32 {
        let args: &[&str] = if round % 4 == 3 { &quick } else { &hanging };
        let sent = if round % 2 == 0 { Signal::INT } else { Signal::TERM };
        let mut command = test_env.command(args);
        command.envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Signals before `main` cannot be caught.
        wait_for("the handler", || {
            let has_ended = child.try_wait().unwrap().is_some();
            (has_ended || catches(child.id(), sent) == Some(true)).then_some(())
        });
        let since = Instant::now();
        while since.elapsed() < Duration::from_micros(u64::from(round) * 100) {
            std::hint::spin_loop();
        }
        signal(&child, sent);
        let output = child.wait_with_output().unwrap();
        let (status, stderr) = (output.status, String::from_utf8_lossy(&output.stderr));
        assert_eq!(status.signal(), None, "round {round}: {sent:?} killed the process");
        match status.code() {
            Some(130) => interrupted += 1,
            Some(0) if args == quick => {}
            code => panic!("round {round}: {code:?} {stderr}"),
        }
    }
    assert!(interrupted >= 30, "expected an interrupt of every hanging run, found {interrupted}");
}

#[test]
fn daemon_shuts_down_cleanly_on_both_signals() {
    for sent in [Signal::TERM, Signal::INT] {
        let test_env = TestEnv::with_config("");
        let state = test_env.state().display().to_string();
        let mut child = test_env
            .command(&["local", "serve", "--state-dir", &state])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for("the daemon", || test_env.state().join("daemon.json").exists().then_some(()));
        signal(&child, sent);
        let status = child.wait().unwrap();
        assert_eq!((status.code(), status.signal()), (Some(0), None), "{sent:?}");
        assert!(!test_env.state().join("daemon.json").exists(), "the daemon removes its address");
    }
}

#[test]
fn silent_endpoint_is_named_on_stderr_while_the_process_waits() {
    let (test_env, server) = (TestEnv::with_config(CONFIG), SilentServer::new());
    let (zip, url) = (artifact(), server.url());
    let target = ["--env", "test", "--endpoint-url", url.as_str()];
    for args in [&["status"][..], &["deploy", "--artifact", &zip], &["status", "--json", "-v"]] {
        let mut command = test_env.command(&[args, &target].concat());
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
            format!("{{\"event\":\"waiting\",\"message\":\"waiting for {host} to respond\",\"v\":1}}")
        } else {
            format!("waiting for {host} to respond")
        };
        assert_eq!(waiting, expected);
        // The threshold is 1.5 seconds. A busy machine adds to it.
        assert!(took > Duration::from_millis(1_400) && took < Duration::from_secs(8), "{args:?}: {took:?}");
    }
}
