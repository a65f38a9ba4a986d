//! A resource as it is in the cloud: its settings, its outputs and its owner.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The outputs of a live resource: ids that the server picked, ARNs, URLs.
pub type Outputs = BTreeMap<String, String>;

/// A resource as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// Its settings, normalised: the same shape as the wanted spec, with every default filled in.
    pub spec: Json,
    /// Its outputs.
    pub outputs: Outputs,
    /// Its owner.
    pub owner: Owner,
}

/// The owner of a live resource, by its tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// This app's, in this env.
    Ours,
    /// Somebody else's: what its tags say of the owner, or "untagged".
    Other(String),
}
