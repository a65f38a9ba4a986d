//! Sends messages to queues on behalf of other services: event rules, failed function invocations, the HTTP API. This
//! module does not depend on these services.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::constants::EVENTS_PRINCIPAL;
use crate::queue::{MessageAttributeValue, NewMessage, Queues, SendMessageResult, check};

/// A message for a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutboundMessage {
    /// The ARN of the queue.
    pub(crate) queue_arn: String,
    pub(crate) body: String,
    /// The message attributes, all of type `String`.
    pub(crate) attributes: BTreeMap<String, String>,
    /// The ARN of the sending rule, which the queue's policy must allow; `None` for a sender with a role.
    pub(crate) sender_arn: Option<String>,
}

/// The reason why a queue did not accept a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendError {
    /// The queue does not exist.
    #[error("the specified queue does not exist")]
    NoQueue,
    /// The queue's policy does not allow the sender.
    #[error("the queue's policy does not allow the sender to send messages")]
    Forbidden,
    /// The message violates SQS's limits.
    #[error("{0}")]
    Refused(String),
    /// The queue failed; a retry may succeed.
    #[error("{0}")]
    Failed(String),
}

/// Sends messages to queues.
pub(crate) trait QueueSender: Send + Sync {
    /// Sends a message to its queue. An accepted message survives a crash.
    fn send_message(&self, message: OutboundMessage) -> BoxFuture<'_, Result<SendMessageResult, SendError>>;
}

impl QueueSender for Queues {
    fn send_message(&self, message: OutboundMessage) -> BoxFuture<'_, Result<SendMessageResult, SendError>> {
        async move {
            let OutboundMessage { queue_arn, body, attributes, sender_arn } = message;
            let queue = self.by_arn(&queue_arn).ok_or(SendError::NoQueue)?;
            if sender_arn.is_some_and(|sender| !Self::allows(&queue, EVENTS_PRINCIPAL, &sender)) {
                return Err(SendError::Forbidden);
            }
            let attributes = attributes
                .into_iter()
                .map(|(name, value)| (name, MessageAttributeValue::text(&value)))
                .collect();
            let message = NewMessage { body, attributes, ..NewMessage::default() };
            check::message(&message).map_err(|error| SendError::Refused(error.to_string()))?;
            let sent = self.send(&queue, vec![message]).await;
            let sent = sent.map_err(|error| SendError::Failed(error.to_string()))?.pop();
            sent.ok_or_else(|| {
                SendError::Failed("internal error: the queue returned no result; please report it".to_owned())
            })
        }
        .boxed()
    }
}
