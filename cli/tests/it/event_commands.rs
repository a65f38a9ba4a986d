//! `invoke` with generated events, `send`, `emit` and `dlq` with the queues of the local cloud, and the log of AWS calls.

use serde_json::{Value as Json, json};

use crate::support::{TestConnection, TestEnv};

const QUEUE: &str = "[queue]\nenabled = true\nwindow_s = 0\nbatch_size = 10\nmax_receive_count = 1\n";

#[test]
fn invoke_print_shows_every_event_without_credentials_or_deployment() {
    let test_env = TestEnv::with_config(
        "region = \"eu-central-1\"\ncloudfront.site_bucket = \"my-site\"\ncloudfront.distribution_id = \"E123ABC\"\nevents.enabled = true\n[env.prod]\n",
    );
    for (kind, expected, pointer) in [
        ("http", "\"2.0\"", "/version"),
        ("sqs", "\"aws:sqs\"", "/Records/0/eventSource"),
        ("eventbridge", "\"/a\"", "/detail/path"),
        ("cloudfront", "\"viewer-request\"", "/Records/0/cf/config/eventType"),
        ("s3", "\"my-site\"", "/detail/bucket/name"),
    ] {
        for env in ["local", "prod"] {
            let output =
                test_env.run(&["invoke", "--event", kind, "--path", "/a", "--print", "--json", "--env", env]);
            assert_eq!(output.code, 0, "{output:?}");
            assert_eq!(
                output.json()["event"].pointer(pointer).map(Json::to_string).as_deref(),
                Some(expected),
                "{output:?}"
            );
        }
    }
    let shown = test_env.run(&["invoke", "--path", "/a b", "--print"]);
    assert_eq!(serde_json::from_str::<Json>(&shown.stdout).unwrap()["rawQueryString"], "path=%2Fa%20b");
    assert!(!test_env.state().exists(), "nothing was started");
}

#[test]
fn invoke_rejects_impossible_events() {
    let test_env = TestEnv::with_config("[env.prod]\n");
    for args in [
        &["--event", "s3", "--print"] as &[&str],
        &["--event", "s3"],
        &["--event", "http", "--count", "2"],
        &["--event", "sqs", "--count", "0"],
        &["--event", "smoke"],
        &["--event", "sqs", "--payload", "x"],
        &[],
    ] {
        let output = test_env.run(&[&["invoke", "--env", "local"], args].concat());
        assert_eq!(output.code, 64, "{args:?}: {output:?}");
    }
}

#[test]
fn queue_commands_without_deployment_start_no_cloud() {
    let test_env = TestEnv::with_config(QUEUE);
    for args in [&["send", "--path", "/"] as &[&str], &["dlq", "redrive"], &["dlq", "purge"]] {
        let output = test_env.run(&[args, &["--env", "local", "--json"]].concat());
        assert_eq!((output.code, &output.json()["error"]["code"]), (1, &json!("not_deployed")), "{output:?}");
    }
    let output = test_env.run(&["dlq", "list", "--env", "local"]);
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains("hitctl deploy"), "{output:?}");
    assert!(!test_env.state().join("daemon.json").exists(), "nothing was started");
}

/// Sends a request to the SQS of the local cloud over HTTP, as any client would.
pub(crate) fn sqs(test_env: &TestEnv, operation: &str, request: &Json) {
    let endpoint: Json =
        serde_json::from_slice(&std::fs::read(test_env.state().join("daemon.json")).unwrap()).unwrap();
    let headers = format!(
        "content-type: application/x-amz-json-1.0\r\nx-amz-target: AmazonSQS.{operation}\r\n\
         x-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential=local/20260101/local/sqs/aws4_request, SignedHeaders=host, Signature=0\r\n"
    );
    // SQS has the same address as DynamoDB.
    let mut http = TestConnection::connect(endpoint["table"].as_str().unwrap()).unwrap();
    let response = http.send("POST", "/", &headers, request.to_string().as_bytes()).unwrap();
    assert_eq!(response.status, 200, "{response:?}");
}

/// Sends a message with any body to a queue of the environment.
pub(crate) fn send_message(test_env: &TestEnv, queue: &str, body: &str) {
    sqs(
        test_env,
        "SendMessage",
        &json!({ "QueueUrl": format!("http://127.0.0.1/000000000000/{queue}"), "MessageBody": body }),
    );
}

/// Runs a command repeatedly until its JSON output fulfils the condition. Returns the output.
#[track_caller]
pub(crate) fn run_until(test_env: &TestEnv, args: &[&str], condition: impl Fn(&Json) -> bool) -> Json {
    let args = [args, &["--json", "--env", "local"]].concat();
    let mut last = None;
    for _ in 0..3_000 {
        let output = test_env.run(&args);
        assert_eq!(output.code, 0, "{output:?}");
        let json = output.json();
        if condition(&json) {
            return json;
        }
        last = Some(json);
    }
    panic!("{args:?}: the condition was never met: {last:?}");
}

pub(crate) fn wait_for_hits(test_env: &TestEnv, path: &str, n: u64) {
    run_until(test_env, &["counts", "get", path], |json| json["counts"][0]["hits"] == n);
}

pub(crate) fn dead_letter_count(json: &Json) -> Option<&str> {
    let rows = json["resources"].as_array().unwrap();
    rows.iter().find(|row| row["address"] == "queue.dlq")?["outputs"]["visible"].as_str()
}

/// Waits until the queue of hits is empty, with no message in flight.
#[track_caller]
pub(crate) fn wait_until_drained(test_env: &TestEnv) {
    run_until(test_env, &["status"], |json| {
        let rows = json["resources"].as_array().unwrap();
        let queue = rows.iter().find(|row| row["address"] == "queue.hits").unwrap();
        ["visible", "in_flight", "delayed"].iter().all(|name| queue["outputs"][name] == "0")
    });
}

#[test]
fn queued_hits_and_events_count_and_bad_messages_become_dead_letters() {
    let test_env = TestEnv::with_config(&format!(
        "events.enabled = true\nfunction.timeout_s = 1\n{QUEUE}visibility_s = 1\n"
    ));
    test_env.deploy();
    let output = test_env.run(&["send", "--path", "/a", "--count", "5", "--env", "local"]);
    assert_eq!(output.code, 0, "{output:?}");
    wait_for_hits(&test_env, "/a", 5);
    let output = test_env.run(&[
        "emit",
        "--source",
        "cli",
        "--detail-type",
        "t",
        "--detail",
        r#"{"path":"/e"}"#,
        "--env",
        "local",
    ]);
    assert_eq!(output.code, 0, "{output:?}");
    wait_for_hits(&test_env, "/e", 1);
    let output = test_env
        .run(&["invoke", "--event", "sqs", "--path", "/a", "--count", "3", "--json", "--env", "local"]);
    assert_eq!((output.code, &output.json()["body"]["batchItemFailures"]), (0, &json!([])), "{output:?}");
    wait_for_hits(&test_env, "/a", 8);

    send_message(&test_env, "hits-local-hits", r#"{"pth":"/a"}"#);
    run_until(&test_env, &["status"], |json| dead_letter_count(json) == Some("1"));
    let shown = test_env.run(&["status", "--env", "local"]);
    assert!(shown.stdout.contains("  dlq    1 message\n"), "{shown:?}");
    assert!(shown.stdout.contains("hitctl dlq list --env local"), "{shown:?}");
    let list = test_env.run(&["dlq", "list", "--json", "--env", "local"]).json();
    let dead_letter = &list["messages"][0];
    assert_eq!(
        (&dead_letter["body"], &dead_letter["kind"]),
        (&json!(r#"{"pth":"/a"}"#), &json!("message")),
        "{list}"
    );
    assert!(
        dead_letter["why"].as_str().unwrap().contains("`path` is missing"),
        "the reason is the function's error message: {list}"
    );
    let log = test_env.run(&["logs", "--filter", "message refused", "--env", "local"]);
    assert!(log.stdout.contains(dead_letter["id"].as_str().unwrap()), "{log:?}");

    assert_eq!(test_env.run(&["dlq", "purge", "--yes", "--env", "local"]).code, 3);
    let output = test_env.run(&["dlq", "purge", "--confirm", "local", "--env", "local"]);
    assert_eq!(output.stdout, "Deleted 1 message from hits-local-dlq.\n", "{output:?}");
    send_message(&test_env, "hits-local-dlq", r#"{"v":1,"path":"/fixed"}"#);
    let output = test_env.run(&["dlq", "redrive", "--json", "--env", "local"]);
    assert_eq!((output.code, &output.json()["to_queue"]), (0, &json!(1)), "{output:?}");
    wait_for_hits(&test_env, "/fixed", 1);
    run_until(&test_env, &["status"], |json| dead_letter_count(json) == Some("0"));
}

#[test]
fn redrive_without_queue_invokes_the_function() {
    let test_env = TestEnv::with_config("events.enabled = true\n");
    test_env.deploy();
    let event = r#"{"version":"0","id":"e","detail-type":"t","source":"cli","time":"2026-11-20T10:00:00Z","detail":{"path":"/e"}}"#;
    send_message(&test_env, "hits-local-dlq", &json!({ "requestContext": { "requestId": "r" }, "requestPayload": serde_json::from_str::<Json>(event).unwrap() }).to_string());
    send_message(&test_env, "hits-local-dlq", r#"{"detail-type":"t","source":"cli","detail":{}}"#);
    let output = test_env.run(&["dlq", "redrive", "--json", "--env", "local"]);
    assert_eq!(output.code, 5, "{output:?}");
    assert_eq!(
        (&output.json()["to_function"], output.json()["failed"].as_array().unwrap().len()),
        (&json!(1), 1),
        "{output:?}"
    );
    wait_for_hits(&test_env, "/e", 1);
    assert_eq!(
        test_env.run(&["dlq", "list", "--json", "--env", "local"]).json()["messages"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn aws_calls_are_logged_only_on_request() {
    let test_env = TestEnv::with_config(QUEUE);
    test_env.deploy();
    let list = ["dlq", "list", "--env", "local"];
    let quiet = test_env.run(&list);
    assert!(!quiet.stderr.contains("AWS call"), "{quiet:?}");
    let verbose = test_env.run(&[&list[..], &["-vv"]].concat());
    let line = verbose.stderr.lines().find(|line| line.contains("AmazonSQS.ReceiveMessage"));
    let line = line.unwrap_or_else(|| panic!("{verbose:?}"));
    assert!(line.starts_with("DEBUG hitctl_cloud::aws::connector: AWS call host=\"127.0.0.1:"), "{line}");
    for field in ["method=\"POST\"", "status=200", "request_id=", "took_ms="] {
        assert!(line.contains(field), "{line}");
    }
    assert_eq!(quiet.stdout, verbose.stdout);
    let variable = |value: &str| {
        test_env.run_with(&list, |process| {
            process.env.insert("HITCTL_LOG".to_owned(), value.to_owned());
        })
    };
    assert!(variable("hitctl_cloud=debug").stderr.contains("AWS call"));
    assert!(!variable("").stderr.contains("AWS call"));
    let wrong = variable("hitctl_cloud=loud");
    assert_eq!(wrong.code, 64, "{wrong:?}");
    assert!(wrong.stderr.contains("HITCTL_LOG: expected a level"), "{wrong:?}");
}
