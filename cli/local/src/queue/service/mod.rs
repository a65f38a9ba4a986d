//! SQS's JSON protocol over the queues: what its SDKs send to `AmazonSQS.*`.
//!
//! Queues themselves are made, changed and deleted by the deployer, through the control API: calls for that are refused with a
//! word of it. Everything about messages is here.

mod asked;
mod batch;
mod describe;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::error::Refusal;
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
            "SendMessage" => written(&self.send_one(parsed(body)?).await?),
            "SendMessageBatch" => written(&self.send_batch(parsed(body)?).await?),
            "ReceiveMessage" => written(&self.receive_messages(parsed(body)?).await?),
            "DeleteMessage" => {
                let asked: asked::Deleted = parsed(body)?;
                self.found(&asked.queue_url)?;
                self.remove(vec![receipt(&asked.receipt_handle)?]).await?;
                Ok(Vec::new())
            }
            "DeleteMessageBatch" => written(&self.delete_batch(parsed(body)?).await?),
            "ChangeMessageVisibility" => {
                self.hide_one(parsed(body)?).await?;
                Ok(Vec::new())
            }
            "ChangeMessageVisibilityBatch" => written(&self.hide_batch(parsed(body)?).await?),
            "GetQueueUrl" => written(&self.queue_url(&parsed(body)?)?),
            "GetQueueAttributes" => written(&self.queue_attributes(parsed(body)?).await?),
            "ListQueues" => written(&self.list(&parsed(body)?)),
            "ListDeadLetterSourceQueues" => written(&self.sources(&parsed(body)?)?),
            "ListQueueTags" => {
                let asked: asked::OfQueue = parsed(body)?;
                written(&json!({ "Tags": self.found(&asked.queue_url)?.spec().tags }))
            }
            "PurgeQueue" => {
                let asked: asked::OfQueue = parsed(body)?;
                self.purge(&self.found(&asked.queue_url)?).await?;
                Ok(Vec::new())
            }
            "CreateQueue" | "DeleteQueue" | "SetQueueAttributes" | "TagQueue" | "UntagQueue"
            | "AddPermission" | "RemovePermission" => Err(Refusal::Unsupported(format!(
                "{operation} is not supported here: queues of the local cloud are made and changed by `hitctl deploy --env local`."
            ))),
            "StartMessageMoveTask" | "CancelMessageMoveTask" | "ListMessageMoveTasks" => {
                Err(Refusal::Unsupported(format!(
                    "{operation} is not supported here: `hitctl dlq redrive --env local` moves dead letters back."
                )))
            }
            _ => Err(Refusal::UnknownOperation(operation.to_owned())),
        }
    }

    fn found(&self, url: &str) -> Result<Arc<Queue>, Refusal> {
        self.by_url(url).ok_or(Refusal::NoQueue)
    }

    async fn send_one(&self, asked: asked::Sent) -> Result<Json, Refusal> {
        let queue = self.found(&asked.queue_url)?;
        let message = outgoing(asked.content)?;
        check::message(&message)?;
        let trace = message.trace.clone();
        let sent = self.send(&queue, vec![message]).await?.pop();
        let sent = sent.ok_or_else(|| Refusal::Invalid("nothing was sent".to_owned()))?;
        Ok(batch::sent(&sent, trace.as_deref(), None))
    }

    async fn receive_messages(&self, asked: asked::Received) -> Result<Json, Refusal> {
        let queue = self.found(&asked.queue_url)?;
        let max = within(asked.max_number_of_messages.unwrap_or(1), "MaxNumberOfMessages", 1, MAX_MESSAGES)?;
        let wait = within(asked.wait_time_seconds.unwrap_or(0), "WaitTimeSeconds", 0, MAX_WAIT_S)?;
        let hidden_s = asked.visibility_timeout.map(hidden).transpose()?;
        let wish = Wish {
            max: usize::try_from(max).unwrap_or(1),
            hidden_s,
            wait: Duration::from_secs(u64::from(wait)),
        };
        let system = [asked.attribute_names, asked.message_system_attribute_names].concat();
        let messages = self.receive(&queue, wish).await?.take();
        if messages.is_empty() {
            return Ok(json!({}));
        }
        let shown = |message: &Message| received(message, &asked.message_attribute_names, &system);
        Ok(json!({ "Messages": messages.iter().map(shown).collect::<Vec<_>>() }))
    }

    async fn hide_one(&self, asked: asked::Hidden) -> Result<(), Refusal> {
        let queue = self.found(&asked.queue_url)?;
        let (receipt, seconds) = (receipt(&asked.receipt_handle)?, hidden(asked.visibility_timeout)?);
        let changed = self.hide(&queue, vec![(receipt, seconds)]).await?;
        changed.first().map_or(Ok(()), |change| outcome(*change, &asked.receipt_handle))
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
