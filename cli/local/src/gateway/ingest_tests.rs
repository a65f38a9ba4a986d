//! What of a request goes to the queue.

use std::net::Ipv4Addr;
use std::sync::Mutex;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::header::HeaderValue;
use serde_json::Value;

use super::*;

/// Queues that remember, or refuse.
#[derive(Default)]
struct Queue {
    letters: Mutex<Vec<OutboundMessage>>,
    refusal: Option<SendError>,
}

impl QueueSender for Queue {
    fn send_message(&self, message: OutboundMessage) -> BoxFuture<'_, Result<Sent, SendError>> {
        let result = match &self.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(Sent {
                message_id: "m1".to_owned(),
                md5: "abc".to_owned(),
                attributes_md5: Some("def".to_owned()),
            }),
        };
        self.letters.lock().unwrap().push(message);
        async { result }.boxed()
    }
}

fn ingest(variables: &[(&str, &str)]) -> Result<Ingest, Fault> {
    Ingest::new(&Spec {
        route: "POST /v1/hit".to_owned(),
        queue_url: hitctl_engine::Value::Literal(
            "http://127.0.0.1:1/000000000000/hits-local-hits".to_owned(),
        ),
        role_arn: hitctl_engine::Value::Literal("arn:aws:iam::000000000000:role/r".to_owned()),
        attributes: variables.iter().map(|(name, from)| ((*name).to_owned(), (*from).to_owned())).collect(),
    })
}

fn usual() -> Ingest {
    let variables = [
        ("ip", "context.identity.sourceIp"),
        ("origin", "request.header.Origin"),
        ("ua", "context.identity.userAgent"),
    ];
    ingest(&variables).unwrap()
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

async fn take(post: &Queue, pairs: &[(&'static str, &'static str)], body: &'static str) -> (u16, Value) {
    let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let answer =
        usual().take(Some(post), &headers(pairs), &Bytes::from_static(body.as_bytes()), source).await;
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
}

const BROWSER: [(&str, &str); 2] = [("user-agent", "Firefox"), ("origin", "https://a.example")];

#[tokio::test]
async fn a_body_becomes_a_message_with_what_the_request_says_of_itself() {
    let post = Queue::default();
    let (status, body) = take(&post, &BROWSER, "{\"p\":\"/x\"}").await;
    assert_eq!(status, 200);
    let response = &body["SendMessageResponse"];
    assert_eq!(response["SendMessageResult"]["MessageId"], "m1");
    assert_eq!(response["SendMessageResult"]["MD5OfMessageBody"], "abc");
    assert_eq!(response["ResponseMetadata"]["RequestId"].as_str().unwrap().len(), 36);
    let letters = post.letters.lock().unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].queue_arn, "arn:aws:sqs:local:000000000000:hits-local-hits");
    assert_eq!(letters[0].body, "{\"p\":\"/x\"}");
    assert_eq!(letters[0].sender_arn, None);
    let expected = [("ip", "127.0.0.1"), ("origin", "https://a.example"), ("ua", "Firefox")];
    assert_eq!(
        letters[0].attributes,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    );
}

#[tokio::test]
async fn what_is_missing_is_400_and_sends_nothing() {
    let post = Queue::default();
    for (pairs, body, parameter) in [
        (&BROWSER[..], "", "MessageBody"),
        (&BROWSER[..1], "/", "MessageAttributes"),
        (&BROWSER[1..], "/", "MessageAttributes"),
        (&[("user-agent", ""), BROWSER[1]][..], "/", "MessageAttributes"),
    ] {
        let (status, answer) = take(&post, pairs, body).await;
        assert_eq!(status, 400);
        let message = answer["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("Unable to resolve property {parameter} from")), "{message}");
    }
    assert!(post.letters.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_the_queue_says_is_passed_on() {
    for (refusal, expected, code) in [
        (SendError::NoQueue, 400, "AWS.SimpleQueueService.NonExistentQueue"),
        (SendError::Refused("bad letters".to_owned()), 400, "InvalidMessageContents"),
        (SendError::Failed("disk".to_owned()), 500, "InternalFailure"),
    ] {
        let post = Queue { refusal: Some(refusal), ..Queue::default() };
        let (status, answer) = take(&post, &BROWSER, "/").await;
        assert_eq!((status, answer["Error"]["Code"].as_str()), (expected, Some(code)));
    }
}

#[test]
fn variables_that_this_cloud_does_not_have_are_refused() {
    let fault = ingest(&[("x", "request.querystring.x")]).err().unwrap();
    assert_eq!(fault.cause.as_deref(), Some("this cloud has no variable ${request.querystring.x}"));
}
