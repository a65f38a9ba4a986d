//! The calls that create, read, change and delete a role, and the IAM actions that they need.

use hitctl_config::names;
use serde_json::{Value as Json, json};

use crate::operation::{Naming, Operation, PolicyScope};

/// The functions' roles with their temporary roles, and the HTTP API's role for sending hits to the queue.
pub(crate) const ROLE: PolicyScope = PolicyScope::new("Role", |n| {
    let ingest = n.location.role_arn(&names::ingest_role(n.app, n.env));
    function_roles(n).iter().map(|name| n.location.role_arn(name)).chain([ingest]).collect()
});

/// Any role of the account, for reading its owner.
pub(crate) const ANY_ROLE: PolicyScope = PolicyScope::new("AnyRole", |n| vec![n.location.role_arn("*")]);

/// The HTTP API's role, which may be passed to API Gateway only.
pub(crate) const ROLE_FOR_API: PolicyScope =
    PolicyScope::new("RoleForApi", |n| vec![n.location.role_arn(&names::ingest_role(n.app, n.env))])
        .on_condition(|_| passed_to("apigateway.amazonaws.com"));

/// The functions' roles, which may be passed to Lambda only.
pub(crate) const ROLE_FOR_LAMBDA: PolicyScope = PolicyScope::new("RoleForLambda", |n| {
    function_roles(n).iter().map(|name| n.location.role_arn(name)).collect()
})
.on_condition(|_| passed_to("lambda.amazonaws.com"));

fn passed_to(service: &str) -> Json {
    json!({ "StringEquals": { "iam:PassedToService": service } })
}

/// Returns the names of the functions' roles and of the temporary roles that renew their KMS grants.
fn function_roles(n: &Naming<'_>) -> [String; 4] {
    let (function, reader) = (names::function(n.app, n.env), names::reader(n.app, n.env));
    [names::role(n.app, n.env), reader.clone(), names::grant_role(&function), names::grant_role(&reader)]
}

/// The calls, by name.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::new("iam:CreateRole", &[("iam:CreateRole", ROLE), ("iam:TagRole", ROLE)]),
    Operation::new("iam:DeleteRole", &[("iam:DeleteRole", ROLE)]),
    Operation::new("iam:DeleteRolePolicy", &[("iam:DeleteRolePolicy", ROLE)]),
    Operation::new("iam:DetachRolePolicy", &[("iam:DetachRolePolicy", ROLE)]),
    Operation::new("iam:GetRole", &[("iam:GetRole", ROLE)]),
    // `gc` and `status --all` look up the region of a role.
    Operation::new("iam:GetRolePolicy", &[("iam:GetRolePolicy", ANY_ROLE)]),
    Operation::new("iam:ListAttachedRolePolicies", &[("iam:ListAttachedRolePolicies", ROLE)]),
    Operation::new("iam:ListRolePolicies", &[("iam:ListRolePolicies", ROLE)]),
    Operation::new("iam:ListRoleTags", &[("iam:ListRoleTags", ANY_ROLE)]),
    Operation::new("iam:PutRolePolicy", &[("iam:PutRolePolicy", ROLE)]),
    Operation::new("iam:TagRole", &[("iam:TagRole", ROLE)]),
    Operation::new("iam:UpdateAssumeRolePolicy", &[("iam:UpdateAssumeRolePolicy", ROLE)]),
];
