//! Tests of events from `PutEvents` to queues and functions, with retries, dead letters and SIGKILLs.

use std::collections::BTreeSet;

use hitctl_local::client::LocalClient;
use hitctl_local::logs::LogEventQuery;
use serde_json::{Value as Json, json};

use crate::harness::{
    DaemonTestEnv, RawConnection, TIMEOUT, call_service, daemon_pid, echo_zip, service_head, sigkill,
};
use crate::resources::sha256_of;

const RULE_ARN: &str = "arn:aws:events:local:000000000000:rule/r";
const FUNCTION_ARN: &str = "arn:aws:lambda:local:000000000000:function:f";

fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:local:000000000000:{name}")
}

/// The sender that a queue's policy allows.
#[derive(Clone, Copy)]
enum AllowedSender {
    /// The rule of these tests.
    Rule,
    Nobody,
}

async fn put_queue(client: &LocalClient, name: &str, sender: AllowedSender) {
    let senders = match sender {
        AllowedSender::Rule => json!([{ "service": "events.amazonaws.com", "source_arn": RULE_ARN }]),
        AllowedSender::Nobody => json!([]),
    };
    let spec = json!({
        "visibility_timeout_s": 30, "retention_s": 345_600, "managed_encryption": true, "redrive": null,
        "senders": senders, "tags": {},
    });
    client.put_resource("queue", name, &spec).await.unwrap();
}

fn rule(target: &str) -> Json {
    json!({
        "bus": "default", "pattern": { "source": ["cli"] }, "enabled": true, "target_arn": target, "max_retries": 3,
        "max_age_s": 3600, "dead_letter_arn": queue_arn("dlq"), "tags": {},
    })
}

/// Starts a daemon with a dead-letter queue, and a rule with that target.
async fn env_with_rule(target: &str) -> (DaemonTestEnv, LocalClient) {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    put_queue(&client, "dlq", AllowedSender::Rule).await;
    let put = client.put_resource("event_rule", "r", &rule(target)).await.unwrap();
    assert_eq!(put.outputs["arn"], RULE_ARN);
    (env, client)
}

async fn put_function(env: &DaemonTestEnv, client: &LocalClient, reserved: Option<u32>) {
    let zip = echo_zip();
    let sha256 = sha256_of(&zip);
    let path = env.temp.path().join("code.zip");
    std::fs::write(&path, &zip).unwrap();
    client.put_code(&sha256, &path).await.unwrap();
    let spec = json!({
        "runtime": "provided.al2023", "arch": if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" },
        "code_sha256": sha256, "memory_mb": 128, "timeout_s": 10, "reserved_concurrency": reserved, "environment": {},
        "role_arn": "arn:aws:iam::000000000000:role/f", "log_format": "JSON", "log_group": "/aws/lambda/f", "tags": {},
    });
    client.put_resource("function", "f", &spec).await.unwrap();
}

async fn put_permission(client: &LocalClient) {
    let spec = json!({
        "function_name": "f", "principal": "events.amazonaws.com", "source_arn": RULE_ARN,
        "source_account": "000000000000",
    });
    client.put_resource("permission", "hits-local:hitctl-events", &spec).await.unwrap();
}

fn event(detail: &Json) -> Json {
    json!({ "Source": "cli", "DetailType": "moved", "Detail": detail.to_string() })
}

async fn put(client: &LocalClient, detail: &Json) -> String {
    let (status, response) =
        call_service(client, "AWSEvents.PutEvents", &json!({ "Entries": [event(detail)] })).await;
    assert_eq!((status, response["FailedEntryCount"].as_u64()), (200, Some(0)), "{response}");
    response["Entries"][0]["EventId"].as_str().unwrap().to_owned()
}

/// Waits for messages on a queue, and returns them.
async fn receive(client: &LocalClient, name: &str) -> Vec<Json> {
    let base = &client.endpoint().table;
    let receive_request = json!({
        "QueueUrl": format!("{base}/000000000000/{name}"), "WaitTimeSeconds": 20, "MaxNumberOfMessages": 10,
        "MessageAttributeNames": ["All"],
    });
    let (status, response) = call_service(client, "AmazonSQS.ReceiveMessage", &receive_request).await;
    assert_eq!(status, 200, "{response}");
    response["Messages"].as_array().cloned().unwrap_or_default()
}

fn body(message: &Json) -> Json {
    serde_json::from_str(message["Body"].as_str().unwrap()).unwrap()
}

fn attribute<'a>(message: &'a Json, name: &str) -> Option<&'a str> {
    message["MessageAttributes"][name]["StringValue"].as_str()
}

/// Waits until the function's log contains a line with `text`.
async fn wait_for_log_line(client: &LocalClient, text: &str) {
    let logged = async {
        let mut query = LogEventQuery::default();
        loop {
            let page = client.logs("/aws/lambda/f", &query).await.unwrap();
            if page.events.iter().any(|event| event.message.contains(text)) {
                return;
            }
            query.after = Some(page.next).filter(|next| !next.is_empty());
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, logged).await.unwrap();
}

#[tokio::test]
async fn matching_event_reaches_queue_unchanged() {
    let (_env, client) = env_with_rule(&queue_arn("hits")).await;
    put_queue(&client, "hits", AllowedSender::Rule).await;
    let other = json!({ "Entries": [{ "Source": "web", "DetailType": "moved", "Detail": "{}" }] });
    assert_eq!(call_service(&client, "AWSEvents.PutEvents", &other).await.0, 200);
    let id = put(&client, &json!({ "path": "/x", "n": 1.5 })).await;
    let messages = receive(&client, "hits").await;
    assert_eq!(messages.len(), 1);
    let mut found = body(&messages[0]);
    let time = found["time"].take();
    assert!(time.as_str().is_some_and(|time| time.len() == 20 && time.ends_with('Z')), "{time}");
    let expected = json!({
        "version": "0", "id": id, "detail-type": "moved", "source": "cli", "account": "000000000000", "time": null,
        "region": "local", "resources": [], "detail": { "path": "/x", "n": 1.5 },
    });
    assert_eq!(found, expected);
    assert_eq!(messages[0]["MessageAttributes"], Json::Null);
}

#[tokio::test]
async fn event_for_missing_or_unpermitted_target_becomes_dead_letter_without_retry() {
    let (env, client) = env_with_rule(&queue_arn("hits")).await;
    put(&client, &json!({ "n": 1 })).await;
    let missing_target = receive(&client, "dlq").await;
    assert_eq!(attribute(&missing_target[0], "ERROR_CODE"), Some("NO_RESOURCE"));
    put_queue(&client, "hits", AllowedSender::Nobody).await;
    let id = put(&client, &json!({ "n": 2 })).await;
    let refused = receive(&client, "dlq").await;
    assert_eq!(body(&refused[0])["id"], id);
    assert_eq!(attribute(&refused[0], "ERROR_CODE"), Some("NO_PERMISSIONS"));
    assert_eq!(attribute(&refused[0], "RULE_ARN"), Some(RULE_ARN));
    assert_eq!(attribute(&refused[0], "TARGET_ARN"), Some(queue_arn("hits").as_str()));
    assert_eq!(attribute(&refused[0], "RETRY_ATTEMPTS"), Some("0"));
    assert_eq!(attribute(&refused[0], "EXHAUSTED_RETRY_CONDITION"), None);
    // A function as the target has the same errors.
    client.put_resource("event_rule", "r", &rule(FUNCTION_ARN)).await.unwrap();
    put_function(&env, &client, None).await;
    put(&client, &json!({ "command": "do=say:unpermitted" })).await;
    let unpermitted = receive(&client, "dlq").await;
    assert_eq!(attribute(&unpermitted[0], "ERROR_CODE"), Some("NO_PERMISSIONS"));
    put_permission(&client).await;
    put(&client, &json!({ "command": "do=say:permitted" })).await;
    wait_for_log_line(&client, "said permitted").await;
    client.delete_resource("permission", "hits-local:hitctl-events").await.unwrap();
    put(&client, &json!({ "command": "do=say:revoked" })).await;
    assert_eq!(attribute(&receive(&client, "dlq").await[0], "ERROR_CODE"), Some("NO_PERMISSIONS"));
}

#[tokio::test]
async fn failing_function_is_retried_and_then_reported_to_dlq() {
    let (env, client) = env_with_rule(FUNCTION_ARN).await;
    put_function(&env, &client, None).await;
    put_permission(&client).await;
    let config = json!({
        "function_name": "f", "qualifier": null, "max_retries": 1, "max_age_s": 3600, "on_failure_arn": queue_arn("dlq"),
    });
    client.put_resource("event_invoke_config", "f", &config).await.unwrap();
    let id = put(&client, &json!({ "command": "do=error" })).await;
    let messages = receive(&client, "dlq").await;
    let record = body(&messages[0]);
    assert_eq!(record["version"], "1.0");
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 2);
    assert_eq!(record["requestContext"]["functionArn"], format!("{FUNCTION_ARN}:$LATEST"));
    assert_eq!(record["requestPayload"]["id"], id);
    assert_eq!(record["responseContext"]["functionError"], "Unhandled");
    assert_eq!(record["responsePayload"]["errorMessage"], "requested error");
}

#[tokio::test]
async fn burst_of_events_reaches_function_with_concurrency_of_one() {
    let (env, client) = env_with_rule(FUNCTION_ARN).await;
    put_function(&env, &client, Some(1)).await;
    put_permission(&client).await;
    for burst in 0..30 {
        let entries: Vec<Json> =
            (0..10).map(|n| event(&json!({ "command": format!("do=say:{}.", burst * 10 + n) }))).collect();
        let (status, response) =
            call_service(&client, "AWSEvents.PutEvents", &json!({ "Entries": entries })).await;
        assert_eq!((status, response["FailedEntryCount"].as_u64()), (200, Some(0)), "{response}");
    }
    for n in [0, 150, 299] {
        wait_for_log_line(&client, &format!("said {n}.")).await;
    }
    let (_, depth) = call_service(
        &client,
        "AmazonSQS.GetQueueAttributes",
        &json!({ "QueueUrl": format!("{}/000000000000/dlq", client.endpoint().table), "AttributeNames": ["All"] }),
    )
    .await;
    assert_eq!(depth["Attributes"]["ApproximateNumberOfMessages"], "0");
}

#[tokio::test]
async fn throttled_event_survives_sigkill() {
    let (env, client) = env_with_rule(FUNCTION_ARN).await;
    put_function(&env, &client, Some(0)).await;
    put_permission(&client).await;
    put(&client, &json!({ "command": "do=say:survived" })).await;
    sigkill(daemon_pid(&client));
    let client = env.start_new().await;
    put_function(&env, &client, None).await;
    wait_for_log_line(&client, "said survived").await;
    assert_eq!(client.status().await.unwrap().notices, Vec::<String>::new());
}

#[tokio::test]
async fn event_in_flight_at_sigkill_is_delivered_again() {
    let (env, client) = env_with_rule(FUNCTION_ARN).await;
    put_function(&env, &client, None).await;
    put_permission(&client).await;
    put(&client, &json!({ "command": "do=sleep:5000" })).await;
    wait_for_log_line(&client, "START RequestId").await;
    sigkill(daemon_pid(&client));
    let client = env.start_new().await;
    let redelivered = async {
        loop {
            let page = client.logs("/aws/lambda/f", &LogEventQuery::default()).await.unwrap();
            if page.events.iter().filter(|event| event.message.contains("START RequestId")).count() == 2 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, redelivered).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigkill_during_put_events_loses_no_acknowledged_event() {
    let (env, client) = env_with_rule(&queue_arn("hits")).await;
    put_queue(&client, "hits", AllowedSender::Rule).await;
    let mut acknowledged = BTreeSet::new();
    let mut client = client;
    for round in 0..3 {
        let mut senders = tokio::task::JoinSet::new();
        for sender in 0..4 {
            let url = client.endpoint().table.clone();
            let daemon = daemon_pid(&client);
            senders.spawn(async move {
                let mut ids = Vec::new();
                let mut connection = RawConnection::connect(&url).await.unwrap();
                let entries: Vec<Json> = (0..5).map(|n| event(&json!({ "n": n }))).collect();
                let body = json!({ "Entries": entries }).to_string();
                // Repeats until the first sender has killed the daemon.
                while let Ok((status, response)) =
                    connection.send(&service_head("AWSEvents.PutEvents"), &body).await
                {
                    assert_eq!(status, 200, "{response}");
                    let response: Json = serde_json::from_str(&response).unwrap();
                    let accepted = response["Entries"].as_array().unwrap().iter();
                    ids.extend(accepted.map(|entry| entry["EventId"].as_str().unwrap().to_owned()));
                    if sender == 0 && ids.len() == 50 * (round + 1) {
                        sigkill(daemon);
                    }
                }
                ids
            });
        }
        let all = tokio::time::timeout(TIMEOUT, senders.join_all()).await.unwrap();
        acknowledged.extend(all.into_iter().flatten());
        client = env.start_new().await;
    }
    assert!(acknowledged.len() >= 300);
    let mut found = BTreeSet::new();
    let delivered = async {
        while !acknowledged.is_subset(&found) {
            let messages = receive(&client, "hits").await;
            found.extend(messages.iter().map(|message| body(message)["id"].as_str().unwrap().to_owned()));
        }
    };
    tokio::time::timeout(TIMEOUT, delivered).await.unwrap();
    assert_eq!(client.status().await.unwrap().notices, Vec::<String>::new());
}

#[tokio::test]
async fn put_events_reports_errors_per_entry() {
    let (_env, client) = env_with_rule(&queue_arn("hits")).await;
    put_queue(&client, "hits", AllowedSender::Rule).await;
    let entries = json!({ "Entries": [
        { "Source": "cli", "DetailType": "a", "Detail": "no object" },
        event(&json!({ "good": true })),
        { "Source": "cli", "Detail": "{}" },
        { "Source": "cli", "DetailType": "a", "Detail": "{}", "EventBusName": "nowhere" },
    ] });
    let (status, response) = call_service(&client, "AWSEvents.PutEvents", &entries).await;
    assert_eq!((status, response["FailedEntryCount"].as_u64()), (200, Some(3)));
    let codes: Vec<Option<&str>> =
        response["Entries"].as_array().unwrap().iter().map(|entry| entry["ErrorCode"].as_str()).collect();
    assert_eq!(codes, [Some("MalformedDetail"), None, Some("InvalidArgument"), Some("InvalidArgument")]);
    assert_eq!(body(&receive(&client, "hits").await[0])["detail"]["good"], true);
    let big = json!({ "padding": "x".repeat(300_000) });
    for entries in [vec![], vec![event(&json!({})); 11], vec![event(&big); 4]] {
        let (status, response) =
            call_service(&client, "AWSEvents.PutEvents", &json!({ "Entries": entries })).await;
        assert_eq!((status, response["__type"].as_str()), (400, Some("ValidationException")), "{response}");
    }
    let (status, _) = call_service(&client, "AWSEvents.PutRule", &json!({ "Name": "mine" })).await;
    assert_eq!(status, 400, "rules come from the deployer");
}

#[tokio::test]
async fn rules_can_be_described_and_patterns_tested() {
    let (_env, client) = env_with_rule(&queue_arn("hits")).await;
    let (_, rules) = call_service(&client, "AWSEvents.ListRules", &json!({})).await;
    let described = json!({
        "Name": "r", "Arn": RULE_ARN, "EventPattern": "{\"source\":[\"cli\"]}", "State": "ENABLED", "EventBusName": "default",
    });
    assert_eq!(rules, json!({ "Rules": [described] }));
    assert_eq!(
        call_service(&client, "AWSEvents.DescribeRule", &json!({ "Name": "r" })).await,
        (200, described)
    );
    let (_, targets) = call_service(&client, "AWSEvents.ListTargetsByRule", &json!({ "Rule": "r" })).await;
    assert_eq!(targets["Targets"][0]["Arn"], queue_arn("hits"));
    let (status, missing) = call_service(&client, "AWSEvents.DescribeRule", &json!({ "Name": "s" })).await;
    assert_eq!((status, missing["__type"].as_str()), (400, Some("ResourceNotFoundException")));
    let event = json!({
        "id": "1", "account": "1", "source": "cli", "time": "t", "region": "r", "resources": [], "detail-type": "d",
    });
    for (pattern, status, expected) in [
        (r#"{"source":["cli"]}"#, 200, json!({ "Result": true })),
        (r#"{"source":["web"]}"#, 200, json!({ "Result": false })),
        (r#"{"source":[{"begins":"c"}]}"#, 400, json!("InvalidEventPatternException")),
        ("{", 400, json!("InvalidEventPatternException")),
    ] {
        let body = json!({ "EventPattern": pattern, "Event": event.to_string() });
        let (found, response) = call_service(&client, "AWSEvents.TestEventPattern", &body).await;
        assert_eq!(found, status);
        assert!(response == expected || response["__type"] == expected, "{response}");
    }
    let mut bad = rule(&queue_arn("hits"));
    bad["pattern"] = json!({ "source": "cli" });
    let fault = client.put_resource("event_rule", "r", &bad).await.unwrap_err();
    assert_eq!(fault.code, "InvalidEventPatternException");
    assert_eq!(fault.cause.as_deref(), Some("source: expected an array of values, found a string"));
}
