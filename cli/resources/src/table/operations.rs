//! The calls that create, read, change and delete a table, and the IAM actions that they need.

use hitctl_config::names;

use crate::operation::{Operation, PolicyScope};

/// The tables of counts and of visitors.
pub(crate) const TABLES: PolicyScope = PolicyScope::new("Tables", |parts| {
    vec![
        parts.location.table_arn(&names::table(parts.app, parts.env)),
        parts.location.table_arn(&names::seen_table(parts.app, parts.env)),
    ]
});

/// The calls, sorted by name.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::new(
        "dynamodb:CreateTable",
        &[("dynamodb:CreateTable", TABLES), ("dynamodb:TagResource", TABLES)],
    ),
    Operation::new("dynamodb:DeleteTable", &[("dynamodb:DeleteTable", TABLES)]),
    Operation::new("dynamodb:DescribeContinuousBackups", &[("dynamodb:DescribeContinuousBackups", TABLES)]),
    Operation::new("dynamodb:DescribeTable", &[("dynamodb:DescribeTable", TABLES)]),
    Operation::new("dynamodb:DescribeTimeToLive", &[("dynamodb:DescribeTimeToLive", TABLES)]),
    Operation::new("dynamodb:ListTagsOfResource", &[("dynamodb:ListTagsOfResource", TABLES)]),
    Operation::new("dynamodb:TagResource", &[("dynamodb:TagResource", TABLES)]),
    Operation::new("dynamodb:UpdateContinuousBackups", &[("dynamodb:UpdateContinuousBackups", TABLES)]),
    Operation::new("dynamodb:UpdateTable", &[("dynamodb:UpdateTable", TABLES)]),
    Operation::new("dynamodb:UpdateTimeToLive", &[("dynamodb:UpdateTimeToLive", TABLES)]),
];
