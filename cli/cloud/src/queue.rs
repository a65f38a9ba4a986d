//! An SQS queue, on AWS or on this machine: what is put on it, what is looked at, and what is taken from it.

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
use hitctl_resources::aws::fault::{Doing, ToFault as _};
use hitctl_stack::address;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::batch::{self, CallResults, MOST_ENTRIES, Sending, settled};

/// The most bytes in one call: what queues take that were made before August 2025, and all others.
const MOST_BYTES: usize = 256 * 1024;
/// How long a look waits for messages, in seconds: only a look that waits asks all of SQS's servers.
const LOOK_S: i32 = 1;

/// A queue.
#[derive(Debug)]
pub struct Queue {
    client: Client,
    name: String,
    is_local: bool,
    url: OnceCell<String>,
}

/// The attributes of a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(HashMap<String, MessageAttributeValue>);

/// A message to be sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// The text.
    pub body: String,
    /// What goes with it.
    pub attributes: Attributes,
}

/// A message that was received, and is hidden from others for a while.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// What SQS calls it.
    pub id: String,
    /// The text.
    pub body: String,
    /// What goes with it.
    pub attributes: Attributes,
    /// How often it was received, this time included.
    pub received: u64,
    /// When it was sent, in milliseconds since 1970.
    pub sent_ms: Option<i64>,
    /// By what it is deleted or released.
    pub receipt: String,
}

/// How much is on a queue, as far as SQS says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait.
    pub visible: u64,
    /// Messages that somebody works on.
    pub in_flight: u64,
    /// Messages that are held back.
    pub delayed: u64,
}

impl Attributes {
    /// The text of an attribute.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.string_value()
    }

    /// With a text attribute.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let built = MessageAttributeValue::builder().data_type("String").string_value(value).build();
        self.0.extend(built.ok().map(|value| (name.to_owned(), value)));
        self
    }

    /// Names and texts, in any order.
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

impl Entry {
    /// How much of a call it takes.
    fn bytes(&self) -> usize {
        self.body.len() + self.attributes.bytes()
    }

    /// Messages as they are sent together, in their order.
    pub fn batches(entries: &[Self]) -> Vec<&[Self]> {
        batch::batches(entries, Self::bytes, |bytes| bytes <= MOST_BYTES)
    }
}

impl Depth {
    /// All messages.
    pub fn all(&self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }
}

impl Queue {
    /// The queue of that name, by a client's settings.
    pub(super) fn new(config: &SdkConfig, name: &str, is_local: bool) -> Self {
        Self { client: Client::new(config), name: name.to_owned(), is_local, url: OnceCell::new() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL, which is asked for once. A fault of the code `not_deployed` says that it is not there.
    ///
    /// It names the queue and nothing more: calls go to the endpoint in use, since emulators know themselves by other names.
    pub async fn url(&self) -> Result<&str, Fault> {
        let asked = self.url.get_or_try_init(|| async {
            let answer = self.client.get_queue_url().queue_name(&self.name).send().await;
            let answer = answer.map_err(|error| self.fault("find", "sqs:GetQueueUrl", &error))?;
            answer.queue_url.ok_or_else(|| {
                Fault::fatal("no_queue_url", format!("SQS gives no URL for the queue {}", self.name))
            })
        });
        asked.await.map(String::as_str)
    }

    /// Sends messages, at most ten, and says of each what became of it. What SQS did not take just now is sent
    /// again for a while.
    pub async fn send(&self, entries: &[Entry], stop: &CancellationToken) -> Vec<Result<(), Fault>> {
        let sending = Sending {
            address: address::queue(),
            stop,
            doing: "sending messages",
            unanswered: Fault::transient("unanswered", "SQS did not say what became of some messages"),
            unsent: "the message was not sent",
        };
        let send = |left: Vec<usize>| async move {
            let built = left.iter().map(|n| {
                let attributes = &entries[*n].attributes.0;
                SendMessageBatchRequestEntry::builder()
                    .id(n.to_string())
                    .message_body(&entries[*n].body)
                    .set_message_attributes(Some(attributes.clone()).filter(|all| !all.is_empty()))
                    .build()
            });
            let built = built.collect::<Result<_, _>>().map_err(unbuilt)?;
            let call = self.client.send_message_batch().queue_url(self.url().await?);
            // The SDK has sent it again already.
            let sent = call.set_entries(Some(built)).send().await;
            let sent = sent.map_err(|error| settled(self.fault("send to", "sqs:SendMessage", &error)))?;
            let taken = sent.successful.iter().filter_map(|taken| Some((taken.id.parse().ok()?, Ok(()))));
            let mut results = CallResults { settled: taken.collect(), busy: None };
            for refused in &sent.failed {
                let why =
                    format!("SQS did not take a message: {}", refused.message().unwrap_or(&refused.code));
                match refused.id.parse().ok().filter(|n| *n < entries.len()) {
                    Some(n) if refused.sender_fault => {
                        results.settled.push((n, Err(Fault::fatal(refused.code.clone(), why))));
                    }
                    _ => results.busy = Some(Fault::transient(refused.code.clone(), why)),
                }
            }
            Ok(results)
        };
        sending.send_all(entries.len(), send).await
    }

    /// Receives at most ten of what waits, and hides them from others for that many seconds. Nothing is there
    /// when nothing comes.
    pub async fn receive(&self, hidden_s: i32) -> Result<Vec<Message>, Fault> {
        let call = self.client.receive_message().queue_url(self.url().await?);
        let answer = call
            .max_number_of_messages(i32::try_from(MOST_ENTRIES).unwrap_or(1))
            .visibility_timeout(hidden_s)
            .wait_time_seconds(LOOK_S)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .map_err(|error| self.fault("read", "sqs:ReceiveMessage", &error))?;
        let messages = answer.messages.unwrap_or_default().into_iter().map(|message| {
            let number = |name| message.attributes.as_ref()?.get(&name)?.parse().ok();
            Message {
                received: number(MessageSystemAttributeName::ApproximateReceiveCount).unwrap_or(1),
                sent_ms: number(MessageSystemAttributeName::SentTimestamp)
                    .and_then(|ms| i64::try_from(ms).ok()),
                id: message.message_id.unwrap_or_default(),
                body: message.body.unwrap_or_default(),
                attributes: Attributes(message.message_attributes.unwrap_or_default()),
                receipt: message.receipt_handle.unwrap_or_default(),
            }
        });
        Ok(messages.collect())
    }

    /// Deletes messages that were received; gives back the ids of those that could not be deleted.
    pub async fn delete(&self, messages: &[&Message]) -> Result<Vec<String>, Fault> {
        let mut left = Vec::new();
        for some in messages.chunks(MOST_ENTRIES) {
            let entries = some.iter().enumerate().map(|(n, message)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string());
                entry.receipt_handle(&message.receipt).build()
            });
            let entries = entries.collect::<Result<_, _>>().map_err(unbuilt)?;
            let call = self.client.delete_message_batch().queue_url(self.url().await?);
            let done = call.set_entries(Some(entries)).send().await;
            let done = done.map_err(|error| self.fault("delete from", "sqs:DeleteMessage", &error))?;
            left.extend(done.failed.iter().filter_map(|failed| {
                let n: usize = failed.id.parse().ok()?;
                Some(some.get(n)?.id.clone())
            }));
        }
        Ok(left)
    }

    /// Lets others see messages again that were received. One that is gone, or seen again already, is none the worse.
    pub async fn release(&self, messages: &[Message]) -> Result<(), Fault> {
        for some in messages.chunks(MOST_ENTRIES) {
            let entries = some.iter().enumerate().map(|(n, message)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(n.to_string());
                entry.receipt_handle(&message.receipt).visibility_timeout(0).build()
            });
            let entries = entries.collect::<Result<_, _>>().map_err(unbuilt)?;
            let call = self.client.change_message_visibility_batch().queue_url(self.url().await?);
            let done = call.set_entries(Some(entries)).send().await;
            done.map_err(|error| self.fault("release to", "sqs:ChangeMessageVisibility", &error))?;
        }
        Ok(())
    }

    /// How much is on it.
    pub async fn depth(&self) -> Result<Depth, Fault> {
        let [visible, in_flight, delayed] = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let wanted = vec![visible.clone(), in_flight.clone(), delayed.clone()];
        let call = self.client.get_queue_attributes().queue_url(self.url().await?);
        let answer = call.set_attribute_names(Some(wanted)).send().await;
        let answer = answer.map_err(|error| self.fault("look at", "sqs:GetQueueAttributes", &error))?;
        let told = answer.attributes.unwrap_or_default();
        let number = |name| told.get(&name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Depth { visible: number(visible), in_flight: number(in_flight), delayed: number(delayed) })
    }

    /// Deletes every message.
    pub async fn purge(&self) -> Result<(), Fault> {
        let done = self.client.purge_queue().queue_url(self.url().await?).send().await;
        match done {
            Ok(_) => Ok(()),
            Err(error) if error.is("PurgeQueueInProgress") || error.says("PurgeQueue") => {
                let fault = settled(self.fault("purge", "sqs:PurgeQueue", &error));
                Err(fault.hinted("SQS purges a queue once a minute: run the command again in 60 s"))
            }
            Err(error) => Err(self.fault("purge", "sqs:PurgeQueue", &error)),
        }
    }

    fn fault<E>(&self, verb: &'static str, operation: &'static str, error: &SdkError<E>) -> Fault
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        // The code of SQS's old protocol is what some answer in the new one too.
        let gone = ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"];
        if gone.iter().any(|code| error.is(code)) {
            return Fault::fatal("not_deployed", format!("there is no queue {}", self.name))
                .caused_by(format!("{} ({operation})", error.code().unwrap_or_default()))
                .hinted("run `hitctl deploy` for the same environment first");
        }
        let fault = error.fault(&Doing::new(verb, format!("the queue {}", self.name), operation));
        if self.is_local && !matches!(error, SdkError::ServiceError(_)) {
            return fault.hinted("run the command again; it continues where it stopped");
        }
        fault
    }
}

fn unbuilt(error: BuildError) -> Fault {
    Fault::fatal("request", "a request could not be made").caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_together_is_bounded_in_number_and_in_bytes() {
        let sizes = |bytes: &[usize]| {
            let entries: Vec<_> =
                bytes.iter().map(|n| Entry { body: "x".repeat(*n), ..Entry::default() }).collect();
            Entry::batches(&entries).iter().map(|batch| batch.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[]), [0_usize; 0]);
        assert_eq!(sizes(&[1; 25]), [10, 10, 5]);
        assert_eq!(sizes(&[MOST_BYTES / 2; 5]), [2, 2, 1]);
        assert_eq!(sizes(&[1, MOST_BYTES * 2, 1]), [1, 1, 1], "SQS says of one alone what it takes");
    }

    #[test]
    fn attributes_count_with_their_names() {
        let attributes = Attributes::default().with("ab", "xyz");
        assert_eq!((attributes.get("ab"), attributes.get("c")), (Some("xyz"), None));
        assert_eq!(attributes.bytes(), 2 + 6 + 3);
    }
}
