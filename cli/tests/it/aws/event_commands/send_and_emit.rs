//! Tests of `send` and `emit`.

use std::collections::BTreeSet;
use std::io::Cursor;

use hitctl::Interrupts;
use hitctl_emulators::{Emulator, InjectedFault};
use serde_json::json;

use super::super::recorded_env::{RecordedAwsEnv, sdk_config};
use super::{QUEUE_AND_EVENTS, Queues, env_with_queues};

#[test]
fn send_makes_one_message_with_id_for_many_hits() {
    let (mut aws_env, queues) = env_with_queues("sends");
    let output = aws_env.ok(&[
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
    insta::assert_snapshot!(output.stdout, @"
    Sent 500 views in 1 message to sends-test-hits.
    Messages are batched for up to 60 s before they are counted.
    next  hitctl counts list --env test
    ");
    let all = queues.receive_all("hits");
    assert_eq!(all.len(), 1);
    assert_eq!(
        all[0].json(),
        json!({ "v": 1, "path": "/a", "n": 500, "ts": "2026-11-20T10:00:00Z", "id": "monday-1" })
    );
    assert_eq!(
        aws_env.proxy.call_names(),
        ["sts:GetCallerIdentity", "sqs:GetQueueUrl", "sqs:SendMessageBatch"]
    );
}

#[test]
fn send_reports_bad_lines_and_sends_the_others() {
    let (aws_env, queues) = env_with_queues("sendfile");
    let lines: Vec<String> = (0..25).map(|n| format!("/page-{n}")).collect();
    let text = format!("{}\n{{\"pth\":\"/x\"}}\n{{\"path\":\"/y\",\"n\":3}}\n!site\n", lines.join("\n"));
    let output = aws_env.env.run_with(&["send", "--file", "-", "--json", "--id-prefix", "f"], |process| {
        process.stdin = Box::new(Cursor::new(text.clone().into_bytes()));
    });
    assert_eq!(output.code, 1, "{output:?}");
    let json = output.json();
    assert_eq!(
        (&json["hits"], &json["messages"], &json["queue"]),
        (&json!(28), &json!(26), &json!("sendfile-test-hits"))
    );
    let refused: Vec<_> =
        json["refused"].as_array().unwrap().iter().map(|line| line["line"].clone()).collect();
    assert_eq!(refused, [json!(26), json!(28)]);
    assert!(
        output
            .stderr
            .contains("line 28: expected a path, a hit as a JSON object, or a comment, found \"!site\""),
        "{output:?}"
    );
    let ids: BTreeSet<String> = queues
        .receive_all("hits")
        .iter()
        .map(|found| found.json()["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 26);
    assert!(ids.contains("f-1") && ids.contains("f-27"), "{ids:?}");
}

#[test]
fn send_rejects_bad_arguments_before_sending() {
    let mut no_queue = RecordedAwsEnv::new(Emulator::ministack(), "sendoff", "");
    let output = no_queue.run(&["send", "--path", "/"]);
    assert_eq!(output.code, 64);
    insta::assert_snapshot!(output.stderr, @"
    error: environment test has no queue

    hint: set `queue.enabled = true` in hitctl.toml, then run `hitctl deploy --env test`
    ");
    assert_eq!(no_queue.run(&["emit", "--source", "a", "--detail-type", "b", "--detail", "{}"]).code, 64);
    assert_eq!(no_queue.run(&["dlq", "list"]).code, 64);
    assert_eq!(no_queue.proxy.call_names(), [""; 0]);

    let mut undeployed = RecordedAwsEnv::new(Emulator::ministack(), "sendnone", QUEUE_AND_EVENTS);
    let output = undeployed.run(&["send", "--path", "/"]);
    assert_eq!(output.code, 1);
    insta::assert_snapshot!(output.stderr.replace(undeployed.proxy.endpoint(), "WIRE"), @"
    app sendnone, env test, AWS account 123456789012, region eu-central-1, endpoint WIRE
    error: the queue sendnone-test-hits is not deployed
      caused by: AWS.SimpleQueueService.NonExistentQueue (sqs:GetQueueUrl)

    hint: run `hitctl deploy` for the same environment first
    ");
    for (args, expected) in [
        (&["--path", "!x"] as &[&str], "reserved"),
        (&["--path", "/", "--ts", "noon"], "expected a time"),
        (&["--path", "/", "--ts", "2020-01-01T00:00:00Z"], "60 days"),
        (&["--path", "/", "--count", "0"], "expected a whole number from 1 to 9007199254740991"),
        (&["--path", "/", "--id-prefix", "a b"], "letters, digits"),
        (&["--file", "missing"], "failed to read missing"),
        (&["--file", "empty"], "the file contains no views"),
        (&["--path", "/", "--file", "x"], "cannot be used with"),
        (&[], "expected --path <PATH> or --file <FILE>"),
    ] {
        undeployed.env.base.write("empty", "\n\n");
        let output = undeployed.run(&[&["send"], args].concat());
        assert_eq!(output.code, 64, "{args:?}: {output:?}");
        assert!(output.stderr.contains(expected), "{args:?}: {output:?}");
    }
}

/// Returns the response of SQS if it accepts the first of two messages and rejects the second.
fn partial_response(code: &str, sender: bool) -> InjectedFault {
    let body = json!({
        "Successful": [{ "Id": "0", "MessageId": "m", "MD5OfMessageBody": "d41d8cd98f00b204e9800998ecf8427e" }],
        "Failed": [{ "Id": "1", "Code": code, "Message": "injected", "SenderFault": sender }],
    });
    InjectedFault::Response {
        status: 200,
        content_type: "application/x-amz-json-1.0".to_owned(),
        body: body.to_string(),
    }
}

#[test]
fn messages_refused_by_sqs_are_retried_or_reported() {
    let (aws_env, queues) = env_with_queues("sendhalf");
    aws_env.env.base.write("two", "/a\n/b\n");
    let args = ["send", "--file", "two", "--json", "--id-prefix", "h"];
    let mut first = true;
    aws_env.proxy.set_fault_rule(move |call| {
        let is_first = call.operation == "SendMessageBatch" && std::mem::replace(&mut first, false);
        is_first.then(|| partial_response("ServiceUnavailable", false))
    });
    let output = aws_env.env.run(&args);
    assert_eq!((output.code, &output.json()["messages"]), (0, &json!(2)), "{output:?}");
    let all = queues.receive_all("hits");
    assert_eq!(
        all.iter().map(|found| found.json()["id"].clone()).collect::<Vec<_>>(),
        [json!("h-2")],
        "only the rejected message is sent again"
    );

    aws_env.proxy.reset();
    aws_env.proxy.set_fault_rule(|call| {
        (call.operation == "SendMessageBatch").then(|| partial_response("InvalidMessageContents", true))
    });
    let output = aws_env.env.run(&args);
    assert_eq!(output.code, 5, "{output:?}");
    assert_eq!(output.json()["failed"], json!([{ "line": 2, "why": "SQS rejected the message: injected" }]));
}

#[test]
fn failed_or_interrupted_send_shows_how_to_continue() {
    let (aws_env, _queues) = env_with_queues("sendstop");
    let lines: Vec<String> = (0..200).map(|n| format!("/{n}")).collect();
    aws_env.env.base.write("many", &lines.join("\n"));
    let args = ["send", "--file", "many", "--id-prefix", "again"];
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut sent = false;
    aws_env.proxy.set_fault_rule(move |call| {
        if call.operation == "SendMessageBatch" && !sent {
            sent = true;
            sender.send(()).unwrap();
        }
        None
    });
    let output = aws_env.env.run_with(&args, |process| process.interrupts = Interrupts::Channel(receiver));
    assert_eq!(output.code, 130, "{output:?}");
    assert!(output.stderr.contains("--id-prefix again"), "{output:?}");

    aws_env.proxy.reset();
    aws_env.proxy.set_fault_rule(|call| {
        (call.operation == "SendMessageBatch")
            .then(|| InjectedFault::service_error(403, "AccessDenied", "injected"))
    });
    let output = aws_env.env.run(&args);
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains("AccessDenied (sqs:SendMessage): injected"), "{output:?}");
}

#[test]
fn emitted_events_reach_matching_rules() {
    let (mut aws_env, queues) = env_with_queues("emits");
    aws_env.env.configure(&config_for_source("emits"));
    create_rule("emits", &queues);
    aws_env.env.base.write(
        "events.json",
        r#"[{"Source":"emits","DetailType":"move","Detail":{"coordinate":{"x":"5","y":"5"},"type":"walk"}},
            {"Source":"emits","DetailType":"move","Detail":"{\"path\":\"/a\"}"},
            {"Source":"other","DetailType":"move","Detail":{}}]"#,
    );
    let output = aws_env.ok(&["emit", "--file", "events.json"]);
    insta::assert_snapshot!(output.stdout, @"
    Put 3 events on the bus default.
    next  hitctl logs --follow --env test
    ");
    assert!(output.stderr.contains("event 2 does not match `events.pattern`"), "{output:?}");
    let output = aws_env.ok(&[
        "emit",
        "--source",
        "emits",
        "--detail-type",
        "move",
        "--detail",
        r#"{"path":"/b"}"#,
        "--json",
    ]);
    assert_eq!((&output.json()["events"], &output.json()["failed"]), (&json!(1), &json!([])));
    let mut details: Vec<_> =
        queues.receive_all("hits").iter().map(|found| found.json()["detail"].to_string()).collect();
    details.sort();
    assert_eq!(
        details,
        [r#"{"coordinate":{"x":"5","y":"5"},"type":"walk"}"#, r#"{"path":"/a"}"#, r#"{"path":"/b"}"#]
    );
    assert_eq!(aws_env.proxy.call_names(), ["sts:GetCallerIdentity", "events:PutEvents"]);
}

/// Returns a configuration whose rule matches only events of this app's source, since every rule on the emulator's
/// default bus receives every event.
fn config_for_source(app: &str) -> String {
    format!("{QUEUE_AND_EVENTS}events.pattern = {{ source = [\"{app}\"] }}\n")
}

/// Creates a rule that sends events of the app's source to its queue of hits.
fn create_rule(app: &str, queues: &Queues) {
    let client = aws_sdk_eventbridge::Client::new(&sdk_config(Emulator::ministack()));
    let put = client.put_rule().name(format!("{app}-by-hand"));
    let put = put.event_pattern(json!({ "source": [app] }).to_string());
    queues.runtime.block_on(put.send()).unwrap();
    let arn = format!("arn:aws:sqs:{}:{}:{app}-test-hits", Emulator::REGION, Emulator::ACCOUNT);
    let target = aws_sdk_eventbridge::types::Target::builder().id("queue").arn(arn).build().unwrap();
    let put = client.put_targets().rule(format!("{app}-by-hand")).targets(target);
    queues.runtime.block_on(put.send()).unwrap();
}

#[test]
fn emit_checks_every_event_before_sending() {
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "emitbad", QUEUE_AND_EVENTS);
    aws_env.env.base.write(
        "bad.json",
        r#"[{"Source":"cli","DetailType":"t","Detail":{}},{"Source":"cli","Detail":{}},{"Source":"cli","DetailType":"t","Detail":"[]"}]"#,
    );
    let output = aws_env.run(&["emit", "--file", "bad.json"]);
    assert_eq!(output.code, 64);
    insta::assert_snapshot!(output.stderr, @"
    error: invalid events in bad.json:
      event 1: DetailType is missing
      event 2: Detail: expected a JSON object, found other JSON

    hint: see `hitctl help emit` for the format; nothing was sent
    ");
    aws_env.env.base.write("none.json", "[]");
    for args in [
        &["--file", "none.json"] as &[&str],
        &["--file", "gone.json"],
        &["--detail", "{}"],
        &[],
        &["--source", "a", "--detail-type", "b", "--detail", "7"],
    ] {
        assert_eq!(aws_env.run(&[&["emit"], args].concat()).code, 64, "{args:?}");
    }
    assert_eq!(aws_env.proxy.call_names(), [""; 0]);
}

#[test]
fn event_refused_by_bus_is_reported_with_its_index() {
    let aws_env = RecordedAwsEnv::new(Emulator::ministack(), "emithalf", &config_for_source("emithalf"));
    aws_env.env.base.write(
        "two.json",
        r#"[{"Source":"emithalf","DetailType":"t","Detail":{}},{"Source":"aws.s3","DetailType":"t","Detail":{}}]"#,
    );
    aws_env.proxy.set_fault_rule(|call| {
        let body = json!({
            "FailedEntryCount": 1,
            "Entries": [{ "EventId": "e-1" }, { "ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source." }],
        });
        let response = InjectedFault::Response { status: 200, content_type: "application/x-amz-json-1.1".to_owned(), body: body.to_string() };
        (call.operation == "PutEvents").then_some(response)
    });
    let output = aws_env.env.run(&["emit", "--file", "two.json"]);
    assert_eq!(output.code, 5, "{output:?}");
    insta::assert_snapshot!(output.stdout, @"
    Put 1 event on the bus default.
    event 1 was rejected: NotAuthorizedForSourceException: EventBridge rejected the event: Not authorized for the source.
    next  hitctl logs --follow --env test
    ");
}
