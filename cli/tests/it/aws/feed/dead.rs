//! `dlq list`, `dlq redrive` and `dlq purge`.

use aws_sdk_sqs::types::QueueAttributeName;
use hitctl::Interrupts;
use hitctl_emulators::Fault;
use serde_json::{Value as Json, json};

use super::super::scene::Death;
use super::{Queues, scene};

const EVENT: &str = r#"{"version":"0","id":"e-1","source":"cli","detail":{"path":"/e"}}"#;

/// A letter of each form.
fn letters(queues: &Queues) {
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
fn a_look_takes_nothing_away() {
    let (mut scene, queues) = scene("dlqlist");
    let ran = scene.ok(&["dlq", "list"]);
    assert_eq!(ran.stdout, "There are no dead letters in dlqlist-test-dlq.\n");
    letters(&queues);
    for _ in 0..2 {
        let json = scene.ok(&["dlq", "list", "--json"]).json();
        let rows = sorted(&json, "kind");
        let told: Vec<_> = rows
            .iter()
            .map(|row| [&row["kind"], &row["body"], &row["why"]].map(|v| v.as_str().unwrap()))
            .collect();
        assert_eq!(told[0], ["event", EVENT, "NO_PERMISSIONS"]);
        assert_eq!(
            told[1],
            [
                "invocation",
                r#"{"detail":{},"source":"cli"}"#,
                "Hitctl.BadEvent: there is no path, RetriesExhausted, tried 3 times"
            ]
        );
        assert_eq!(told[2][..2], ["message", "/poison"]);
        assert!(told[2][2].starts_with("received "), "{told:?}");
        assert_eq!(json["about"], 3);
    }
    assert_eq!(
        scene.ok(&["dlq", "list", "--limit", "1", "--json"]).json()["messages"].as_array().unwrap().len(),
        1
    );
    assert_eq!(queues.all("dlq").len(), 3, "and all can be received at once");
}

#[test]
fn letters_go_back_where_they_came_from() {
    let (mut scene, queues) = scene("dlqback");
    letters(&queues);
    let ran = scene.ok(&["dlq", "redrive"]);
    insta::assert_snapshot!(ran.stdout, @"
    Sent 3 dead letters back onto the queue of hits.
    next  hitctl status --env test
    ");
    assert_eq!(queues.all("dlq").len(), 0);
    let all = queues.all("hits");
    assert_eq!(all.len(), 3);
    let id = |body: &str| all.iter().find(|found| found.body.contains(body)).unwrap().attributes.clone();
    assert_eq!(id("/poison")["ip"], "192.0.2.1");
    assert_eq!(id("/poison")["hitctl-id"].len(), 36, "the id of its first time");
    assert_eq!(id("e-1").len(), 0, "an event has its own, and what EventBridge added is gone");
    assert_eq!(id("detail\":{}")["hitctl-id"], "r-1");
    assert_eq!(scene.ok(&["dlq", "redrive", "--json"]).json()["to_queue"], 0);
}

#[test]
fn some_are_picked_by_their_ids() {
    let (mut scene, queues) = scene("dlqpick");
    letters(&queues);
    let json = scene.ok(&["dlq", "list", "--json"]).json();
    let id = sorted(&json, "kind")[0]["id"].as_str().unwrap().to_owned();
    let ran = scene.run(&["dlq", "redrive", "--id", &id, "no-such", "--json"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert_eq!((&ran.json()["to_queue"], &ran.json()["missing"]), (&json!(1), &json!(["no-such"])));
    assert_eq!(
        (queues.all("hits").len(), queues.all("dlq").len()),
        (1, 2),
        "the others can be received at once"
    );
    let ran = scene.run(&["dlq", "redrive", "--id", "no-such"]);
    assert_eq!(ran.code, 1, "{ran:?}");
}

#[test]
fn killed_in_between_a_letter_has_one_id_on_both_ways() {
    let (scene, queues) = scene("dlqkill");
    queues.send("dlq", "/poison", &[]);
    let death = Death::default();
    let fault = {
        let death = death.clone();
        Fault::before(move || death.comes())
    };
    scene.wire.rule(move |call| (call.operation == "DeleteMessageBatch").then(|| fault.clone()));
    let output = death.of(&scene.wire, scene.yard.command(&["dlq", "redrive"]));
    assert_eq!(output.status.code(), None, "{output:?}");
    scene.wire.reset();
    let first = queues.all("hits");
    assert_eq!(first.len(), 1);
    // The run that is gone had hidden it here, for two minutes: it is not lost.
    let asked = queues.client.get_queue_attributes().queue_url(queues.url("dlq"));
    let told = queues.runtime.block_on(asked.attribute_names(QueueAttributeName::All).send()).unwrap();
    let hidden = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
    assert_eq!(told.attributes.unwrap()[&hidden], "1");
    assert_eq!(
        first[0].attributes["hitctl-id"].len(),
        36,
        "its own id there, which it takes along a second time too"
    );
}

#[test]
fn what_the_queue_does_not_take_stays() {
    let (scene, queues) = scene("dlqstay");
    letters(&queues);
    scene.wire.rule(|call| {
        (call.operation == "SendMessageBatch").then(|| Fault::status(403, "AccessDenied", "injected"))
    });
    let ran = scene.yard.run(&["dlq", "redrive", "--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.json()["failed"].as_array().unwrap().len(), 3, "{ran:?}");
    assert_eq!((queues.all("hits").len(), queues.all("dlq").len()), (0, 3));
}

#[test]
fn an_interrupted_redrive_keeps_what_it_did_not_move() {
    let (scene, queues) = scene("dlqstop");
    for n in 0..30 {
        queues.send("dlq", &format!("/{n}"), &[]);
    }
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut asked = false;
    scene.wire.rule(move |call| {
        if call.operation == "SendMessageBatch" && !asked {
            asked = true;
            sender.send(()).unwrap();
        }
        None
    });
    let ran =
        scene.yard.run_as(&["dlq", "redrive"], |world| world.interrupts = Interrupts::Channel(receiver));
    assert_eq!(ran.code, 130, "{ran:?}");
    let (hits, dead) = (queues.all("hits").len(), queues.all("dlq").len());
    assert_eq!(hits + dead, 30, "{ran:?}");
    assert!(dead > 0, "{ran:?}");
}

#[test]
fn all_are_deleted_only_by_the_name_of_the_env() {
    let (mut scene, queues) = scene("dlqpurge");
    letters(&queues);
    let ran = scene.run(&["dlq", "purge", "--yes"]);
    assert_eq!(ran.code, 3);
    insta::assert_snapshot!(ran.stderr.lines().skip(1).collect::<Vec<_>>().join("\n"), @"
    error: confirmation required, but this is not an interactive terminal: This deletes about 3 dead letters in dlqpurge-test-dlq; the hits in them are lost.

    hint: run the same command with `--confirm test`
    ");
    assert_eq!(scene.run(&["dlq", "purge", "--confirm", "prod"]).code, 3);
    assert_eq!(queues.all("dlq").len(), 3);
    let ran = scene.ok(&["dlq", "purge", "--confirm", "test"]);
    assert_eq!(ran.stdout, "Deleted about 3 dead letters in dlqpurge-test-dlq.\n");
    assert_eq!(scene.ok(&["dlq", "list", "--json"]).json()["messages"], json!([]));
    let ran = scene.ok(&["dlq", "purge"]);
    assert_eq!(
        ran.stdout, "There are no dead letters in dlqpurge-test-dlq.\n",
        "nothing is lost, so nothing is asked"
    );
}
