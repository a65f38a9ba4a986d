//! `send` and `emit`.

use std::collections::BTreeSet;
use std::io::Cursor;

use hitctl::Interrupts;
use hitctl_emulators::{Emulator, Fault};
use serde_json::json;

use super::super::scene::{Scene, config};
use super::{ON, Queues, scene};

#[test]
fn hits_are_messages_with_ids_and_many_of_a_path_are_one() {
    let (mut scene, queues) = scene("sends");
    let ran = scene.ok(&[
        "send",
        "--path",
        "/a",
        "--count",
        "500",
        "--id-prefix",
        "monday",
        "--ts",
        "2026-11-20T10:00:00Z",
    ]);
    insta::assert_snapshot!(ran.stdout, @"
    Sent 500 hits in 1 message to sends-test-hits.
    They are gathered for up to 60 s before they are counted.
    next  hitctl counts list --env test
    ");
    let all = queues.all("hits");
    assert_eq!(all.len(), 1);
    assert_eq!(
        all[0].json(),
        json!({ "v": 1, "path": "/a", "n": 500, "ts": "2026-11-20T10:00:00Z", "id": "monday-1" })
    );
    assert_eq!(scene.wire.names(), ["sts:GetCallerIdentity", "sqs:GetQueueUrl", "sqs:SendMessageBatch"]);
}

#[test]
fn a_bad_line_is_told_and_the_rest_goes_on() {
    let (scene, queues) = scene("sendfile");
    let lines: Vec<String> = (0..25).map(|n| format!("/page-{n}")).collect();
    let text = format!("{}\n{{\"pth\":\"/x\"}}\n{{\"path\":\"/y\",\"n\":3}}\n!site\n", lines.join("\n"));
    let ran = scene.yard.run_as(&["send", "--file", "-", "--json", "--id-prefix", "f"], |world| {
        world.stdin = Box::new(Cursor::new(text.clone().into_bytes()));
    });
    assert_eq!(ran.code, 1, "{ran:?}");
    let json = ran.json();
    assert_eq!(
        (&json["hits"], &json["messages"], &json["queue"]),
        (&json!(28), &json!(26), &json!("sendfile-test-hits"))
    );
    let refused: Vec<_> =
        json["refused"].as_array().unwrap().iter().map(|line| line["line"].clone()).collect();
    assert_eq!(refused, [json!(26), json!(28)]);
    assert!(
        ran.stderr
            .contains("line 28: expected a path, a hit as a JSON object, or a comment, found \"!site\""),
        "{ran:?}"
    );
    let ids: BTreeSet<String> =
        queues.all("hits").iter().map(|found| found.json()["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 26);
    assert!(ids.contains("f-1") && ids.contains("f-27"), "{ids:?}");
}

#[test]
fn what_cannot_be_sent_is_said_before_anything_is() {
    let mut off = Scene::new(Emulator::ministack(), "sendoff", "");
    let ran = off.run(&["send", "--path", "/"]);
    assert_eq!(ran.code, 64);
    insta::assert_snapshot!(ran.stderr, @"
    error: env test has no queue to send to

    hint: set `queue.enabled = true` in hitctl.toml, then run `hitctl deploy --env test`
    ");
    assert_eq!(off.run(&["emit", "--source", "a", "--detail-type", "b", "--detail", "{}"]).code, 64);
    assert_eq!(off.run(&["dlq", "list"]).code, 64);
    assert_eq!(off.wire.names(), [""; 0]);

    let mut none = Scene::new(Emulator::ministack(), "sendnone", ON);
    let ran = none.run(&["send", "--path", "/"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.stderr.replace(none.wire.endpoint(), "WIRE"), @"
    app sendnone, env test, AWS account 123456789012, region eu-central-1, endpoint WIRE
    error: there is no queue sendnone-test-hits
      caused by: AWS.SimpleQueueService.NonExistentQueue (sqs:GetQueueUrl)

    hint: run `hitctl deploy` for the same environment first
    ");
    for (args, says) in [
        (&["--path", "!x"] as &[&str], "reserved"),
        (&["--path", "/", "--ts", "noon"], "expected a time"),
        (&["--path", "/", "--ts", "2020-01-01T00:00:00Z"], "60 days"),
        (&["--path", "/", "--count", "0"], "expected a whole number from 1 to 9007199254740991"),
        (&["--path", "/", "--id-prefix", "a b"], "letters, digits"),
        (&["--file", "missing"], "failed to read missing"),
        (&["--file", "empty"], "there is no hit"),
        (&["--path", "/", "--file", "x"], "cannot be used with"),
        (&[], "required"),
    ] {
        none.yard.yard.write("empty", "\n\n");
        let ran = none.run(&[&["send"], args].concat());
        assert_eq!(ran.code, 64, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(says), "{args:?}: {ran:?}");
    }
}

/// What SQS says when it took one of two messages.
fn half(code: &str, sender: bool) -> Fault {
    let body = json!({
        "Successful": [{ "Id": "0", "MessageId": "m", "MD5OfMessageBody": "d41d8cd98f00b204e9800998ecf8427e" }],
        "Failed": [{ "Id": "1", "Code": code, "Message": "injected", "SenderFault": sender }],
    });
    Fault::Answer {
        status: 200,
        content_type: "application/x-amz-json-1.0".to_owned(),
        body: body.to_string(),
    }
}

#[test]
fn what_sqs_does_not_take_is_sent_again_or_told() {
    let (scene, queues) = scene("sendhalf");
    scene.yard.yard.write("two", "/a\n/b\n");
    let args = ["send", "--file", "two", "--json", "--id-prefix", "h"];
    let mut first = true;
    scene.wire.rule(move |call| {
        let hit = call.operation == "SendMessageBatch" && std::mem::replace(&mut first, false);
        hit.then(|| half("ServiceUnavailable", false))
    });
    let ran = scene.yard.run(&args);
    assert_eq!((ran.code, &ran.json()["messages"]), (0, &json!(2)), "{ran:?}");
    let all = queues.all("hits");
    assert_eq!(
        all.iter().map(|found| found.json()["id"].clone()).collect::<Vec<_>>(),
        [json!("h-2")],
        "only that one again"
    );

    scene.wire.reset();
    scene
        .wire
        .rule(|call| (call.operation == "SendMessageBatch").then(|| half("InvalidMessageContents", true)));
    let ran = scene.yard.run(&args);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert_eq!(ran.json()["failed"], json!([{ "line": 2, "why": "SQS did not take a message: injected" }]));
}

#[test]
fn a_run_that_fails_or_is_interrupted_says_how_to_go_on() {
    let (scene, _queues) = scene("sendstop");
    let lines: Vec<String> = (0..200).map(|n| format!("/{n}")).collect();
    scene.yard.yard.write("many", &lines.join("\n"));
    let args = ["send", "--file", "many", "--id-prefix", "again"];
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut asked = false;
    scene.wire.rule(move |call| {
        if call.operation == "SendMessageBatch" && !asked {
            asked = true;
            sender.send(()).unwrap();
        }
        None
    });
    let ran = scene.yard.run_as(&args, |world| world.interrupts = Interrupts::Channel(receiver));
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(ran.stderr.contains("--id-prefix again"), "{ran:?}");

    scene.wire.reset();
    scene.wire.rule(|call| {
        (call.operation == "SendMessageBatch").then(|| Fault::status(403, "AccessDenied", "injected"))
    });
    let ran = scene.yard.run(&args);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("AccessDenied (sqs:SendMessage): injected"), "{ran:?}");
}

#[test]
fn events_go_to_the_rules_of_the_bus() {
    let (mut scene, queues) = scene("emits");
    scene.yard.configure(&of_source("emits"));
    rule("emits", &queues);
    scene.yard.yard.write(
        "events.json",
        r#"[{"Source":"emits","DetailType":"move","Detail":{"coordinate":{"x":"5","y":"5"},"type":"walk"}},
            {"Source":"emits","DetailType":"move","Detail":"{\"path\":\"/a\"}"},
            {"Source":"other","DetailType":"move","Detail":{}}]"#,
    );
    let ran = scene.ok(&["emit", "--file", "events.json"]);
    insta::assert_snapshot!(ran.stdout, @"
    Put 3 events on the bus default.
    next  hitctl logs --follow --env test
    ");
    assert!(ran.stderr.contains("event 2 does not match `events.pattern`"), "{ran:?}");
    let ran = scene.ok(&[
        "emit",
        "--source",
        "emits",
        "--detail-type",
        "move",
        "--detail",
        r#"{"path":"/b"}"#,
        "--json",
    ]);
    assert_eq!((&ran.json()["events"], &ran.json()["failed"]), (&json!(1), &json!([])));
    let mut details: Vec<_> =
        queues.all("hits").iter().map(|found| found.json()["detail"].to_string()).collect();
    details.sort();
    assert_eq!(
        details,
        [r#"{"coordinate":{"x":"5","y":"5"},"type":"walk"}"#, r#"{"path":"/a"}"#, r#"{"path":"/b"}"#]
    );
    assert_eq!(scene.wire.names(), ["sts:GetCallerIdentity", "events:PutEvents"]);
}

/// Events of a source of that app alone: every rule of the emulator's one bus is asked about every event.
fn of_source(app: &str) -> String {
    format!("{ON}events.pattern = {{ source = [\"{app}\"] }}\n")
}

/// A rule that brings events of the app's own source to its queue of hits.
fn rule(app: &str, queues: &Queues) {
    let client = aws_sdk_eventbridge::Client::new(&config(Emulator::ministack()));
    let put = client.put_rule().name(format!("{app}-by-hand"));
    let put = put.event_pattern(json!({ "source": [app] }).to_string());
    queues.runtime.block_on(put.send()).unwrap();
    let arn = format!("arn:aws:sqs:{}:{}:{app}-test-hits", Emulator::REGION, Emulator::ACCOUNT);
    let target = aws_sdk_eventbridge::types::Target::builder().id("queue").arn(arn).build().unwrap();
    let put = client.put_targets().rule(format!("{app}-by-hand")).targets(target);
    queues.runtime.block_on(put.send()).unwrap();
}

#[test]
fn every_event_is_checked_before_any_is_sent() {
    let mut scene = Scene::new(Emulator::ministack(), "emitbad", ON);
    scene.yard.yard.write(
        "bad.json",
        r#"[{"Source":"cli","DetailType":"t","Detail":{}},{"Source":"cli","Detail":{}},{"Source":"cli","DetailType":"t","Detail":"[]"}]"#,
    );
    let ran = scene.run(&["emit", "--file", "bad.json"]);
    assert_eq!(ran.code, 64);
    insta::assert_snapshot!(ran.stderr, @"
    error: bad.json cannot be sent:
      event 1: DetailType is missing
      event 2: Detail is JSON, but no object

    hint: nothing was sent; see `hitctl help emit`
    ");
    scene.yard.yard.write("none.json", "[]");
    for args in [
        &["--file", "none.json"] as &[&str],
        &["--file", "gone.json"],
        &["--detail", "{}"],
        &[],
        &["--source", "a", "--detail-type", "b", "--detail", "7"],
    ] {
        assert_eq!(scene.run(&[&["emit"], args].concat()).code, 64, "{args:?}");
    }
    assert_eq!(scene.wire.names(), [""; 0]);
}

#[test]
fn an_event_that_the_bus_does_not_take_is_told_by_its_place() {
    let scene = Scene::new(Emulator::ministack(), "emithalf", &of_source("emithalf"));
    scene.yard.yard.write(
        "two.json",
        r#"[{"Source":"emithalf","DetailType":"t","Detail":{}},{"Source":"aws.s3","DetailType":"t","Detail":{}}]"#,
    );
    scene.wire.rule(|call| {
        let body = json!({
            "FailedEntryCount": 1,
            "Entries": [{ "EventId": "e-1" }, { "ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source." }],
        });
        let answer = Fault::Answer { status: 200, content_type: "application/x-amz-json-1.1".to_owned(), body: body.to_string() };
        (call.operation == "PutEvents").then_some(answer)
    });
    let ran = scene.yard.run(&["emit", "--file", "two.json"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    insta::assert_snapshot!(ran.stdout, @"
    Put 1 event on the bus default.
    event 1 was not taken: NotAuthorizedForSourceException: EventBridge did not take an event: Not authorized for the source.
    next  hitctl logs --follow --env test
    ");
}
