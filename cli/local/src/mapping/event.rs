//! The event that a function gets: SQS's records as Lambda writes them ("Using Lambda with Amazon SQS" in its guide).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use crate::queue::{Attribute, Message, md5_of_attributes};

const HEAD: &str = "{\"Records\":[";
const TAIL: &str = "]}";
/// What an event takes around its records, in bytes.
pub(super) const EMPTY: usize = HEAD.len() + TAIL.len();

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    message_id: &'a str,
    receipt_handle: String,
    body: &'a str,
    attributes: BTreeMap<&'static str, String>,
    message_attributes: BTreeMap<&'a str, Told<'a>>,
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
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<&'a str>,
    string_list_values: [(); 0],
    binary_list_values: [(); 0],
    data_type: &'a str,
}

impl<'a> Told<'a> {
    fn of(attribute: &'a Attribute) -> Self {
        let Attribute { data_type, string_value, binary_value } = attribute;
        Self {
            string_value: string_value.as_deref(),
            binary_value: binary_value.as_deref(),
            string_list_values: [],
            binary_list_values: [],
            data_type,
        }
    }
}

/// A message as a record, in JSON.
pub(super) fn record(message: &Message, arn: &str) -> String {
    let record = Record {
        message_id: &message.id,
        receipt_handle: message.receipt().handle(),
        body: &message.body,
        attributes: message.system_attributes(),
        message_attributes: message
            .attributes
            .iter()
            .map(|(name, attribute)| (name.as_str(), Told::of(attribute)))
            .collect(),
        md5_of_body: &message.md5,
        md5_of_message_attributes: md5_of_attributes(&message.attributes),
        event_source: "aws:sqs",
        event_source_arn: arn,
        aws_region: crate::constants::REGION,
    };
    // Plain data has a JSON form.
    serde_json::to_string(&record).unwrap_or_default()
}

/// The event of these records.
pub(super) fn of(records: &[String]) -> Bytes {
    let length = records.iter().map(|record| record.len() + 1).sum::<usize>() + EMPTY;
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
