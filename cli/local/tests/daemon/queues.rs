//! Queues over HTTP, as SQS's SDKs speak to them, and what a SIGKILL leaves of them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hitctl_local::client::Client;
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

use crate::harness::{LONG, Machine, Raw, kill, pid};

pub(crate) fn queue_spec() -> Json {
    json!({
        "visibility_timeout_s": 30, "retention_s": 3600, "managed_encryption": true, "redrive": null, "senders": [],
        "tags": { "hitctl:app": "hits", "hitctl:env": "local" },
    })
}

pub(crate) async fn call(raw: &mut Raw, operation: &str, body: &Json) -> std::io::Result<(u16, Json)> {
    let head = format!(
        "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-amz-json-1.0\r\nx-amz-target: \
         AmazonSQS.{operation}\r\nx-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential=a/20260101/local/sqs/aws4_request, SignedHeaders=host, Signature=0"
    );
    let (status, answer) = raw.send(&head, &body.to_string()).await?;
    Ok((status, serde_json::from_str(&answer).unwrap_or_default()))
}

/// A queue of that name, a connection, and its URL.
async fn queue(client: &Client, name: &str, spec: &Json) -> (Raw, String) {
    let stored = client.put_resource("queue", name, spec).await.unwrap();
    let raw = Raw::connect(&client.endpoint().table).await.unwrap();
    (raw, stored.outputs["url"].clone())
}

#[tokio::test]
async fn messages_go_in_come_out_and_are_gone_as_sqs_has_it() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    let (mut raw, url) = queue(&client, "hits-local-hits", &queue_spec()).await;
    let mut ask = async |operation: &str, body: Json| {
        let (status, answer) = call(&mut raw, operation, &body).await.unwrap();
        assert_eq!(status, 200, "{operation}: {answer}");
        answer
    };
    let outputs = client.resource("queue", "hits-local-hits").await.unwrap().unwrap().outputs;
    assert_eq!(outputs["arn"], "arn:aws:sqs:local:000000000000:hits-local-hits");
    assert_eq!(outputs["url"], format!("{}/000000000000/hits-local-hits", client.endpoint().table));
    assert!(!outputs.contains_key("held"), "{outputs:?}");

    let attributes = json!({ "ip": { "DataType": "String", "StringValue": "::1" } });
    let sent = ask(
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
    let batch = ask("SendMessageBatch", json!({ "QueueUrl": url, "Entries": entries })).await;
    assert_eq!(batch["Successful"][0]["Id"], "a");
    assert_eq!(batch["Failed"][0]["Code"], "InvalidMessageContents");
    assert_eq!(batch["Failed"][1]["Code"], "InvalidParameterValue");
    let outputs = client.resource("queue", "hits-local-hits").await.unwrap().unwrap().outputs;
    assert_eq!(outputs["held"], "2 messages");
    assert_eq!(client.resources().await.unwrap()["queue"]["hits-local-hits"].outputs, outputs);

    let all = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20,
        "MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"] });
    let got = ask("ReceiveMessage", all.clone()).await;
    let message = &got["Messages"][0];
    assert_eq!(message["MessageId"], sent["MessageId"]);
    assert_eq!(message["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"]);
    assert_eq!(message["MessageAttributes"], attributes);
    assert_eq!(message["Attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(message["Attributes"].as_object().unwrap().len(), 4);
    let handle = &message["ReceiptHandle"];
    ask(
        "ChangeMessageVisibility",
        json!({ "QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": 0 }),
    )
    .await;
    let again = ask("ReceiveMessage", json!({ "QueueUrl": url })).await;
    assert!(again["Messages"][0].get("Attributes").is_none(), "{again}");
    let entries = json!([
        { "Id": "old", "ReceiptHandle": handle },
        { "Id": "new", "ReceiptHandle": again["Messages"][0]["ReceiptHandle"] },
        { "Id": "none", "ReceiptHandle": "none" },
    ]);
    let gone = ask("DeleteMessageBatch", json!({ "QueueUrl": url, "Entries": entries })).await;
    assert_eq!(gone["Successful"], json!([{ "Id": "old" }, { "Id": "new" }]));
    assert_eq!(gone["Failed"][0]["Code"], "ReceiptHandleIsInvalid");

    let told = ask("GetQueueAttributes", json!({ "QueueUrl": url, "AttributeNames": ["All"] })).await;
    assert_eq!(told["Attributes"]["ApproximateNumberOfMessages"], "0");
    assert_eq!(told["Attributes"]["ApproximateNumberOfMessagesDelayed"], "1");
    assert_eq!(told["Attributes"]["VisibilityTimeout"], "30");
    assert_eq!(
        ask("GetQueueUrl", json!({ "QueueName": "hits-local-hits" })).await,
        json!({ "QueueUrl": url })
    );
    assert_eq!(ask("ListQueues", json!({ "QueueNamePrefix": "hits" })).await, json!({ "QueueUrls": [url] }));
    ask("PurgeQueue", json!({ "QueueUrl": url })).await;
    assert_eq!(ask("ReceiveMessage", json!({ "QueueUrl": url })).await, json!({}));
}

#[tokio::test]
async fn mistakes_are_answered_as_sqs_does() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    let (mut raw, url) = queue(&client, "q", &queue_spec()).await;
    let entry = |id: &str| json!({ "Id": id, "MessageBody": "x" });
    let batch = |entries: Json| json!({ "QueueUrl": url, "Entries": entries });
    let eleven: Vec<Json> = (0..11).map(|n| entry(&n.to_string())).collect();
    let large = "x".repeat(600 * 1024);
    let two = json!([{ "Id": "a", "MessageBody": large }, { "Id": "b", "MessageBody": large }]);
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
        ("SendMessageBatch", batch(json!(eleven)), "TooManyEntriesInBatchRequest"),
        ("SendMessageBatch", batch(json!([entry("a"), entry("a")])), "BatchEntryIdsNotDistinct"),
        ("SendMessageBatch", batch(json!([entry("a b")])), "InvalidBatchEntryId"),
        ("SendMessageBatch", batch(two), "BatchRequestTooLong"),
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
        let (status, answer) = call(&mut raw, operation, &body).await.unwrap();
        let kind = answer["__type"].as_str().unwrap().rsplit('#').next().unwrap();
        assert_eq!((status, kind), (400, expected), "{operation}: {answer}");
    }
    let unsigned = "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-amz-json-1.0\r\nx-amz-target: \
                    AmazonSQS.ListQueues";
    assert!(raw.send(unsigned, "{}").await.unwrap().1.contains("MissingAuthenticationTokenException"));
}

/// What senders and receivers heard.
#[derive(Default)]
struct Heard {
    sent: BTreeSet<String>,
    /// Whose delete was asked for, and perhaps done.
    tried: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

/// For how long a message is hidden; a delete that comes later than this is of no delivery any more.
const HIDDEN: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sigkill_loses_no_message_and_brings_none_back() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    let (_, url) = queue(&client, "q", &queue_spec()).await;
    let heard = Arc::new(Mutex::new(Heard::default()));
    for round in 0..3 {
        let client = machine.start().await;
        let enough = Arc::new(tokio::sync::Notify::new());
        let mut all = JoinSet::new();
        for sender in 0..3 {
            let (at, url) = (client.endpoint().table.clone(), url.clone());
            all.spawn(send(at, url, format!("{round}-{sender}"), Arc::clone(&heard)));
            let (at, url) = (client.endpoint().table.clone(), url_of(&client));
            all.spawn(receive(at, url, 100 * (round + 1), Arc::clone(&heard), Arc::clone(&enough)));
        }
        tokio::time::timeout(LONG, enough.notified()).await.unwrap();
        kill(pid(&client));
        tokio::time::timeout(LONG, all.join_all()).await.unwrap();
    }
    // What is left comes, after its time when it was on its way; nothing else comes.
    let client = machine.start_new().await;
    let mut raw = Raw::connect(&client.endpoint().table).await.unwrap();
    let mut left = BTreeSet::new();
    while client.resource("queue", "q").await.unwrap().unwrap().outputs.contains_key("held") {
        let wish = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20 });
        let (_, got) = call(&mut raw, "ReceiveMessage", &wish).await.unwrap();
        let messages = got["Messages"].as_array().unwrap();
        left.extend(messages.iter().map(|message| message["Body"].as_str().unwrap().to_owned()));
        call(&mut raw, "DeleteMessageBatch", &deletion(&url, messages)).await.unwrap();
    }
    let heard = heard.lock().unwrap();
    let back: Vec<_> = heard.deleted.intersection(&left).collect();
    assert!(back.is_empty(), "deleted, and there again: {back:?}");
    let lost: Vec<_> =
        heard.sent.iter().filter(|one| !left.contains(*one) && !heard.tried.contains(*one)).collect();
    assert!(lost.is_empty(), "acknowledged, and nowhere: {lost:?}");
    assert!(heard.sent.len() > 500 && heard.deleted.len() > 500);
}

fn url_of(client: &Client) -> String {
    format!("{}/000000000000/q", client.endpoint().table)
}

/// The call that deletes these.
fn deletion(url: &str, messages: &[Json]) -> Json {
    let entry = |(index, message): (usize, &Json)| json!({ "Id": index.to_string(), "ReceiptHandle": message["ReceiptHandle"] });
    json!({ "QueueUrl": url, "Entries": messages.iter().enumerate().map(entry).collect::<Vec<_>>() })
}

async fn send(at: String, url: String, name: String, heard: Arc<Mutex<Heard>>) {
    let mut raw = Raw::connect(&at).await.unwrap();
    for number in 0.. {
        let body = |entry: u32| format!("{name}-{number}-{entry}");
        let entries: Vec<Json> =
            (0..10).map(|entry| json!({ "Id": entry.to_string(), "MessageBody": body(entry) })).collect();
        let batch = json!({ "QueueUrl": url, "Entries": entries });
        // Until the daemon is gone.
        let Ok((status, answer)) = call(&mut raw, "SendMessageBatch", &batch).await else { return };
        assert_eq!((status, answer["Successful"].as_array().unwrap().len()), (200, 10));
        heard.lock().unwrap().sent.extend((0..10).map(body));
    }
}

async fn receive(
    at: String,
    url: String,
    goal: usize,
    heard: Arc<Mutex<Heard>>,
    enough: Arc<tokio::sync::Notify>,
) {
    let mut raw = Raw::connect(&at).await.unwrap();
    let wish = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20,
        "VisibilityTimeout": HIDDEN.as_secs() });
    loop {
        let began = Instant::now();
        let Ok((_, got)) = call(&mut raw, "ReceiveMessage", &wish).await else { return };
        let messages = got["Messages"].as_array().unwrap();
        let bodies: Vec<String> =
            messages.iter().map(|message| message["Body"].as_str().unwrap().to_owned()).collect();
        heard.lock().unwrap().tried.extend(bodies.iter().cloned());
        let batch = deletion(&url, messages);
        let Ok((status, _)) = call(&mut raw, "DeleteMessageBatch", &batch).await else { return };
        assert_eq!(status, 200);
        if began.elapsed() < HIDDEN / 2 {
            let mut heard = heard.lock().unwrap();
            heard.deleted.extend(bodies);
            if heard.deleted.len() > goal * 6 {
                enough.notify_one();
            }
        }
    }
}
