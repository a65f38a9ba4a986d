//! The observed state of a resource in the cloud: its spec, its outputs and its owner.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The outputs of an existing resource: ids that the cloud assigned, ARNs, URLs.
pub type Outputs = BTreeMap<String, String>;

/// The observed state of a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObservedState {
    /// The settings in the shape of the desired spec, with all defaults filled in.
    pub spec: Json,
    /// The values that other resources can refer to.
    pub outputs: Outputs,
    /// The owner according to the tags.
    pub owner: Owner,
}

/// The owner of an existing resource, read from its tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// This app in this environment.
    Ours,
    /// Another owner: the tags that identify it, or "untagged".
    Other(String),
}
