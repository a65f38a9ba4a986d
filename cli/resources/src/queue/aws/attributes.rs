//! The attributes of a queue: all are texts, and two of them are JSON.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_sqs::types::QueueAttributeName as Name;
use hitctl_engine::Fault;
use serde_json::{Value as Json, json};

use crate::aws::lambda::policy::sole_text;
use crate::queue::spec::{QueueSpec, Redrive, Sender};
use crate::tags::Tags;

/// Attributes by name.
pub(super) type Attributes = HashMap<Name, String>;

/// The only thing that a sender may do.
const SEND: &str = "sqs:SendMessage";

/// All that a new queue is made with.
pub(super) fn all(want: &QueueSpec, arn: &str) -> Attributes {
    let bare = QueueSpec {
        visibility_timeout_s: u32::MAX,
        retention_s: u32::MAX,
        managed_encryption: !want.managed_encryption,
        redrive: None,
        senders: BTreeSet::new(),
        tags: Tags::new(),
    };
    let mut all = delta(&bare, want, arn);
    // A key of its own is only to be cleared where there was one.
    all.remove(&Name::KmsMasterKeyId);
    all
}

/// The attributes that have to be set, so that a queue that is one becomes the other. What is cleared is set to nothing.
pub(super) fn delta(have: &QueueSpec, want: &QueueSpec, arn: &str) -> Attributes {
    let mut set = Attributes::new();
    if have.visibility_timeout_s != want.visibility_timeout_s {
        set.insert(Name::VisibilityTimeout, want.visibility_timeout_s.to_string());
    }
    if have.retention_s != want.retention_s {
        set.insert(Name::MessageRetentionPeriod, want.retention_s.to_string());
    }
    if have.managed_encryption != want.managed_encryption {
        set.insert(Name::SqsManagedSseEnabled, want.managed_encryption.to_string());
        if want.managed_encryption {
            // SQS takes one of the two, its own keys or a key of KMS.
            set.insert(Name::KmsMasterKeyId, String::new());
        }
    }
    if have.redrive != want.redrive {
        set.insert(Name::RedrivePolicy, want.redrive.as_ref().map(redrive_policy).unwrap_or_default());
    }
    if have.senders != want.senders {
        set.insert(Name::Policy, policy(&want.senders, arn));
    }
    set
}

/// The same attributes in the calls that they take, in order. SQS takes one kind of encryption at a time: a key of KMS is
/// cleared before SQS's own keys are switched on.
pub(super) fn in_calls(mut set: Attributes) -> Vec<Attributes> {
    let managed = set.get(&Name::SqsManagedSseEnabled).is_some_and(|is| is == "true");
    let key = if managed { set.remove(&Name::KmsMasterKeyId) } else { None };
    let first = key.map(|key| Attributes::from([(Name::KmsMasterKeyId, key)]));
    first.into_iter().chain([set]).filter(|set| !set.is_empty()).collect()
}

fn redrive_policy(redrive: &Redrive) -> String {
    json!({
        "deadLetterTargetArn": redrive.dead_letter_arn.get(),
        "maxReceiveCount": redrive.max_receive_count,
    })
    .to_string()
}

/// The policy of a queue with that ARN: a statement a sender, and no text at all for none.
fn policy(senders: &BTreeSet<Sender>, arn: &str) -> String {
    if senders.is_empty() {
        return String::new();
    }
    let statements: Vec<Json> =
        senders.iter().enumerate().map(|(at, sender)| statement(at + 1, sender, arn)).collect();
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

fn statement(number: usize, sender: &Sender, arn: &str) -> Json {
    json!({
        "Sid": format!("Sender{number}"),
        "Effect": "Allow",
        "Principal": { "Service": sender.service },
        "Action": SEND,
        "Resource": arn,
        "Condition": { "ArnEquals": { "aws:SourceArn": sender.source_arn } },
    })
}

/// The settings in those attributes of a queue with that ARN.
pub(super) fn spec(attributes: &Attributes, arn: &str, tags: Tags) -> Result<QueueSpec, Fault> {
    let text = |name: &Name| attributes.get(name).map_or("", String::as_str);
    let number = |name: &Name| text(name).parse().unwrap_or_default();
    let own_key = !text(&Name::KmsMasterKeyId).is_empty();
    // Queues are encrypted by SQS's own keys unless something else is asked for.
    let managed = attributes.get(&Name::SqsManagedSseEnabled).is_none_or(|is| is == "true");
    Ok(QueueSpec {
        visibility_timeout_s: number(&Name::VisibilityTimeout),
        retention_s: number(&Name::MessageRetentionPeriod),
        managed_encryption: managed && !own_key,
        redrive: redrive(text(&Name::RedrivePolicy))?,
        senders: senders(text(&Name::Policy), arn)?,
        tags,
    })
}

/// About how many messages are in a queue, in words; `None` where there are none.
pub(super) fn held(attributes: &Attributes) -> Option<String> {
    let counts = [
        Name::ApproximateNumberOfMessages,
        Name::ApproximateNumberOfMessagesNotVisible,
        Name::ApproximateNumberOfMessagesDelayed,
    ];
    let number = |name| attributes.get(name).and_then(|count| count.parse::<u64>().ok()).unwrap_or_default();
    match counts.iter().map(number).sum::<u64>() {
        0 => None,
        1 => Some("1 message".to_owned()),
        count => Some(format!("{count} messages")),
    }
}

/// An attribute that is JSON; nothing where it is cleared.
fn parsed(text: &str, what: &'static str) -> Result<Option<Json>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = serde_json::from_str(text);
    parsed
        .map(Some)
        .map_err(|error| Fault::fatal(what, format!("the queue's {what} is no JSON")).caused_by(error))
}

fn redrive(text: &str) -> Result<Option<Redrive>, Fault> {
    let Some(json) = parsed(text, "redrive policy")? else { return Ok(None) };
    let Some(arn) = json.get("deadLetterTargetArn").and_then(Json::as_str) else { return Ok(None) };
    // A number, or the same as a text.
    let count = match json.get("maxReceiveCount") {
        Some(Json::String(text)) => text.parse().unwrap_or_default(),
        Some(number) => number.as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
        None => 0,
    };
    Ok(Some(Redrive { dead_letter_arn: arn.to_owned().into(), max_receive_count: count }))
}

fn senders(text: &str, arn: &str) -> Result<BTreeSet<Sender>, Fault> {
    let Some(json) = parsed(text, "policy")? else { return Ok(BTreeSet::new()) };
    let statements = match json.get("Statement") {
        Some(Json::Array(all)) => all.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    Ok(statements.iter().map(|statement| sender(statement, arn)).collect())
}

/// Who may send by that statement; with all of it, where it is none of ours.
fn sender(statement: &Json, arn: &str) -> Sender {
    let at = |pointer: &str| statement.pointer(pointer).map(sole_text).unwrap_or_default();
    let source = |operator: &str| {
        let keys = statement.pointer(&format!("/Condition/{operator}")).and_then(Json::as_object)?;
        let is_it = |(key, _): &(&String, &Json)| key.eq_ignore_ascii_case("aws:SourceArn");
        keys.iter().find(is_it).map(|(_, value)| sole_text(value))
    };
    let service = at("/Principal/Service");
    let source_arn = source("ArnEquals").or_else(|| source("ArnLike")).unwrap_or_default();
    let ours = Sender { service: service.clone(), source_arn: source_arn.clone() };
    if is_same(statement, &self::statement(0, &ours, arn)) {
        return ours;
    }
    let name = if service.is_empty() { at("/Sid") } else { service };
    Sender { service: format!("{name} (by the statement {statement})"), source_arn }
}

/// Whether two statements allow the same, by whatever name, with texts for lists of one.
fn is_same(one: &Json, other: &Json) -> bool {
    let plain = |statement: &Json| {
        let mut statement = flat(statement);
        if let Json::Object(fields) = &mut statement {
            fields.remove("sid");
        }
        statement
    };
    plain(one) == plain(other)
}

/// A statement with lower-case keys, and texts in place of lists of one.
fn flat(json: &Json) -> Json {
    match json {
        Json::Object(fields) => {
            Json::Object(fields.iter().map(|(key, value)| (key.to_lowercase(), flat(value))).collect())
        }
        Json::Array(items) if items.len() == 1 => flat(&items[0]),
        Json::String(text) if text.eq_ignore_ascii_case(SEND) => Json::from(SEND),
        other => other.clone(),
    }
}

#[cfg(test)]
#[path = "attributes_tests.rs"]
mod tests;
