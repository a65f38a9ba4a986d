//! Batch operations: the checks that all of them share, and the results of the entries.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{new_message, parse_receipt, requests, visibility_result, visibility_timeout};
use crate::queue::error::{MAX_BYTES, SqsError};
use crate::queue::message::md5_of_attributes;
use crate::queue::{MessageAttributeValue, Queue, Queues, SendMessageResult, check};

/// The maximum number of entries in a batch.
const MAX_ENTRIES: usize = 10;

/// The response to a batch operation, with the results of its entries.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchResponse {
    successful: Vec<Json>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<Json>,
}

impl BatchResponse {
    fn add_failure(&mut self, id: &str, error: &SqsError) {
        let (is_sender_fault, (_, code)) = (error.is_sender_fault(), error.name_and_code());
        let message = error.to_string();
        self.failed
            .push(json!({ "Id": id, "SenderFault": is_sender_fault, "Code": code, "Message": message }));
    }
}

/// Returns the result of one sent message, in JSON. `id` is the id of its batch entry, if it was sent in a batch.
pub(super) fn send_result_json(
    result: &SendMessageResult,
    trace_header: Option<&str>,
    id: Option<&str>,
) -> Json {
    let mut json = json!({ "MessageId": result.message_id, "MD5OfMessageBody": result.md5 });
    if let Some(md5) = &result.attributes_md5 {
        json["MD5OfMessageAttributes"] = md5.clone().into();
    }
    if let Some(trace_header) = trace_header {
        let (name, value) = ("AWSTraceHeader".to_owned(), MessageAttributeValue::text(trace_header));
        json["MD5OfMessageSystemAttributes"] = md5_of_attributes([(&name, &value)]).into();
    }
    if let Some(id) = id {
        json["Id"] = id.into();
    }
    json
}

impl Queues {
    fn check_batch<T>(&self, batch: &requests::BatchRequest<T>) -> Result<Arc<Queue>, SqsError> {
        let queue = self.find_queue(&batch.queue_url)?;
        let mut ids = BTreeSet::new();
        match batch.entries.len() {
            0 => return Err(SqsError::EmptyBatch),
            count if count > MAX_ENTRIES => return Err(SqsError::TooManyEntries(count)),
            _ => {}
        }
        for requests::BatchEntry { id, .. } in &batch.entries {
            if !check::is_valid_name(id) {
                return Err(SqsError::InvalidBatchEntryId);
            }
            if !ids.insert(id) {
                return Err(SqsError::DuplicateBatchEntryId(id.clone()));
            }
        }
        Ok(queue)
    }

    pub(super) async fn send_batch(
        &self,
        batch: requests::BatchRequest<requests::MessageContent>,
    ) -> Result<BatchResponse, SqsError> {
        let queue = self.check_batch(&batch)?;
        let mut response = BatchResponse::default();
        let (mut ids, mut messages, mut bytes) = (Vec::new(), Vec::new(), 0);
        for requests::BatchEntry { id, content } in batch.entries {
            let checked = new_message(content).and_then(|message| {
                bytes += check::size(&message);
                check::message(&message)?;
                Ok(message)
            });
            match checked {
                Ok(message) => {
                    ids.push((id, message.trace_header.clone()));
                    messages.push(message);
                }
                Err(error) => response.add_failure(&id, &error),
            }
        }
        if bytes > MAX_BYTES {
            return Err(SqsError::BatchRequestTooLong(bytes));
        }
        if !messages.is_empty() {
            let results = self.send(&queue, messages).await?;
            response.successful = ids
                .iter()
                .zip(&results)
                .map(|((id, trace_header), result)| {
                    send_result_json(result, trace_header.as_deref(), Some(id))
                })
                .collect();
        }
        Ok(response)
    }

    pub(super) async fn delete_batch(
        &self,
        batch: requests::BatchRequest<requests::DeleteBatchEntry>,
    ) -> Result<BatchResponse, SqsError> {
        self.check_batch(&batch)?;
        let (mut response, mut receipts) = (BatchResponse::default(), Vec::new());
        for requests::BatchEntry { id, content } in batch.entries {
            match parse_receipt(&content.receipt_handle) {
                Ok(receipt) => {
                    receipts.push(receipt);
                    response.successful.push(json!({ "Id": id }));
                }
                Err(error) => response.add_failure(&id, &error),
            }
        }
        self.delete_messages(receipts).await?;
        Ok(response)
    }

    pub(super) async fn change_visibility_batch(
        &self,
        batch: requests::BatchRequest<requests::ChangeVisibilityBatchEntry>,
    ) -> Result<BatchResponse, SqsError> {
        let queue = self.check_batch(&batch)?;
        let (mut response, mut changes, mut ids) = (BatchResponse::default(), Vec::new(), Vec::new());
        for requests::BatchEntry { id, content } in batch.entries {
            let change = parse_receipt(&content.receipt_handle)
                .and_then(|receipt| Ok((receipt, visibility_timeout(content.visibility_timeout)?)));
            match change {
                Ok(change) => {
                    changes.push(change);
                    ids.push((id, content.receipt_handle));
                }
                Err(error) => response.add_failure(&id, &error),
            }
        }
        for ((id, handle), change) in ids.iter().zip(self.change_visibility(&queue, changes).await?) {
            match visibility_result(change, handle) {
                Ok(()) => response.successful.push(json!({ "Id": id })),
                Err(error) => response.add_failure(id, &error),
            }
        }
        Ok(response)
    }
}
