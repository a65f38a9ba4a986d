//! The settings of a permission: a statement in the function's policy that lets the HTTP API or a rule invoke the
//! function.

use hitctl_engine::SpecValue;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;

/// A statement in the function's resource-based policy. The resource's name is the statement id. A statement has no
/// tags; it is ours if it has our id and the function is ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PermissionSpec {
    /// The name of the function.
    pub function_name: SpecValue<String>,
    /// The alias that may be invoked; `None` for the function's latest state (`$LATEST`). The alias and the function
    /// each have their own policy.
    #[serde(default)]
    pub qualifier: Option<SpecValue<String>>,
    /// The service that may invoke the function: `apigateway.amazonaws.com` or `events.amazonaws.com`.
    pub principal: String,
    /// The ARN of the caller: any route of the HTTP API, or the rule.
    pub source_arn: SpecValue<String>,
    /// The account of the caller. `None` for rules: their calls do not name an account, so Lambda would reject them.
    #[serde(default)]
    pub source_account: Option<String>,
}

impl Spec for PermissionSpec {
    const KIND: &'static str = "permission";
    // A statement cannot be changed, only removed and added. `source_account` is not listed here: the driver's
    // `update` changes it without a gap, so that no call is rejected meanwhile.
    const IMMUTABLE_FIELDS: &'static [&'static str] =
        &["function_name", "qualifier", "principal", "source_arn"];
}
