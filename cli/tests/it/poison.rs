//! What cannot be counted: it keeps nothing from being counted, is looked at, and counts once after the fix, whoever is killed
//! on the way.

use std::process::Stdio;

use serde_json::{Value as Json, json};

use crate::feed::{dead, drained, hits, put, until};
use crate::support::{DEFAULTS, Yard};
use crate::wire::{Cut, Wire};

/// A queue whose function takes a batch at once; `visibility_s` is in the test's hands.
fn config(more: &str) -> String {
    format!(
        "[function]\ntimeout_s = 1\n[counter]\nexact = true\n[events]\nenabled = true\n\
         [queue]\nenabled = true\nwindow_s = 1\nbatch_size = 50\nmax_receive_count = 3\n{more}"
    )
}

/// An output of the queue of hits.
fn queue<'a>(status: &'a Json, output: &str) -> &'a str {
    let rows = status["resources"].as_array().unwrap();
    let row = rows.iter().find(|row| row["address"] == "queue.hits").unwrap();
    row["outputs"][output].as_str().unwrap()
}

fn letters(yard: &Yard) -> Vec<Json> {
    let ran = yard.run(&["dlq", "list", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()["messages"].as_array().unwrap().clone()
}

#[test]
fn one_that_cannot_be_counted_holds_no_other_up_and_counts_once_after_the_fix() {
    let yard = Yard::with(&config("visibility_s = 43200\n"));
    yard.deploy();
    let lines: Vec<String> = (0..25).map(|n| format!("/good-{n}")).collect();
    yard.write("good", &lines.join("\n"));
    let emit = |x: &str| {
        let detail = json!({ "coordinate": { "x": x } }).to_string();
        let ran = yard.run(&["emit", "--source", "cli", "--detail-type", "move", "--detail", &detail]);
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    let send = || assert_eq!(yard.run(&["send", "--file", "good"]).code, 0);
    let good = |status: &Json, n: u64| status["hits"] == 25 * n;

    // It is hidden for half a day after its first time, and the good ones do not wait for it.
    emit("first");
    send();
    let status = until(&yard, &["status"], |status| good(status, 1) && queue(status, "in_flight") == "1");
    assert_eq!((queue(&status, "visible"), dead(&status)), ("0", Some("0")), "{status}");

    // With another one it goes round as often as the configuration says, and not once more.
    yard.write("hitctl.toml", &config("visibility_s = 3\n"));
    yard.deploy();
    emit("second");
    send();
    until(&yard, &["status"], |status| dead(status) == Some("1"));
    assert!(good(&yard.run(&["status", "--json"]).json(), 2));
    let dead_letters = letters(&yard);
    let letter = &dead_letters[0];
    assert!(letter["body"].as_str().unwrap().contains("second"), "{letter}");
    assert!(letter["why"].as_str().unwrap().contains("path"), "the function's own words: {letter}");
    let log = yard.run(&["logs", "--filter", "message refused"]).stdout;
    assert_eq!(log.matches(letter["id"].as_str().unwrap()).count(), 3, "{log}");

    // What was wrong is the configuration.
    let fixed = config("visibility_s = 3\n").replace("[queue]", "key = \"/detail/coordinate/x\"\n[queue]");
    yard.write("hitctl.toml", &fixed);
    yard.deploy();
    let ran = yard.run(&["dlq", "redrive", "--json"]);
    assert_eq!((ran.code, &ran.json()["to_queue"]), (0, &json!(1)), "{ran:?}");
    hits(&yard, "second", 1);
    // The same letter once more, as a run leaves it behind that was killed before it could delete it.
    put(&yard, "hits-local-dlq", letter["body"].as_str().unwrap());
    assert_eq!(yard.run(&["dlq", "redrive", "--json"]).json()["to_queue"], 1);
    until(&yard, &["status"], |status| queue(status, "visible") == "0" && queue(status, "in_flight") == "1");
    hits(&yard, "second", 1);
    assert_eq!((letters(&yard).len(), dead(&yard.run(&["status", "--json"]).json())), (0, Some("0")));
}

#[test]
fn whatever_is_on_the_queue_dies_alone_with_its_reason() {
    let yard = Yard::with(
        "[function]\ntimeout_s = 1\n[counter]\nexact = true\n\
         [queue]\nenabled = true\nwindow_s = 1\nbatch_size = 50\nmax_receive_count = 1\nvisibility_s = 3\n",
    );
    yard.deploy();
    let bodies = [
        r#"{"v":1}"#.to_owned(),
        r#"{"path":"#.to_owned(),
        r#"{"v":2,"path":"/"}"#.to_owned(),
        r#"{"path":"/","ip":"192.0.2.77x"}"#.to_owned(),
        r#"{"path":"!site","ip":"192.0.2.78"}"#.to_owned(),
        r#"{"Records":[{"eventSource":"aws:sns"}]}"#.to_owned(),
        r#"{"detail-type":"t","source":"cli","detail":{}}"#.to_owned(),
        "[1,2]".to_owned(),
        "x".repeat(1_000_000),
        format!("/{}", "x".repeat(1_000_000)),
    ];
    put(&yard, "hits-local-hits", "/before");
    for body in &bodies {
        put(&yard, "hits-local-hits", body);
    }
    put(&yard, "hits-local-hits", "/after");
    until(&yard, &["status"], |status| dead(status) == Some("10"));
    let log = yard.run(&["logs", "--filter", "message refused"]).stdout;
    for letter in letters(&yard) {
        let (id, why) = (letter["id"].as_str().unwrap(), letter["why"].as_str().unwrap());
        assert!(
            bodies.iter().any(|body| letter["body"] == **body),
            "{letter}: {}",
            yard.run(&["logs"]).stdout
        );
        assert!(!why.starts_with("received") && why.len() < 200, "{why}");
        assert_eq!(log.matches(id).count(), 1, "{id}: {why}");
    }
    assert!(!log.contains("192.0.2"), "{log}");
    let rows = yard.run(&["counts", "get", "/before", "/after", "--json"]).json();
    assert_eq!((&rows["counts"][0]["hits"], &rows["counts"][1]["hits"]), (&json!(1), &json!(1)), "{rows}");
}

/// Kills redrives at every call that they make to the queues, on this side of it or on the other.
fn killed(cut: Cut) {
    let yard = Yard::with(&format!(
        "{DEFAULTS}[counter]\nexact = true\n[queue]\nenabled = true\nwindow_s = 0\nbatch_size = 10\n"
    ));
    yard.deploy();
    let mut calls = Vec::new();
    for n in 1.. {
        put(&yard, "hits-local-dlq", r#"{"v":1,"path":"/dead"}"#);
        let wire = Wire::tap(&yard);
        wire.cut(n, cut);
        let mut program = yard.command(&["dlq", "redrive", "--hide", "1s"]);
        let program = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wire.holds(&program);
        let ended = program.wait_with_output().unwrap();
        calls = wire.calls();
        drop(wire);
        let reached = calls.len() >= n;
        assert_eq!(ended.status.code(), if reached { None } else { Some(0) }, "call {n}: {ended:?}");
        // A second run finishes what the first has left, if it has left anything.
        until(&yard, &["dlq", "redrive", "--hide", "1s"], |_| {
            dead(&yard.run(&["status", "--json"]).json()) == Some("0")
        });
        hits(&yard, "/dead", n as u64);
        drained(&yard);
        hits(&yard, "/dead", n as u64);
        if !reached {
            break;
        }
    }
    for call in ["sqs:ReceiveMessage", "sqs:SendMessageBatch", "sqs:DeleteMessageBatch"] {
        assert!(calls.iter().any(|made| made == call), "{call} was not cut: {calls:?}");
    }
}

#[test]
fn a_redrive_that_is_killed_before_any_call_is_finished_by_a_second_and_counts_once() {
    killed(Cut::ProgramBefore);
}

#[test]
fn a_redrive_that_is_killed_after_any_call_is_finished_by_a_second_and_counts_once() {
    killed(Cut::ProgramAfter);
}
