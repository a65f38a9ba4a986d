//! The calls that create, read, change and delete a rule, and the IAM actions that they need.

use hitctl_config::names;

use crate::operation::{ACCOUNT, Operation, PolicyScope};

/// The rules on the default bus and on any other bus.
pub const RULES: PolicyScope = PolicyScope::new("Rules", |parts| {
    [names::rule(parts.app, parts.env), names::bucket_rule(parts.app, parts.env)]
        .iter()
        .flat_map(|name| ["default", "*"].map(|bus| parts.location.rule_arn(bus, name)))
        .collect()
});

/// The calls, sorted by name.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::new("events:DeleteRule", &[("events:DeleteRule", RULES)]),
    Operation::new("events:DescribeRule", &[("events:DescribeRule", RULES)]),
    Operation::new("events:ListEventBuses", &[("events:ListEventBuses", ACCOUNT)]),
    Operation::new("events:ListTagsForResource", &[("events:ListTagsForResource", RULES)]),
    Operation::new("events:ListTargetsByRule", &[("events:ListTargetsByRule", RULES)]),
    Operation::new("events:PutRule", &[("events:PutRule", RULES), ("events:TagResource", RULES)]),
    Operation::new("events:PutTargets", &[("events:PutTargets", RULES)]),
    Operation::new("events:RemoveTargets", &[("events:RemoveTargets", RULES)]),
    Operation::new("events:TagResource", &[("events:TagResource", RULES)]),
];
