//! The calls that create, read, change and delete a function, and the IAM actions that they need.

use hitctl_config::names;

use crate::operation::{Operation, PolicyScope};
use crate::role::operations::ROLE_FOR_LAMBDA;

/// The functions, their versions and aliases, and the function copy that `tune` measures.
pub const FUNCTION: PolicyScope = PolicyScope::new("Function", |parts| {
    let arn = parts.location.function_arn(&names::function(parts.app, parts.env));
    let reader = parts.location.function_arn(&names::reader(parts.app, parts.env));
    let tuned = names::tuned_function(parts.app, parts.env).map(|name| parts.location.function_arn(&name));
    let ours = [format!("{arn}:*"), arn, format!("{reader}:*"), reader];
    ours.into_iter().chain(tuned).collect()
});

/// The calls, sorted by name.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::new(
        "lambda:CreateFunction",
        &[
            ("iam:PassRole", ROLE_FOR_LAMBDA),
            ("lambda:CreateFunction", FUNCTION),
            ("lambda:TagResource", FUNCTION),
        ],
    ),
    Operation::new("lambda:DeleteFunction", &[("lambda:DeleteFunction", FUNCTION)]),
    Operation::new("lambda:DeleteFunctionConcurrency", &[("lambda:DeleteFunctionConcurrency", FUNCTION)]),
    // Its response contains the tags only if the caller may list them.
    Operation::new("lambda:GetFunction", &[("lambda:GetFunction", FUNCTION), ("lambda:ListTags", FUNCTION)]),
    Operation::new("lambda:GetFunctionConfiguration", &[("lambda:GetFunctionConfiguration", FUNCTION)]),
    Operation::new("lambda:ListTags", &[("lambda:ListTags", FUNCTION)]),
    Operation::new("lambda:PutFunctionConcurrency", &[("lambda:PutFunctionConcurrency", FUNCTION)]),
    Operation::new("lambda:TagResource", &[("lambda:TagResource", FUNCTION)]),
    Operation::new("lambda:UpdateFunctionCode", &[("lambda:UpdateFunctionCode", FUNCTION)]),
    Operation::new(
        "lambda:UpdateFunctionConfiguration",
        &[("iam:PassRole", ROLE_FOR_LAMBDA), ("lambda:UpdateFunctionConfiguration", FUNCTION)],
    ),
];
