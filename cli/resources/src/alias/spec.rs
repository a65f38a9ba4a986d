//! The alias that traffic goes to: a name for one published version, switched in one step.

use std::collections::BTreeMap;

use hitctl_engine::Value;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;

/// An alias of the function, and the release that the version behind it was published for. Its name is that of the function
/// and its own, as in `hits-prod:live`. It takes no tags, and is ours by belonging to a function that is ours.
///
/// Outputs: `version`, the number of the version behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AliasSpec {
    /// The function, by name.
    pub function_name: Value<String>,
    /// Code and configuration of the version, as a short hash; it is the version's description.
    pub release: String,
    /// Shares of the requests that go to other versions, by number; none are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<BTreeMap<String, f64>>,
    /// The id of the role that the version was published for, where it says so. A version of a role that was deleted cannot
    /// decrypt its environment.
    #[serde(default)]
    pub role_id: Option<Value<String>>,
}

impl AliasSpec {
    /// What the alias is called.
    pub const NAME: &'static str = "live";
    /// So many published versions are kept, the one behind the alias among them: what `rollback` can go back to.
    pub const VERSIONS_KEPT: usize = 5;
}

impl Spec for AliasSpec {
    const KIND: &'static str = "alias";
    const REPLACE_ON: &'static [&'static str] = &["function_name"];
    // The environment's values are in the hash: whoever saw it could try out a weak one.
    const SECRET: &'static [&'static str] = &["release"];
}
