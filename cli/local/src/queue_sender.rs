//! Sends messages to queues for the services of this cloud: rules, failures of functions, the HTTP API. It knows the queues, and not
//! the senders.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::constants::EVENTS_PRINCIPAL;
use crate::queue::{Attribute, Outgoing, Queues, Sent, check};

/// A message for a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutboundMessage {
    /// The queue.
    pub(crate) queue_arn: String,
    /// The message's body.
    pub(crate) body: String,
    /// Its attributes, all of them strings.
    pub(crate) attributes: BTreeMap<String, String>,
    /// The rule that sends it, which the queue's policy has to name; `None` for what sends by a role.
    pub(crate) sender_arn: Option<String>,
}

/// The reason for not accepting a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendError {
    /// There is no such queue.
    #[error("the specified queue does not exist")]
    NoQueue,
    /// Its policy does not name the sender.
    #[error("the queue's policy does not allow the sender to send")]
    Forbidden,
    /// SQS does not accept such a message.
    #[error("{0}")]
    Refused(String),
    /// The queue may accept it later.
    #[error("{0}")]
    Failed(String),
}

/// Sends messages to queues.
pub(crate) trait QueueSender: Send + Sync {
    /// Sends a message to its queue. An accepted message survives a crash.
    fn send_message(&self, message: OutboundMessage) -> BoxFuture<'_, Result<Sent, SendError>>;
}

impl QueueSender for Queues {
    fn send_message(&self, message: OutboundMessage) -> BoxFuture<'_, Result<Sent, SendError>> {
        async move {
            let OutboundMessage { queue_arn, body, attributes, sender_arn } = message;
            let queue = self.by_arn(&queue_arn).ok_or(SendError::NoQueue)?;
            if sender_arn.is_some_and(|sender| !Self::allows(&queue, EVENTS_PRINCIPAL, &sender)) {
                return Err(SendError::Forbidden);
            }
            let attributes =
                attributes.into_iter().map(|(name, value)| (name, Attribute::text(&value))).collect();
            let message = Outgoing { body, attributes, ..Outgoing::default() };
            check::message(&message).map_err(|refusal| SendError::Refused(refusal.to_string()))?;
            let sent = self.send(&queue, vec![message]).await;
            let sent = sent.map_err(|broken| SendError::Failed(broken.to_string()))?.pop();
            sent.ok_or_else(|| SendError::Failed("the queue did not say what it took".to_owned()))
        }
        .boxed()
    }
}
