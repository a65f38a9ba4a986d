//! The calls that create, read, change and delete an HTTP API, and the IAM actions that they need.

use crate::operation::{Operation, PolicyScope};
use crate::role::operations::ROLE_FOR_API;

/// The HTTP APIs of the region. AWS chooses their ids, so the scope cannot be narrower.
pub(crate) const APIS: PolicyScope = PolicyScope::new("Apis", |parts| {
    vec![parts.location.api_gateway_arn("/apis"), parts.location.api_gateway_arn("/apis/*")]
});

/// The tags of HTTP APIs.
pub(crate) const API_TAGS: PolicyScope =
    PolicyScope::new("ApiTags", |parts| vec![parts.location.api_gateway_arn("/tags/*")]);

/// The calls, sorted by name.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::new("apigateway:CreateApi", &[("apigateway:POST", APIS), ("apigateway:POST", API_TAGS)]),
    Operation::new(
        "apigateway:CreateIntegration",
        &[("apigateway:POST", APIS), ("iam:PassRole", ROLE_FOR_API)],
    ),
    Operation::new("apigateway:CreateRoute", &[("apigateway:POST", APIS)]),
    Operation::new("apigateway:CreateStage", &[("apigateway:POST", APIS), ("apigateway:POST", API_TAGS)]),
    Operation::new("apigateway:DeleteApi", &[("apigateway:DELETE", APIS)]),
    Operation::new("apigateway:DeleteIntegration", &[("apigateway:DELETE", APIS)]),
    Operation::new("apigateway:DeleteRoute", &[("apigateway:DELETE", APIS)]),
    Operation::new("apigateway:DeleteRouteSettings", &[("apigateway:DELETE", APIS)]),
    Operation::new("apigateway:GetApis", &[("apigateway:GET", APIS)]),
    Operation::new("apigateway:GetIntegrations", &[("apigateway:GET", APIS)]),
    Operation::new("apigateway:GetRoutes", &[("apigateway:GET", APIS)]),
    Operation::new("apigateway:GetStage", &[("apigateway:GET", APIS)]),
    Operation::new("apigateway:GetTags", &[("apigateway:GET", API_TAGS)]),
    Operation::new("apigateway:TagResource", &[("apigateway:POST", API_TAGS)]),
    Operation::new("apigateway:UpdateApi", &[("apigateway:PATCH", APIS)]),
    Operation::new(
        "apigateway:UpdateIntegration",
        &[("apigateway:PATCH", APIS), ("iam:PassRole", ROLE_FOR_API)],
    ),
    Operation::new("apigateway:UpdateRoute", &[("apigateway:PATCH", APIS)]),
    Operation::new("apigateway:UpdateStage", &[("apigateway:PATCH", APIS)]),
];
