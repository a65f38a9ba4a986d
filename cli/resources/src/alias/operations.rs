//! The calls that create, read, change and delete an alias, and the IAM actions that they need.

use crate::function::operations::FUNCTION;
use crate::operation::Operation;

/// The calls, sorted by name.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::new("lambda:CreateAlias", &[("lambda:CreateAlias", FUNCTION)]),
    Operation::new("lambda:DeleteAlias", &[("lambda:DeleteAlias", FUNCTION)]),
    Operation::new("lambda:GetAlias", &[("lambda:GetAlias", FUNCTION)]),
    Operation::new("lambda:ListAliases", &[("lambda:ListAliases", FUNCTION)]),
    Operation::new("lambda:ListVersionsByFunction", &[("lambda:ListVersionsByFunction", FUNCTION)]),
    Operation::new("lambda:PublishVersion", &[("lambda:PublishVersion", FUNCTION)]),
    Operation::new("lambda:UpdateAlias", &[("lambda:UpdateAlias", FUNCTION)]),
];
