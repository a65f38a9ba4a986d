//! The settings of a permission: a statement in the function's policy that lets the HTTP API or a rule invoke
//! it.

use hitctl_engine::SpecValue;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;

/// A statement of the function's resource-based policy. Its name is the statement id. It takes no tags; it is
/// ours if it has that id and the function is ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PermissionSpec {
    /// The name of the function.
    pub function_name: SpecValue<String>,
    /// The alias that may be invoked; `None` for the function's latest state (`$LATEST`). Each has its own
    /// policy.
    #[serde(default)]
    pub qualifier: Option<SpecValue<String>>,
    /// The service that may invoke: `apigateway.amazonaws.com` or `events.amazonaws.com`.
    pub principal: String,
    /// The ARN of the caller: any route of the HTTP API, or the rule.
    pub source_arn: SpecValue<String>,
    /// The account of the caller. `None` for rules: their calls do not have it, so Lambda would refuse them.
    #[serde(default)]
    pub source_account: Option<String>,
}

impl Spec for PermissionSpec {
    const KIND: &'static str = "permission";
    // A statement can only be removed and added. If only the account differs, it is replaced without a gap,
    // so that no call is refused meanwhile.
    const IMMUTABLE_FIELDS: &'static [&'static str] =
        &["function_name", "qualifier", "principal", "source_arn"];
}
