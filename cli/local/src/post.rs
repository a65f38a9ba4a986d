//! Putting messages on queues, as the services of this cloud do it: rules, functions' failures, the HTTP API. Who does it is
//! not known here; the queues are.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::constants::EVENTS_PRINCIPAL;
use crate::queue::{Attribute, Outgoing, Queues, Sent, check};

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    /// The queue.
    pub(crate) queue_arn: String,
    /// The message's body.
    pub(crate) body: String,
    /// Its attributes, all of them strings.
    pub(crate) attributes: BTreeMap<String, String>,
    /// The rule that sends it, which the queue's policy has to name; `None` for what sends by a role.
    pub(crate) sender_arn: Option<String>,
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unposted {
    /// There is no such queue.
    #[error("the specified queue does not exist")]
    NoQueue,
    /// Its policy does not name the sender.
    #[error("the queue's policy does not allow the sender to send")]
    Forbidden,
    /// SQS takes no such message.
    #[error("{0}")]
    Refused(String),
    /// It may be taken later.
    #[error("{0}")]
    Failed(String),
}

/// The queues, as their senders see them.
pub(crate) trait Post: Send + Sync {
    /// Puts a message on its queue. What was taken survives anything.
    fn post(&self, letter: Letter) -> BoxFuture<'_, Result<Sent, Unposted>>;
}

impl Post for Queues {
    fn post(&self, letter: Letter) -> BoxFuture<'_, Result<Sent, Unposted>> {
        async move {
            let Letter { queue_arn, body, attributes, sender_arn } = letter;
            let queue = self.by_arn(&queue_arn).ok_or(Unposted::NoQueue)?;
            if sender_arn.is_some_and(|sender| !Self::allows(&queue, EVENTS_PRINCIPAL, &sender)) {
                return Err(Unposted::Forbidden);
            }
            let attributes =
                attributes.into_iter().map(|(name, value)| (name, Attribute::text(&value))).collect();
            let message = Outgoing { body, attributes, ..Outgoing::default() };
            check::message(&message).map_err(|refusal| Unposted::Refused(refusal.message))?;
            let sent = self.send(&queue, vec![message]).await;
            let sent = sent.map_err(|broken| Unposted::Failed(broken.to_string()))?.pop();
            sent.ok_or_else(|| Unposted::Failed("the queue did not say what it took".to_owned()))
        }
        .boxed()
    }
}
