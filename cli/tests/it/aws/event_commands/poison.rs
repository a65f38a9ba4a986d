//! Messages that the function refuses, in batches with messages that it counts. Also redrives that are killed while the
//! function consumes the queue.

use hitctl_emulators::{Emulator, InjectedFault};
use serde_json::{Value as Json, json};

use super::super::recorded_env::{KillSwitch, RecordedAwsEnv};
use super::Queues;

/// Returns a configuration with short timeouts, with `more` added.
fn config(more: &str) -> String {
    format!(
        "function.timeout_s = 3\nfunction.reserved_concurrency = \"none\"\ncounter.exact = true\nevents.enabled = true\n{more}\
         queue = {{ enabled = true, window_s = 1, batch_size = 50, max_receive_count = 3, visibility_s = 6 }}\n"
    )
}

/// Deploys a function with its queues.
fn deployed(app: &str) -> (RecordedAwsEnv, Queues) {
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), app, &config(""));
    aws_env.deploy();
    (aws_env, Queues::of_app(app))
}

/// Runs a command repeatedly until its JSON output fulfils the condition. Returns the output.
#[track_caller]
pub(in super::super) fn run_until(
    aws_env: &RecordedAwsEnv,
    args: &[&str],
    condition: impl Fn(&Json) -> bool,
) -> Json {
    let args = [args, &["--json"]].concat();
    let mut last = Json::Null;
    for _ in 0..2_000 {
        let output = aws_env.env.run(&args);
        assert_eq!(output.code, 0, "{output:?}");
        last = output.json();
        if condition(&last) {
            return last;
        }
    }
    panic!("{args:?}: the condition was never met: {last}");
}

pub(in super::super) fn wait_for_hits(aws_env: &RecordedAwsEnv, path: &str, n: u64) {
    run_until(aws_env, &["counts", "get", path], |json| json["counts"][0]["hits"] == n);
}

/// Returns the number of messages on a queue, visible and in flight.
pub(in super::super) fn queue_depth(status: &Json, address: &str) -> u64 {
    let rows = status["resources"].as_array().unwrap();
    let row = rows.iter().find(|row| row["address"] == address).unwrap();
    let number = |name: &str| row["outputs"][name].as_str().unwrap().parse::<u64>().unwrap();
    number("visible") + number("in_flight")
}

#[test]
fn refused_message_is_retried_to_the_limit_and_counts_once_after_the_fix() {
    let (aws_env, queues) = deployed("poison");
    let event = json!({ "version": "0", "id": "e-1", "detail-type": "move", "source": "cli",
                        "time": jiff::Timestamp::now().to_string(), "detail": { "coordinate": { "x": "far" } } });
    queues.send("hits", &event.to_string(), &[]);
    let lines: Vec<String> = (0..25).map(|n| format!("/good-{n}")).collect();
    aws_env.env.base.write("good", &lines.join("\n"));
    let output = aws_env.env.run(&["send", "--file", "good"]);
    assert_eq!(output.code, 0, "{output:?}");
    run_until(&aws_env, &["status"], |status| status["hits"] == 25);
    run_until(&aws_env, &["status"], |status| {
        queue_depth(status, "queue.dlq") == 1 && queue_depth(status, "queue.hits") == 0
    });
    let list = aws_env.env.run(&["dlq", "list", "--json"]).json();
    let dead_letter = &list["messages"][0];
    assert!(
        dead_letter["why"].as_str().unwrap().contains("path"),
        "the reason is the function's error message: {list}"
    );
    let log = aws_env.env.run(&["logs", "--filter", "message refused"]).stdout;
    assert_eq!(log.matches(dead_letter["id"].as_str().unwrap()).count(), 3, "{log}");

    aws_env.env.configure(&config("events.key = \"/detail/coordinate/x\"\n"));
    let output = aws_env.env.deploy(&[]);
    assert_eq!(output.code, 0, "{output:?}");
    // The second round redrives a copy, as a run leaves behind that is killed before it deletes the dead letter.
    for _ in 0..2 {
        let output = aws_env.env.run(&["dlq", "redrive", "--json"]);
        assert_eq!((output.code, &output.json()["to_queue"]), (0, &json!(1)), "{output:?}");
        wait_for_hits(&aws_env, "far", 1);
        run_until(&aws_env, &["status"], |status| {
            queue_depth(status, "queue.dlq") + queue_depth(status, "queue.hits") == 0
        });
        wait_for_hits(&aws_env, "far", 1);
        queues.send("dlq", &event.to_string(), &[]);
    }
}

#[test]
fn redrive_killed_before_deletion_counts_once() {
    let (aws_env, queues) = deployed("poisonkill");
    queues.send("dlq", r#"{"v":1,"path":"/dead"}"#, &[]);
    let kill_switch = KillSwitch::default();
    let fault = {
        let kill_switch = kill_switch.clone();
        InjectedFault::hook_before(move || kill_switch.kill())
    };
    aws_env.proxy.set_fault_rule(move |call| (call.operation == "DeleteMessageBatch").then(|| fault.clone()));
    let output = kill_switch.run(&aws_env.proxy, aws_env.env.command(&["dlq", "redrive", "--hide", "1s"]));
    assert_eq!(output.status.code(), None, "{output:?}");
    aws_env.proxy.reset();
    wait_for_hits(&aws_env, "/dead", 1);
    run_until(&aws_env, &["dlq", "redrive", "--hide", "1s"], |json| json["to_queue"] == 1);
    run_until(&aws_env, &["status"], |status| {
        queue_depth(status, "queue.dlq") + queue_depth(status, "queue.hits") == 0
    });
    wait_for_hits(&aws_env, "/dead", 1);
}
