//! Builds the event for a function: SQS records in Lambda's format ("Using Lambda with Amazon SQS" in its guide).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use crate::queue::{MessageAttributeValue, QueueMessage, md5_of_attributes};

const HEAD: &str = "{\"Records\":[";
const TAIL: &str = "]}";
/// The size of an event without records, in bytes.
pub(super) const OVERHEAD_BYTES: usize = HEAD.len() + TAIL.len();

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SqsRecord<'a> {
    message_id: &'a str,
    receipt_handle: String,
    body: &'a str,
    attributes: BTreeMap<&'static str, String>,
    message_attributes: BTreeMap<&'a str, MessageAttribute<'a>>,
    md5_of_body: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<String>,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
    aws_region: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageAttribute<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<&'a str>,
    /// Always empty, as in Lambda's events.
    string_list_values: [(); 0],
    /// Always empty, as in Lambda's events.
    binary_list_values: [(); 0],
    data_type: &'a str,
}

impl<'a> MessageAttribute<'a> {
    fn new(attribute: &'a MessageAttributeValue) -> Self {
        let MessageAttributeValue { data_type, string_value, binary_value } = attribute;
        Self {
            string_value: string_value.as_deref(),
            binary_value: binary_value.as_deref(),
            string_list_values: [],
            binary_list_values: [],
            data_type,
        }
    }
}

/// Returns a message as a record, in JSON.
pub(super) fn record(message: &QueueMessage, arn: &str) -> String {
    let record = SqsRecord {
        message_id: &message.id,
        receipt_handle: message.receipt().handle(),
        body: &message.body,
        attributes: message.system_attributes(),
        message_attributes: message
            .attributes
            .iter()
            .map(|(name, attribute)| (name.as_str(), MessageAttribute::new(attribute)))
            .collect(),
        md5_of_body: &message.md5,
        md5_of_message_attributes: md5_of_attributes(&message.attributes),
        event_source: "aws:sqs",
        event_source_arn: arn,
        aws_region: crate::constants::REGION,
    };
    // Serializing plain data cannot fail.
    serde_json::to_string(&record).unwrap_or_default()
}

/// Returns the event with these records.
pub(super) fn from_records(records: &[String]) -> Bytes {
    let length = records.iter().map(|record| record.len() + 1).sum::<usize>() + OVERHEAD_BYTES;
    let mut event = String::with_capacity(length);
    event.push_str(HEAD);
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            event.push(',');
        }
        event.push_str(record);
    }
    event.push_str(TAIL);
    event.into()
}
