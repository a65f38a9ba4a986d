//! Runs the commands in the READMEs of the examples: here on the local cloud, and in `aws/examples.rs` on an emulator.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::{CommandOutput, TestEnv, artifact, checkout};

/// All examples. A test compares the list with the folder.
pub(crate) const ALL: &[&str] = &["counter", "event-bus", "function-url", "queue-invalidation", "visitors"];

/// Maximum delivery time of a batch or an event. It is generous, since it only ends tests that would wait forever.
const DELIVERY_TIMEOUT: Duration = Duration::from_mins(1);

/// Returns the folder of an example.
pub(crate) fn folder(name: &str) -> PathBuf {
    checkout().join("examples").join(name)
}

/// Copies an example into a test environment. `change` edits its configuration.
pub(crate) fn copy_example(name: &str, test_env: &TestEnv, change: impl FnOnce(String) -> String) {
    let mut change = Some(change);
    for entry in std::fs::read_dir(folder(name)).unwrap() {
        let from = entry.unwrap().path();
        let to = test_env.path().join(from.file_name().unwrap());
        if to.ends_with("hitctl.toml") {
            let text = std::fs::read_to_string(&from).unwrap();
            std::fs::write(to, change.take().expect("one hitctl.toml")(text)).unwrap();
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
    assert!(change.is_none(), "{name} has no hitctl.toml");
}

/// A hitctl command in a README.
#[derive(Debug)]
pub(crate) struct ReadmeCommand {
    /// The arguments after `hitctl`.
    pub(crate) args: Vec<String>,
    /// The number at the beginning of the comment: the hits that the command shows.
    pub(crate) expected_hits: Option<u64>,
}

/// Returns the hitctl commands in the first code block below a heading.
pub(crate) fn readme_commands(name: &str, heading: &str) -> Vec<ReadmeCommand> {
    let readme = std::fs::read_to_string(folder(name).join("README.md")).unwrap();
    let (_, below) = readme.split_once(&format!("\n## {heading}\n")).expect("there is such a heading");
    let block = below.split("```").nth(1).expect("there is a block");
    let parse = |text: &str| {
        let (call, comment) = text.split_once('#').unwrap_or((text, ""));
        let digits: String = comment.trim().chars().take_while(char::is_ascii_digit).collect();
        let mut words = call.split_whitespace().map(str::to_owned);
        (words.next()? == "hitctl")
            .then(|| ReadmeCommand { args: words.collect(), expected_hits: digits.parse().ok() })
    };
    block.lines().filter_map(parse).collect()
}

/// Runs the commands of a README with `run`. Repeats commands with expected hits until they show them.
pub(crate) fn run_commands(commands: &[ReadmeCommand], run: &dyn Fn(&[&str]) -> CommandOutput) {
    for command in commands {
        let mut args: Vec<&str> = command.args.iter().map(String::as_str).collect();
        let artifact = artifact();
        if args[0] == "deploy" {
            args.extend(["--artifact", &artifact, "--yes"]);
        }
        if let Some(hits) = command.expected_hits {
            wait_for_count(run, &args, hits);
        } else {
            let output = run(&args);
            assert_eq!(output.code, 0, "{args:?}: {output:?}");
        }
    }
}

/// Pauses between two polls. Each poll runs the program, which slows down the awaited work.
#[expect(clippy::disallowed_methods, reason = "polling another process; every caller is bounded")]
fn poll_pause() {
    std::thread::sleep(Duration::from_millis(100));
}

/// Whether a condition becomes true within the delivery time.
pub(crate) fn becomes_true(condition: impl Fn() -> bool) -> bool {
    let since = Instant::now();
    while !condition() {
        if since.elapsed() > DELIVERY_TIMEOUT {
            return false;
        }
        poll_pause();
    }
    true
}

/// Repeats a `counts get` command until it shows this number of hits.
pub(crate) fn wait_for_count(run: &dyn Fn(&[&str]) -> CommandOutput, args: &[&str], hits: u64) {
    let args = [args, &["--json"]].concat();
    let since = Instant::now();
    loop {
        let output = run(&args);
        assert_eq!(output.code, 0, "{args:?}: {output:?}");
        let now = output.json()["counts"][0]["hits"].as_u64();
        if now == Some(hits) {
            return;
        }
        assert!(now.unwrap_or(0) < hits, "{args:?} showed more than {hits} hits: {output:?}");
        assert!(since.elapsed() < DELIVERY_TIMEOUT, "{args:?} did not reach {hits} hits: {output:?}");
        poll_pause();
    }
}

/// Asserts that no field has drifted except `gaps`, which the target does not store. Then destroys everything, counts
/// included.
pub(crate) fn destroy_and_check(env: &str, gaps: &[&str], run: &dyn Fn(&[&str]) -> CommandOutput) {
    let status = run(&["status", "--env", env, "--json"]);
    assert_eq!(status.code, 0, "{status:?}");
    let rows = status.json()["resources"].as_array().unwrap().clone();
    let drift = rows.iter().flat_map(|row| row["drift"].as_array().unwrap());
    assert_eq!(drift.map(|field| field.as_str().unwrap()).collect::<Vec<_>>(), gaps);
    let destroyed = run(&["destroy", "--env", env, "--delete-data", "--confirm", env]);
    assert_eq!(destroyed.code, 0, "{destroyed:?}");
    let status = run(&["status", "--env", env, "--json"]).json();
    let remaining: Vec<_> =
        status["resources"].as_array().unwrap().iter().filter(|row| row["present"] == true).collect();
    assert!(remaining.is_empty(), "{remaining:?}");
}

/// Deploys, uses and destroys an example on this machine as its README says.
fn run_example(name: &str) {
    let test_env = TestEnv::new();
    copy_example(name, &test_env, |config| config);
    run_commands(&readme_commands(name, "Try it"), &|args| test_env.run(args));
    destroy_and_check("local", &[], &|args| test_env.run(args));
}

#[test]
fn list_of_examples_is_complete() {
    let mut found: Vec<String> = std::fs::read_dir(folder(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, ALL);
    for name in ALL {
        assert!(readme_commands(name, "Try it").iter().any(|line| line.args[0] == "deploy"), "{name}");
    }
}

#[test]
fn counter_example_works_on_this_machine() {
    run_example("counter");
}

#[test]
fn function_url_example_works_on_this_machine() {
    run_example("function-url");
}

#[test]
fn queue_invalidation_example_works_on_this_machine() {
    run_example("queue-invalidation");
}

#[test]
fn visitors_example_works_on_this_machine() {
    run_example("visitors");
}

#[test]
fn event_bus_example_works_on_this_machine() {
    let name = "event-bus";
    let test_env = TestEnv::new();
    copy_example(name, &test_env, |config| config);
    let run = |args: &[&str]| test_env.run(args);
    run_commands(&readme_commands(name, "Try it"), &run);
    check_dead_letter_counts_once(name, &test_env, "local", &run);
    destroy_and_check("local", &[], &run);
}

/// Runs the second part of the example's README: a dead letter counts once after the fix.
pub(crate) fn check_dead_letter_counts_once(
    name: &str,
    test_env: &TestEnv,
    env: &str,
    run: &dyn Fn(&[&str]) -> CommandOutput,
) {
    let [emit, list] = &readme_commands(name, "When it goes wrong")[..] else {
        panic!("expected two commands")
    };
    run_commands(std::slice::from_ref(emit), run);
    let list: Vec<&str> = list.args.iter().map(String::as_str).chain(["--json"]).collect();
    let since = Instant::now();
    let dead = loop {
        let dead = run(&list).json()["messages"].clone();
        if dead.as_array().is_some_and(|dead| !dead.is_empty()) {
            break dead;
        }
        assert!(since.elapsed() < DELIVERY_TIMEOUT, "no dead letter arrived");
        poll_pause();
    };
    assert_eq!(dead.as_array().unwrap().len(), 1, "{dead}");
    assert!(dead[0]["body"].to_string().contains("far"), "{dead}");
    assert!(!dead[0]["why"].as_str().unwrap_or_default().is_empty(), "{dead}");
    let path = test_env.path().join("hitctl.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    // The setting `amount` is the cause of the failure.
    let fixed: Vec<_> = config.lines().filter(|line| !line.starts_with("amount")).collect();
    let fixed = fixed.join("\n");
    std::fs::write(&path, fixed).unwrap();
    let output = run(&["deploy", "--env", env, "--artifact", &artifact(), "--yes"]);
    assert_eq!(output.code, 0, "{output:?}");
    let output = run(&["dlq", "redrive", "--env", env]);
    assert_eq!(output.code, 0, "{output:?}\n{}", run(&["logs", "--env", env]).stdout);
    wait_for_count(run, &["counts", "get", "Distance", "--env", env], 13);
    assert_eq!(run(&list).json()["messages"], serde_json::json!([]));
}
