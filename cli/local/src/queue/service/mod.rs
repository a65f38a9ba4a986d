//! SQS's JSON protocol over the queues: what its SDKs send to `AmazonSQS.*`.
//!
//! Queues themselves are made, changed and deleted by the deployer, through the control API: calls for that are refused with a
//! word of it. Everything about messages is here.

mod asked;
mod batch;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::error::{MAX_BYTES, Refusal};
use super::{Attributes, Change, Message, Outgoing, Queue, Queues, Receipt, Wish, check, md5_of_attributes};
use crate::answer::{Answer, JSON};
use crate::front::{Call, Service};

/// The most messages of a receive, and the longest a call waits for the first, in seconds.
const MAX_MESSAGES: i64 = 10;
const MAX_WAIT_S: i64 = 20;
/// The longest visibility timeout, in seconds.
const MAX_HIDDEN_S: i64 = 43_200;

impl Service for Queues {
    fn answer(&self, call: Call) -> BoxFuture<'_, Answer> {
        async move {
            match self.call(&call.operation, &call.body).await {
                Ok(body) => Answer::new(StatusCode::OK, JSON, body),
                Err(refusal) => refused(&refusal),
            }
        }
        .boxed()
    }
}

/// An error as SQS writes it; older clients read its code in the header.
fn refused(refusal: &Refusal) -> Answer {
    let (name, code) = refusal.name_and_code();
    let namespace = match refusal {
        Refusal::Invalid(_) | Refusal::Gone(_) | Refusal::Missing(_) | Refusal::UnknownOperation(_) => {
            "com.amazon.coral.service"
        }
        _ => "com.amazonaws.sqs",
    };
    let (status, whose) = if refusal.is_by_sender() {
        (StatusCode::BAD_REQUEST, "Sender")
    } else {
        (StatusCode::INTERNAL_SERVER_ERROR, "Receiver")
    };
    let answer = Answer::json_error(status, JSON, &format!("{namespace}#{name}"), &refusal.to_string());
    answer.header("x-amzn-query-error", &format!("{code};{whose}"))
}

impl Queues {
    async fn call(&self, operation: &str, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        match operation {
            "GetQueueUrl" => written(&self.queue_url(&parsed(body)?)?),
            "ListQueues" => written(&self.list(&parsed(body)?)),
            "CreateQueue" | "DeleteQueue" | "SetQueueAttributes" | "TagQueue" | "UntagQueue"
            | "AddPermission" | "RemovePermission" => Err(Refusal::Unsupported(format!(
                "{operation} is not supported here: queues of the local cloud are made and changed by `hitctl deploy --env local`."
            ))),
            "StartMessageMoveTask" | "CancelMessageMoveTask" | "ListMessageMoveTasks" => {
                Err(Refusal::Unsupported(format!(
                    "{operation} is not supported here: `hitctl dlq redrive --env local` moves dead letters back."
                )))
            }
            _ => self.call_of_queue(operation, body).await,
        }
    }

    /// Answers a call that names a queue.
    async fn call_of_queue(&self, operation: &str, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let queue = || -> Result<Arc<Queue>, Refusal> {
            let asked::OfQueue { queue_url } = parsed(body)?;
            self.by_url(&queue_url).ok_or(Refusal::NoQueue)
        };
        match operation {
            "SendMessage" => written(&self.send_one(&queue()?, parsed(body)?).await?),
            "SendMessageBatch" => written(&self.send_batch(&queue()?, body).await?),
            "ReceiveMessage" => written(&self.receive_messages(&queue()?, parsed(body)?).await?),
            "DeleteMessage" => {
                queue()?;
                let asked: asked::Delete = parsed(body)?;
                self.remove(vec![receipt(&asked.receipt_handle)?]).await?;
                Ok(Vec::new())
            }
            "DeleteMessageBatch" => {
                queue()?;
                written(&self.delete_batch(body).await?)
            }
            "ChangeMessageVisibility" => {
                self.hide_one(&queue()?, parsed(body)?).await?;
                Ok(Vec::new())
            }
            "ChangeMessageVisibilityBatch" => written(&self.hide_batch(&queue()?, body).await?),
            "GetQueueAttributes" => written(&self.queue_attributes(&queue()?, parsed(body)?).await?),
            "ListDeadLetterSourceQueues" => written(&self.sources(&queue()?)),
            "ListQueueTags" => written(&json!({ "Tags": queue()?.spec().tags })),
            "PurgeQueue" => {
                self.purge(&queue()?).await?;
                Ok(Vec::new())
            }
            _ => Err(Refusal::UnknownOperation(operation.to_owned())),
        }
    }

    async fn send_one(&self, queue: &Arc<Queue>, asked: asked::Content) -> Result<Json, Refusal> {
        let message = outgoing(asked)?;
        check::message(&message)?;
        let trace = message.trace.clone();
        let sent = self.send(queue, vec![message]).await?.pop();
        let sent = sent.ok_or_else(|| Refusal::Invalid("nothing was sent".to_owned()))?;
        Ok(batch::sent(&sent, trace.as_deref(), None))
    }

    async fn receive_messages(&self, queue: &Arc<Queue>, asked: asked::Received) -> Result<Json, Refusal> {
        let max = within(asked.max_number_of_messages.unwrap_or(1), "MaxNumberOfMessages", 1, MAX_MESSAGES)?;
        let wait = within(asked.wait_time_seconds.unwrap_or(0), "WaitTimeSeconds", 0, MAX_WAIT_S)?;
        let wish = Wish {
            max: usize::try_from(max).unwrap_or(1),
            hidden_s: asked.visibility_timeout.map(hidden).transpose()?,
            wait: Duration::from_secs(u64::from(wait)),
        };
        let system = [asked.attribute_names, asked.message_system_attribute_names].concat();
        let messages = self.receive(queue, wish).await?.take();
        if messages.is_empty() {
            return Ok(json!({}));
        }
        let shown = |message: &Message| received(message, &asked.message_attribute_names, &system);
        Ok(json!({ "Messages": messages.iter().map(shown).collect::<Vec<_>>() }))
    }

    async fn hide_one(&self, queue: &Arc<Queue>, asked: asked::Hide) -> Result<(), Refusal> {
        let timeout = asked.visibility_timeout;
        let seconds = timeout.ok_or_else(|| Refusal::Missing("VisibilityTimeout".to_owned()))?;
        let wish = (receipt(&asked.receipt_handle)?, hidden(seconds)?);
        let changed = self.hide(queue, vec![wish]).await?;
        changed.first().map_or(Ok(()), |change| outcome(*change, &asked.receipt_handle))
    }

    fn queue_url(&self, asked: &asked::Url) -> Result<Json, Refusal> {
        let ours = asked.owner.as_deref().is_none_or(|owner| owner == crate::constants::ACCOUNT);
        let found = self.get(&asked.queue_name).filter(|_| ours).ok_or(Refusal::NoQueue)?;
        Ok(json!({ "QueueUrl": self.url(&found.name) }))
    }

    fn list(&self, asked: &asked::Listed) -> Json {
        let all = self.all().into_iter();
        let ours = all.filter(|queue| queue.name.starts_with(&asked.queue_name_prefix));
        let urls: Vec<String> = ours.map(|queue| self.url(&queue.name)).collect();
        if urls.is_empty() { json!({}) } else { json!({ "QueueUrls": urls }) }
    }

    /// The queues whose dead letters come here.
    fn sources(&self, dead: &Arc<Queue>) -> Json {
        let all = self.all().into_iter();
        let sources = all.filter(|queue| self.dead_letters(queue).is_some_and(|other| other.arn == dead.arn));
        let urls: Vec<String> = sources.map(|queue| self.url(&queue.name)).collect();
        json!({ "queueUrls": urls })
    }

    async fn queue_attributes(&self, queue: &Arc<Queue>, asked: asked::Described) -> Result<Json, Refusal> {
        let depth = self.depth(queue).await?;
        let mut all = settings(queue);
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

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        match text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
            Some(field) => Refusal::Missing(field.to_owned()),
            None => Refusal::Invalid(format!("The request is not valid: {text}.")),
        }
    })
}

fn written<T: Serialize>(answer: &T) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(answer).map_err(|error| Refusal::Invalid(error.to_string()))
}

fn receipt(handle: &str) -> Result<Receipt, Refusal> {
    Receipt::parse(handle).ok_or_else(|| Refusal::Handle(handle.to_owned()))
}

fn outcome(change: Change, handle: &str) -> Result<(), Refusal> {
    match change {
        Change::Done => Ok(()),
        Change::NotInFlight => Err(Refusal::NotInFlight),
        Change::Gone => Err(Refusal::Gone(handle.to_owned())),
    }
}

fn within(value: i64, name: &str, min: i64, max: i64) -> Result<u32, Refusal> {
    let fits = u32::try_from(value).ok().filter(|_| (min..=max).contains(&value));
    fits.ok_or_else(|| Refusal::bounds(value, name, min, max))
}

fn hidden(seconds: i64) -> Result<u32, Refusal> {
    within(seconds, "VisibilityTimeout", 0, MAX_HIDDEN_S)
}

/// A message as it was asked to be sent.
fn outgoing(message: asked::Content) -> Result<Outgoing, Refusal> {
    let delay = message.delay_seconds.unwrap_or(0);
    check::delay(delay)?;
    let mut trace = None;
    for (name, value) in message.message_system_attributes {
        match value.string_value.filter(|_| name == "AWSTraceHeader") {
            Some(value) => trace = Some(value),
            None => {
                return Err(Refusal::Invalid(format!("Message system attribute name '{name}' is invalid.")));
            }
        }
    }
    let body = message.message_body.ok_or_else(|| Refusal::Missing("MessageBody".to_owned()))?;
    let attributes = message.message_attributes;
    Ok(Outgoing { body, attributes, trace, delay_s: u32::try_from(delay).unwrap_or(0) })
}

/// A message as SQS hands it out.
fn received(message: &Message, names: &[String], system: &[String]) -> Json {
    let mut shown = json!({
        "MessageId": message.id,
        "ReceiptHandle": message.receipt().handle(),
        "MD5OfBody": message.md5,
        "Body": message.body,
    });
    let all = system.iter().any(|name| name == "All");
    let attributes: BTreeMap<_, _> = message
        .system_attributes()
        .into_iter()
        .filter(|(name, _)| all || system.iter().any(|wanted| wanted == name))
        .collect();
    if !attributes.is_empty() {
        shown["Attributes"] = json!(attributes);
    }
    let attributes: Attributes = message
        .attributes
        .iter()
        .filter(|(name, _)| names.iter().any(|wanted| is_wanted(name, wanted)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if let Some(md5) = md5_of_attributes(&attributes) {
        shown["MD5OfMessageAttributes"] = md5.into();
        shown["MessageAttributes"] = json!(attributes);
    }
    shown
}

/// `All`, `.*`, a name, or the beginning of names as `prefix.*`.
fn is_wanted(name: &str, wanted: &str) -> bool {
    wanted == "All"
        || wanted == name
        || wanted.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix))
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
