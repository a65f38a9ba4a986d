//! The calls that create, read, change and delete an event source mapping, and the IAM actions that they need.

use serde_json::json;

use crate::function::operations::FUNCTION;
use crate::operation::{ACCOUNT, Operation, Scope};

/// The event source mappings of the function, where they are changed. AWS picks their ids, so that they are recognised by
/// their function: by the key `lambda:FunctionArn` (service authorization reference of Lambda).
pub(crate) const MAPPINGS: Scope = Scope::new("Mappings", |_| vec!["*".to_owned()])
    .on_condition(|n| json!({ "ArnLike": { "lambda:FunctionArn": (FUNCTION.arns)(n) } }));

/// Event source mappings where they are read or tagged, by their own ARN: a condition on the function would refuse that.
pub(crate) const MAPPING_ARNS: Scope =
    Scope::new("MappingArns", |n| vec![n.location.arn("lambda", "event-source-mapping:*")]);

/// The calls, by name.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::new(
        "lambda:CreateEventSourceMapping",
        &[("lambda:CreateEventSourceMapping", MAPPINGS), ("lambda:TagResource", MAPPING_ARNS)],
    ),
    Operation::new("lambda:DeleteEventSourceMapping", &[("lambda:DeleteEventSourceMapping", MAPPINGS)]),
    Operation::new("lambda:GetEventSourceMapping", &[("lambda:GetEventSourceMapping", MAPPING_ARNS)]),
    Operation::new("lambda:ListEventSourceMappings", &[("lambda:ListEventSourceMappings", ACCOUNT)]),
    Operation::new("lambda:ListTags", &[("lambda:ListTags", MAPPING_ARNS)]),
    Operation::new("lambda:TagResource", &[("lambda:TagResource", MAPPING_ARNS)]),
    Operation::new("lambda:UpdateEventSourceMapping", &[("lambda:UpdateEventSourceMapping", MAPPINGS)]),
];
