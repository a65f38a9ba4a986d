//! Parses a dead letter: its kind, the message or event in it, and the reason for the failure. It makes no calls.
//!
//! Three services send dead letters. SQS moves the message unchanged, EventBridge sends the event that it could not
//! deliver, and Lambda sends an envelope around the event for which the function failed.

use hitctl_cloud::{MessageAttributes, ReceivedMessage, SendMessageEntry};
use hitctl_config::contract;
use serde_json::{Value as Json, json};

/// The service that sent the dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeadLetterKind {
    /// SQS: a message that was received too many times.
    Message,
    /// EventBridge: an event that could not be delivered.
    Event,
    /// Lambda: an event for which the function failed.
    Invocation,
}

impl DeadLetterKind {
    /// Returns the name of the kind in JSON output.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Event => "event",
            Self::Invocation => "invocation",
        }
    }
}

/// A parsed dead letter.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DeadLetter {
    pub(super) kind: DeadLetterKind,
    /// The message or event that was not counted.
    pub(super) body: String,
    /// The reason why it was not counted, if the dead letter contains it.
    pub(super) reason: Option<String>,
    /// The message attributes with which it is sent again.
    attributes: MessageAttributes,
}

impl DeadLetter {
    /// Parses a message of the dead-letter queue.
    pub(super) fn read(message: &ReceivedMessage) -> Self {
        let json: Option<Json> = serde_json::from_str(&message.body).ok();
        if let Some(envelope) = json.as_ref().filter(|json| is_envelope(json)) {
            return Self::invocation(envelope, &message.id);
        }
        let attributes = &message.attributes;
        if attributes.get("RULE_ARN").is_some() {
            let body = message.body.clone();
            let attributes = with_message_id(MessageAttributes::default(), json.as_ref(), &message.id);
            return Self {
                kind: DeadLetterKind::Event,
                body,
                reason: delivery_error(&message.attributes),
                attributes,
            };
        }
        let body = message.body.clone();
        let attributes = with_message_id(attributes.clone(), json.as_ref(), &message.id);
        Self { kind: DeadLetterKind::Message, body, reason: None, attributes }
    }

    fn invocation(envelope: &Json, message_id: &str) -> Self {
        let payload = &envelope["requestPayload"];
        let context = &envelope["requestContext"];
        let id = context["requestId"].as_str().unwrap_or(message_id);
        let error = &envelope["responsePayload"];
        let error_text = error["errorMessage"].as_str().map(|message| match error["errorType"].as_str() {
            Some(kind) => format!("{kind}: {message}"),
            None => message.to_owned(),
        });
        let tried = context["approximateInvokeCount"].as_u64().map(|n| format!("tried {}", times(n)));
        let condition = context["condition"].as_str().map(str::to_owned);
        let parts: Vec<String> = [error_text, condition, tried].into_iter().flatten().collect();
        Self {
            kind: DeadLetterKind::Invocation,
            body: payload.to_string(),
            reason: Some(parts.join(", ")).filter(|reason| !reason.is_empty()),
            attributes: with_message_id(MessageAttributes::default(), Some(payload), id),
        }
    }

    /// Returns the dead letter as a message for the queue.
    pub(super) fn to_entry(&self) -> SendMessageEntry {
        SendMessageEntry { body: self.body.clone(), attributes: self.attributes.clone() }
    }

    /// Returns the dead letter as an event for the function, for an environment without a queue.
    pub(super) fn to_event(&self, message_id: &str) -> Json {
        let sqs_event = || {
            let attributes = self.attributes.texts().map(|(name, value)| {
                (name.to_owned(), json!({ "stringValue": value, "dataType": "String" }))
            });
            json!({ "Records": [{
                "messageId": message_id,
                "body": self.body,
                "attributes": {},
                "messageAttributes": Json::Object(attributes.collect()),
                "eventSource": "aws:sqs",
            }] })
        };
        match self.kind {
            DeadLetterKind::Message => sqs_event(),
            // The function gets the event as EventBridge would deliver it.
            DeadLetterKind::Event | DeadLetterKind::Invocation => {
                serde_json::from_str(&self.body).unwrap_or_else(|_| sqs_event())
            }
        }
    }
}

/// Whether this is Lambda's record of a failed asynchronous invocation.
fn is_envelope(json: &Json) -> bool {
    let context = &json["requestContext"];
    (context["requestId"].is_string() || context["condition"].is_string())
        && json.get("requestPayload").is_some()
}

/// Adds the attribute with the ID by which the message counts once: the ID of the original message or request. Adds
/// nothing if the message already contains an ID for the function.
fn with_message_id(attributes: MessageAttributes, body: Option<&Json>, id: &str) -> MessageAttributes {
    // A page sends the body of its own hit, and must not choose the ID.
    let page_attributes = [contract::MESSAGE_IP, contract::MESSAGE_UA, contract::MESSAGE_ORIGIN];
    let from_page = page_attributes.iter().any(|name| attributes.get(name).is_some());
    let has_own_id = body.is_some_and(|body| {
        // The function identifies records by their object or request IDs.
        body["id"].is_string() || body.get("Records").is_some() || body.get("cf").is_some()
    });
    if has_own_id && !from_page || attributes.get(contract::MESSAGE_ID).is_some() {
        return attributes;
    }
    attributes.with(contract::MESSAGE_ID, id)
}

/// Returns the reason why EventBridge did not deliver an event.
fn delivery_error(attributes: &MessageAttributes) -> Option<String> {
    let text = |name: &str| attributes.get(name).filter(|text| !text.is_empty());
    let code = text("ERROR_CODE")?;
    let mut reason = code.to_owned();
    for part in [text("ERROR_MESSAGE"), text("EXHAUSTED_RETRY_CONDITION")].into_iter().flatten() {
        reason.push_str(": ");
        reason.push_str(part);
    }
    if let Some(retries) = text("RETRY_ATTEMPTS").and_then(|n| n.parse::<u64>().ok()).filter(|n| *n > 0) {
        reason.push_str(", tried again ");
        reason.push_str(&times(retries));
    }
    Some(reason)
}

/// Formats a number of times, such as `once` or `5 times`.
pub(super) fn times(n: u64) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}

/// Returns pairs of a message ID and the reason why the function refused the message, from its log lines.
pub(super) fn refusal_reasons(lines: &[String]) -> Vec<(String, String)> {
    let reasons = lines.iter().filter_map(|line| {
        let line: Json = serde_json::from_str(line).ok()?;
        let line = if line["fields"].is_object() { line["fields"].clone() } else { line };
        let refused = REFUSAL_MESSAGES.iter().any(|text| line["message"] == *text);
        let cause = line["cause"].as_str().or_else(|| line["error"].as_str());
        refused.then(|| Some((line["messageId"].as_str()?.to_owned(), cause?.to_owned())))?
    });
    reasons.collect()
}

/// The function's log messages for an invalid message, and for a message that it failed to count.
const REFUSAL_MESSAGES: [&str; 2] = ["message refused", "message not counted"];
/// The field with the message ID in these log lines.
pub(super) const MESSAGE_ID_FIELD: &str = "messageId";

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str, attributes: &[(&str, &str)]) -> ReceivedMessage {
        let attributes =
            attributes.iter().fold(MessageAttributes::default(), |all, (name, value)| all.with(name, value));
        ReceivedMessage {
            id: "m-1".to_owned(),
            body: body.to_owned(),
            attributes,
            receive_count: 6,
            ..ReceivedMessage::default()
        }
    }

    fn id(dead_letter: &DeadLetter) -> Option<&str> {
        dead_letter.attributes.get(contract::MESSAGE_ID)
    }

    #[test]
    fn message_keeps_its_original_id() {
        let dead_letter = DeadLetter::read(&message("/a", &[("ip", "192.0.2.1")]));
        assert_eq!((dead_letter.kind, id(&dead_letter)), (DeadLetterKind::Message, Some("m-1")));
        assert_eq!(dead_letter.attributes.get("ip"), Some("192.0.2.1"));
        let dead_letter = DeadLetter::read(&message("/a", &[("hitctl-id", "first")]));
        assert_eq!(id(&dead_letter), Some("first"), "redriven before");
        for has_own_id in
            [r#"{"v":1,"path":"/a","id":"x"}"#, r#"{"Records":[{"cf":{"config":{"requestId":"r"}}}]}"#]
        {
            assert_eq!(id(&DeadLetter::read(&message(has_own_id, &[]))), None, "{has_own_id}");
        }
        let page = DeadLetter::read(&message(r#"{"p":"/a","id":"x"}"#, &[("ip", "192.0.2.1")]));
        assert_eq!(id(&page), Some("m-1"), "a page cannot choose the ID");
        let invalid = DeadLetter::read(&message("{not json", &[]));
        assert_eq!(
            (invalid.kind, invalid.body.as_str(), id(&invalid)),
            (DeadLetterKind::Message, "{not json", Some("m-1"))
        );
    }

    #[test]
    fn undelivered_event_has_reason_of_eventbridge() {
        let event = r#"{"version":"0","id":"e-1","detail":{"path":"/"}}"#;
        let attributes = [
            ("RULE_ARN", "arn:aws:events:eu-central-1:123456789012:rule/hits-test"),
            ("TARGET_ARN", "arn:aws:lambda:eu-central-1:123456789012:function:hits-test"),
            ("ERROR_CODE", "NO_PERMISSIONS"),
            ("ERROR_MESSAGE", "not authorized to perform: lambda:InvokeFunction"),
            ("RETRY_ATTEMPTS", "0"),
        ];
        let dead_letter = DeadLetter::read(&message(event, &attributes));
        assert_eq!(dead_letter.kind, DeadLetterKind::Event);
        assert_eq!(
            dead_letter.reason.as_deref(),
            Some("NO_PERMISSIONS: not authorized to perform: lambda:InvokeFunction")
        );
        assert_eq!(
            dead_letter.to_entry(),
            SendMessageEntry { body: event.to_owned(), ..SendMessageEntry::default() },
            "no attributes of EventBridge"
        );
        assert_eq!(dead_letter.to_event("m-1")["id"], "e-1");
        let exhausted = [
            ("RULE_ARN", "r"),
            ("ERROR_CODE", "THROTTLING"),
            ("EXHAUSTED_RETRY_CONDITION", "MaximumRetryAttempts"),
            ("RETRY_ATTEMPTS", "185"),
        ];
        let dead_letter = DeadLetter::read(&message("{}", &exhausted));
        assert_eq!(
            dead_letter.reason.as_deref(),
            Some("THROTTLING: MaximumRetryAttempts, tried again 185 times")
        );
    }

    #[test]
    fn failed_invocation_is_unwrapped_from_its_envelope() {
        let envelope = json!({
            "version": "1.0",
            "timestamp": "2026-09-20T10:00:00.000Z",
            "requestContext": { "requestId": "r-1", "functionArn": "arn", "condition": "RetriesExhausted", "approximateInvokeCount": 3 },
            "requestPayload": { "detail": { "x": 1 } },
            "responseContext": { "statusCode": 200, "functionError": "Unhandled" },
            "responsePayload": { "errorType": "Hitctl.UnsupportedEvent", "errorMessage": "the event has no path" },
        });
        let dead_letter = DeadLetter::read(&message(&envelope.to_string(), &[]));
        assert_eq!(
            (dead_letter.kind, dead_letter.body.as_str()),
            (DeadLetterKind::Invocation, r#"{"detail":{"x":1}}"#)
        );
        assert_eq!(id(&dead_letter), Some("r-1"));
        assert_eq!(
            dead_letter.reason.as_deref(),
            Some("Hitctl.UnsupportedEvent: the event has no path, RetriesExhausted, tried 3 times")
        );
        assert_eq!(dead_letter.to_event("m-1"), json!({ "detail": { "x": 1 } }));
    }

    #[test]
    fn to_event_for_message_is_batch_of_one() {
        let dead_letter = DeadLetter::read(&message("/a", &[("ip", "192.0.2.1")]));
        let event = dead_letter.to_event("m-1");
        assert_eq!(event["Records"][0]["body"], "/a");
        assert_eq!(event["Records"][0]["messageAttributes"]["hitctl-id"]["stringValue"], "m-1");
        assert_eq!(event["Records"][0]["messageAttributes"]["ip"]["dataType"], "String");
    }

    #[test]
    fn log_lines_give_refusal_reasons_by_message_id() {
        let lines = [
            r#"{"level":"ERROR","message":"message refused","messageId":"m-1","cause":"there is no path"}"#,
            r#"{"level":"ERROR","fields":{"message":"message refused","messageId":"m-2","cause":"n is 0"}}"#,
            r#"{"level":"ERROR","message":"message not counted","messageId":"m-4","cause":"no answer"}"#,
            r#"{"level":"INFO","message":"no message refused","messageId":"m-3","cause":"x"}"#,
            "message refused",
        ];
        let reasons = refusal_reasons(&lines.map(str::to_owned));
        let pair = |id: &str, reason: &str| (id.to_owned(), reason.to_owned());
        assert_eq!(
            reasons,
            [pair("m-1", "there is no path"), pair("m-2", "n is 0"), pair("m-4", "no answer")]
        );
    }
}
