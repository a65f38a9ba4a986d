//! `tune` on this machine: it runs real processes of the function and always removes them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};

use crate::support::{TestEnv, artifact};

/// Returns the working directory of `tune`.
fn scratch(test_env: &TestEnv) -> PathBuf {
    test_env.path().join("home/.cache/hitctl/tune")
}

/// Lists the cgroups that the `tune` process with this id created.
fn cgroups(pid: u32) -> Vec<PathBuf> {
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

/// Lists the programs of all running processes whose program is below the environment's directory.
fn processes(test_env: &TestEnv) -> Vec<PathBuf> {
    let running = fs::read_dir("/proc").unwrap().flatten();
    let programs = running.filter_map(|entry| fs::read_link(entry.path().join("exe")).ok());
    programs.filter(|program| program.starts_with(test_env.path())).collect()
}

fn assert_clean(test_env: &TestEnv, pid: u32) {
    assert!(!scratch(test_env).exists(), "{:?}", fs::read_dir(scratch(test_env)).map(Iterator::count));
    assert_eq!(cgroups(pid), Vec::<PathBuf>::new());
    assert_eq!(processes(test_env), Vec::<PathBuf>::new());
    assert!(
        !test_env.state().exists(),
        "tune does not start the local cloud, so it cannot change its counts"
    );
}

/// Starts a long run and waits until it measures.
fn start_measuring(test_env: &TestEnv) -> Child {
    let zip = artifact();
    let args = ["tune", "-v", "--env", "local", "--memory", "512", "--starts", "20", "--artifact", &zip];
    let mut child = test_env.command(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let mut lines = stderr.lines().map_while(Result::ok);
    let mut seen = Vec::new();
    let measuring = lines.by_ref().find(|line| {
        seen.push(line.clone());
        line.contains("start 2 of 20")
    });
    assert!(measuring.is_some(), "{seen:?}");
    // The rest of stderr has to be read, or the process blocks.
    std::thread::spawn(move || lines.for_each(drop));
    child
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn measurement_reports_figures_and_leaves_nothing() {
    let test_env = TestEnv::with_config("");
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
    let child = test_env.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
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
        // Without permission to limit the CPU, no memory size is reported.
        assert_eq!((&size["memory_mb"], &json["recommendation"]["memory_mb"]), (&Json::Null, &Json::Null));
        assert_eq!((&size["month_usd"], &json["next"]), (&Json::Null, &Json::Null));
        assert!(notes.contains("the CPU share of a memory size cannot be set here"), "{json}");
    }
    assert!(!notes.contains("did not count"), "each request was counted: {json}");
    assert_clean(&test_env, pid);
}

#[test]
fn ctrl_c_stops_measurement_and_leaves_nothing() {
    let test_env = TestEnv::with_config("");
    let mut child = start_measuring(&test_env);
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_clean(&test_env, child.id());
}

#[test]
fn leftovers_of_killed_run_are_removed_by_next() {
    let test_env = TestEnv::with_config("");
    let mut child = start_measuring(&test_env);
    signal(&child, Signal::KILL);
    child.wait().unwrap();
    assert!(scratch(&test_env).exists(), "a killed run cannot clean up");
    let output = test_env.run(&[
        "tune",
        "--env",
        "local",
        "--memory",
        "512",
        "--starts",
        "1",
        "--artifact",
        &artifact(),
    ]);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stdout.contains("FIRST RESPONSE") && output.stdout.contains("Recommended:"), "{output:?}");
    assert_clean(&test_env, child.id());
}

#[test]
fn invalid_sizes_and_artifacts_are_refused_before_measuring() {
    let test_env = TestEnv::with_config("");
    for (args, expected) in [
        (["tune", "--memory", "64"], "64"),
        (["tune", "--memory", "128,x"], "x"),
        (["tune", "--starts", "0"], "0"),
    ] {
        let output = test_env.run(&args);
        assert_eq!(output.code, 64, "{args:?}: {output:?}");
        assert!(output.stderr.contains(expected), "{args:?}: {output:?}");
    }
    // A missing artifact is refused too.
    let output = test_env.run(&[
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
    assert_ne!(output.code, 0, "{output:?}");
    assert!(output.json()["error"]["message"].as_str().unwrap().contains("missing.zip"), "{output:?}");
    assert!(!scratch(&test_env).exists());
}
