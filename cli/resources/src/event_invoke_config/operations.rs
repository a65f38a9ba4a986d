//! The calls that create, read, change and delete the settings of asynchronous invocations, and the IAM actions that
//! they need.

use crate::function::operations::FUNCTION;
use crate::operation::Operation;

/// The calls, sorted by name.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::new(
        "lambda:DeleteFunctionEventInvokeConfig",
        &[("lambda:DeleteFunctionEventInvokeConfig", FUNCTION)],
    ),
    Operation::new(
        "lambda:GetFunctionEventInvokeConfig",
        &[("lambda:GetFunctionEventInvokeConfig", FUNCTION)],
    ),
    Operation::new(
        "lambda:PutFunctionEventInvokeConfig",
        &[("lambda:PutFunctionEventInvokeConfig", FUNCTION)],
    ),
];
