//! Messages that cannot be counted: they block no others, can be inspected, and count once after the fix, even if runs
//! are killed.

use std::process::Stdio;

use serde_json::{Value as Json, json};

use crate::event_commands::{dead_letter_count, run_until, send_message, wait_for_hits, wait_until_drained};
use crate::proxy::{CloudProxy, Cut};
use crate::support::{DEFAULTS, TestEnv};

/// Returns a configuration with one batch per invocation. `more` contains further settings of the queue.
fn config(more: &str) -> String {
    format!(
        "[function]\ntimeout_s = 1\n[counter]\nexact = true\n[events]\nenabled = true\n\
         [queue]\nenabled = true\nwindow_s = 1\nbatch_size = 50\nmax_receive_count = 3\n{more}"
    )
}

/// Returns an output of the queue of hits.
fn queue_output<'a>(status: &'a Json, output: &str) -> &'a str {
    let rows = status["resources"].as_array().unwrap();
    let row = rows.iter().find(|row| row["address"] == "queue.hits").unwrap();
    row["outputs"][output].as_str().unwrap()
}

fn list_dead_letters(test_env: &TestEnv) -> Vec<Json> {
    let output = test_env.run(&["dlq", "list", "--json"]);
    assert_eq!(output.code, 0, "{output:?}");
    output.json()["messages"].as_array().unwrap().clone()
}

#[test]
fn uncountable_message_blocks_no_other_and_counts_once_after_fix() {
    let test_env = TestEnv::with_config(&config("visibility_s = 43200\n"));
    test_env.deploy();
    let lines: Vec<String> = (0..25).map(|n| format!("/good-{n}")).collect();
    test_env.write("good", &lines.join("\n"));
    let emit = |x: &str| {
        let detail = json!({ "coordinate": { "x": x } }).to_string();
        let output = test_env.run(&["emit", "--source", "cli", "--detail-type", "move", "--detail", &detail]);
        assert_eq!(output.code, 0, "{output:?}");
    };
    let send = || assert_eq!(test_env.run(&["send", "--file", "good"]).code, 0);
    let good_hits_counted = |status: &Json, n: u64| status["hits"] == 25 * n;

    // The uncountable message is hidden for 12 hours after its first delivery. The others do not wait for it.
    emit("first");
    send();
    let status = run_until(&test_env, &["status"], |status| {
        good_hits_counted(status, 1) && queue_output(status, "in_flight") == "1"
    });
    assert_eq!((queue_output(&status, "visible"), dead_letter_count(&status)), ("0", Some("0")), "{status}");

    // A second uncountable message is delivered exactly `max_receive_count` times.
    test_env.write("hitctl.toml", &config("visibility_s = 3\n"));
    test_env.deploy();
    emit("second");
    send();
    run_until(&test_env, &["status"], |status| dead_letter_count(status) == Some("1"));
    assert!(good_hits_counted(&test_env.run(&["status", "--json"]).json(), 2));
    let dead_letters = list_dead_letters(&test_env);
    let dead_letter = &dead_letters[0];
    assert!(dead_letter["body"].as_str().unwrap().contains("second"), "{dead_letter}");
    assert!(
        dead_letter["why"].as_str().unwrap().contains("path"),
        "the reason is the function's error message: {dead_letter}"
    );
    let log = test_env.run(&["logs", "--filter", "message refused"]).stdout;
    assert_eq!(log.matches(dead_letter["id"].as_str().unwrap()).count(), 3, "{log}");

    // Fixes the cause, the configuration.
    let fixed = config("visibility_s = 3\n").replace("[queue]", "key = \"/detail/coordinate/x\"\n[queue]");
    test_env.write("hitctl.toml", &fixed);
    test_env.deploy();
    let output = test_env.run(&["dlq", "redrive", "--json"]);
    assert_eq!((output.code, &output.json()["to_queue"]), (0, &json!(1)), "{output:?}");
    wait_for_hits(&test_env, "second", 1);
    // Sends the same dead letter again, as a run leaves it behind that is killed before it deletes it.
    send_message(&test_env, "hits-local-dlq", dead_letter["body"].as_str().unwrap());
    assert_eq!(test_env.run(&["dlq", "redrive", "--json"]).json()["to_queue"], 1);
    run_until(&test_env, &["status"], |status| {
        queue_output(status, "visible") == "0" && queue_output(status, "in_flight") == "1"
    });
    wait_for_hits(&test_env, "second", 1);
    assert_eq!(
        (list_dead_letters(&test_env).len(), dead_letter_count(&test_env.run(&["status", "--json"]).json())),
        (0, Some("0"))
    );
}

#[test]
fn each_malformed_message_becomes_dead_letter_with_reason() {
    let test_env = TestEnv::with_config(
        "[function]\ntimeout_s = 1\n[counter]\nexact = true\n\
         [queue]\nenabled = true\nwindow_s = 1\nbatch_size = 50\nmax_receive_count = 1\nvisibility_s = 3\n",
    );
    test_env.deploy();
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
    send_message(&test_env, "hits-local-hits", "/before");
    for body in &bodies {
        send_message(&test_env, "hits-local-hits", body);
    }
    send_message(&test_env, "hits-local-hits", "/after");
    run_until(&test_env, &["status"], |status| dead_letter_count(status) == Some("10"));
    let log = test_env.run(&["logs", "--filter", "message refused"]).stdout;
    for dead_letter in list_dead_letters(&test_env) {
        let (id, why) = (dead_letter["id"].as_str().unwrap(), dead_letter["why"].as_str().unwrap());
        assert!(
            bodies.iter().any(|body| dead_letter["body"] == **body),
            "{dead_letter}: {}",
            test_env.run(&["logs"]).stdout
        );
        assert!(!why.starts_with("received") && why.len() < 200, "{why}");
        assert_eq!(log.matches(id).count(), 1, "{id}: {why}");
    }
    assert!(!log.contains("192.0.2"), "{log}");
    let rows = test_env.run(&["counts", "get", "/before", "/after", "--json"]).json();
    assert_eq!((&rows["counts"][0]["hits"], &rows["counts"][1]["hits"]), (&json!(1), &json!(1)), "{rows}");
}

/// Kills redrives at each of their calls, before or after it. Asserts that a second run completes them and that the hit
/// counts once.
fn redrive_killed_at_every_call(cut: Cut) {
    let test_env = TestEnv::with_config(&format!(
        "{DEFAULTS}[counter]\nexact = true\n[queue]\nenabled = true\nwindow_s = 0\nbatch_size = 10\n"
    ));
    test_env.deploy();
    let mut calls = Vec::new();
    for n in 1.. {
        send_message(&test_env, "hits-local-dlq", r#"{"v":1,"path":"/dead"}"#);
        let proxy = CloudProxy::attach(&test_env);
        proxy.cut(n, cut);
        let mut program = test_env.command(&["dlq", "redrive", "--hide", "1s"]);
        let program = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        proxy.set_program(&program);
        let ended = program.wait_with_output().unwrap();
        calls = proxy.take_calls();
        drop(proxy);
        let reached = calls.len() >= n;
        assert_eq!(ended.status.code(), if reached { None } else { Some(0) }, "call {n}: {ended:?}");
        // A second run completes the first one, if messages are left.
        run_until(&test_env, &["dlq", "redrive", "--hide", "1s"], |_| {
            dead_letter_count(&test_env.run(&["status", "--json"]).json()) == Some("0")
        });
        wait_for_hits(&test_env, "/dead", n as u64);
        wait_until_drained(&test_env);
        wait_for_hits(&test_env, "/dead", n as u64);
        if !reached {
            break;
        }
    }
    for call in ["sqs:ReceiveMessage", "sqs:SendMessageBatch", "sqs:DeleteMessageBatch"] {
        assert!(calls.iter().any(|name| name == call), "{call} was not cut: {calls:?}");
    }
}

#[test]
fn redrive_killed_before_any_call_counts_once_after_second_run() {
    redrive_killed_at_every_call(Cut::ProgramKilledBefore);
}

#[test]
fn redrive_killed_after_any_call_counts_once_after_second_run() {
    redrive_killed_at_every_call(Cut::ProgramKilledAfter);
}
