//! Tests of `dlq list`, `dlq redrive` and `dlq purge`.

use aws_sdk_sqs::types::QueueAttributeName;
use hitctl::Interrupts;
use hitctl_emulators::InjectedFault;
use serde_json::{Value as Json, json};

use super::super::recorded_env::KillSwitch;
use super::{Queues, env_with_queues};

const EVENT: &str = r#"{"version":"0","id":"e-1","source":"cli","detail":{"path":"/e"}}"#;

/// Sends one dead letter of each kind.
fn send_dead_letters(queues: &Queues) {
    queues.send("dlq", "/poison", &[("ip", "192.0.2.1")]);
    queues.send(
        "dlq",
        EVENT,
        &[("RULE_ARN", "arn:rule"), ("ERROR_CODE", "NO_PERMISSIONS"), ("RETRY_ATTEMPTS", "0")],
    );
    let envelope = json!({
        "version": "1.0",
        "requestContext": { "requestId": "r-1", "condition": "RetriesExhausted", "approximateInvokeCount": 3 },
        "requestPayload": { "source": "cli", "detail": {} },
        "responsePayload": { "errorType": "Hitctl.BadEvent", "errorMessage": "there is no path" },
    });
    queues.send("dlq", &envelope.to_string(), &[]);
}

fn sorted<'a>(json: &'a Json, by: &str) -> Vec<&'a Json> {
    let mut rows: Vec<_> = json["messages"].as_array().unwrap().iter().collect();
    rows.sort_by_key(|row| row[by].to_string());
    rows
}

#[test]
fn list_leaves_dead_letters_on_the_queue() {
    let (mut aws_env, queues) = env_with_queues("dlqlist");
    let output = aws_env.ok(&["dlq", "list"]);
    assert_eq!(output.stdout, "The dead-letter queue dlqlist-test-dlq is empty.\n");
    send_dead_letters(&queues);
    for _ in 0..2 {
        let json = aws_env.ok(&["dlq", "list", "--json"]).json();
        let rows = sorted(&json, "kind");
        let shown: Vec<_> = rows
            .iter()
            .map(|row| [&row["kind"], &row["body"], &row["why"]].map(|v| v.as_str().unwrap()))
            .collect();
        assert_eq!(shown[0], ["event", EVENT, "NO_PERMISSIONS"]);
        assert_eq!(
            shown[1],
            [
                "invocation",
                r#"{"detail":{},"source":"cli"}"#,
                "Hitctl.BadEvent: there is no path, RetriesExhausted, tried 3 times"
            ]
        );
        assert_eq!(shown[2][..2], ["message", "/poison"]);
        assert!(shown[2][2].starts_with("received "), "{shown:?}");
        assert_eq!(json["about"], 3);
    }
    assert_eq!(
        aws_env.ok(&["dlq", "list", "--limit", "1", "--json"]).json()["messages"].as_array().unwrap().len(),
        1
    );
    assert_eq!(queues.receive_all("dlq").len(), 3, "the listed messages are visible again");
}

#[test]
fn redrive_sends_dead_letters_to_their_source() {
    let (mut aws_env, queues) = env_with_queues("dlqback");
    send_dead_letters(&queues);
    let output = aws_env.ok(&["dlq", "redrive"]);
    insta::assert_snapshot!(output.stdout, @"
    Sent 3 messages back to the queue.
    next  hitctl status --env test
    ");
    assert_eq!(queues.receive_all("dlq").len(), 0);
    let all = queues.receive_all("hits");
    assert_eq!(all.len(), 3);
    let attributes_of =
        |body: &str| all.iter().find(|found| found.body.contains(body)).unwrap().attributes.clone();
    assert_eq!(attributes_of("/poison")["ip"], "192.0.2.1");
    assert_eq!(attributes_of("/poison")["hitctl-id"].len(), 36, "the id of the dead letter");
    assert_eq!(
        attributes_of("e-1").len(),
        0,
        "an event has its own id, and attributes of EventBridge are removed"
    );
    assert_eq!(attributes_of("detail\":{}")["hitctl-id"], "r-1");
    assert_eq!(aws_env.ok(&["dlq", "redrive", "--json"]).json()["to_queue"], 0);
}

#[test]
fn redrive_by_id_leaves_other_dead_letters() {
    let (mut aws_env, queues) = env_with_queues("dlqpick");
    send_dead_letters(&queues);
    let json = aws_env.ok(&["dlq", "list", "--json"]).json();
    let id = sorted(&json, "kind")[0]["id"].as_str().unwrap().to_owned();
    let output = aws_env.run(&["dlq", "redrive", "--id", &id, "no-such", "--json"]);
    assert_eq!(output.code, 5, "{output:?}");
    assert_eq!((&output.json()["to_queue"], &output.json()["missing"]), (&json!(1), &json!(["no-such"])));
    assert_eq!(
        (queues.receive_all("hits").len(), queues.receive_all("dlq").len()),
        (1, 2),
        "the other dead letters are visible again"
    );
    let output = aws_env.run(&["dlq", "redrive", "--id", "no-such"]);
    assert_eq!(output.code, 1, "{output:?}");
}

#[test]
fn redrive_killed_before_deletion_keeps_one_message_id() {
    let (aws_env, queues) = env_with_queues("dlqkill");
    queues.send("dlq", "/poison", &[]);
    let kill_switch = KillSwitch::default();
    let fault = {
        let kill_switch = kill_switch.clone();
        InjectedFault::hook_before(move || kill_switch.kill())
    };
    aws_env.proxy.set_fault_rule(move |call| (call.operation == "DeleteMessageBatch").then(|| fault.clone()));
    let output = kill_switch.run(&aws_env.proxy, aws_env.env.command(&["dlq", "redrive"]));
    assert_eq!(output.status.code(), None, "{output:?}");
    aws_env.proxy.reset();
    let first = queues.receive_all("hits");
    assert_eq!(first.len(), 1);
    // The killed run hid the dead letter for two minutes, and did not delete it.
    let request = queues.client.get_queue_attributes().queue_url(queues.url("dlq"));
    let attributes =
        queues.runtime.block_on(request.attribute_names(QueueAttributeName::All).send()).unwrap();
    let hidden = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
    assert_eq!(attributes.attributes.unwrap()[&hidden], "1");
    assert_eq!(
        first[0].attributes["hitctl-id"].len(),
        36,
        "the copy has the id of the dead letter, as a second copy would"
    );
}

#[test]
fn redrive_keeps_messages_that_the_queue_refuses() {
    let (aws_env, queues) = env_with_queues("dlqstay");
    send_dead_letters(&queues);
    aws_env.proxy.set_fault_rule(|call| {
        (call.operation == "SendMessageBatch")
            .then(|| InjectedFault::service_error(403, "AccessDenied", "injected"))
    });
    let output = aws_env.env.run(&["dlq", "redrive", "--json"]);
    assert_eq!(output.code, 1, "{output:?}");
    assert_eq!(output.json()["failed"].as_array().unwrap().len(), 3, "{output:?}");
    assert_eq!((queues.receive_all("hits").len(), queues.receive_all("dlq").len()), (0, 3));
}

#[test]
fn interrupted_redrive_keeps_unmoved_messages() {
    let (aws_env, queues) = env_with_queues("dlqstop");
    for n in 0..30 {
        queues.send("dlq", &format!("/{n}"), &[]);
    }
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut sent = false;
    aws_env.proxy.set_fault_rule(move |call| {
        if call.operation == "SendMessageBatch" && !sent {
            sent = true;
            sender.send(()).unwrap();
        }
        None
    });
    let output = aws_env
        .env
        .run_with(&["dlq", "redrive"], |process| process.interrupts = Interrupts::Channel(receiver));
    assert_eq!(output.code, 130, "{output:?}");
    let (hits, dead) = (queues.receive_all("hits").len(), queues.receive_all("dlq").len());
    assert_eq!(hits + dead, 30, "{output:?}");
    assert!(dead > 0, "{output:?}");
}

#[test]
fn purge_needs_environment_name() {
    let (mut aws_env, queues) = env_with_queues("dlqpurge");
    send_dead_letters(&queues);
    let output = aws_env.run(&["dlq", "purge", "--yes"]);
    assert_eq!(output.code, 3);
    insta::assert_snapshot!(output.stderr.lines().skip(1).collect::<Vec<_>>().join("\n"), @"
    error: confirmation required, but this is not an interactive terminal: This deletes about 3 dead letters in dlqpurge-test-dlq; the views in them are lost.

    hint: run the same command with `--confirm test`
    ");
    assert_eq!(aws_env.run(&["dlq", "purge", "--confirm", "prod"]).code, 3);
    assert_eq!(queues.receive_all("dlq").len(), 3);
    let output = aws_env.ok(&["dlq", "purge", "--confirm", "test"]);
    assert_eq!(output.stdout, "Deleted about 3 messages from dlqpurge-test-dlq.\n");
    assert_eq!(aws_env.ok(&["dlq", "list", "--json"]).json()["messages"], json!([]));
    let output = aws_env.ok(&["dlq", "purge"]);
    assert_eq!(
        output.stdout, "The dead-letter queue dlqpurge-test-dlq is empty.\n",
        "nothing is lost, so no confirmation is needed"
    );
}
