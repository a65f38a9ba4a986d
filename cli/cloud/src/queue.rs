//! An SQS queue, on AWS or in the local cloud: sends, receives, releases and deletes messages.

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageAttributeValue,
    MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};
use aws_smithy_types::error::operation::BuildError;
use aws_types::SdkConfig;
use hitctl_engine::Fault;
use hitctl_resources::aws::fault::{ApiOperation, ToFault as _};
use hitctl_stack::address;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::batch::{self, BatchCallResults, BatchSender, MAX_ENTRIES, not_retryable};

/// The maximum size of one call in bytes. Every queue accepts it, including those created before August 2025.
const MAX_CALL_BYTES: usize = 256 * 1024;
/// How long a receive call waits for messages, in seconds. Only a call that waits queries all of SQS's
/// servers.
const RECEIVE_WAIT_S: i32 = 1;

/// A client of an SQS queue, on AWS or on this machine.
#[derive(Debug)]
pub struct SqsQueue {
    client: Client,
    name: String,
    is_local: bool,
    url: OnceCell<String>,
}

/// The attributes of a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MessageAttributes(HashMap<String, MessageAttributeValue>);

/// A message to be sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SendMessageEntry {
    /// The body: UTF-8 text.
    pub body: String,
    /// The message attributes.
    pub attributes: MessageAttributes,
}

/// A message that was received. It is hidden from other consumers until its visibility timeout ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceivedMessage {
    /// The message ID.
    pub id: String,
    /// The body: UTF-8 text.
    pub body: String,
    /// The message attributes.
    pub attributes: MessageAttributes,
    /// The approximate receive count, including this receipt.
    pub receive_count: u64,
    /// When it was sent, in milliseconds since 1970.
    pub sent_ms: Option<i64>,
    /// The receipt handle, by which the message is deleted or released.
    pub receipt_handle: String,
}

/// The approximate number of messages on a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// Messages that can be received.
    pub visible: u64,
    /// Messages that were received and are hidden.
    pub in_flight: u64,
    /// Messages whose delivery is delayed.
    pub delayed: u64,
}

impl MessageAttributes {
    /// Returns the text of an attribute.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.string_value()
    }

    /// Adds a text attribute.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build();
        self.0.extend(attribute.ok().map(|value| (name.to_owned(), value)));
        self
    }

    /// Iterates over the names and texts of the text attributes, in no particular order.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, value)| Some((name.as_str(), value.string_value()?)))
    }

    fn bytes(&self) -> usize {
        let size = |value: &MessageAttributeValue| {
            let blob = value.binary_value().map_or(0, |blob| blob.as_ref().len());
            value.data_type().len() + value.string_value().map_or(0, str::len) + blob
        };
        self.0.iter().map(|(name, value)| name.len() + size(value)).sum()
    }
}

impl SendMessageEntry {
    /// Returns the size of the message in a call, in bytes.
    fn bytes(&self) -> usize {
        self.body.len() + self.attributes.bytes()
    }

    /// Splits messages into batches for one call each, and keeps their order.
    pub fn batches(entries: &[Self]) -> Vec<&[Self]> {
        batch::batches(entries, Self::bytes, |bytes| bytes <= MAX_CALL_BYTES)
    }
}

impl QueueDepth {
    /// Returns the number of all messages.
    pub fn total(&self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }
}

impl SqsQueue {
    /// Creates a client for the queue `name`, without sending a request.
    pub(super) fn new(config: &SdkConfig, name: &str, is_local: bool) -> Self {
        Self { client: Client::new(config), name: name.to_owned(), is_local, url: OnceCell::new() }
    }

    /// Returns the name of the queue.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the queue's URL, which is requested once.
    ///
    /// The URL only identifies the queue. Calls go to the configured endpoint, because emulators return URLs
    /// with other host names.
    ///
    /// # Errors
    ///
    /// `not_deployed` if the queue does not exist.
    pub async fn url(&self) -> Result<&str, Fault> {
        let url = self.url.get_or_try_init(|| async {
            let response = self.client.get_queue_url().queue_name(&self.name).send().await;
            let response = response.map_err(|error| self.fault("find", "sqs:GetQueueUrl", &error))?;
            response.queue_url.ok_or_else(|| {
                Fault::fatal("no_queue_url", format!("SQS returned no URL for the queue {}", self.name))
            })
        });
        url.await.map(String::as_str)
    }

    /// Sends at most ten messages and returns the result of each. Messages that SQS rejects with a transient
    /// error are retried.
    pub async fn send(
        &self,
        entries: &[SendMessageEntry],
        stop: &CancellationToken,
    ) -> Vec<Result<(), Fault>> {
        let sender = BatchSender {
            address: address::queue(),
            stop,
            progress_text: "sending messages",
            missing_result: Fault::transient("unanswered", "SQS returned no result for some messages"),
            unsent_message: "the message was not sent",
        };
        let send = |pending: Vec<usize>| async move {
            let batch_entries = pending.iter().map(|index| {
                let attributes = &entries[*index].attributes.0;
                SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(&entries[*index].body)
                    .set_message_attributes(Some(attributes.clone()).filter(|all| !all.is_empty()))
                    .build()
            });
            let batch_entries = batch_entries.collect::<Result<_, _>>().map_err(build_fault)?;
            let call = self.client.send_message_batch().queue_url(self.url().await?);
            // The SDK has already retried the call.
            let sent = call.set_entries(Some(batch_entries)).send().await;
            let sent = sent
                .map_err(|error| not_retryable(self.fault("send messages to", "sqs:SendMessage", &error)))?;
            let accepted =
                sent.successful.iter().filter_map(|accepted| Some((accepted.id.parse().ok()?, Ok(()))));
            let mut results = BatchCallResults { completed: accepted.collect(), retry_reason: None };
            for rejected in &sent.failed {
                let why =
                    format!("SQS rejected the message: {}", rejected.message().unwrap_or(&rejected.code));
                match rejected.id.parse().ok().filter(|index| *index < entries.len()) {
                    Some(index) if rejected.sender_fault => {
                        results.completed.push((index, Err(Fault::fatal(rejected.code.clone(), why))));
                    }
                    _ => results.retry_reason = Some(Fault::transient(rejected.code.clone(), why)),
                }
            }
            Ok(results)
        };
        sender.send_all(entries.len(), send).await
    }

    /// Receives at most ten messages and hides them from other consumers for `hidden_s` seconds. Returns no
    /// messages if none arrives within a second.
    pub async fn receive(&self, hidden_s: i32) -> Result<Vec<ReceivedMessage>, Fault> {
        let call = self.client.receive_message().queue_url(self.url().await?);
        let response = call
            .max_number_of_messages(i32::try_from(MAX_ENTRIES).unwrap_or(1))
            .visibility_timeout(hidden_s)
            .wait_time_seconds(RECEIVE_WAIT_S)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .map_err(|error| self.fault("read", "sqs:ReceiveMessage", &error))?;
        let messages = response.messages.unwrap_or_default().into_iter().map(|message| {
            let number = |name| message.attributes.as_ref()?.get(&name)?.parse().ok();
            ReceivedMessage {
                receive_count: number(MessageSystemAttributeName::ApproximateReceiveCount).unwrap_or(1),
                sent_ms: number(MessageSystemAttributeName::SentTimestamp)
                    .and_then(|ms| i64::try_from(ms).ok()),
                id: message.message_id.unwrap_or_default(),
                body: message.body.unwrap_or_default(),
                attributes: MessageAttributes(message.message_attributes.unwrap_or_default()),
                receipt_handle: message.receipt_handle.unwrap_or_default(),
            }
        });
        Ok(messages.collect())
    }

    /// Deletes received messages. Returns the IDs of those that could not be deleted.
    pub async fn delete(&self, messages: &[&ReceivedMessage]) -> Result<Vec<String>, Fault> {
        let mut failed_ids = Vec::new();
        for chunk in messages.chunks(MAX_ENTRIES) {
            let entries = chunk.iter().enumerate().map(|(n, message)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string());
                entry.receipt_handle(&message.receipt_handle).build()
            });
            let entries = entries.collect::<Result<_, _>>().map_err(build_fault)?;
            let call = self.client.delete_message_batch().queue_url(self.url().await?);
            let response = call.set_entries(Some(entries)).send().await;
            let response =
                response.map_err(|error| self.fault("delete messages from", "sqs:DeleteMessage", &error))?;
            failed_ids.extend(response.failed.iter().filter_map(|failed| {
                let n: usize = failed.id.parse().ok()?;
                Some(chunk.get(n)?.id.clone())
            }));
        }
        Ok(failed_ids)
    }

    /// Makes received messages visible again. Messages that are deleted or already visible are ignored.
    pub async fn release(&self, messages: &[ReceivedMessage]) -> Result<(), Fault> {
        for chunk in messages.chunks(MAX_ENTRIES) {
            let entries = chunk.iter().enumerate().map(|(n, message)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(n.to_string());
                entry.receipt_handle(&message.receipt_handle).visibility_timeout(0).build()
            });
            let entries = entries.collect::<Result<_, _>>().map_err(build_fault)?;
            let call = self.client.change_message_visibility_batch().queue_url(self.url().await?);
            let response = call.set_entries(Some(entries)).send().await;
            response
                .map_err(|error| self.fault("release messages to", "sqs:ChangeMessageVisibility", &error))?;
        }
        Ok(())
    }

    /// Reads the approximate number of messages.
    pub async fn depth(&self) -> Result<QueueDepth, Fault> {
        let [visible, in_flight, delayed] = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let attribute_names = vec![visible.clone(), in_flight.clone(), delayed.clone()];
        let call = self.client.get_queue_attributes().queue_url(self.url().await?);
        let response = call.set_attribute_names(Some(attribute_names)).send().await;
        let response =
            response.map_err(|error| self.fault("read the depth of", "sqs:GetQueueAttributes", &error))?;
        let attributes = response.attributes.unwrap_or_default();
        let number = |name| attributes.get(&name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(QueueDepth { visible: number(visible), in_flight: number(in_flight), delayed: number(delayed) })
    }

    /// Deletes all messages.
    pub async fn purge(&self) -> Result<(), Fault> {
        let response = self.client.purge_queue().queue_url(self.url().await?).send().await;
        match response {
            Ok(_) => Ok(()),
            Err(error) if error.has_code("PurgeQueueInProgress") || error.message_contains("PurgeQueue") => {
                let fault = not_retryable(self.fault("purge", "sqs:PurgeQueue", &error));
                Err(fault.hinted("run the command again in 60 s; SQS purges a queue at most once a minute"))
            }
            Err(error) => Err(self.fault("purge", "sqs:PurgeQueue", &error)),
        }
    }

    fn fault<E>(&self, verb: &'static str, operation: &'static str, error: &SdkError<E>) -> Fault
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        // Some emulators return the error code of SQS's old protocol in the new protocol, too.
        let not_found_codes = ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"];
        if not_found_codes.iter().any(|code| error.has_code(code)) {
            return Fault::fatal("not_deployed", format!("the queue {} is not deployed", self.name))
                .caused_by(format!("{} ({operation})", error.code().unwrap_or_default()))
                .hinted("run `hitctl deploy` for the same environment first");
        }
        let fault = error.to_fault(&ApiOperation::new(verb, format!("the queue {}", self.name), operation));
        if self.is_local && !matches!(error, SdkError::ServiceError(_)) {
            return fault.hinted("run the command again");
        }
        fault
    }
}

fn build_fault(error: BuildError) -> Fault {
    Fault::fatal("request", "internal error: failed to build a request to SQS; please report it")
        .caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_batches_are_limited_in_count_and_bytes() {
        let sizes = |bytes: &[usize]| {
            let entries: Vec<_> = bytes
                .iter()
                .map(|n| SendMessageEntry { body: "x".repeat(*n), ..SendMessageEntry::default() })
                .collect();
            SendMessageEntry::batches(&entries).iter().map(|batch| batch.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[]), [0_usize; 0]);
        assert_eq!(sizes(&[1; 25]), [10, 10, 5]);
        assert_eq!(sizes(&[MAX_CALL_BYTES / 2; 5]), [2, 2, 1]);
        assert_eq!(
            sizes(&[1, MAX_CALL_BYTES * 2, 1]),
            [1, 1, 1],
            "SQS itself rejects a message that is too large"
        );
    }

    #[test]
    fn attribute_size_includes_name_and_type() {
        let attributes = MessageAttributes::default().with("ab", "xyz");
        assert_eq!((attributes.get("ab"), attributes.get("c")), (Some("xyz"), None));
        assert_eq!(attributes.bytes(), 2 + 6 + 3);
    }
}
