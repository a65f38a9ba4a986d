//! Events that are generated, and what is put on the local cloud's queue and comes back from it.

use serde_json::{Value as Json, json};

use crate::support::{Http, Yard};

const QUEUE: &str = "[queue]\nenabled = true\nwindow_s = 0\nbatch_size = 10\nmax_receive_count = 1\n";

#[test]
fn every_event_is_shown_without_credentials_and_without_anything_deployed() {
    let yard = Yard::with(
        "region = \"eu-central-1\"\ncloudfront.site_bucket = \"my-site\"\ncloudfront.distribution_id = \"E123ABC\"\nevents.enabled = true\n[env.prod]\n",
    );
    for (kind, of, at) in [
        ("http", "\"2.0\"", "/version"),
        ("sqs", "\"aws:sqs\"", "/Records/0/eventSource"),
        ("eventbridge", "\"/a\"", "/detail/path"),
        ("cloudfront", "\"viewer-request\"", "/Records/0/cf/config/eventType"),
        ("s3", "\"my-site\"", "/detail/bucket/name"),
    ] {
        for env in ["local", "prod"] {
            let ran =
                yard.run(&["invoke", "--event", kind, "--path", "/a", "--print", "--json", "--env", env]);
            assert_eq!(ran.code, 0, "{ran:?}");
            assert_eq!(ran.json()["event"].pointer(at).map(Json::to_string).as_deref(), Some(of), "{ran:?}");
        }
    }
    let shown = yard.run(&["invoke", "--path", "/a b", "--print"]);
    assert_eq!(serde_json::from_str::<Json>(&shown.stdout).unwrap()["rawQueryString"], "path=%2Fa%20b");
    assert!(!yard.state().exists(), "nothing was started");
}

#[test]
fn what_no_event_can_be_made_of_is_said() {
    let yard = Yard::with("[env.prod]\n");
    for args in [
        &["--event", "s3", "--print"] as &[&str],
        &["--event", "s3"],
        &["--event", "http", "--count", "2"],
        &["--event", "sqs", "--count", "0"],
        &["--event", "smoke"],
        &["--event", "sqs", "--payload", "x"],
        &[],
    ] {
        let ran = yard.run(&[&["invoke", "--env", "local"], args].concat());
        assert_eq!(ran.code, 64, "{args:?}: {ran:?}");
    }
}

#[test]
fn nothing_is_started_for_a_queue_that_is_not_there() {
    let yard = Yard::with(QUEUE);
    for args in [&["send", "--path", "/"] as &[&str], &["dlq", "redrive"], &["dlq", "purge"]] {
        let ran = yard.run(&[args, &["--env", "local", "--json"]].concat());
        assert_eq!((ran.code, &ran.json()["error"]["code"]), (1, &json!("not_deployed")), "{ran:?}");
    }
    let ran = yard.run(&["dlq", "list", "--env", "local"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("hitctl local start"), "{ran:?}");
    assert!(!yard.state().join("daemon.json").exists(), "nothing was started");
}

/// Asks the local cloud's SQS as any program would.
pub(crate) fn sqs(yard: &Yard, operation: &str, request: &Json) {
    let said: Json =
        serde_json::from_slice(&std::fs::read(yard.state().join("daemon.json")).unwrap()).unwrap();
    let headers = format!(
        "content-type: application/x-amz-json-1.0\r\nx-amz-target: AmazonSQS.{operation}\r\n\
         x-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential=local/20260101/local/sqs/aws4_request, SignedHeaders=host, Signature=0\r\n"
    );
    let mut http = Http::connect(said["table"].as_str().unwrap()).unwrap();
    let answer = http.ask("POST", "/", &headers, request.to_string().as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Puts a text on a queue of the yard, whatever it is.
pub(crate) fn put(yard: &Yard, queue: &str, body: &str) {
    sqs(
        yard,
        "SendMessage",
        &json!({ "QueueUrl": format!("http://127.0.0.1/000000000000/{queue}"), "MessageBody": body }),
    );
}

/// Runs until it is so: what comes by a queue comes in a moment.
#[track_caller]
pub(crate) fn until(yard: &Yard, args: &[&str], is_so: impl Fn(&Json) -> bool) -> Json {
    let args = [args, &["--json", "--env", "local"]].concat();
    let mut last = None;
    for _ in 0..3_000 {
        let ran = yard.run(&args);
        assert_eq!(ran.code, 0, "{ran:?}");
        let json = ran.json();
        if is_so(&json) {
            return json;
        }
        last = Some(json);
    }
    panic!("{args:?}: it never comes to that: {last:?}");
}

pub(crate) fn hits(yard: &Yard, path: &str, n: u64) {
    until(yard, &["counts", "get", path], |json| json["counts"][0]["hits"] == n);
}

pub(crate) fn dead(json: &Json) -> Option<&str> {
    let rows = json["resources"].as_array().unwrap();
    rows.iter().find(|row| row["address"] == "queue.dlq")?["outputs"]["visible"].as_str()
}

/// Waits until nothing is on the queue of hits, nor with the function.
#[track_caller]
pub(crate) fn drained(yard: &Yard) {
    until(yard, &["status"], |json| {
        let rows = json["resources"].as_array().unwrap();
        let queue = rows.iter().find(|row| row["address"] == "queue.hits").unwrap();
        ["visible", "in_flight", "delayed"].iter().all(|name| queue["outputs"][name] == "0")
    });
}

#[test]
fn hits_and_events_come_by_the_queue_and_what_cannot_be_counted_comes_back() {
    let yard =
        Yard::with(&format!("events.enabled = true\nfunction.timeout_s = 1\n{QUEUE}visibility_s = 1\n"));
    yard.deploy();
    let ran = yard.run(&["send", "--path", "/a", "--count", "5", "--env", "local"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    hits(&yard, "/a", 5);
    let ran = yard.run(&[
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
    assert_eq!(ran.code, 0, "{ran:?}");
    hits(&yard, "/e", 1);
    let ran =
        yard.run(&["invoke", "--event", "sqs", "--path", "/a", "--count", "3", "--json", "--env", "local"]);
    assert_eq!((ran.code, &ran.json()["body"]["batchItemFailures"]), (0, &json!([])), "{ran:?}");
    hits(&yard, "/a", 8);

    put(&yard, "hits-local-hits", r#"{"pth":"/a"}"#);
    until(&yard, &["status"], |json| dead(json) == Some("1"));
    let shown = yard.run(&["status", "--env", "local"]);
    assert!(shown.stdout.contains("  dead  1 dead letter\n"), "{shown:?}");
    assert!(shown.stdout.contains("hitctl dlq list --env local"), "{shown:?}");
    let list = yard.run(&["dlq", "list", "--json", "--env", "local"]).json();
    let letter = &list["messages"][0];
    assert_eq!((&letter["body"], &letter["kind"]), (&json!(r#"{"pth":"/a"}"#), &json!("message")), "{list}");
    assert!(
        letter["why"].as_str().unwrap().contains("there is no `path`"),
        "the function's own words: {list}"
    );
    let log = yard.run(&["logs", "--filter", "message refused", "--env", "local"]);
    assert!(log.stdout.contains(letter["id"].as_str().unwrap()), "{log:?}");

    assert_eq!(yard.run(&["dlq", "purge", "--yes", "--env", "local"]).code, 3);
    let ran = yard.run(&["dlq", "purge", "--confirm", "local", "--env", "local"]);
    assert_eq!(ran.stdout, "Deleted the dead letter in hits-local-dlq.\n", "{ran:?}");
    put(&yard, "hits-local-dlq", r#"{"v":1,"path":"/mended"}"#);
    let ran = yard.run(&["dlq", "redrive", "--json", "--env", "local"]);
    assert_eq!((ran.code, &ran.json()["to_queue"]), (0, &json!(1)), "{ran:?}");
    hits(&yard, "/mended", 1);
    until(&yard, &["status"], |json| dead(json) == Some("0"));
}

#[test]
fn without_a_queue_the_function_is_given_what_is_dead() {
    let yard = Yard::with("events.enabled = true\n");
    yard.deploy();
    let event = r#"{"version":"0","id":"e","detail-type":"t","source":"cli","time":"2026-11-20T10:00:00Z","detail":{"path":"/e"}}"#;
    put(&yard, "hits-local-dlq", &json!({ "requestContext": { "requestId": "r" }, "requestPayload": serde_json::from_str::<Json>(event).unwrap() }).to_string());
    put(&yard, "hits-local-dlq", r#"{"detail-type":"t","source":"cli","detail":{}}"#);
    let ran = yard.run(&["dlq", "redrive", "--json", "--env", "local"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert_eq!(
        (&ran.json()["to_function"], ran.json()["failed"].as_array().unwrap().len()),
        (&json!(1), 1),
        "{ran:?}"
    );
    hits(&yard, "/e", 1);
    assert_eq!(
        yard.run(&["dlq", "list", "--json", "--env", "local"]).json()["messages"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn calls_are_logged_on_request_and_nothing_is_otherwise() {
    let yard = Yard::with(QUEUE);
    yard.deploy();
    let list = ["dlq", "list", "--env", "local"];
    let quiet = yard.run(&list);
    assert!(!quiet.stderr.contains("AWS call"), "{quiet:?}");
    let verbose = yard.run(&[&list[..], &["-vv"]].concat());
    let line = verbose.stderr.lines().find(|line| line.contains("AmazonSQS.ReceiveMessage"));
    let line = line.unwrap_or_else(|| panic!("{verbose:?}"));
    assert!(line.starts_with("DEBUG hitctl_cloud::aws::connector: AWS call host=\"127.0.0.1:"), "{line}");
    for field in ["method=\"POST\"", "status=200", "request_id=", "took_ms="] {
        assert!(line.contains(field), "{line}");
    }
    assert_eq!(quiet.stdout, verbose.stdout);
    let variable = |value: &str| {
        yard.run_as(&list, |world| {
            world.env.insert("HITCTL_LOG".to_owned(), value.to_owned());
        })
    };
    assert!(variable("hitctl_cloud=debug").stderr.contains("AWS call"));
    assert!(!variable("").stderr.contains("AWS call"));
    let wrong = variable("hitctl_cloud=loud");
    assert_eq!(wrong.code, 64, "{wrong:?}");
    assert!(wrong.stderr.contains("HITCTL_LOG: expected a level"), "{wrong:?}");
}
