//! The memory table on this machine: real processes of the function, and nothing left of them, however it ends.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};

use crate::support::{Yard, artifact};

/// Where it works while it measures.
fn scratch(yard: &Yard) -> PathBuf {
    yard.path().join("home/.cache/hitctl/tune")
}

/// Every group that bears the name of that process, or of one that it left.
fn groups(pid: u32) -> Vec<PathBuf> {
    fn walk(dir: &Path, prefix: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_string_lossy().starts_with(prefix) {
                    found.push(entry.path());
                }
                walk(&entry.path(), prefix, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new("/sys/fs/cgroup"), &format!("hitctl-tune-{pid}-"), &mut found);
    found
}

/// The living processes that were started from a place below the yard.
fn processes(yard: &Yard) -> Vec<PathBuf> {
    let running = fs::read_dir("/proc").unwrap().flatten();
    let programs = running.filter_map(|entry| fs::read_link(entry.path().join("exe")).ok());
    programs.filter(|program| program.starts_with(yard.path())).collect()
}

fn nothing_is_left(yard: &Yard, pid: u32) {
    assert!(!scratch(yard).exists(), "{:?}", fs::read_dir(scratch(yard)).map(Iterator::count));
    assert_eq!(groups(pid), Vec::<PathBuf>::new());
    assert_eq!(processes(yard), Vec::<PathBuf>::new());
    assert!(!yard.state().exists(), "no cloud was started, and so no count of anybody's was touched");
}

/// Starts a long run, and waits until it measures.
fn begun(yard: &Yard) -> Child {
    let zip = artifact();
    let args = ["tune", "-v", "--env", "local", "--memory", "512", "--starts", "20", "--artifact", &zip];
    let mut child = yard.command(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    let mut lines = said.lines().map_while(Result::ok);
    let mut seen = Vec::new();
    let measuring = lines.by_ref().find(|line| {
        seen.push(line.clone());
        line.contains("start 2 of 20")
    });
    assert!(measuring.is_some(), "{seen:?}");
    // Somebody has to read what it says further on.
    std::thread::spawn(move || lines.for_each(drop));
    child
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn a_size_is_measured_and_nothing_is_left() {
    let yard = Yard::with("");
    let zip = artifact();
    let args = [
        "tune",
        "--env",
        "local",
        "--json",
        "--memory",
        "512",
        "--starts",
        "1",
        "--within",
        "60000",
        "--artifact",
        &zip,
    ];
    let child = yard.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let json: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["v"], &json["command"], &json["target"]), (&json!(1), &json!("tune"), &json!("local")));
    let sizes = json["sizes"].as_array().unwrap();
    let [size] = &sizes[..] else { panic!("{json}") };
    let number = |name: &str| size[name].as_f64().unwrap_or_else(|| panic!("{name}: {json}"));
    assert!(number("first_answer_ms") > number("init_ms") && number("init_ms") > 0.0, "{json}");
    assert!(number("warm_p95_ms") >= number("warm_ms") && number("warm_ms") > 0.0, "{json}");
    let notes = json["notes"].to_string();
    if size["limited"] == true {
        assert_eq!((&size["memory_mb"], &json["recommendation"]["memory_mb"]), (&json!(512), &json!(512)));
        assert!(number("month_usd") > number("compute_month_usd"), "{json}");
        assert!(number("compute_month_usd") > 0.0, "{json}");
        assert!(json["next"].as_str().unwrap().contains("`memory_mb = 512`"), "{json}");
    } else {
        // Without the right to set a share, nothing is told of any size.
        assert_eq!((&size["memory_mb"], &json["recommendation"]["memory_mb"]), (&Json::Null, &Json::Null));
        assert_eq!((&size["month_usd"], &json["next"]), (&Json::Null, &Json::Null));
        assert!(notes.contains("no CPU share can be set here"), "{json}");
    }
    assert!(!notes.contains("did not count"), "each request is a hit: {json}");
    nothing_is_left(&yard, pid);
}

#[test]
fn ctrl_c_ends_it_and_leaves_nothing() {
    let yard = Yard::with("");
    let mut child = begun(&yard);
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    nothing_is_left(&yard, child.id());
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next() {
    let yard = Yard::with("");
    let mut child = begun(&yard);
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    assert!(scratch(&yard).exists(), "a killed run cannot clean up");
    let ran =
        yard.run(&["tune", "--env", "local", "--memory", "512", "--starts", "1", "--artifact", &artifact()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("FIRST ANSWER") && ran.stdout.contains("Recommended:"), "{ran:?}");
    nothing_is_left(&yard, child.id());
}

#[test]
fn what_cannot_be_measured_is_refused_before_anything_starts() {
    let yard = Yard::with("");
    for (args, word) in [
        (["tune", "--memory", "64"], "64"),
        (["tune", "--memory", "128,x"], "x"),
        (["tune", "--starts", "0"], "0"),
    ] {
        let ran = yard.run(&args);
        assert_eq!(ran.code, 64, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(word), "{args:?}: {ran:?}");
    }
    // What is not there cannot either.
    let ran = yard.run(&[
        "tune",
        "--env",
        "local",
        "--memory",
        "128",
        "--starts",
        "1",
        "--json",
        "--artifact",
        "missing.zip",
    ]);
    assert_ne!(ran.code, 0, "{ran:?}");
    assert!(ran.json()["error"]["message"].as_str().unwrap().contains("missing.zip"), "{ran:?}");
    assert!(!scratch(&yard).exists());
}
