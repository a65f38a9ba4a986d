//! The settings of the alias: a name for one published version, switched in one step.

use std::collections::BTreeMap;

use hitctl_engine::SpecValue;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;

/// An alias of the function, and the release that the version behind it was published for. Its name contains
/// the function's, as in `hits-prod:live`. It takes no tags; it is ours if its function is ours.
///
/// Outputs: `version`, the number of the version behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AliasSpec {
    /// The name of the function.
    pub function_name: SpecValue<String>,
    /// The short hash of the version's code and configuration; it is the version's description.
    pub release: String,
    /// The fractions of the requests that other versions get, by version number. None are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<BTreeMap<String, f64>>,
    /// The id of the role that the version was published for, if the version has it. A version whose role was
    /// deleted cannot decrypt its environment.
    #[serde(default)]
    pub role_id: Option<SpecValue<String>>,
}

impl AliasSpec {
    /// The name of the alias.
    pub const NAME: &'static str = "live";
    /// The number of published versions that are kept, including the live one. `rollback` can go back to
    /// these.
    pub const VERSIONS_KEPT: usize = 5;
}

impl Spec for AliasSpec {
    const KIND: &'static str = "alias";
    const IMMUTABLE_FIELDS: &'static [&'static str] = &["function_name"];
    // The hash covers the environment's values: whoever saw it could try out a weak one.
    const SECRET_FIELDS: &'static [&'static str] = &["release"];
}
