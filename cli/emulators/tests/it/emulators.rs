//! Both emulators answer, and neither outlives the process that asked for it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use hitctl_emulators::{Emulator, Kind};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process, test_kill_process_group};
use serde_json::json;

use crate::http::{call, create_table, send, tables};

#[test]
fn both_answer_and_a_private_one_shares_nothing() {
    let private = Emulator::new_moto();
    for emulator in [Emulator::ministack(), Emulator::moto(), &private] {
        let (status, answer) =
            call(emulator.endpoint(), "sts", "POST /", "", "Action=GetCallerIdentity&Version=2011-06-15")
                .unwrap();
        assert_eq!(status, 200, "{answer}");
        assert!(answer.contains(Emulator::ACCOUNT), "{:?}: {answer}", emulator.kind());
    }
    assert_eq!(Emulator::shared(Kind::Moto).endpoint(), Emulator::moto().endpoint());
    assert_eq!(create_table(private.endpoint(), "alone").unwrap().0, 200);
    assert!(tables(private.endpoint()).contains("alone"));
    assert!(!tables(Emulator::moto().endpoint()).contains("alone"));
}

#[test]
fn a_private_one_has_ended_when_it_is_dropped() {
    let emulator = Emulator::new_ministack();
    let (pid, endpoint) = (emulator.pid(), emulator.endpoint().to_owned());
    assert!(lives(pid));
    drop(emulator);
    assert!(!lives(pid));
    assert_eq!(send(&endpoint, "GET /", &[], ""), None);
}

#[test]
fn neither_an_emulator_nor_its_functions_outlive_a_process_that_is_killed() {
    let (mut holder, endpoint, emulator) = hold();
    let function = start_function(&endpoint);
    assert!(lives(emulator) && lives(function));
    holder.kill().unwrap();
    holder.wait().unwrap();
    until(|| !lives(emulator) && !lives(function));
}

#[test]
fn nor_a_process_that_leaves_without_a_word() {
    let (mut holder, _, emulator) = hold();
    holder.stdin.take().unwrap().write_all(b"!").unwrap();
    assert_eq!(holder.wait().unwrap().code(), Some(7));
    until(|| !lives(emulator));
}

/// As by an interrupt in a terminal, or by `timeout`: all that belongs together is told to end.
#[test]
fn nor_a_whole_group_that_is_told_to_end() {
    let (mut holder, endpoint, emulator) = hold();
    let function = start_function(&endpoint);
    let group = Pid::from_child(&holder);
    kill_process_group(group, Signal::TERM).unwrap();
    holder.wait().unwrap();
    until(|| !lives(emulator) && !lives(function) && test_kill_process_group(group).is_err());
}

/// Another process with an emulator: where that answers, and its id.
fn hold() -> (Child, String, u32) {
    let mut holder = Command::new(example("hold"))
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

/// Cargo builds the examples with the tests, and puts them beside.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let file = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(file.exists(), "{} is not built", file.display());
    file
}

/// Has `MiniStack` start a function that never answers; its process id.
fn start_function(endpoint: &str) -> u32 {
    let place = tempfile::tempdir().unwrap();
    let says = place.path().join("pid");
    let script = format!("#!/bin/sh\necho $$ > {0}.new\nmv {0}.new {0}\nexec sleep 600\n", says.display());
    let body = json!({
        "FunctionName": "sleeper", "Runtime": "provided.al2023", "Handler": "bootstrap", "Timeout": 60,
        "Role": format!("arn:aws:iam::{}:role/sleeper", Emulator::ACCOUNT),
        "Code": { "ZipFile": base64::engine::general_purpose::STANDARD.encode(zip(&script)) },
    });
    let (status, answer) =
        call(endpoint, "lambda", "POST /2015-03-31/functions", "rest", &body.to_string()).unwrap();
    assert_eq!(status, 201, "{answer}");
    let endpoint = endpoint.to_owned();
    // Never answered: it ends with the emulator.
    std::thread::spawn(move || {
        call(&endpoint, "lambda", "POST /2015-03-31/functions/sleeper/invocations", "rest", "{}")
    });
    until(|| says.exists());
    std::fs::read_to_string(Path::new(&says)).unwrap().trim().parse().unwrap()
}

fn zip(bootstrap: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("bootstrap", zip::write::SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
    zip.write_all(bootstrap.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}

fn lives(pid: u32) -> bool {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    // Of one that ended and was not waited for, only the name is left.
    let ended = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z")));
    test_kill_process(pid).is_ok() && !ended
}

/// Looks until it is so.
#[track_caller]
fn until(so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it never was so");
        std::thread::yield_now();
    }
}
