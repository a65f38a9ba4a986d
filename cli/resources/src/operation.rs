//! AWS API operations, the IAM actions that they require, and the resource ARNs to which a policy allows them.

use std::cmp::Ordering;

use hitctl_config::Location;
use serde_json::Value as Json;

/// The values from which ARNs are built.
#[derive(Clone, Copy, Debug)]
pub struct ArnParts<'a> {
    /// The name of the app.
    pub app: &'a str,
    /// The name of the environment.
    pub env: &'a str,
    /// The partition, region and account. Unknown parts are `*`.
    pub location: Location<'a>,
    /// The id of the `CloudFront` distribution, if one is configured.
    pub distribution: Option<&'a str>,
}

/// The resources on which actions are allowed. A policy has one statement per scope.
#[derive(Clone, Copy, Debug)]
pub struct PolicyScope {
    /// The id of the statement.
    pub sid: &'static str,
    /// Returns the ARNs. If there are none, the policy has no such statement.
    pub arns: fn(&ArnParts<'_>) -> Vec<String>,
    /// Returns the condition of the statement, if it has one.
    pub condition: Option<fn(&ArnParts<'_>) -> Json>,
}

impl PolicyScope {
    /// Creates a scope without a condition.
    pub const fn new(sid: &'static str, arns: fn(&ArnParts<'_>) -> Vec<String>) -> Self {
        Self { sid, arns, condition: None }
    }

    /// Adds a condition.
    #[must_use]
    pub const fn with_condition(self, condition: fn(&ArnParts<'_>) -> Json) -> Self {
        Self { condition: Some(condition), ..self }
    }
}

// Scopes are compared by their ids, because functions cannot be compared.
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

/// An IAM action, and the resources on which it is needed.
pub type RequiredAction = (&'static str, PolicyScope);

/// An AWS API operation and the IAM actions that it requires, including those for tagging a resource when it is
/// created. The operation's name is from AWS's service models. The actions are from AWS's service authorization
/// reference; for API Gateway an action is an HTTP method, such as `apigateway:POST`.
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

/// The scope of actions that IAM cannot restrict to a resource (`"Resource": "*"`), such as account settings and
/// lists.
pub const ACCOUNT: PolicyScope = PolicyScope::new("Account", |_| vec!["*".to_owned()]);
