//! What there is: queues by name, and a queue's attributes, with how much is on it now.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::asked;
use crate::queue::error::{MAX_BYTES, Refusal};
use crate::queue::{Queue, Queues};

impl Queues {
    pub(super) fn queue_url(&self, asked: &asked::Url) -> Result<Json, Refusal> {
        let ours = asked.owner.as_deref().is_none_or(|owner| owner == crate::constants::ACCOUNT);
        let found = self.get(&asked.queue_name).filter(|_| ours).ok_or(Refusal::NoQueue)?;
        Ok(json!({ "QueueUrl": self.url(&found.name) }))
    }

    pub(super) fn list(&self, asked: &asked::Listed) -> Json {
        let all = self.all().into_iter();
        let ours = all.filter(|queue| queue.name.starts_with(&asked.queue_name_prefix));
        let urls: Vec<String> = ours.map(|queue| self.url(&queue.name)).collect();
        if urls.is_empty() { json!({}) } else { json!({ "QueueUrls": urls }) }
    }

    /// The queues whose dead letters come here.
    pub(super) fn sources(&self, asked: &asked::OfQueue) -> Result<Json, Refusal> {
        let dead = self.found(&asked.queue_url)?;
        let all = self.all().into_iter();
        let sources = all.filter(|queue| self.dead_letters(queue).is_some_and(|other| other.arn == dead.arn));
        let urls: Vec<String> = sources.map(|queue| self.url(&queue.name)).collect();
        Ok(json!({ "queueUrls": urls }))
    }

    pub(super) async fn queue_attributes(&self, asked: asked::Described) -> Result<Json, Refusal> {
        let queue = self.found(&asked.queue_url)?;
        let depth = self.depth(&queue).await?;
        let mut all = settings(&queue);
        all.extend([
            ("ApproximateNumberOfMessages", depth.visible.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", depth.in_flight.to_string()),
            ("ApproximateNumberOfMessagesDelayed", depth.delayed.to_string()),
        ]);
        let mut shown = BTreeMap::new();
        for name in &asked.attribute_names {
            if name == "All" {
                shown.append(&mut all.clone());
            } else if let Some((name, value)) = all.get_key_value(name.as_str()) {
                shown.insert(name, value.clone());
            } else if !OTHERS.contains(&name.as_str()) {
                return Err(Refusal::AttributeName(name.clone()));
            }
        }
        Ok(if shown.is_empty() { json!({}) } else { json!({ "Attributes": shown }) })
    }
}

/// Attributes that SQS knows, and that a standard queue may lack.
const OTHERS: &[&str] = &[
    "RedrivePolicy",
    "RedriveAllowPolicy",
    "Policy",
    "FifoQueue",
    "ContentBasedDeduplication",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "DeduplicationScope",
    "FifoThroughputLimit",
];

fn settings(queue: &Queue) -> BTreeMap<&'static str, String> {
    let spec = queue.spec();
    let created = (queue.created_ms / 1000).to_string();
    let mut all = BTreeMap::from([
        ("QueueArn", queue.arn.clone()),
        ("CreatedTimestamp", created.clone()),
        ("LastModifiedTimestamp", created),
        ("VisibilityTimeout", spec.visibility_timeout_s.to_string()),
        ("MessageRetentionPeriod", spec.retention_s.to_string()),
        ("MaximumMessageSize", MAX_BYTES.to_string()),
        ("DelaySeconds", "0".to_owned()),
        ("ReceiveMessageWaitTimeSeconds", "0".to_owned()),
        ("SqsManagedSseEnabled", spec.managed_encryption.to_string()),
    ]);
    if let Some(redrive) = &spec.redrive {
        let policy = json!({
            "deadLetterTargetArn": redrive.dead_letter_arn.get(),
            "maxReceiveCount": redrive.max_receive_count,
        });
        all.insert("RedrivePolicy", policy.to_string());
    }
    if !spec.senders.is_empty() {
        let statement = |sender: &hitctl_resources::Sender| {
            json!({
                "Effect": "Allow",
                "Principal": { "Service": sender.service },
                "Action": "sqs:SendMessage",
                "Resource": queue.arn,
                "Condition": { "ArnEquals": { "aws:SourceArn": sender.source_arn } },
            })
        };
        let statements: Vec<Json> = spec.senders.iter().map(statement).collect();
        all.insert("Policy", json!({ "Version": "2012-10-17", "Statement": statements }).to_string());
    }
    all
}
