//! A message, what identifies one delivery of it, and its own attributes with their checksum.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// An attribute that the sender gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Attribute {
    /// `String`, `Number` or `Binary`, and a label of the sender's after a dot.
    pub(crate) data_type: String,
    /// The value of a text or a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) string_value: Option<String>,
    /// The value of bytes, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) binary_value: Option<String>,
}

/// Attributes by name.
pub(crate) type Attributes = BTreeMap<String, Attribute>;

impl Attribute {
    /// A text.
    pub(crate) fn text(value: &str) -> Self {
        Self { data_type: "String".to_owned(), string_value: Some(value.to_owned()), binary_value: None }
    }

    /// The value as bytes; `None` when there is none, or no base64 where it should be.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        match (&self.string_value, &self.binary_value) {
            (Some(text), None) => Some(text.as_bytes().to_vec()),
            (None, Some(coded)) => STANDARD.decode(coded).ok(),
            _ => None,
        }
    }
}

/// A message that goes on a queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outgoing {
    /// What it says.
    pub(crate) body: String,
    /// What the sender adds.
    pub(crate) attributes: Attributes,
    /// X-Ray's header, when the sender passes it on.
    pub(crate) trace: Option<String>,
    /// For how long nobody gets it, in seconds.
    pub(crate) delay_s: u32,
}

/// What a sender hears.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) message_id: String,
    pub(crate) md5: String,
    pub(crate) attributes_md5: Option<String>,
}

/// A message that was received.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(super) row: i64,
    pub(super) queue: i64,
    /// Its id, for ever.
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) md5: String,
    pub(crate) attributes: Attributes,
    pub(crate) trace: Option<String>,
    /// The ARN of the queue that it comes from, when it is a dead letter.
    pub(crate) source: Option<String>,
    pub(crate) sent_ms: i64,
    /// How often it was received, this time included.
    pub(crate) received: u32,
    pub(crate) first_received_ms: i64,
}

/// One delivery of one message: what a receipt handle stands for. It is as good after a restart as before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(super) queue: i64,
    pub(super) row: i64,
    pub(super) received: u32,
    pub(super) message_id: String,
}

impl Message {
    /// What this delivery is deleted by.
    pub(crate) fn receipt(&self) -> Receipt {
        Receipt { queue: self.queue, row: self.row, received: self.received, message_id: self.id.clone() }
    }

    /// The attributes that SQS adds, by their names.
    pub(crate) fn system_attributes(&self) -> BTreeMap<&'static str, String> {
        let mut all = BTreeMap::from([
            ("ApproximateFirstReceiveTimestamp", self.first_received_ms.to_string()),
            ("ApproximateReceiveCount", self.received.to_string()),
            ("SenderId", crate::constants::ACCOUNT.to_owned()),
            ("SentTimestamp", self.sent_ms.to_string()),
        ]);
        all.extend(self.trace.clone().map(|trace| ("AWSTraceHeader", trace)));
        all.extend(self.source.clone().map(|source| ("DeadLetterQueueSourceArn", source)));
        all
    }
}

impl Receipt {
    /// Whether it is one of the message of that id.
    pub(crate) fn is_of(&self, message_id: &str) -> bool {
        self.message_id == message_id
    }

    /// As a receipt handle: a text without meaning to anybody else.
    pub(crate) fn handle(&self) -> String {
        let Self { queue, row, received, message_id } = self;
        URL_SAFE_NO_PAD.encode(format!("{queue}/{row}/{received}/{message_id}"))
    }

    /// Reads a handle; `None` when it is none of ours.
    pub(crate) fn parse(handle: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(handle).ok()?).ok()?;
        let mut parts = text.splitn(4, '/');
        let mut next = || parts.next();
        let (queue, row) = (next()?.parse().ok()?, next()?.parse().ok()?);
        Some(Self { queue, row, received: next()?.parse().ok()?, message_id: next()?.to_owned() })
    }
}

/// The MD5 of a text, in hex.
pub(crate) fn md5_of(text: &[u8]) -> String {
    format!("{:x}", md5::compute(text))
}

/// The MD5 of attributes, as SQS computes it: "Calculating the MD5 message digest for message attributes" in its guide.
pub(crate) fn md5_of_attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a String, &'a Attribute)>,
) -> Option<String> {
    let mut all = Vec::new();
    for (name, attribute) in attributes {
        let add = |all: &mut Vec<u8>, bytes: &[u8]| {
            all.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
            all.extend_from_slice(bytes);
        };
        add(&mut all, name.as_bytes());
        add(&mut all, attribute.data_type.as_bytes());
        all.push(if attribute.binary_value.is_some() { 2 } else { 1 });
        add(&mut all, &attribute.bytes().unwrap_or_default());
    }
    (!all.is_empty()).then(|| md5_of(&all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_read_back_and_anything_else_is_refused() {
        let receipt = Receipt { queue: 1, row: 7, received: 2, message_id: "a-b/c".to_owned() };
        assert_eq!(Receipt::parse(&receipt.handle()), Some(receipt));
        for handle in ["", "x", "AAAA", "MS8yLzM", "!"] {
            assert_eq!(Receipt::parse(handle), None, "{handle}");
        }
    }

    /// Computed apart from this code, by the guide's own steps, with Python's hashlib.
    #[test]
    fn checksums_are_sqs_own() {
        assert_eq!(md5_of(b"This is a test message"), "fafb00f5732ab283681e124bf8747ed1");
        let binary =
            Attribute { data_type: "Binary".into(), string_value: None, binary_value: Some("AQID".into()) };
        let number = Attribute { data_type: "Number".into(), ..Attribute::text("123") };
        let all = Attributes::from([
            ("one".to_owned(), Attribute::text("value")),
            ("three".to_owned(), binary),
            ("two".to_owned(), number),
        ]);
        assert_eq!(md5_of_attributes(&all).unwrap(), "8c03b682f1868dd8941146e4acdd89ef");
        assert_eq!(md5_of_attributes(&Attributes::new()), None);
    }
}
