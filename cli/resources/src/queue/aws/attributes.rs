//! Converts between the spec of a queue and its attributes. All attributes are strings, and two of them contain JSON.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_sqs::types::QueueAttributeName as Name;
use hitctl_engine::{Fault, plural};
use serde_json::{Value as Json, json};

use crate::aws::lambda::policy::single_text;
use crate::queue::spec::{AllowedSender, QueueSpec, RedrivePolicy};
use crate::tags::Tags;

/// Attributes by name.
pub(super) type Attributes = HashMap<Name, String>;

/// The only action that is allowed to senders.
const SEND: &str = "sqs:SendMessage";

/// Returns the attributes of a new queue.
pub(super) fn initial_attributes(want: &QueueSpec, arn: &str) -> Attributes {
    // A spec that differs from `want` in every setting, so that every attribute is set.
    let different = QueueSpec {
        visibility_timeout_s: u32::MAX,
        retention_s: u32::MAX,
        managed_encryption: !want.managed_encryption,
        redrive: None,
        senders: BTreeSet::new(),
        tags: Tags::new(),
    };
    let mut attributes = changed_attributes(&different, want, arn);
    // Only an existing queue can have a KMS key that must be cleared.
    attributes.remove(&Name::KmsMasterKeyId);
    attributes
}

/// Returns the attributes that must be set so that a queue with the spec `have` gets the spec `want`. An empty value
/// clears an attribute.
pub(super) fn changed_attributes(have: &QueueSpec, want: &QueueSpec, arn: &str) -> Attributes {
    let mut changes = Attributes::new();
    if have.visibility_timeout_s != want.visibility_timeout_s {
        changes.insert(Name::VisibilityTimeout, want.visibility_timeout_s.to_string());
    }
    if have.retention_s != want.retention_s {
        changes.insert(Name::MessageRetentionPeriod, want.retention_s.to_string());
    }
    if have.managed_encryption != want.managed_encryption {
        changes.insert(Name::SqsManagedSseEnabled, want.managed_encryption.to_string());
        if want.managed_encryption {
            // A queue has either SQS's own keys or a KMS key.
            changes.insert(Name::KmsMasterKeyId, String::new());
        }
    }
    if have.redrive != want.redrive {
        changes.insert(Name::RedrivePolicy, want.redrive.as_ref().map(redrive_policy).unwrap_or_default());
    }
    if have.senders != want.senders {
        changes.insert(Name::Policy, policy(&want.senders, arn));
    }
    changes
}

/// Splits the attributes into calls that must be sent in order. SQS accepts only one kind of encryption at a time, so
/// a KMS key must be cleared before SQS's own keys are enabled.
pub(super) fn split_into_calls(mut attributes: Attributes) -> Vec<Attributes> {
    let managed = attributes.get(&Name::SqsManagedSseEnabled).is_some_and(|value| value == "true");
    let kms_key = if managed { attributes.remove(&Name::KmsMasterKeyId) } else { None };
    let first = kms_key.map(|kms_key| Attributes::from([(Name::KmsMasterKeyId, kms_key)]));
    first.into_iter().chain([attributes]).filter(|attributes| !attributes.is_empty()).collect()
}

fn redrive_policy(redrive: &RedrivePolicy) -> String {
    json!({
        "deadLetterTargetArn": redrive.dead_letter_arn.get(),
        "maxReceiveCount": redrive.max_receive_count,
    })
    .to_string()
}

/// Returns the policy of the queue with the given ARN, with one statement per sender. Returns an empty text if there
/// are no senders.
fn policy(senders: &BTreeSet<AllowedSender>, arn: &str) -> String {
    if senders.is_empty() {
        return String::new();
    }
    let statements: Vec<Json> =
        senders.iter().enumerate().map(|(index, sender)| statement(index + 1, sender, arn)).collect();
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

fn statement(number: usize, sender: &AllowedSender, arn: &str) -> Json {
    json!({
        "Sid": format!("Sender{number}"),
        "Effect": "Allow",
        "Principal": { "Service": sender.service },
        "Action": SEND,
        "Resource": arn,
        "Condition": { "ArnEquals": { "aws:SourceArn": sender.source_arn } },
    })
}

/// Converts the attributes of the queue with the given ARN to a spec.
pub(super) fn spec(attributes: &Attributes, arn: &str, tags: Tags) -> Result<QueueSpec, Fault> {
    let text = |name: &Name| attributes.get(name).map_or("", String::as_str);
    let number = |name: &Name| text(name).parse().unwrap_or_default();
    let has_kms_key = !text(&Name::KmsMasterKeyId).is_empty();
    // SQS encrypts queues with its own keys unless configured otherwise.
    let managed = attributes.get(&Name::SqsManagedSseEnabled).is_none_or(|value| value == "true");
    Ok(QueueSpec {
        visibility_timeout_s: number(&Name::VisibilityTimeout),
        retention_s: number(&Name::MessageRetentionPeriod),
        managed_encryption: managed && !has_kms_key,
        redrive: redrive(text(&Name::RedrivePolicy))?,
        senders: senders(text(&Name::Policy), arn)?,
        tags,
    })
}

/// Describes the approximate number of messages in a queue, in flight or not: `2 messages`. Returns `None` if the
/// queue is empty.
pub(super) fn describe_contents(attributes: &Attributes) -> Option<String> {
    let counts = [
        Name::ApproximateNumberOfMessages,
        Name::ApproximateNumberOfMessagesNotVisible,
        Name::ApproximateNumberOfMessagesDelayed,
    ];
    let number = |name| attributes.get(name).and_then(|count| count.parse::<u64>().ok()).unwrap_or_default();
    let count = counts.iter().map(number).sum::<u64>();
    (count > 0).then(|| plural(count, "message"))
}

/// Parses an attribute that contains JSON; `None` if it is empty.
fn parse_json(text: &str, attribute: &'static str) -> Result<Option<Json>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = serde_json::from_str(text);
    parsed.map(Some).map_err(|error| {
        Fault::fatal(attribute, format!("the {attribute} of the queue is not valid JSON")).caused_by(error)
    })
}

fn redrive(text: &str) -> Result<Option<RedrivePolicy>, Fault> {
    let Some(json) = parse_json(text, "redrive policy")? else { return Ok(None) };
    let Some(arn) = json.get("deadLetterTargetArn").and_then(Json::as_str) else { return Ok(None) };
    // The count is a number or a string.
    let max_receive_count = match json.get("maxReceiveCount") {
        Some(Json::String(text)) => text.parse().unwrap_or_default(),
        Some(number) => number
            .as_u64()
            .and_then(|max_receive_count| u32::try_from(max_receive_count).ok())
            .unwrap_or_default(),
        None => 0,
    };
    Ok(Some(RedrivePolicy { dead_letter_arn: arn.to_owned().into(), max_receive_count }))
}

fn senders(text: &str, arn: &str) -> Result<BTreeSet<AllowedSender>, Fault> {
    let Some(json) = parse_json(text, "policy")? else { return Ok(BTreeSet::new()) };
    let statements = match json.get("Statement") {
        Some(Json::Array(all)) => all.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    Ok(statements.iter().map(|statement| sender(statement, arn)).collect())
}

/// Returns the sender in a statement. If the statement is not like ours, the sender contains its full text and so
/// differs from every wanted sender.
fn sender(statement: &Json, arn: &str) -> AllowedSender {
    let text_at = |pointer: &str| statement.pointer(pointer).map(single_text).unwrap_or_default();
    let source = |operator: &str| {
        let keys = statement.pointer(&format!("/Condition/{operator}")).and_then(Json::as_object)?;
        let is_source_arn = |(key, _): &(&String, &Json)| key.eq_ignore_ascii_case("aws:SourceArn");
        keys.iter().find(is_source_arn).map(|(_, value)| single_text(value))
    };
    let service = text_at("/Principal/Service");
    let source_arn = source("ArnEquals").or_else(|| source("ArnLike")).unwrap_or_default();
    let ours = AllowedSender { service: service.clone(), source_arn: source_arn.clone() };
    if is_equivalent(statement, &self::statement(0, &ours, arn)) {
        return ours;
    }
    let name = if service.is_empty() { text_at("/Sid") } else { service };
    AllowedSender { service: format!("{name} (statement {statement})"), source_arn }
}

/// Whether two statements allow the same. Ignores ids, and treats a list of one string like the string.
fn is_equivalent(one: &Json, other: &Json) -> bool {
    let without_sid = |statement: &Json| {
        let mut statement = normalized(statement);
        if let Json::Object(fields) = &mut statement {
            fields.remove("sid");
        }
        statement
    };
    without_sid(one) == without_sid(other)
}

/// Converts keys to lower case, lists of one value to the value, and the action to our spelling.
fn normalized(json: &Json) -> Json {
    match json {
        Json::Object(fields) => {
            Json::Object(fields.iter().map(|(key, value)| (key.to_lowercase(), normalized(value))).collect())
        }
        Json::Array(items) if items.len() == 1 => normalized(&items[0]),
        Json::String(text) if text.eq_ignore_ascii_case(SEND) => Json::from(SEND),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
