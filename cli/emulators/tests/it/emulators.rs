//! Tests of the emulators: both respond, and neither outlives the process that started it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use hitctl_emulators::{Emulator, EmulatorKind};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process, test_kill_process_group};
use serde_json::json;

use crate::http::{call, create_table, send, tables};

#[test]
fn emulators_respond_and_private_emulator_shares_nothing() {
    let private = Emulator::new_moto();
    for emulator in [Emulator::ministack(), Emulator::moto(), &private] {
        let (status, response) =
            call(emulator.endpoint(), "sts", "POST /", "", "Action=GetCallerIdentity&Version=2011-06-15")
                .unwrap();
        assert_eq!(status, 200, "{response}");
        assert!(response.contains(Emulator::ACCOUNT), "{:?}: {response}", emulator.kind());
    }
    assert_eq!(Emulator::shared(EmulatorKind::Moto).endpoint(), Emulator::moto().endpoint());
    assert_eq!(create_table(private.endpoint(), "alone").unwrap().0, 200);
    assert!(tables(private.endpoint()).contains("alone"));
    assert!(!tables(Emulator::moto().endpoint()).contains("alone"));
}

#[test]
fn private_emulator_is_stopped_when_dropped() {
    let emulator = Emulator::new_ministack();
    let (pid, endpoint) = (emulator.pid(), emulator.endpoint().to_owned());
    assert!(is_running(pid));
    drop(emulator);
    assert!(!is_running(pid));
    assert_eq!(send(&endpoint, "GET /", &[], ""), None);
}

#[test]
fn emulator_and_its_functions_stop_when_process_is_killed() {
    let (mut holder, endpoint, emulator) = start_holder();
    let function = start_function(&endpoint);
    assert!(is_running(emulator) && is_running(function));
    holder.kill().unwrap();
    holder.wait().unwrap();
    wait_until(|| !is_running(emulator) && !is_running(function));
}

#[test]
fn emulator_stops_when_process_exits_without_destructors() {
    let (mut holder, _, emulator) = start_holder();
    holder.stdin.take().unwrap().write_all(b"!").unwrap();
    assert_eq!(holder.wait().unwrap().code(), Some(7));
    wait_until(|| !is_running(emulator));
}

/// An interrupt in a terminal and the program `timeout` send a signal to the whole process group.
#[test]
fn emulator_and_its_functions_stop_when_process_group_is_terminated() {
    let (mut holder, endpoint, emulator) = start_holder();
    let function = start_function(&endpoint);
    let group = Pid::from_child(&holder);
    kill_process_group(group, Signal::TERM).unwrap();
    holder.wait().unwrap();
    wait_until(|| !is_running(emulator) && !is_running(function) && test_kill_process_group(group).is_err());
}

/// Starts another process that starts an emulator. Returns the process, and the endpoint and the process id of the
/// emulator.
fn start_holder() -> (Child, String, u32) {
    let mut holder = Command::new(example_program("hold"))
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let (endpoint, pid) = line.trim().split_once(' ').unwrap();
    (holder, endpoint.to_owned(), pid.parse().unwrap())
}

/// Returns the path of an example. Cargo builds the examples with the tests, into a directory beside them.
fn example_program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let file = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(file.exists(), "{} is not built", file.display());
    file
}

/// Starts a function in `MiniStack` that never responds, and returns its process id.
fn start_function(endpoint: &str) -> u32 {
    let directory = tempfile::tempdir().unwrap();
    let pid_file = directory.path().join("pid");
    let script =
        format!("#!/bin/sh\necho $$ > {0}.new\nmv {0}.new {0}\nexec sleep 600\n", pid_file.display());
    let body = json!({
        "FunctionName": "sleeper", "Runtime": "provided.al2023", "Handler": "bootstrap", "Timeout": 60,
        "Role": format!("arn:aws:iam::{}:role/sleeper", Emulator::ACCOUNT),
        "Code": { "ZipFile": base64::engine::general_purpose::STANDARD.encode(zip(&script)) },
    });
    let (status, response) =
        call(endpoint, "lambda", "POST /2015-03-31/functions", "rest", &body.to_string()).unwrap();
    assert_eq!(status, 201, "{response}");
    let endpoint = endpoint.to_owned();
    // The invocation gets no response, because the function runs until the emulator kills it.
    std::thread::spawn(move || {
        call(&endpoint, "lambda", "POST /2015-03-31/functions/sleeper/invocations", "rest", "{}")
    });
    wait_until(|| pid_file.exists());
    std::fs::read_to_string(Path::new(&pid_file)).unwrap().trim().parse().unwrap()
}

fn zip(bootstrap: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("bootstrap", zip::write::SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
    zip.write_all(bootstrap.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

fn is_running(pid: u32) -> bool {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    // A process in state Z (zombie) has ended, but its parent has not waited for it.
    let ended = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z")));
    test_kill_process(pid).is_ok() && !ended
}

/// Polls until the condition holds. Panics after a minute.
#[track_caller]
fn wait_until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_mins(1), "the condition did not become true");
        std::thread::yield_now();
    }
}
