//! The calls that create, read, change and delete a role, and the IAM actions that they need.

use hitctl_config::names;
use serde_json::{Value as Json, json};

use crate::operation::{ArnParts, Operation, PolicyScope};

/// The functions' roles with their temporary roles, and the HTTP API's role for sending hits to the queue.
pub(crate) const ROLE: PolicyScope = PolicyScope::new("Role", |parts| {
    let ingest = parts.location.role_arn(&names::ingest_role(parts.app, parts.env));
    function_roles(parts).iter().map(|name| parts.location.role_arn(name)).chain([ingest]).collect()
});

/// All roles of the account, for calls that determine the owner and the region of a role.
pub(crate) const ANY_ROLE: PolicyScope =
    PolicyScope::new("AnyRole", |parts| vec![parts.location.role_arn("*")]);

/// The HTTP API's role, which may be passed to API Gateway only.
pub(crate) const ROLE_FOR_API: PolicyScope = PolicyScope::new("RoleForApi", |parts| {
    vec![parts.location.role_arn(&names::ingest_role(parts.app, parts.env))]
})
.with_condition(|_| passed_to("apigateway.amazonaws.com"));

/// The functions' roles, which may be passed to Lambda only.
pub(crate) const ROLE_FOR_LAMBDA: PolicyScope = PolicyScope::new("RoleForLambda", |parts| {
    function_roles(parts).iter().map(|name| parts.location.role_arn(name)).collect()
})
.with_condition(|_| passed_to("lambda.amazonaws.com"));

fn passed_to(service: &str) -> Json {
    json!({ "StringEquals": { "iam:PassedToService": service } })
}

/// Returns the names of the functions' roles and of the temporary roles that renew their KMS grants.
fn function_roles(parts: &ArnParts<'_>) -> [String; 4] {
    let (function, reader) = (names::function(parts.app, parts.env), names::reader(parts.app, parts.env));
    [
        names::role(parts.app, parts.env),
        reader.clone(),
        names::grant_role(&function),
        names::grant_role(&reader),
    ]
}

/// The calls, sorted by name.
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
