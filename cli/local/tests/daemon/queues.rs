//! Tests of queues over HTTP, as SDKs call SQS, and of messages after a SIGKILL.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hitctl_local::client::LocalClient;
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

use crate::harness::{DaemonTestEnv, RawConnection, TIMEOUT, daemon_pid, sigkill};

pub(crate) fn queue_spec() -> Json {
    json!({
        "visibility_timeout_s": 30, "retention_s": 3600, "managed_encryption": true, "redrive": null, "senders": [],
        "tags": { "hitctl:app": "hits", "hitctl:env": "local" },
    })
}

pub(crate) async fn call(
    connection: &mut RawConnection,
    operation: &str,
    body: &Json,
) -> std::io::Result<(u16, Json)> {
    let head = format!(
        "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-amz-json-1.0\r\nx-amz-target: \
         AmazonSQS.{operation}\r\nx-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential=a/20260101/local/sqs/aws4_request, SignedHeaders=host, Signature=0"
    );
    let (status, response) = connection.send(&head, &body.to_string()).await?;
    Ok((status, serde_json::from_str(&response).unwrap_or_default()))
}

/// Creates a queue. Returns a connection and the URL of the queue.
async fn put_queue(client: &LocalClient, name: &str, spec: &Json) -> (RawConnection, String) {
    let stored = client.put_resource("queue", name, spec).await.unwrap();
    let connection = RawConnection::connect(&client.endpoint().table).await.unwrap();
    (connection, stored.outputs["url"].clone())
}

#[tokio::test]
async fn messages_are_sent_received_and_deleted_as_in_sqs() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let (mut connection, url) = put_queue(&client, "hits-local-hits", &queue_spec()).await;
    let mut call_queue = async |operation: &str, body: Json| {
        let (status, response) = call(&mut connection, operation, &body).await.unwrap();
        assert_eq!(status, 200, "{operation}: {response}");
        response
    };
    let outputs = client.resource("queue", "hits-local-hits").await.unwrap().unwrap().outputs;
    assert_eq!(outputs["arn"], "arn:aws:sqs:local:000000000000:hits-local-hits");
    assert_eq!(outputs["url"], format!("{}/000000000000/hits-local-hits", client.endpoint().table));
    assert!(!outputs.contains_key("held"), "{outputs:?}");

    let attributes = json!({ "ip": { "DataType": "String", "StringValue": "::1" } });
    let sent = call_queue(
        "SendMessage",
        json!({ "QueueUrl": url, "MessageBody": "This is a test message", "MessageAttributes": attributes }),
    )
    .await;
    assert_eq!(sent["MD5OfMessageBody"], "fafb00f5732ab283681e124bf8747ed1");
    let entries = json!([
        { "Id": "a", "MessageBody": "late", "DelaySeconds": 900 },
        { "Id": "b", "MessageBody": "bad\u{0}" },
        { "Id": "c", "MessageBody": "x", "DelaySeconds": 901 },
    ]);
    let batch = call_queue("SendMessageBatch", json!({ "QueueUrl": url, "Entries": entries })).await;
    assert_eq!(batch["Successful"][0]["Id"], "a");
    assert_eq!(batch["Failed"][0]["Code"], "InvalidMessageContents");
    assert_eq!(batch["Failed"][1]["Code"], "InvalidParameterValue");
    let outputs = client.resource("queue", "hits-local-hits").await.unwrap().unwrap().outputs;
    assert_eq!(outputs["held"], "2 messages");
    assert_eq!(client.resources().await.unwrap()["queue"]["hits-local-hits"].outputs, outputs);

    let receive_all = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20,
        "MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"] });
    let response = call_queue("ReceiveMessage", receive_all).await;
    let message = &response["Messages"][0];
    assert_eq!(message["MessageId"], sent["MessageId"]);
    assert_eq!(message["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"]);
    assert_eq!(message["MessageAttributes"], attributes);
    assert_eq!(message["Attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(message["Attributes"].as_object().unwrap().len(), 4);
    let handle = &message["ReceiptHandle"];
    call_queue(
        "ChangeMessageVisibility",
        json!({ "QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": 0 }),
    )
    .await;
    let second_delivery = call_queue("ReceiveMessage", json!({ "QueueUrl": url })).await;
    assert!(second_delivery["Messages"][0].get("Attributes").is_none(), "{second_delivery}");
    let entries = json!([
        { "Id": "old", "ReceiptHandle": handle },
        { "Id": "new", "ReceiptHandle": second_delivery["Messages"][0]["ReceiptHandle"] },
        { "Id": "none", "ReceiptHandle": "none" },
    ]);
    let deletion_result =
        call_queue("DeleteMessageBatch", json!({ "QueueUrl": url, "Entries": entries })).await;
    assert_eq!(deletion_result["Successful"], json!([{ "Id": "old" }, { "Id": "new" }]));
    assert_eq!(deletion_result["Failed"][0]["Code"], "ReceiptHandleIsInvalid");

    let queue_attributes =
        call_queue("GetQueueAttributes", json!({ "QueueUrl": url, "AttributeNames": ["All"] })).await;
    assert_eq!(queue_attributes["Attributes"]["ApproximateNumberOfMessages"], "0");
    assert_eq!(queue_attributes["Attributes"]["ApproximateNumberOfMessagesDelayed"], "1");
    assert_eq!(queue_attributes["Attributes"]["VisibilityTimeout"], "30");
    assert_eq!(
        call_queue("GetQueueUrl", json!({ "QueueName": "hits-local-hits" })).await,
        json!({ "QueueUrl": url })
    );
    assert_eq!(
        call_queue("ListQueues", json!({ "QueueNamePrefix": "hits" })).await,
        json!({ "QueueUrls": [url] })
    );
    call_queue("PurgeQueue", json!({ "QueueUrl": url })).await;
    assert_eq!(call_queue("ReceiveMessage", json!({ "QueueUrl": url })).await, json!({}));
}

#[tokio::test]
async fn invalid_requests_get_errors_of_sqs() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let (mut connection, url) = put_queue(&client, "q", &queue_spec()).await;
    let entry = |id: &str| json!({ "Id": id, "MessageBody": "x" });
    let batch = |entries: Json| json!({ "QueueUrl": url, "Entries": entries });
    let eleven_entries: Vec<Json> = (0..11).map(|n| entry(&n.to_string())).collect();
    let large = "x".repeat(600 * 1024);
    let oversized_entries = json!([{ "Id": "a", "MessageBody": large }, { "Id": "b", "MessageBody": large }]);
    let cases = [
        (
            "SendMessage",
            json!({ "QueueUrl": "http://x/000000000000/no", "MessageBody": "x" }),
            "QueueDoesNotExist",
        ),
        (
            "SendMessage",
            json!({ "QueueUrl": "http://x/111111111111/q", "MessageBody": "x" }),
            "QueueDoesNotExist",
        ),
        ("SendMessage", json!({ "QueueUrl": url, "MessageBody": "" }), "MissingRequiredParameterException"),
        ("SendMessage", json!({ "MessageBody": "x" }), "MissingRequiredParameterException"),
        ("SendMessage", json!({ "QueueUrl": url, "MessageBody": "\u{1}" }), "InvalidMessageContents"),
        ("SendMessageBatch", batch(json!([])), "EmptyBatchRequest"),
        ("SendMessageBatch", batch(json!(eleven_entries)), "TooManyEntriesInBatchRequest"),
        ("SendMessageBatch", batch(json!([entry("a"), entry("a")])), "BatchEntryIdsNotDistinct"),
        ("SendMessageBatch", batch(json!([entry("a b")])), "InvalidBatchEntryId"),
        ("SendMessageBatch", batch(oversized_entries), "BatchRequestTooLong"),
        (
            "ReceiveMessage",
            json!({ "QueueUrl": url, "MaxNumberOfMessages": 11 }),
            "InvalidParameterValueException",
        ),
        (
            "ReceiveMessage",
            json!({ "QueueUrl": url, "WaitTimeSeconds": 21 }),
            "InvalidParameterValueException",
        ),
        ("DeleteMessage", json!({ "QueueUrl": url, "ReceiptHandle": "x" }), "ReceiptHandleIsInvalid"),
        (
            "GetQueueAttributes",
            json!({ "QueueUrl": url, "AttributeNames": ["Size"] }),
            "InvalidAttributeName",
        ),
        ("SetQueueAttributes", json!({ "QueueUrl": url, "Attributes": {} }), "UnsupportedOperation"),
        ("CreateQueue", json!({ "QueueName": "x" }), "UnsupportedOperation"),
        ("Nothing", json!({}), "UnknownOperationException"),
    ];
    for (operation, body, expected) in cases {
        let (status, response) = call(&mut connection, operation, &body).await.unwrap();
        let kind = response["__type"].as_str().unwrap().rsplit('#').next().unwrap();
        assert_eq!((status, kind), (400, expected), "{operation}: {response}");
    }
    let unsigned = "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-amz-json-1.0\r\nx-amz-target: \
                    AmazonSQS.ListQueues";
    assert!(connection.send(unsigned, "{}").await.unwrap().1.contains("MissingAuthenticationTokenException"));
}

/// The messages that the senders sent and the receivers deleted.
#[derive(Default)]
struct DeliveryLog {
    sent: BTreeSet<String>,
    /// Messages whose deletion was requested, but may have failed.
    deletion_requested: BTreeSet<String>,
    /// Messages whose deletion was acknowledged before their visibility timeout.
    deleted: BTreeSet<String>,
}

/// The visibility timeout of received messages. After it, a message may be delivered again although its deletion
/// was requested.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigkill_loses_no_message_and_restores_no_deleted_one() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let (_, url) = put_queue(&client, "q", &queue_spec()).await;
    let log = Arc::new(Mutex::new(DeliveryLog::default()));
    for round in 0..3 {
        let client = env.start().await;
        let enough = Arc::new(tokio::sync::Notify::new());
        let mut clients = JoinSet::new();
        for sender in 0..3 {
            let (endpoint, url) = (client.endpoint().table.clone(), url.clone());
            clients.spawn(send(endpoint, url, format!("{round}-{sender}"), Arc::clone(&log)));
            let (endpoint, url) = (client.endpoint().table.clone(), url_of(&client));
            clients.spawn(receive(endpoint, url, 600 * (round + 1), Arc::clone(&log), Arc::clone(&enough)));
        }
        tokio::time::timeout(TIMEOUT, enough.notified()).await.unwrap();
        sigkill(daemon_pid(&client));
        tokio::time::timeout(TIMEOUT, clients.join_all()).await.unwrap();
    }
    // The remaining messages are delivered, after their visibility timeout if they were in flight. Deleted messages
    // are not delivered.
    let client = env.start_new().await;
    let mut connection = RawConnection::connect(&client.endpoint().table).await.unwrap();
    let mut remaining = BTreeSet::new();
    while client.resource("queue", "q").await.unwrap().unwrap().outputs.contains_key("held") {
        let receive_request = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20 });
        let (_, response) = call(&mut connection, "ReceiveMessage", &receive_request).await.unwrap();
        let messages = response["Messages"].as_array().unwrap();
        remaining.extend(messages.iter().map(|message| message["Body"].as_str().unwrap().to_owned()));
        call(&mut connection, "DeleteMessageBatch", &deletion_request(&url, messages)).await.unwrap();
    }
    let log = log.lock().unwrap();
    let redelivered: Vec<_> = log.deleted.intersection(&remaining).collect();
    assert!(redelivered.is_empty(), "deleted, but delivered again: {redelivered:?}");
    let missing: Vec<_> = log
        .sent
        .iter()
        .filter(|message| !remaining.contains(*message) && !log.deletion_requested.contains(*message))
        .collect();
    assert!(missing.is_empty(), "acknowledged, but lost: {missing:?}");
    assert!(log.sent.len() > 500 && log.deleted.len() > 500);
}

fn url_of(client: &LocalClient) -> String {
    format!("{}/000000000000/q", client.endpoint().table)
}

/// Returns the request body that deletes `messages`.
fn deletion_request(url: &str, messages: &[Json]) -> Json {
    let entry = |(index, message): (usize, &Json)| json!({ "Id": index.to_string(), "ReceiptHandle": message["ReceiptHandle"] });
    json!({ "QueueUrl": url, "Entries": messages.iter().enumerate().map(entry).collect::<Vec<_>>() })
}

async fn send(endpoint: String, url: String, name: String, log: Arc<Mutex<DeliveryLog>>) {
    let mut connection = RawConnection::connect(&endpoint).await.unwrap();
    for number in 0.. {
        let body = |entry: u32| format!("{name}-{number}-{entry}");
        let entries: Vec<Json> =
            (0..10).map(|entry| json!({ "Id": entry.to_string(), "MessageBody": body(entry) })).collect();
        let batch = json!({ "QueueUrl": url, "Entries": entries });
        // Repeats until the daemon has exited.
        let Ok((status, response)) = call(&mut connection, "SendMessageBatch", &batch).await else { return };
        assert_eq!((status, response["Successful"].as_array().unwrap().len()), (200, 10));
        log.lock().unwrap().sent.extend((0..10).map(body));
    }
}

async fn receive(
    endpoint: String,
    url: String,
    goal: usize,
    log: Arc<Mutex<DeliveryLog>>,
    enough: Arc<tokio::sync::Notify>,
) {
    let mut connection = RawConnection::connect(&endpoint).await.unwrap();
    let receive_request = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20,
        "VisibilityTimeout": VISIBILITY_TIMEOUT.as_secs() });
    loop {
        let began = Instant::now();
        let Ok((_, response)) = call(&mut connection, "ReceiveMessage", &receive_request).await else {
            return;
        };
        let messages = response["Messages"].as_array().unwrap();
        let bodies: Vec<String> =
            messages.iter().map(|message| message["Body"].as_str().unwrap().to_owned()).collect();
        log.lock().unwrap().deletion_requested.extend(bodies.iter().cloned());
        let batch = deletion_request(&url, messages);
        let Ok((status, _)) = call(&mut connection, "DeleteMessageBatch", &batch).await else { return };
        assert_eq!(status, 200);
        if began.elapsed() < VISIBILITY_TIMEOUT / 2 {
            let mut log = log.lock().unwrap();
            log.deleted.extend(bodies);
            if log.deleted.len() > goal {
                enough.notify_one();
            }
        }
    }
}
