//! The calls that create, read, change and delete a function URL, and the IAM actions that they need.

use crate::function::operations::FUNCTION;
use crate::operation::Operation;

/// The calls, sorted by name.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::new("lambda:AddPermission", &[("lambda:AddPermission", FUNCTION)]),
    Operation::new("lambda:CreateFunctionUrlConfig", &[("lambda:CreateFunctionUrlConfig", FUNCTION)]),
    Operation::new("lambda:DeleteFunctionUrlConfig", &[("lambda:DeleteFunctionUrlConfig", FUNCTION)]),
    Operation::new("lambda:GetFunctionUrlConfig", &[("lambda:GetFunctionUrlConfig", FUNCTION)]),
    Operation::new("lambda:GetPolicy", &[("lambda:GetPolicy", FUNCTION)]),
    Operation::new("lambda:ListFunctionUrlConfigs", &[("lambda:ListFunctionUrlConfigs", FUNCTION)]),
    Operation::new("lambda:RemovePermission", &[("lambda:RemovePermission", FUNCTION)]),
    Operation::new("lambda:UpdateFunctionUrlConfig", &[("lambda:UpdateFunctionUrlConfig", FUNCTION)]),
];
