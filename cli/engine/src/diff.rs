//! Compares what is live with what is wanted: generic, on plain data, with no opinion of any kind of resource.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// What stands for a value that the server picks during the deploy.
pub const UNKNOWN: &str = "(known after deploy)";

/// One field that differs, fit for being shown: secret values are hashes here already.
///
/// Serialises as `{"field","old","new"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldDiff {
    /// The path of the field: `memory_mb`, `cors.allow_origins`, `environment["odd.key"]`.
    pub field: String,
    /// What it is; null when it is not set.
    pub old: Json,
    /// What it shall be; null when it is to be unset, [`UNKNOWN`] in the place of what is not known yet.
    pub new: Json,
    /// Whether `new` (or a part of it) is known only after the deploy.
    #[serde(skip)]
    pub unknown: bool,
}

/// The fields in which `want` differs from `have`, by path. `secret` names the fields (with all below them) whose
/// values are replaced by a short hash.
pub fn diff(have: &Json, want: &Json, secret: &[String]) -> Vec<FieldDiff> {
    todo!("{have} {want} {secret:?}")
}
