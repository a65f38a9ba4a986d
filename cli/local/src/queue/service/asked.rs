//! The requests, field by field as in the service model, without the queue's URL. Names that are not here are not looked at.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::queue::{Attribute, Attributes};

/// The queue of a call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OfQueue {
    pub(super) queue_url: String,
}

/// `SendMessage`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Content {
    pub(super) message_body: Option<String>,
    pub(super) delay_seconds: Option<i64>,
    #[serde(default)]
    pub(super) message_attributes: Attributes,
    #[serde(default)]
    pub(super) message_system_attributes: BTreeMap<String, Attribute>,
}

/// `ReceiveMessage`. `AttributeNames` is the older name of `MessageSystemAttributeNames`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Received {
    pub(super) max_number_of_messages: Option<i64>,
    pub(super) visibility_timeout: Option<i64>,
    pub(super) wait_time_seconds: Option<i64>,
    #[serde(default)]
    pub(super) message_attribute_names: Vec<String>,
    #[serde(default)]
    pub(super) attribute_names: Vec<String>,
    #[serde(default)]
    pub(super) message_system_attribute_names: Vec<String>,
}

/// `DeleteMessage`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Delete {
    pub(super) receipt_handle: String,
}

/// `ChangeMessageVisibility`; in a batch the timeout may be missing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Hide {
    pub(super) receipt_handle: String,
    pub(super) visibility_timeout: Option<i64>,
}

/// One of a batch.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry<T> {
    pub(super) id: String,
    #[serde(flatten)]
    pub(super) what: T,
}

/// A batch of any kind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Batch<T> {
    #[serde(default = "Vec::new")]
    pub(super) entries: Vec<Entry<T>>,
}

/// `GetQueueUrl`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Url {
    pub(super) queue_name: String,
    #[serde(rename = "QueueOwnerAWSAccountId")]
    pub(super) owner: Option<String>,
}

/// `GetQueueAttributes`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Described {
    #[serde(default)]
    pub(super) attribute_names: Vec<String>,
}

/// `ListQueues`. There are few: no pages.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    #[serde(default)]
    pub(super) queue_name_prefix: String,
}
