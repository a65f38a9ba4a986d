//! The batches: the rules that all of them have, and which of their entries failed.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{asked, hidden, outcome, outgoing, receipt};
use crate::queue::error::{MAX_BYTES, Refusal};
use crate::queue::message::md5_of_attributes;
use crate::queue::{Attribute, Queue, Queues, Sent, check};

/// The most entries of a batch.
const MAX_ENTRIES: usize = 10;

/// What became of the entries.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Outcome {
    successful: Vec<Json>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<Json>,
}

impl Outcome {
    fn fail(&mut self, id: &str, refusal: &Refusal) {
        let (by_sender, (_, code)) = (refusal.is_by_sender(), refusal.name_and_code());
        let message = refusal.to_string();
        self.failed.push(json!({ "Id": id, "SenderFault": by_sender, "Code": code, "Message": message }));
    }
}

/// What a sender hears of one message.
pub(super) fn sent(sent: &Sent, trace: Option<&str>, id: Option<&str>) -> Json {
    let mut shown = json!({ "MessageId": sent.message_id, "MD5OfMessageBody": sent.md5 });
    if let Some(md5) = &sent.attributes_md5 {
        shown["MD5OfMessageAttributes"] = md5.clone().into();
    }
    if let Some(trace) = trace {
        let (name, value) = ("AWSTraceHeader".to_owned(), Attribute::text(trace));
        shown["MD5OfMessageSystemAttributes"] = md5_of_attributes([(&name, &value)]).into();
    }
    if let Some(id) = id {
        shown["Id"] = id.into();
    }
    shown
}

impl Queues {
    fn batch<T>(&self, batch: &asked::Batch<T>) -> Result<Arc<Queue>, Refusal> {
        let queue = self.found(&batch.queue_url)?;
        let mut seen = BTreeSet::new();
        match batch.entries.len() {
            0 => return Err(Refusal::EmptyBatch),
            many if many > MAX_ENTRIES => return Err(Refusal::TooMany(many)),
            _ => {}
        }
        for asked::Entry { id, .. } in &batch.entries {
            if !check::is_plain(id) {
                return Err(Refusal::BatchId);
            }
            if !seen.insert(id) {
                return Err(Refusal::Twice(id.clone()));
            }
        }
        Ok(queue)
    }

    pub(super) async fn send_batch(&self, batch: asked::Batch<asked::Content>) -> Result<Outcome, Refusal> {
        let queue = self.batch(&batch)?;
        let mut outcome = Outcome::default();
        let (mut ids, mut messages, mut bytes) = (Vec::new(), Vec::new(), 0);
        for asked::Entry { id, what } in batch.entries {
            let judged = outgoing(what).and_then(|message| {
                bytes += check::size(&message);
                check::message(&message)?;
                Ok(message)
            });
            match judged {
                Ok(message) => {
                    ids.push((id, message.trace.clone()));
                    messages.push(message);
                }
                Err(refusal) => outcome.fail(&id, &refusal),
            }
        }
        if bytes > MAX_BYTES {
            return Err(Refusal::BatchTooLong(bytes));
        }
        if !messages.is_empty() {
            let all = self.send(&queue, messages).await?;
            outcome.successful = ids
                .iter()
                .zip(&all)
                .map(|((id, trace), one)| sent(one, trace.as_deref(), Some(id)))
                .collect();
        }
        Ok(outcome)
    }

    pub(super) async fn delete_batch(&self, batch: asked::Batch<asked::Delete>) -> Result<Outcome, Refusal> {
        self.batch(&batch)?;
        let (mut outcome, mut receipts) = (Outcome::default(), Vec::new());
        for asked::Entry { id, what } in batch.entries {
            match receipt(&what.receipt_handle) {
                Ok(receipt) => {
                    receipts.push(receipt);
                    outcome.successful.push(json!({ "Id": id }));
                }
                Err(refusal) => outcome.fail(&id, &refusal),
            }
        }
        self.remove(receipts).await?;
        Ok(outcome)
    }

    pub(super) async fn hide_batch(&self, batch: asked::Batch<asked::Hide>) -> Result<Outcome, Refusal> {
        let queue = self.batch(&batch)?;
        let (mut answer, mut wishes, mut ids) = (Outcome::default(), Vec::new(), Vec::new());
        for asked::Entry { id, what } in batch.entries {
            let wish =
                receipt(&what.receipt_handle).and_then(|it| Ok((it, hidden(what.visibility_timeout)?)));
            match wish {
                Ok(wish) => {
                    wishes.push(wish);
                    ids.push((id, what.receipt_handle));
                }
                Err(refusal) => answer.fail(&id, &refusal),
            }
        }
        for ((id, handle), change) in ids.iter().zip(self.hide(&queue, wishes).await?) {
            match outcome(change, handle) {
                Ok(()) => answer.successful.push(json!({ "Id": id })),
                Err(refusal) => answer.fail(id, &refusal),
            }
        }
        Ok(answer)
    }
}
