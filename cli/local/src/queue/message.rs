//! Messages, the receipts that identify their deliveries, and message attributes with their checksum.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// The value of a message attribute that the sender set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MessageAttributeValue {
    /// `String`, `Number` or `Binary`, optionally followed by a dot and the sender's own label.
    pub(crate) data_type: String,
    /// The value of a string or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) string_value: Option<String>,
    /// The value of binary data, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) binary_value: Option<String>,
}

/// Message attributes by name.
pub(crate) type MessageAttributes = BTreeMap<String, MessageAttributeValue>;

impl MessageAttributeValue {
    /// Creates a value of type `String`.
    pub(crate) fn text(value: &str) -> Self {
        Self { data_type: "String".to_owned(), string_value: Some(value.to_owned()), binary_value: None }
    }

    /// Returns the value as bytes, or `None` if it is missing or not valid base64.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        match (&self.string_value, &self.binary_value) {
            (Some(text), None) => Some(text.as_bytes().to_vec()),
            (None, Some(encoded)) => STANDARD.decode(encoded).ok(),
            _ => None,
        }
    }
}

/// A message to send to a queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct NewMessage {
    pub(crate) body: String,
    pub(crate) attributes: MessageAttributes,
    /// X-Ray's trace header, if the sender passes it on.
    pub(crate) trace_header: Option<String>,
    /// The delay before the message becomes visible, in seconds.
    pub(crate) delay_s: u32,
}

/// The result of sending a message.
#[derive(Clone, Debug)]
pub(crate) struct SendMessageResult {
    pub(crate) message_id: String,
    pub(crate) md5: String,
    pub(crate) attributes_md5: Option<String>,
}

/// A message that was received.
#[derive(Clone, Debug)]
pub(crate) struct QueueMessage {
    pub(super) row_id: i64,
    pub(super) queue_id: i64,
    /// The message id, which never changes.
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) md5: String,
    pub(crate) attributes: MessageAttributes,
    pub(crate) trace_header: Option<String>,
    /// For a dead letter: the ARN of the queue from which it was moved.
    pub(crate) source_arn: Option<String>,
    pub(crate) sent_ms: i64,
    /// The number of receives, including this one.
    pub(crate) receive_count: u32,
    pub(crate) first_received_ms: i64,
}

/// Identifies one delivery of a message. Clients get it encoded as a receipt handle, which remains valid after a
/// restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(super) queue_id: i64,
    pub(super) row_id: i64,
    pub(super) receive_count: u32,
    pub(super) message_id: String,
}

impl QueueMessage {
    /// Returns the receipt of this delivery.
    pub(crate) fn receipt(&self) -> Receipt {
        Receipt {
            queue_id: self.queue_id,
            row_id: self.row_id,
            receive_count: self.receive_count,
            message_id: self.id.clone(),
        }
    }

    /// Returns the attributes that SQS adds, by name.
    pub(crate) fn system_attributes(&self) -> BTreeMap<&'static str, String> {
        let mut all = BTreeMap::from([
            ("ApproximateFirstReceiveTimestamp", self.first_received_ms.to_string()),
            ("ApproximateReceiveCount", self.receive_count.to_string()),
            ("SenderId", crate::constants::ACCOUNT.to_owned()),
            ("SentTimestamp", self.sent_ms.to_string()),
        ]);
        all.extend(self.trace_header.clone().map(|trace_header| ("AWSTraceHeader", trace_header)));
        all.extend(self.source_arn.clone().map(|source| ("DeadLetterQueueSourceArn", source)));
        all
    }
}

impl Receipt {
    /// Returns whether the receipt belongs to the message with that id.
    pub(crate) fn belongs_to(&self, message_id: &str) -> bool {
        self.message_id == message_id
    }

    /// Encodes the receipt as a receipt handle, which is opaque to clients.
    pub(crate) fn handle(&self) -> String {
        let Self { queue_id, row_id, receive_count, message_id } = self;
        URL_SAFE_NO_PAD.encode(format!("{queue_id}/{row_id}/{receive_count}/{message_id}"))
    }

    /// Decodes a receipt handle. Returns `None` if it is not valid.
    pub(crate) fn parse(handle: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(handle).ok()?).ok()?;
        let mut parts = text.splitn(4, '/');
        let mut next = || parts.next();
        let (queue_id, row_id) = (next()?.parse().ok()?, next()?.parse().ok()?);
        Some(Self { queue_id, row_id, receive_count: next()?.parse().ok()?, message_id: next()?.to_owned() })
    }
}

/// Returns the MD5 of a text, in hex.
pub(crate) fn md5_of(text: &[u8]) -> String {
    format!("{:x}", md5::compute(text))
}

/// Returns the MD5 of message attributes, in hex ("Calculating the MD5 message digest for message attributes" in SQS's
/// guide), or `None` if there are no attributes.
pub(crate) fn md5_of_attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a String, &'a MessageAttributeValue)>,
) -> Option<String> {
    let mut all = Vec::new();
    for (name, attribute) in attributes {
        let add = |all: &mut Vec<u8>, bytes: &[u8]| {
            all.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
            all.extend_from_slice(bytes);
        };
        add(&mut all, name.as_bytes());
        add(&mut all, attribute.data_type.as_bytes());
        // The guide's transport type: 1 for strings and numbers, 2 for binary data.
        all.push(if attribute.binary_value.is_some() { 2 } else { 1 });
        add(&mut all, &attribute.bytes().unwrap_or_default());
    }
    (!all.is_empty()).then(|| md5_of(&all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipt_handle_round_trips_and_other_text_is_rejected() {
        let receipt = Receipt { queue_id: 1, row_id: 7, receive_count: 2, message_id: "a-b/c".to_owned() };
        assert_eq!(Receipt::parse(&receipt.handle()), Some(receipt));
        for handle in ["", "x", "AAAA", "MS8yLzM", "!"] {
            assert_eq!(Receipt::parse(handle), None, "{handle}");
        }
    }

    /// The expected values were computed independently with Python's hashlib, by the steps of SQS's guide.
    #[test]
    fn checksums_match_sqs_algorithm() {
        assert_eq!(md5_of(b"This is a test message"), "fafb00f5732ab283681e124bf8747ed1");
        let binary = MessageAttributeValue {
            data_type: "Binary".into(),
            string_value: None,
            binary_value: Some("AQID".into()),
        };
        let number =
            MessageAttributeValue { data_type: "Number".into(), ..MessageAttributeValue::text("123") };
        let all = MessageAttributes::from([
            ("one".to_owned(), MessageAttributeValue::text("value")),
            ("three".to_owned(), binary),
            ("two".to_owned(), number),
        ]);
        assert_eq!(md5_of_attributes(&all).unwrap(), "8c03b682f1868dd8941146e4acdd89ef");
        assert_eq!(md5_of_attributes(&MessageAttributes::new()), None);
    }
}
