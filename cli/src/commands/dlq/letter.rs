//! What a dead letter is: its form, what was to be counted, and why it was not. Pure.
//!
//! Three services put letters there: SQS a message as it was sent, EventBridge an event that it could not deliver, and
//! Lambda an envelope around an event that the function failed on.

use hitctl_cloud::{Attributes, Entry, Message};
use hitctl_config::contract;
use serde_json::{Value as Json, json};

/// Who gave up on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// SQS: a message that was received too often.
    Message,
    /// EventBridge: an event that could not be delivered.
    Event,
    /// Lambda: an event that the function failed on.
    Invocation,
}

impl Form {
    /// The word for scripts.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Event => "event",
            Self::Invocation => "invocation",
        }
    }
}

/// A dead letter, understood.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Letter {
    pub(super) form: Form,
    /// What was to be counted.
    pub(super) body: String,
    /// Why it was not, where the letter says so.
    pub(super) why: Option<String>,
    /// What goes with it when it is sent round again.
    attributes: Attributes,
}

impl Letter {
    /// Reads a message of the queue of dead letters.
    pub(super) fn read(message: &Message) -> Self {
        let json: Option<Json> = serde_json::from_str(&message.body).ok();
        if let Some(envelope) = json.as_ref().filter(|json| is_envelope(json)) {
            return Self::invocation(envelope, &message.id);
        }
        let attributes = &message.attributes;
        if attributes.get("RULE_ARN").is_some() {
            let body = message.body.clone();
            let attributes = identified(Attributes::default(), json.as_ref(), &message.id);
            return Self { form: Form::Event, body, why: undelivered(&message.attributes), attributes };
        }
        let body = message.body.clone();
        let attributes = identified(attributes.clone(), json.as_ref(), &message.id);
        Self { form: Form::Message, body, why: None, attributes }
    }

    fn invocation(envelope: &Json, message_id: &str) -> Self {
        let payload = &envelope["requestPayload"];
        let context = &envelope["requestContext"];
        let id = context["requestId"].as_str().unwrap_or(message_id);
        let error = &envelope["responsePayload"];
        let said = error["errorMessage"].as_str().map(|message| match error["errorType"].as_str() {
            Some(kind) => format!("{kind}: {message}"),
            None => message.to_owned(),
        });
        let tried = context["approximateInvokeCount"].as_u64().map(|n| format!("tried {}", times(n)));
        let condition = context["condition"].as_str().map(str::to_owned);
        let parts: Vec<String> = [said, condition, tried].into_iter().flatten().collect();
        Self {
            form: Form::Invocation,
            body: payload.to_string(),
            why: Some(parts.join(", ")).filter(|why| !why.is_empty()),
            attributes: identified(Attributes::default(), Some(payload), id),
        }
    }

    /// As a message for the queue of hits.
    pub(super) fn entry(&self) -> Entry {
        Entry { body: self.body.clone(), attributes: self.attributes.clone() }
    }

    /// As an event for the function, where there is no queue of hits.
    pub(super) fn event(&self, message_id: &str) -> Json {
        let message = || {
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
        match self.form {
            Form::Message => message(),
            // An event goes as itself, as the rule would bring it.
            Form::Event | Form::Invocation => serde_json::from_str(&self.body).unwrap_or_else(|_| message()),
        }
    }
}

/// Whether it is Lambda's record of a failed asynchronous invocation.
fn is_envelope(json: &Json) -> bool {
    let context = &json["requestContext"];
    (context["requestId"].is_string() || context["condition"].is_string())
        && json.get("requestPayload").is_some()
}

/// With the id under which it counts once, unless the function finds one by itself: that of its first time on a queue.
fn identified(attributes: Attributes, body: Option<&Json>, id: &str) -> Attributes {
    // What a page sent has no word in this, whatever is in it.
    let pages = [contract::MESSAGE_IP, contract::MESSAGE_UA, contract::MESSAGE_ORIGIN];
    let from_page = pages.iter().any(|name| attributes.get(name).is_some());
    let own = body.is_some_and(|body| {
        // Records are known by their objects and requests.
        body["id"].is_string() || body.get("Records").is_some() || body.get("cf").is_some()
    });
    if own && !from_page || attributes.get(contract::MESSAGE_ID).is_some() {
        return attributes;
    }
    attributes.with(contract::MESSAGE_ID, id)
}

/// Why EventBridge did not deliver an event.
fn undelivered(attributes: &Attributes) -> Option<String> {
    let text = |name: &str| attributes.get(name).filter(|text| !text.is_empty());
    let code = text("ERROR_CODE")?;
    let mut why = code.to_owned();
    for part in [text("ERROR_MESSAGE"), text("EXHAUSTED_RETRY_CONDITION")].into_iter().flatten() {
        why.push_str(": ");
        why.push_str(part);
    }
    if let Some(retries) = text("RETRY_ATTEMPTS").and_then(|n| n.parse::<u64>().ok()).filter(|n| *n > 0) {
        why.push_str(", tried again ");
        why.push_str(&times(retries));
    }
    Some(why)
}

/// `once`, `5 times`.
pub(super) fn times(n: u64) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}

/// What the function said about messages that it refused, by their ids: from its log lines.
pub(super) fn refusals(lines: &[String]) -> Vec<(String, String)> {
    let said = lines.iter().filter_map(|line| {
        let line: Json = serde_json::from_str(line).ok()?;
        let line = if line["fields"].is_object() { line["fields"].clone() } else { line };
        let refused = LINES.iter().any(|said| line["message"] == *said);
        let cause = line["cause"].as_str().or_else(|| line["error"].as_str());
        refused.then(|| Some((line["messageId"].as_str()?.to_owned(), cause?.to_owned())))?
    });
    said.collect()
}

/// What the function logs of a message that cannot be counted, and of one that could not be written.
const LINES: [&str; 2] = ["message refused", "message not counted"];
/// What stands in each of these lines.
pub(super) const NAMED: &str = "messageId";

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str, attributes: &[(&str, &str)]) -> Message {
        let attributes =
            attributes.iter().fold(Attributes::default(), |all, (name, value)| all.with(name, value));
        Message { id: "m-1".to_owned(), body: body.to_owned(), attributes, received: 6, ..Message::default() }
    }

    fn id(letter: &Letter) -> Option<&str> {
        letter.attributes.get(contract::MESSAGE_ID)
    }

    #[test]
    fn a_message_keeps_its_first_id() {
        let letter = Letter::read(&message("/a", &[("ip", "192.0.2.1")]));
        assert_eq!((letter.form, id(&letter)), (Form::Message, Some("m-1")));
        assert_eq!(letter.attributes.get("ip"), Some("192.0.2.1"));
        let letter = Letter::read(&message("/a", &[("hitctl-id", "first")]));
        assert_eq!(id(&letter), Some("first"), "redriven before");
        for own in [r#"{"v":1,"path":"/a","id":"x"}"#, r#"{"Records":[{"cf":{"config":{"requestId":"r"}}}]}"#]
        {
            assert_eq!(id(&Letter::read(&message(own, &[]))), None, "{own}");
        }
        let page = Letter::read(&message(r#"{"p":"/a","id":"x"}"#, &[("ip", "192.0.2.1")]));
        assert_eq!(id(&page), Some("m-1"), "what a visitor sent does not say who it is");
        let nothing = Letter::read(&message("{not json", &[]));
        assert_eq!(
            (nothing.form, nothing.body.as_str(), id(&nothing)),
            (Form::Message, "{not json", Some("m-1"))
        );
    }

    #[test]
    fn an_event_that_could_not_be_delivered_says_why() {
        let event = r#"{"version":"0","id":"e-1","detail":{"path":"/"}}"#;
        let attributes = [
            ("RULE_ARN", "arn:aws:events:eu-central-1:123456789012:rule/hits-test"),
            ("TARGET_ARN", "arn:aws:lambda:eu-central-1:123456789012:function:hits-test"),
            ("ERROR_CODE", "NO_PERMISSIONS"),
            ("ERROR_MESSAGE", "not authorized to perform: lambda:InvokeFunction"),
            ("RETRY_ATTEMPTS", "0"),
        ];
        let letter = Letter::read(&message(event, &attributes));
        assert_eq!(letter.form, Form::Event);
        assert_eq!(
            letter.why.as_deref(),
            Some("NO_PERMISSIONS: not authorized to perform: lambda:InvokeFunction")
        );
        assert_eq!(
            letter.entry(),
            Entry { body: event.to_owned(), ..Entry::default() },
            "nothing of EventBridge's"
        );
        assert_eq!(letter.event("m-1")["id"], "e-1");
        let more = [
            ("RULE_ARN", "r"),
            ("ERROR_CODE", "THROTTLING"),
            ("EXHAUSTED_RETRY_CONDITION", "MaximumRetryAttempts"),
            ("RETRY_ATTEMPTS", "185"),
        ];
        let letter = Letter::read(&message("{}", &more));
        assert_eq!(letter.why.as_deref(), Some("THROTTLING: MaximumRetryAttempts, tried again 185 times"));
    }

    #[test]
    fn an_event_that_the_function_failed_on_is_taken_out_of_its_envelope() {
        let envelope = json!({
            "version": "1.0",
            "timestamp": "2026-09-20T10:00:00.000Z",
            "requestContext": { "requestId": "r-1", "functionArn": "arn", "condition": "RetriesExhausted", "approximateInvokeCount": 3 },
            "requestPayload": { "detail": { "x": 1 } },
            "responseContext": { "statusCode": 200, "functionError": "Unhandled" },
            "responsePayload": { "errorType": "Hitctl.UnsupportedEvent", "errorMessage": "the event has no path" },
        });
        let letter = Letter::read(&message(&envelope.to_string(), &[]));
        assert_eq!((letter.form, letter.body.as_str()), (Form::Invocation, r#"{"detail":{"x":1}}"#));
        assert_eq!(id(&letter), Some("r-1"));
        assert_eq!(
            letter.why.as_deref(),
            Some("Hitctl.UnsupportedEvent: the event has no path, RetriesExhausted, tried 3 times")
        );
        assert_eq!(letter.event("m-1"), json!({ "detail": { "x": 1 } }));
    }

    #[test]
    fn without_a_queue_a_message_goes_as_a_batch_of_one() {
        let letter = Letter::read(&message("/a", &[("ip", "192.0.2.1")]));
        let event = letter.event("m-1");
        assert_eq!(event["Records"][0]["body"], "/a");
        assert_eq!(event["Records"][0]["messageAttributes"]["hitctl-id"]["stringValue"], "m-1");
        assert_eq!(event["Records"][0]["messageAttributes"]["ip"]["dataType"], "String");
    }

    #[test]
    fn the_log_says_which_message_was_refused_and_why() {
        let lines = [
            r#"{"level":"ERROR","message":"message refused","messageId":"m-1","cause":"there is no path"}"#,
            r#"{"level":"ERROR","fields":{"message":"message refused","messageId":"m-2","cause":"n is 0"}}"#,
            r#"{"level":"ERROR","message":"message not counted","messageId":"m-4","cause":"no answer"}"#,
            r#"{"level":"INFO","message":"no message refused","messageId":"m-3","cause":"x"}"#,
            "message refused",
        ];
        let told = refusals(&lines.map(str::to_owned));
        let of = |id: &str, why: &str| (id.to_owned(), why.to_owned());
        assert_eq!(told, [of("m-1", "there is no path"), of("m-2", "n is 0"), of("m-4", "no answer")]);
    }
}
