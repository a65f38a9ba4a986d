//! The calls that create, read, change and delete an event source mapping, and the IAM actions that they need.

use serde_json::json;

use crate::function::operations::FUNCTION;
use crate::operation::{ACCOUNT, Operation, PolicyScope};

/// The event source mappings of the function, for calls that change them. AWS chooses the ids of mappings, so the
/// policy restricts the calls by the function, with the condition key `lambda:FunctionArn` (service authorization
/// reference of Lambda).
pub(crate) const MAPPINGS: PolicyScope = PolicyScope::new("Mappings", |_| vec!["*".to_owned()])
    .with_condition(|parts| json!({ "ArnLike": { "lambda:FunctionArn": (FUNCTION.arns)(parts) } }));

/// All event source mappings by ARN, for calls that read or tag them. A condition on the function would deny these
/// calls.
pub(crate) const MAPPING_ARNS: PolicyScope =
    PolicyScope::new("MappingArns", |parts| vec![parts.location.arn("lambda", "event-source-mapping:*")]);

/// The calls, sorted by name.
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
