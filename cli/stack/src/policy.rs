//! Generates the IAM policies of the deployer and of the roles. Pure: printing them needs no credentials.
//!
//! Each kind of resource declares its API operations. This module adds the operations of commands that belong to no kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use hitctl_config::names;
use hitctl_resources::scopes::{ACCOUNT, FUNCTION, LOG_GROUP, QUEUES};
use hitctl_resources::{ArnParts, CloudLocation, Operation, PolicyScope, REGISTRY, RolePermission};
use serde_json::{Value as Json, json};

pub use hitctl_resources::OperationNeeds;

/// The event buses to which `emit` sends events: any bus, because the user chooses it.
const BUSES: PolicyScope =
    PolicyScope::new("Buses", |parts| vec![parts.location.arn("events", "event-bus/*")]);

/// The items of the table of counts. Only the function accesses the items of the table of visitors.
const TABLE: PolicyScope =
    PolicyScope::new("Table", |parts| vec![parts.location.table_arn(&names::table(parts.app, parts.env))]);

/// The `CloudFront` distribution, if one is configured.
const DISTRIBUTION: PolicyScope = PolicyScope::new("Distribution", |parts| {
    parts.distribution.iter().map(|id| parts.location.distribution_arn(id)).collect()
});

/// The API operations of commands that belong to no kind of resource, sorted by name.
const COMMAND_OPERATIONS: &[Operation] = &[
    Operation::new("cloudfront:CreateInvalidation", &[("cloudfront:CreateInvalidation", DISTRIBUTION)]),
    Operation::new("cloudfront:GetDistribution", &[("cloudfront:GetDistribution", DISTRIBUTION)]),
    Operation::new("cloudfront:GetInvalidation", &[("cloudfront:GetInvalidation", DISTRIBUTION)]),
    Operation::new("dynamodb:BatchGetItem", &[("dynamodb:BatchGetItem", TABLE)]),
    Operation::new("dynamodb:DeleteItem", &[("dynamodb:DeleteItem", TABLE)]),
    Operation::new("dynamodb:DescribeLimits", &[("dynamodb:DescribeLimits", ACCOUNT)]),
    Operation::new("dynamodb:GetItem", &[("dynamodb:GetItem", TABLE)]),
    Operation::new("dynamodb:PutItem", &[("dynamodb:PutItem", TABLE)]),
    Operation::new("dynamodb:Scan", &[("dynamodb:Scan", TABLE)]),
    // A transaction needs the permissions for its individual writes.
    Operation::new(
        "dynamodb:TransactWriteItems",
        &[("dynamodb:DeleteItem", TABLE), ("dynamodb:PutItem", TABLE), ("dynamodb:UpdateItem", TABLE)],
    ),
    Operation::new("dynamodb:UpdateItem", &[("dynamodb:UpdateItem", TABLE)]),
    Operation::new("events:PutEvents", &[("events:PutEvents", BUSES)]),
    Operation::new("iam:ListRoles", &[("iam:ListRoles", ACCOUNT)]),
    Operation::new("lambda:GetAccountSettings", &[("lambda:GetAccountSettings", ACCOUNT)]),
    Operation::new("lambda:Invoke", &[("lambda:InvokeFunction", FUNCTION)]),
    Operation::new("logs:FilterLogEvents", &[("logs:FilterLogEvents", LOG_GROUP)]),
    Operation::new("sqs:ChangeMessageVisibilityBatch", &[("sqs:ChangeMessageVisibility", QUEUES)]),
    Operation::new("sqs:DeleteMessageBatch", &[("sqs:DeleteMessage", QUEUES)]),
    Operation::new("sqs:PurgeQueue", &[("sqs:PurgeQueue", QUEUES)]),
    Operation::new("sqs:ReceiveMessage", &[("sqs:ReceiveMessage", QUEUES)]),
    Operation::new("sqs:SendMessageBatch", &[("sqs:SendMessage", QUEUES)]),
    // This operation needs no permission and works even with an explicit deny.
    Operation::new("sts:GetCallerIdentity", &[]),
    Operation::new("tagging:GetResources", &[("tag:GetResources", ACCOUNT)]),
];

/// All API operations of all commands, sorted by name.
pub static OPERATIONS: LazyLock<Vec<OperationNeeds>> =
    LazyLock::new(|| REGISTRY.operations(COMMAND_OPERATIONS));

/// The order of the statements in a printed policy, by their ids. It does not change between releases, so that a policy that was
/// pasted elsewhere is easy to compare. Statements that are not in this list follow, sorted by id.
const STATEMENT_ORDER: &[&str] = &[
    "Apis",
    "ApiTags",
    "Function",
    "Mappings",
    "MappingArns",
    "LogGroup",
    "Buses",
    "Queues",
    "Role",
    "AnyRole",
    "RoleForApi",
    "RoleForLambda",
    "Rules",
    "Table",
    "Tables",
    "Distribution",
    "Account",
];

/// The maximum size of a managed policy, in characters without white space (IAM's guide, "IAM and AWS STS quotas").
pub const MAX_POLICY_CHARS: usize = 6_144;

/// Returns the policies that allow all commands on an app in an environment, and on a `CloudFront` distribution.
///
/// Each policy is small enough for a managed policy. Usually there is one; long names may require several, which must
/// be attached together. Unknown parts of the location are `*`.
pub fn deployer_policies(
    app: &str,
    env: &str,
    location: &CloudLocation,
    distribution: Option<&str>,
) -> Vec<Json> {
    let statements = statements(app, env, location, distribution);
    let whole = document(&statements);
    if whole.to_string().len() <= MAX_POLICY_CHARS {
        return vec![whole];
    }
    let mut parts: Vec<Vec<Json>> = Vec::new();
    for statement in statements {
        let fits = |part: &Vec<Json>| {
            let more: Vec<Json> = part.iter().chain([&statement]).cloned().collect();
            document(&more).to_string().len() <= MAX_POLICY_CHARS
        };
        match parts.iter_mut().find(|part| fits(part)) {
            Some(part) => part.push(statement),
            None => parts.push(vec![statement]),
        }
    }
    parts.iter().map(|statements| document(statements)).collect()
}

/// Returns the permissions of the deployer, with one statement per scope.
fn statements(app: &str, env: &str, location: &CloudLocation, distribution: Option<&str>) -> Vec<Json> {
    let arn_parts = ArnParts { app, env, location: location.as_location(), distribution };
    statements_for(&OPERATIONS, &arn_parts)
}

/// Returns the statements that allow the operations, with one statement per scope.
pub fn statements_for(operations: &[OperationNeeds], arn_parts: &ArnParts<'_>) -> Vec<Json> {
    let mut actions: BTreeMap<PolicyScope, BTreeSet<&str>> = BTreeMap::new();
    for (action, scope) in operations.iter().flat_map(|operation| &operation.needs) {
        actions.entry(*scope).or_default().insert(action);
    }
    let mut scopes: Vec<_> = actions.into_iter().collect();
    let position =
        |sid| STATEMENT_ORDER.iter().position(|listed| *listed == sid).unwrap_or(STATEMENT_ORDER.len());
    scopes.sort_by_key(|(scope, _)| position(scope.sid));
    let statements = scopes.into_iter().filter_map(|(scope, actions)| {
        let arns = (scope.arns)(arn_parts);
        if arns.is_empty() {
            return None;
        }
        let mut statement =
            json!({ "Sid": scope.sid, "Effect": "Allow", "Action": actions, "Resource": arns });
        if let (Some(condition), Some(fields)) = (scope.condition, statement.as_object_mut()) {
            fields.insert("Condition".to_owned(), condition(arn_parts));
        }
        Some(statement)
    });
    statements.collect()
}

/// Returns the policy of a role with the given statements.
pub fn role_policy(statements: &[RolePermission]) -> Json {
    let statement = |statement: &RolePermission| {
        json!({
            "Sid": statement.sid, "Effect": "Allow", "Action": statement.actions, "Resource": statement.resources,
        })
    };
    document(&statements.iter().map(statement).collect::<Vec<_>>())
}

fn document(statements: &[Json]) -> Json {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_location::test_location;

    #[test]
    fn operations_are_sorted_without_duplicates() {
        assert!(OPERATIONS.is_sorted_by(|a, b| a.operation < b.operation));
        for call in OPERATIONS.iter() {
            assert!(call.needs.is_sorted_by(|a, b| a < b), "{}", call.operation);
        }
    }

    /// The name of an operation is also its IAM action, with few exceptions.
    #[test]
    fn actions_equal_operation_names_except_known_ones() {
        for call in OPERATIONS.iter().filter(|call| !call.operation.starts_with("apigateway:")) {
            let own = call.needs.iter().any(|(action, _)| *action == call.operation);
            let other = matches!(
                call.operation,
                "dynamodb:TransactWriteItems"
                    // A batch operation needs the action of the single operation.
                    | "sqs:ChangeMessageVisibilityBatch"
                    | "sqs:DeleteMessageBatch"
                    | "sqs:SendMessageBatch"
                    | "lambda:Invoke"
                    | "sts:GetCallerIdentity"
                    | "tagging:GetResources"
            );
            assert!(own != other, "{}", call.operation);
        }
    }

    #[test]
    fn only_account_statement_allows_all_resources() {
        for statement in &statements("hits", "test", &test_location(), Some("E123ABC")) {
            // Resources with an id that AWS generates are restricted by a condition.
            let everything = statement["Resource"] == json!(["*"]) && statement["Condition"].is_null();
            assert_eq!(everything, statement["Sid"] == "Account", "{statement}");
            for action in statement["Action"].as_array().unwrap() {
                assert!(!action.as_str().unwrap().contains('*'), "{action}");
            }
        }
    }

    /// The longest region names of each partition.
    const REGIONS: &[(&str, &str)] = &[
        ("aws", "ap-southeast-7"),
        ("aws-cn", "cn-northwest-1"),
        ("aws-eusc", "eusc-de-east-1"),
        ("aws-iso", "us-iso-east-1"),
        ("aws-iso-b", "us-isob-east-1"),
        ("aws-iso-e", "eu-isoe-west-1"),
        ("aws-iso-f", "us-isof-south-1"),
        ("aws-us-gov", "us-gov-east-1"),
    ];

    #[test]
    fn deployer_policies_of_longest_names_fit_in_every_partition() {
        for (partition, region) in REGIONS {
            let location = CloudLocation {
                partition: (*partition).to_owned(),
                region: (*region).to_owned(),
                ..test_location()
            };
            // The longest names of apps and environments that are allowed, and the longest for which `tune` can create
            // a copy.
            for (app, env) in [("a".repeat(31), "e".repeat(32)), ("a".repeat(26), "e".repeat(32))] {
                let parts = deployer_policies(&app, &env, &location, Some("E1234567890ABC"));
                assert!(parts.len() <= 2, "{partition}: {} documents", parts.len());
                for part in &parts {
                    let chars = part.to_string().len();
                    assert!(chars <= MAX_POLICY_CHARS, "{partition}: {chars} characters");
                }
                let all = |part: &Json| part["Statement"].as_array().unwrap().clone();
                let mut together: Vec<String> =
                    parts.iter().flat_map(all).map(|statement| statement.to_string()).collect();
                let mut whole: Vec<String> = statements(&app, &env, &location, Some("E1234567890ABC"))
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                together.sort();
                whole.sort();
                assert_eq!(together, whole, "the parts contain each statement once");
            }
        }
    }

    #[test]
    fn function_condition_is_absent_from_mapping_arn_actions() {
        for statement in statements("hits", "test", &test_location(), None) {
            let actions = statement["Action"].to_string();
            if !statement["Condition"]["ArnLike"].is_null() {
                assert!(!actions.contains("Get") && !actions.contains("Tag"), "{statement}");
                assert_eq!(statement["Resource"], json!(["*"]));
            }
            if actions.contains("lambda:GetEventSourceMapping") {
                assert!(statement["Condition"].is_null(), "{statement}");
            }
        }
    }
}
