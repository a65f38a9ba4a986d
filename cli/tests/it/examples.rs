//! The examples, by the very commands that their READMEs name: on this machine here, and on an emulator in `aws/examples.rs`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::{Ran, Yard, artifact, checkout};

/// Every example there is; a test holds it against the folder.
pub(crate) const ALL: &[&str] = &["counter", "event-bus", "function-url", "queue-invalidation", "visitors"];

/// How long a batch or an event may be on its way. Generous: it is for what never comes.
const ON_THE_WAY: Duration = Duration::from_mins(1);

/// The folder of an example.
pub(crate) fn folder(name: &str) -> PathBuf {
    checkout().join("examples").join(name)
}

/// Copies an example into a yard; its configuration as `change` makes it.
pub(crate) fn copy(name: &str, yard: &Yard, change: impl FnOnce(String) -> String) {
    let mut change = Some(change);
    for entry in std::fs::read_dir(folder(name)).unwrap() {
        let from = entry.unwrap().path();
        let to = yard.path().join(from.file_name().unwrap());
        if to.ends_with("hitctl.toml") {
            let text = std::fs::read_to_string(&from).unwrap();
            std::fs::write(to, change.take().expect("there is one")(text)).unwrap();
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
    assert!(change.is_none(), "{name} has no hitctl.toml");
}

/// A line of a README that calls hitctl.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its arguments.
    pub(crate) args: Vec<String>,
    /// The number that it promises, at the beginning of its comment.
    pub(crate) promise: Option<u64>,
}

/// The calls of hitctl in the first block below a heading.
pub(crate) fn lines(name: &str, heading: &str) -> Vec<Line> {
    let readme = std::fs::read_to_string(folder(name).join("README.md")).unwrap();
    let (_, below) = readme.split_once(&format!("\n## {heading}\n")).expect("there is such a heading");
    let block = below.split("```").nth(1).expect("there is a block");
    let line = |text: &str| {
        let (call, comment) = text.split_once('#').unwrap_or((text, ""));
        let digits: String = comment.trim().chars().take_while(char::is_ascii_digit).collect();
        let mut words = call.split_whitespace().map(str::to_owned);
        (words.next()? == "hitctl").then(|| Line { args: words.collect(), promise: digits.parse().ok() })
    };
    block.lines().filter_map(line).collect()
}

/// Does what the lines of a README say; `run` runs hitctl.
pub(crate) fn follow(lines: &[Line], run: &dyn Fn(&[&str]) -> Ran) {
    for line in lines {
        let mut args: Vec<&str> = line.args.iter().map(String::as_str).collect();
        let artifact = artifact();
        if args[0] == "deploy" {
            args.extend(["--artifact", &artifact, "--yes"]);
        }
        if let Some(hits) = line.promise {
            comes_to(run, &args, hits);
        } else {
            let ran = run(&args);
            assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        }
    }
}

/// Between two looks at what is on its way: each is a run of the program, which takes time from what is waited for.
#[expect(clippy::disallowed_methods, reason = "polling another process; every caller is bounded")]
fn a_moment() {
    std::thread::sleep(Duration::from_millis(100));
}

/// Whether something becomes true while a hit may be on its way.
pub(crate) fn eventually(look: impl Fn() -> bool) -> bool {
    let since = Instant::now();
    while !look() {
        if since.elapsed() > ON_THE_WAY {
            return false;
        }
        a_moment();
    }
    true
}

/// Waits until `counts get` answers that number.
pub(crate) fn comes_to(run: &dyn Fn(&[&str]) -> Ran, args: &[&str], hits: u64) {
    let args = [args, &["--json"]].concat();
    let since = Instant::now();
    loop {
        let ran = run(&args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        let now = ran.json()["counts"][0]["hits"].as_u64();
        if now == Some(hits) {
            return;
        }
        assert!(now.unwrap_or(0) < hits, "{args:?} came to more than {hits}: {ran:?}");
        assert!(since.elapsed() < ON_THE_WAY, "{args:?} did not come to {hits}: {ran:?}");
        a_moment();
    }
}

/// Shows it, all as wanted but for `gaps` of the place, and takes it away again, numbers and all.
pub(crate) fn end(env: &str, gaps: &[&str], run: &dyn Fn(&[&str]) -> Ran) {
    let status = run(&["status", "--env", env, "--json"]);
    assert_eq!(status.code, 0, "{status:?}");
    let rows = status.json()["resources"].as_array().unwrap().clone();
    let drift = rows.iter().flat_map(|row| row["drift"].as_array().unwrap());
    assert_eq!(drift.map(|field| field.as_str().unwrap()).collect::<Vec<_>>(), gaps);
    let destroyed = run(&["destroy", "--env", env, "--delete-data", "--confirm", env]);
    assert_eq!(destroyed.code, 0, "{destroyed:?}");
    let left = run(&["status", "--env", env, "--json"]).json();
    let left: Vec<_> =
        left["resources"].as_array().unwrap().iter().filter(|it| it["present"] == true).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// An example on this machine, deployed, used and destroyed as its README says.
fn whole(name: &str) {
    let yard = Yard::new();
    copy(name, &yard, |config| config);
    follow(&lines(name, "Try it"), &|args| yard.run(args));
    end("local", &[], &|args| yard.run(args));
}

#[test]
fn no_example_is_forgotten() {
    let mut found: Vec<String> = std::fs::read_dir(folder(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(found, ALL);
    for name in ALL {
        assert!(lines(name, "Try it").iter().any(|line| line.args[0] == "deploy"), "{name}");
    }
}

#[test]
fn the_counter_counts_here() {
    whole("counter");
}

#[test]
fn the_function_at_its_own_url_counts_here() {
    whole("function-url");
}

#[test]
fn the_queue_counts_here_and_the_cache_is_told() {
    whole("queue-invalidation");
}

#[test]
fn the_visitors_of_a_site_are_counted_here() {
    whole("visitors");
}

#[test]
fn the_bus_adds_here_and_what_died_counts_once_after_the_fix() {
    let name = "event-bus";
    let yard = Yard::new();
    copy(name, &yard, |config| config);
    let run = |args: &[&str]| yard.run(args);
    follow(&lines(name, "Try it"), &run);
    died_and_counted_once(name, &yard, "local", &run);
    end("local", &[], &run);
}

/// What the second half of the example's README says.
pub(crate) fn died_and_counted_once(name: &str, yard: &Yard, env: &str, run: &dyn Fn(&[&str]) -> Ran) {
    let [emit, list] = &lines(name, "When it goes wrong")[..] else { panic!("it has two lines") };
    follow(std::slice::from_ref(emit), run);
    let list: Vec<&str> = list.args.iter().map(String::as_str).chain(["--json"]).collect();
    let since = Instant::now();
    let dead = loop {
        let dead = run(&list).json()["messages"].clone();
        if dead.as_array().is_some_and(|dead| !dead.is_empty()) {
            break dead;
        }
        assert!(since.elapsed() < ON_THE_WAY, "nothing died");
        a_moment();
    };
    assert_eq!(dead.as_array().unwrap().len(), 1, "{dead}");
    assert!(dead[0]["body"].to_string().contains("far"), "{dead}");
    assert!(!dead[0]["why"].as_str().unwrap_or_default().is_empty(), "{dead}");
    let path = yard.path().join("hitctl.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let mended: Vec<_> = config.lines().filter(|line| !line.starts_with("amount")).collect();
    let mended = mended.join("\n");
    std::fs::write(&path, mended).unwrap();
    let ran = run(&["deploy", "--env", env, "--artifact", &artifact(), "--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = run(&["dlq", "redrive", "--env", env]);
    assert_eq!(ran.code, 0, "{ran:?}\n{}", run(&["logs", "--env", env]).stdout);
    comes_to(run, &["counts", "get", "Distance", "--env", env], 13);
    assert_eq!(run(&list).json()["messages"], serde_json::json!([]));
}
