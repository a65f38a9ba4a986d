//! A statement in the function's own policy that lets the HTTP API, or a rule, call it.

use hitctl_engine::Value;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;

/// A statement of the function's resource-based policy. Its name is the statement id; it takes no tags, and is ours by
/// that id inside a function that is ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PermissionSpec {
    /// The function that may be called, by name.
    pub function_name: Value<String>,
    /// The alias that may be called; `None` is the function as it was last changed. Each has a policy of its own.
    #[serde(default)]
    pub qualifier: Option<Value<String>>,
    /// Who may call: `apigateway.amazonaws.com` or `events.amazonaws.com`.
    pub principal: String,
    /// What it may call for: any route of the HTTP API, or the rule.
    pub source_arn: Value<String>,
    /// The account that this must be in; `None` for rules, whose calls do not say it, so that Lambda would refuse them.
    #[serde(default)]
    pub source_account: Option<String>,
}

impl Spec for PermissionSpec {
    const KIND: &'static str = "permission";
    // A statement cannot be changed, only removed and added. What may call stays the same when the account alone differs, so
    // that nobody may be refused in between.
    const REPLACE_ON: &'static [&'static str] = &["function_name", "qualifier", "principal", "source_arn"];
}
