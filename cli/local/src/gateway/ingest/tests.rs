//! Tests of the message that the integration sends for a request, and of its responses.

use std::net::Ipv4Addr;
use std::sync::Mutex;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::header::HeaderValue;
use serde_json::Value;

use super::*;

/// A sender that records messages, or fails.
#[derive(Default)]
struct RecordingSender {
    messages: Mutex<Vec<OutboundMessage>>,
    error: Option<SendError>,
}

impl QueueSender for RecordingSender {
    fn send_message(&self, message: OutboundMessage) -> BoxFuture<'_, Result<SendMessageResult, SendError>> {
        let result = match &self.error {
            Some(error) => Err(error.clone()),
            None => Ok(SendMessageResult {
                message_id: "m1".to_owned(),
                md5: "abc".to_owned(),
                attributes_md5: Some("def".to_owned()),
            }),
        };
        self.messages.lock().unwrap().push(message);
        async { result }.boxed()
    }
}

fn integration(variables: &[(&str, &str)]) -> Result<SqsIntegration, Fault> {
    SqsIntegration::new(&Spec {
        route: "POST /v1/hit".to_owned(),
        queue_url: hitctl_engine::SpecValue::Literal(
            "http://127.0.0.1:1/000000000000/hits-local-hits".to_owned(),
        ),
        role_arn: hitctl_engine::SpecValue::Literal("arn:aws:iam::000000000000:role/r".to_owned()),
        attributes: variables.iter().map(|(name, from)| ((*name).to_owned(), (*from).to_owned())).collect(),
    })
}

fn browser_integration() -> SqsIntegration {
    let variables = [
        ("ip", "context.identity.sourceIp"),
        ("origin", "request.header.Origin"),
        ("ua", "context.identity.userAgent"),
    ];
    integration(&variables).unwrap()
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

async fn send(
    sender: &RecordingSender,
    pairs: &[(&'static str, &'static str)],
    body: &'static str,
) -> (u16, Value) {
    let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let response = browser_integration()
        .send(Some(sender), &headers(pairs), &Bytes::from_static(body.as_bytes()), source)
        .await;
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
}

const BROWSER: [(&str, &str); 2] = [("user-agent", "Firefox"), ("origin", "https://a.example")];

#[tokio::test]
async fn send_with_all_values_sends_body_and_attributes() {
    let sender = RecordingSender::default();
    let (status, body) = send(&sender, &BROWSER, "{\"p\":\"/x\"}").await;
    assert_eq!(status, 200);
    let response = &body["SendMessageResponse"];
    assert_eq!(response["SendMessageResult"]["MessageId"], "m1");
    assert_eq!(response["SendMessageResult"]["MD5OfMessageBody"], "abc");
    assert_eq!(response["ResponseMetadata"]["RequestId"].as_str().unwrap().len(), 36);
    let messages = sender.messages.lock().unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].queue_arn, "arn:aws:sqs:local:000000000000:hits-local-hits");
    assert_eq!(messages[0].body, "{\"p\":\"/x\"}");
    assert_eq!(messages[0].sender_arn, None);
    let expected = [("ip", "127.0.0.1"), ("origin", "https://a.example"), ("ua", "Firefox")];
    assert_eq!(
        messages[0].attributes,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    );
}

#[tokio::test]
async fn send_with_missing_value_returns_400_and_sends_no_message() {
    let sender = RecordingSender::default();
    for (pairs, body, parameter) in [
        (&BROWSER[..], "", "MessageBody"),
        (&BROWSER[..1], "/", "MessageAttributes"),
        (&BROWSER[1..], "/", "MessageAttributes"),
        (&[("user-agent", ""), BROWSER[1]][..], "/", "MessageAttributes"),
    ] {
        let (status, response) = send(&sender, pairs, body).await;
        assert_eq!(status, 400);
        let message = response["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("Unable to resolve property {parameter} from")), "{message}");
    }
    assert!(sender.messages.lock().unwrap().is_empty());
}

#[tokio::test]
async fn send_that_queue_refuses_returns_its_error() {
    for (error, expected, code) in [
        (SendError::NoQueue, 400, "AWS.SimpleQueueService.NonExistentQueue"),
        (SendError::Refused("bad letters".to_owned()), 400, "InvalidMessageContents"),
        (SendError::Failed("disk".to_owned()), 500, "InternalFailure"),
    ] {
        let sender = RecordingSender { error: Some(error), ..RecordingSender::default() };
        let (status, response) = send(&sender, &BROWSER, "/").await;
        assert_eq!((status, response["Error"]["Code"].as_str()), (expected, Some(code)));
    }
}

#[test]
fn new_with_unsupported_variable_fails() {
    let fault = integration(&[("x", "request.querystring.x")]).err().unwrap();
    assert_eq!(
        fault.cause.as_deref(),
        Some("the local cloud does not support the variable ${request.querystring.x}")
    );
}
