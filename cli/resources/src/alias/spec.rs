//! The settings of the alias: a name for one published version of the function.

use std::collections::BTreeMap;

use hitctl_engine::SpecValue;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;

/// An alias of the function, and the release of the version to which the alias points. The resource's name contains
/// the name of the function: `hits-prod:live`. An alias has no tags; it is ours if its function is ours.
///
/// Outputs: `version`, the number of that version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AliasSpec {
    /// The name of the function.
    pub function_name: SpecValue<String>,
    /// The short hash of the version's code and configuration, which is stored as the version's description.
    pub release: String,
    /// The fractions of the requests that other versions receive, by version number. We never set weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<BTreeMap<String, f64>>,
    /// The id of the role for which the version was published, if the version records it. A version whose role was
    /// deleted cannot decrypt its environment variables.
    #[serde(default)]
    pub role_id: Option<SpecValue<String>>,
}

impl AliasSpec {
    /// The name of the alias.
    pub const NAME: &'static str = "live";
    /// The number of published versions that are kept for `rollback`, including the live version.
    pub const VERSIONS_KEPT: usize = 5;
}

impl Spec for AliasSpec {
    const KIND: &'static str = "alias";
    const IMMUTABLE_FIELDS: &'static [&'static str] = &["function_name"];
    // The hash includes the values of the environment variables. With the hash, a weak value could be guessed.
    const SECRET_FIELDS: &'static [&'static str] = &["release"];
}
