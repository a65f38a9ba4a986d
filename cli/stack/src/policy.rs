//! The policies of the deployer and of the roles. Pure: they are printed without credentials.
//!
//! Each kind of resource declares its calls. This file adds the calls of commands that belong to no kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use hitctl_config::names;
use hitctl_resources::scopes::{ACCOUNT, FUNCTION, LOG_GROUP, QUEUES};
use hitctl_resources::{Naming, Operation, Place, REGISTRY, Scope, Statement};
use serde_json::{Value as Json, json};

pub use hitctl_resources::OperationNeeds;

/// The buses that `emit` puts events on: any, since it is the user's choice.
const BUSES: Scope = Scope::new("Buses", |n| vec![n.location.arn("events", "event-bus/*")]);

/// The items of the table of counts. Those of the table of visitors are the function's alone.
const TABLE: Scope = Scope::new("Table", |n| vec![n.location.table_arn(&names::table(n.app, n.env))]);

/// The `CloudFront` distribution, where one is configured.
const DISTRIBUTION: Scope =
    Scope::new("Distribution", |n| n.distribution.iter().map(|id| n.location.distribution_arn(id)).collect());

/// The calls of commands that belong to no kind of resource, by name.
const COMMANDS: &[Operation] = &[
    Operation::new("cloudfront:CreateInvalidation", &[("cloudfront:CreateInvalidation", DISTRIBUTION)]),
    Operation::new("cloudfront:GetDistribution", &[("cloudfront:GetDistribution", DISTRIBUTION)]),
    Operation::new("cloudfront:GetInvalidation", &[("cloudfront:GetInvalidation", DISTRIBUTION)]),
    Operation::new("dynamodb:BatchGetItem", &[("dynamodb:BatchGetItem", TABLE)]),
    Operation::new("dynamodb:DeleteItem", &[("dynamodb:DeleteItem", TABLE)]),
    Operation::new("dynamodb:DescribeLimits", &[("dynamodb:DescribeLimits", ACCOUNT)]),
    Operation::new("dynamodb:GetItem", &[("dynamodb:GetItem", TABLE)]),
    Operation::new("dynamodb:PutItem", &[("dynamodb:PutItem", TABLE)]),
    Operation::new("dynamodb:Scan", &[("dynamodb:Scan", TABLE)]),
    // Authorised by what is in the transaction.
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
    // Needs no permission: it works even under an explicit deny.
    Operation::new("sts:GetCallerIdentity", &[]),
    Operation::new("tagging:GetResources", &[("tag:GetResources", ACCOUNT)]),
];

/// Every call that any command makes, by name.
pub static CALLS: LazyLock<Vec<OperationNeeds>> = LazyLock::new(|| REGISTRY.calls(COMMANDS));

/// The order of the statements in a printed policy, by their ids. It stays the same between releases, so that a policy that
/// was pasted somewhere is easy to compare. Statements that are not in it follow, by id.
const ORDER: &[&str] = &[
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

/// IAM's limit on a managed policy, in characters without white space (IAM's guide, "IAM and AWS STS quotas").
pub const MAX_CHARS: usize = 6_144;

/// The policies of whoever runs any command on that app and env and on that CloudFront distribution, each small enough to be a managed policy: one, or with long
/// names several, which are to be attached together. Parts of a place that are not known are `*`.
pub fn deployer(app: &str, env: &str, place: &Place, distribution: Option<&str>) -> Vec<Json> {
    let statements = statements(app, env, place, distribution);
    let whole = document(&statements);
    if whole.to_string().len() <= MAX_CHARS {
        return vec![whole];
    }
    let mut parts: Vec<Vec<Json>> = Vec::new();
    for statement in statements {
        let fits = |part: &Vec<Json>| {
            let more: Vec<Json> = part.iter().chain([&statement]).cloned().collect();
            document(&more).to_string().len() <= MAX_CHARS
        };
        match parts.iter_mut().find(|part| fits(part)) {
            Some(part) => part.push(statement),
            None => parts.push(vec![statement]),
        }
    }
    parts.iter().map(|statements| document(statements)).collect()
}

/// The permissions of the deployer, one statement for each scope.
fn statements(app: &str, env: &str, place: &Place, distribution: Option<&str>) -> Vec<Json> {
    let naming = Naming { app, env, location: place.location(), distribution };
    statements_for(&CALLS, &naming)
}

/// The statements that allow calls, one for each scope.
pub fn statements_for(calls: &[OperationNeeds], naming: &Naming<'_>) -> Vec<Json> {
    let mut actions: BTreeMap<Scope, BTreeSet<&str>> = BTreeMap::new();
    for (action, scope) in calls.iter().flat_map(|call| &call.needs) {
        actions.entry(*scope).or_default().insert(action);
    }
    let mut scopes: Vec<_> = actions.into_iter().collect();
    let position = |sid| ORDER.iter().position(|listed| *listed == sid).unwrap_or(ORDER.len());
    scopes.sort_by_key(|(scope, _)| position(scope.sid));
    let statements = scopes.into_iter().filter_map(|(scope, actions)| {
        let arns = (scope.arns)(naming);
        if arns.is_empty() {
            return None;
        }
        let mut statement =
            json!({ "Sid": scope.sid, "Effect": "Allow", "Action": actions, "Resource": arns });
        if let (Some(condition), Some(fields)) = (scope.condition, statement.as_object_mut()) {
            fields.insert("Condition".to_owned(), condition(naming));
        }
        Some(statement)
    });
    statements.collect()
}

/// The policy of a role with these statements.
pub fn of_role(statements: &[Statement]) -> Json {
    let statement = |statement: &Statement| {
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
    use crate::test_place::place;

    #[test]
    fn the_table_is_in_order_and_says_nothing_twice() {
        assert!(CALLS.is_sorted_by(|a, b| a.operation < b.operation));
        for call in CALLS.iter() {
            assert!(call.needs.is_sorted_by(|a, b| a < b), "{}", call.operation);
        }
    }

    /// What an operation is called and what has to be allowed for it are the same, but for few.
    #[test]
    fn actions_are_named_as_their_operations_but_for_known_exceptions() {
        for call in CALLS.iter().filter(|call| !call.operation.starts_with("apigateway:")) {
            let own = call.needs.iter().any(|(action, _)| *action == call.operation);
            let other = matches!(
                call.operation,
                "dynamodb:TransactWriteItems"
                    // A batch takes the action of the call for one.
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
    fn only_what_has_no_name_is_allowed_on_everything() {
        for statement in &statements("hits", "test", &place(), Some("E123ABC")) {
            // What has an id of AWS's choice is narrowed by a condition.
            let everything = statement["Resource"] == json!(["*"]) && statement["Condition"].is_null();
            assert_eq!(everything, statement["Sid"] == "Account", "{statement}");
            for action in statement["Action"].as_array().unwrap() {
                assert!(!action.as_str().unwrap().contains('*'), "{action}");
            }
        }
    }

    /// The longest names of regions in their partitions.
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
    fn longest_names_fit_into_managed_policies_in_every_partition() {
        for (partition, region) in REGIONS {
            let place = Place { partition: (*partition).to_owned(), region: (*region).to_owned(), ..place() };
            // Together with a dash the longest that names may be; and the longest that `tune` has a copy for.
            for (app, env) in [("a".repeat(31), "e".repeat(32)), ("a".repeat(26), "e".repeat(32))] {
                let parts = deployer(&app, &env, &place, Some("E1234567890ABC"));
                assert!(parts.len() <= 2, "{partition}: {} documents", parts.len());
                for part in &parts {
                    let chars = part.to_string().len();
                    assert!(chars <= MAX_CHARS, "{partition}: {chars} characters");
                }
                let all = |part: &Json| part["Statement"].as_array().unwrap().clone();
                let mut together: Vec<String> =
                    parts.iter().flat_map(all).map(|statement| statement.to_string()).collect();
                let mut whole: Vec<String> = statements(&app, &env, &place, Some("E1234567890ABC"))
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                together.sort();
                whole.sort();
                assert_eq!(together, whole, "nothing is lost and nothing is said twice");
            }
        }
    }

    #[test]
    fn the_condition_on_the_function_is_on_no_action_of_a_mappings_arn() {
        for statement in statements("hits", "test", &place(), None) {
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
