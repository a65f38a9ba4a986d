//! Calls of AWS services, the IAM actions that they need, and the ARNs that a policy allows them on.

use std::cmp::Ordering;

use hitctl_config::Location;
use serde_json::Value as Json;

/// The names that ARNs are derived from.
#[derive(Clone, Copy, Debug)]
pub struct Naming<'a> {
    /// The name of the app.
    pub app: &'a str,
    /// The name of the environment.
    pub env: &'a str,
    /// The partition, region and account. Unknown parts are `*`.
    pub location: Location<'a>,
    /// The id of the `CloudFront` distribution, if one is configured.
    pub distribution: Option<&'a str>,
}

/// The resources that actions are allowed on: one statement of a policy.
#[derive(Clone, Copy, Debug)]
pub struct PolicyScope {
    /// The id of the statement.
    pub sid: &'static str,
    /// Returns the ARNs. If there are none, the policy has no such statement.
    pub arns: fn(&Naming<'_>) -> Vec<String>,
    /// Returns the condition of the statement.
    pub condition: Option<fn(&Naming<'_>) -> Json>,
}

impl PolicyScope {
    /// Creates a scope without a condition.
    pub const fn new(sid: &'static str, arns: fn(&Naming<'_>) -> Vec<String>) -> Self {
        Self { sid, arns, condition: None }
    }

    /// Adds a condition.
    #[must_use]
    pub const fn on_condition(self, condition: fn(&Naming<'_>) -> Json) -> Self {
        Self { condition: Some(condition), ..self }
    }
}

impl PartialEq for PolicyScope {
    fn eq(&self, other: &Self) -> bool {
        self.sid == other.sid
    }
}

impl Eq for PolicyScope {}

impl PartialOrd for PolicyScope {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PolicyScope {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sid.cmp(other.sid)
    }
}

/// An IAM action, and the resources that it is needed on.
pub type RequiredAction = (&'static str, PolicyScope);

/// A call and the IAM actions that it needs, including those for tags in a creation. The call's name is that
/// of AWS's service models. The actions are those of AWS's service authorization reference; API Gateway's are
/// HTTP methods.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// The service's signing name and the operation: `lambda:CreateFunction`.
    pub name: &'static str,
    /// The IAM actions and their resources.
    pub needs: &'static [RequiredAction],
}

impl Operation {
    /// Creates an operation.
    pub const fn new(name: &'static str, needs: &'static [RequiredAction]) -> Self {
        Self { name, needs }
    }
}

/// The scope of calls that no ARN restricts: account settings and lists.
pub const ACCOUNT: PolicyScope = PolicyScope::new("Account", |_| vec!["*".to_owned()]);
