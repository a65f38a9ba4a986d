//! Tests of event source mappings from a queue to a function, with real processes, stops and SIGKILLs.

use std::collections::BTreeSet;

use hitctl_local::client::LocalClient;
use serde_json::{Value as Json, json};

use crate::harness::{DaemonTestEnv, TIMEOUT, call_service, daemon_pid, echo_zip, sigkill};
use crate::queues::queue_spec;
use crate::resources::sha256_of;

const QUEUE_ARN: &str = "arn:aws:sqs:local:000000000000:q";

/// Starts a daemon with the function `f`, which appends the text of each message to a file, and a queue.
async fn deploy(env: &DaemonTestEnv, visibility_s: u32) -> LocalClient {
    let client = env.start_new().await;
    let zip = echo_zip();
    let (sha256, path) = (sha256_of(&zip), env.temp.path().join("code.zip"));
    std::fs::write(&path, &zip).unwrap();
    client.put_code(&sha256, &path).await.unwrap();
    let spec = json!({
        "runtime": "provided.al2023", "arch": if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" },
        "code_sha256": sha256, "memory_mb": 128, "timeout_s": 10, "reserved_concurrency": 1,
        "environment": { "NOTES": env.temp.path().join("notes") },
        "role_arn": "arn:aws:iam::000000000000:role/f", "log_format": "JSON", "log_group": "/aws/lambda/f", "tags": {},
    });
    client.put_resource("function", "f", &spec).await.unwrap();
    let mut spec = queue_spec();
    spec["visibility_timeout_s"] = visibility_s.into();
    client.put_resource("queue", "q", &spec).await.unwrap();
    client
}

fn mapping(window_s: u32) -> Json {
    json!({
        "queue_arn": QUEUE_ARN, "function_arn": "arn:aws:lambda:local:000000000000:function:f", "enabled": true,
        "batch_size": 1 + window_s, "window_s": window_s, "max_concurrency": 2, "reports_failures": true, "tags": {},
    })
}

fn url(client: &LocalClient) -> String {
    format!("{}/000000000000/q", client.endpoint().table)
}

async fn send(client: &LocalClient, from: u32) {
    let entry = |n: u32| json!({ "Id": n.to_string(), "MessageBody": format!("do=note:{n}") });
    let entries: Vec<Json> = (from..from + 10).map(entry).collect();
    let batch = json!({ "QueueUrl": url(client), "Entries": entries });
    assert_eq!(call_service(client, "AmazonSQS.SendMessageBatch", &batch).await.0, 200);
}

/// Waits until the queue's attributes satisfy `ready`.
async fn wait_for_attributes(client: &LocalClient, ready: impl Fn(&Json) -> bool) {
    let wait = async {
        let request = json!({ "QueueUrl": url(client), "AttributeNames": ["All"] });
        while !ready(&call_service(client, "AmazonSQS.GetQueueAttributes", &request).await.1["Attributes"]) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, wait).await.unwrap();
}

fn is_empty(attributes: &Json) -> bool {
    ["", "NotVisible", "Delayed"]
        .iter()
        .all(|what| attributes[format!("ApproximateNumberOfMessages{what}")] == "0")
}

#[tokio::test]
async fn every_message_reaches_function_despite_sigkills() {
    const COUNT: u32 = 200;
    let env = DaemonTestEnv::new();
    let client = deploy(&env, 2).await;
    let put = client.put_resource("event_source_mapping", "q", &mapping(0)).await.unwrap();
    assert_eq!(put.outputs["state"], "Enabled");
    assert_eq!(put.outputs["uuid"].len(), 36);
    let notes = env.temp.path().join("notes");
    let written = || std::fs::read_to_string(&notes).unwrap_or_default();
    for from in (0..COUNT).step_by(10) {
        send(&client, from).await;
    }
    let mut client = client;
    for round in 1..=2 {
        let enough = async {
            while written().lines().count() < 40 * round {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(TIMEOUT, enough).await.unwrap();
        sigkill(daemon_pid(&client));
        client = env.start_new().await;
    }
    // Messages in flight return after their visibility timeout.
    wait_for_attributes(&client, is_empty).await;
    let processed: BTreeSet<u32> = written().lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(processed, (0..COUNT).collect());
    assert_eq!(client.resource("event_source_mapping", "q").await.unwrap().unwrap().outputs, put.outputs);
    assert_eq!(client.status().await.unwrap().notices, Vec::<String>::new());
}

#[tokio::test]
async fn stop_returns_batched_messages_to_queue() {
    let env = DaemonTestEnv::new();
    let client = deploy(&env, 1000).await;
    client.put_resource("event_source_mapping", "q", &mapping(300)).await.unwrap();
    send(&client, 0).await;
    wait_for_attributes(&client, |attributes| attributes["ApproximateNumberOfMessagesNotVisible"] == "10")
        .await;
    LocalClient::stop(&env.dir(), TIMEOUT).await.unwrap();
    let client = env.start_new().await;
    wait_for_attributes(&client, |attributes| attributes["ApproximateNumberOfMessagesNotVisible"] == "10")
        .await;
    client.delete_resource("event_source_mapping", "q").await.unwrap();
    let receive_request = json!({ "QueueUrl": url(&client), "WaitTimeSeconds": 20, "MaxNumberOfMessages": 10,
        "AttributeNames": ["ApproximateReceiveCount"] });
    let (_, response) = call_service(&client, "AmazonSQS.ReceiveMessage", &receive_request).await;
    let messages = response["Messages"].as_array().unwrap();
    assert_eq!(messages.len(), 10);
    assert!(
        messages.iter().all(|message| message["Attributes"]["ApproximateReceiveCount"] == "1"),
        "{response}"
    );
}

#[tokio::test]
async fn mapping_without_queue_is_refused() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let fault = client.put_resource("event_source_mapping", "q", &mapping(0)).await.unwrap_err();
    assert_eq!(*fault.cause.unwrap(), *format!("the queue {QUEUE_ARN:?} does not exist"));
}
