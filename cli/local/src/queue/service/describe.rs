//! Lists queues, and returns their URLs, attributes and message counts.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::requests;
use crate::queue::error::{MAX_BYTES, SqsError};
use crate::queue::{Queue, Queues};

impl Queues {
    pub(super) fn queue_url(&self, request: &requests::GetQueueUrlRequest) -> Result<Json, SqsError> {
        let is_own_account = request.owner.as_deref().is_none_or(|owner| owner == crate::constants::ACCOUNT);
        let queue =
            self.get(&request.queue_name).filter(|_| is_own_account).ok_or(SqsError::QueueDoesNotExist)?;
        Ok(json!({ "QueueUrl": self.url(&queue.name) }))
    }

    pub(super) fn list(&self, request: &requests::ListQueuesRequest) -> Json {
        let all = self.all().into_iter();
        let matching = all.filter(|queue| queue.name.starts_with(&request.queue_name_prefix));
        let urls: Vec<String> = matching.map(|queue| self.url(&queue.name)).collect();
        if urls.is_empty() { json!({}) } else { json!({ "QueueUrls": urls }) }
    }

    /// Lists the queues that use this one as their dead-letter queue.
    pub(super) fn dead_letter_sources(&self, request: &requests::QueueUrlRequest) -> Result<Json, SqsError> {
        let dlq = self.find_queue(&request.queue_url)?;
        let all = self.all().into_iter();
        let sources =
            all.filter(|queue| self.dead_letter_queue(queue).is_some_and(|other| other.arn == dlq.arn));
        let urls: Vec<String> = sources.map(|queue| self.url(&queue.name)).collect();
        Ok(json!({ "queueUrls": urls }))
    }

    pub(super) async fn queue_attributes(
        &self,
        request: requests::GetQueueAttributesRequest,
    ) -> Result<Json, SqsError> {
        let queue = self.find_queue(&request.queue_url)?;
        let depth = self.depth(&queue).await?;
        let mut all = all_attributes(&queue);
        all.extend([
            ("ApproximateNumberOfMessages", depth.visible.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", depth.in_flight.to_string()),
            ("ApproximateNumberOfMessagesDelayed", depth.delayed.to_string()),
        ]);
        let mut selected = BTreeMap::new();
        for name in &request.attribute_names {
            if name == "All" {
                selected.append(&mut all.clone());
            } else if let Some((name, value)) = all.get_key_value(name.as_str()) {
                selected.insert(name, value.clone());
            } else if !OPTIONAL_ATTRIBUTES.contains(&name.as_str()) {
                return Err(SqsError::UnknownAttribute(name.clone()));
            }
        }
        Ok(if selected.is_empty() { json!({}) } else { json!({ "Attributes": selected }) })
    }
}

/// Valid attributes that a standard queue may not have. A request for them is not an error.
const OPTIONAL_ATTRIBUTES: &[&str] = &[
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

fn all_attributes(queue: &Queue) -> BTreeMap<&'static str, String> {
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
        let statement = |sender: &hitctl_resources::AllowedSender| {
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
