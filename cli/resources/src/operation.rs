//! Calls of AWS's services, the IAM actions that they need, and the ARNs that these are allowed on.

use std::cmp::Ordering;

use hitctl_config::Location;
use serde_json::Value as Json;

/// The names that ARNs are computed from.
#[derive(Clone, Copy, Debug)]
pub struct Naming<'a> {
    /// The app.
    pub app: &'a str,
    /// The environment.
    pub env: &'a str,
    /// The partition, region and account. Parts that are not known are `*`.
    pub location: Location<'a>,
    /// The id of the `CloudFront` distribution, where one is configured.
    pub distribution: Option<&'a str>,
}

/// The resources that actions are allowed on: one statement of a policy.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// The id of the statement.
    pub sid: &'static str,
    /// Returns the ARNs. Without any, the statement is left out.
    pub arns: fn(&Naming<'_>) -> Vec<String>,
    /// Returns the condition of the statement.
    pub condition: Option<fn(&Naming<'_>) -> Json>,
}

impl Scope {
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

impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        self.sid == other.sid
    }
}

impl Eq for Scope {}

impl PartialOrd for Scope {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scope {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sid.cmp(other.sid)
    }
}

/// An action, as IAM names it, and the resources that it is needed on.
pub type Need = (&'static str, Scope);

/// A call, named as in AWS's service models, and the IAM actions that it needs: those of tags that are given on creation too.
/// The actions are those of AWS's service authorization reference, where API Gateway's are HTTP methods.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// The service as it is signed for, and the operation: `lambda:CreateFunction`.
    pub name: &'static str,
    /// The actions and the resources.
    pub needs: &'static [Need],
}

impl Operation {
    /// Creates an operation.
    pub const fn new(name: &'static str, needs: &'static [Need]) -> Self {
        Self { name, needs }
    }
}

/// The scope of calls that no ARN narrows: account settings and lists.
pub const ACCOUNT: Scope = Scope::new("Account", |_| vec!["*".to_owned()]);
