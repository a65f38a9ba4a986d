//! The calls that create, read, change and delete a log group, and the IAM actions that they need.

use hitctl_config::names;

use crate::operation::{ACCOUNT, Operation, PolicyScope};

/// The log group in both forms of its ARN. Actions on tags use the form without `:*`.
pub const LOG_GROUP: PolicyScope = PolicyScope::new("LogGroup", |parts| {
    let arn = parts.location.log_group_arn(&names::log_group(parts.app, parts.env));
    vec![format!("{arn}:*"), arn]
});

/// The calls, sorted by name.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::new(
        "logs:CreateLogGroup",
        &[("logs:CreateLogGroup", LOG_GROUP), ("logs:TagResource", LOG_GROUP)],
    ),
    Operation::new("logs:DeleteLogGroup", &[("logs:DeleteLogGroup", LOG_GROUP)]),
    Operation::new("logs:DescribeLogGroups", &[("logs:DescribeLogGroups", ACCOUNT)]),
    Operation::new("logs:ListTagsForResource", &[("logs:ListTagsForResource", LOG_GROUP)]),
    Operation::new("logs:PutRetentionPolicy", &[("logs:PutRetentionPolicy", LOG_GROUP)]),
    Operation::new("logs:TagResource", &[("logs:TagResource", LOG_GROUP)]),
];
