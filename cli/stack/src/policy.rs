//! What whoever deploys needs to be allowed: one table of the calls that hitctl makes, and the IAM policy that follows from
//! it. Pure: it is printed without credentials.

use std::collections::{BTreeMap, BTreeSet};

use hitctl_config::names;
use hitctl_resources::{Place, Statement};
use serde_json::{Value as Json, json};

/// What an action is allowed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    /// The HTTP APIs of the region: their ids are chosen by AWS, so that no narrower name is known beforehand.
    Apis,
    /// The tags of HTTP APIs.
    ApiTags,
    /// The functions, their versions and aliases, and the copy of it that `tune` measures.
    Function,
    /// The event source mappings of the function, where they are changed. AWS picks their ids, so that they are told by the
    /// function that they are to: by the key `lambda:FunctionArn` (service authorization reference of Lambda).
    Mappings,
    /// Event source mappings where they are read or tagged, by their own ARN: a condition on the function would refuse that.
    MappingArns,
    /// The function's log group, by both of its ARNs: tags are on the one without `:*`.
    LogGroup,
    /// The bus that `emit` puts events on: any, since it is the user's choice.
    Buses,
    /// The queues of hits and of dead letters.
    Queues,
    /// The functions' roles, those that stand in for them for a moment, and that of the HTTP API that puts hits on the queue.
    Role,
    /// Any role of the account, to see whose it is.
    AnyRole,
    /// The HTTP API's role, to be handed to it and to nothing else.
    RoleForApi,
    /// The functions' roles, to be handed to Lambda and to nothing else.
    RoleForLambda,
    /// The rules on the default bus and on any other.
    Rules,
    /// What is in the table of counts.
    Table,
    /// The tables: of counts and of visitors. What is in the latter is the function's alone.
    Tables,
    /// The CloudFront distribution, where one is configured.
    Distribution,
    /// What has no ARN: the account, and lists.
    Account,
}

/// A call that hitctl makes, named as in AWS's service models, and the IAM actions that it takes: those of tags that are
/// given on creation too.
pub struct Call {
    /// The service as it is signed for, and the operation: `lambda:CreateFunction`.
    pub operation: &'static str,
    /// What has to be allowed, and on what.
    pub needs: &'static [(&'static str, On)],
}

const fn call(operation: &'static str, needs: &'static [(&'static str, On)]) -> Call {
    Call { operation, needs }
}

use On::{
    Account, AnyRole, ApiTags, Apis, Buses, Distribution, Function, LogGroup, MappingArns, Mappings, Queues,
    Role, RoleForApi, RoleForLambda, Rules, Table, Tables,
};

/// Every call that any command makes, in order. The actions are those of AWS's service authorization reference, where
/// API Gateway's are HTTP methods.
pub const CALLS: &[Call] = &[
    call("apigateway:CreateApi", &[("apigateway:POST", Apis), ("apigateway:POST", ApiTags)]),
    call("apigateway:CreateIntegration", &[("apigateway:POST", Apis), ("iam:PassRole", RoleForApi)]),
    call("apigateway:CreateRoute", &[("apigateway:POST", Apis)]),
    call("apigateway:CreateStage", &[("apigateway:POST", Apis), ("apigateway:POST", ApiTags)]),
    call("apigateway:DeleteApi", &[("apigateway:DELETE", Apis)]),
    call("apigateway:DeleteIntegration", &[("apigateway:DELETE", Apis)]),
    call("apigateway:DeleteRoute", &[("apigateway:DELETE", Apis)]),
    call("apigateway:DeleteRouteSettings", &[("apigateway:DELETE", Apis)]),
    call("apigateway:GetApis", &[("apigateway:GET", Apis)]),
    call("apigateway:GetIntegrations", &[("apigateway:GET", Apis)]),
    call("apigateway:GetRoutes", &[("apigateway:GET", Apis)]),
    call("apigateway:GetStage", &[("apigateway:GET", Apis)]),
    call("apigateway:GetTags", &[("apigateway:GET", ApiTags)]),
    call("apigateway:TagResource", &[("apigateway:POST", ApiTags)]),
    call("apigateway:UpdateApi", &[("apigateway:PATCH", Apis)]),
    call("apigateway:UpdateIntegration", &[("apigateway:PATCH", Apis), ("iam:PassRole", RoleForApi)]),
    call("apigateway:UpdateRoute", &[("apigateway:PATCH", Apis)]),
    call("apigateway:UpdateStage", &[("apigateway:PATCH", Apis)]),
    call("cloudfront:CreateInvalidation", &[("cloudfront:CreateInvalidation", Distribution)]),
    call("cloudfront:GetDistribution", &[("cloudfront:GetDistribution", Distribution)]),
    call("cloudfront:GetInvalidation", &[("cloudfront:GetInvalidation", Distribution)]),
    call("dynamodb:BatchGetItem", &[("dynamodb:BatchGetItem", Table)]),
    call("dynamodb:CreateTable", &[("dynamodb:CreateTable", Tables), ("dynamodb:TagResource", Tables)]),
    call("dynamodb:DeleteItem", &[("dynamodb:DeleteItem", Table)]),
    call("dynamodb:DeleteTable", &[("dynamodb:DeleteTable", Tables)]),
    call("dynamodb:DescribeContinuousBackups", &[("dynamodb:DescribeContinuousBackups", Tables)]),
    call("dynamodb:DescribeLimits", &[("dynamodb:DescribeLimits", Account)]),
    call("dynamodb:DescribeTable", &[("dynamodb:DescribeTable", Tables)]),
    call("dynamodb:DescribeTimeToLive", &[("dynamodb:DescribeTimeToLive", Tables)]),
    call("dynamodb:GetItem", &[("dynamodb:GetItem", Table)]),
    call("dynamodb:ListTagsOfResource", &[("dynamodb:ListTagsOfResource", Tables)]),
    call("dynamodb:PutItem", &[("dynamodb:PutItem", Table)]),
    call("dynamodb:Scan", &[("dynamodb:Scan", Table)]),
    call("dynamodb:TagResource", &[("dynamodb:TagResource", Tables)]),
    // Authorised by what is in the transaction.
    call(
        "dynamodb:TransactWriteItems",
        &[("dynamodb:DeleteItem", Table), ("dynamodb:PutItem", Table), ("dynamodb:UpdateItem", Table)],
    ),
    call("dynamodb:UpdateContinuousBackups", &[("dynamodb:UpdateContinuousBackups", Tables)]),
    call("dynamodb:UpdateItem", &[("dynamodb:UpdateItem", Table)]),
    call("dynamodb:UpdateTable", &[("dynamodb:UpdateTable", Tables)]),
    call("dynamodb:UpdateTimeToLive", &[("dynamodb:UpdateTimeToLive", Tables)]),
    call("events:DeleteRule", &[("events:DeleteRule", Rules)]),
    call("events:DescribeRule", &[("events:DescribeRule", Rules)]),
    call("events:ListEventBuses", &[("events:ListEventBuses", Account)]),
    call("events:ListTagsForResource", &[("events:ListTagsForResource", Rules)]),
    call("events:ListTargetsByRule", &[("events:ListTargetsByRule", Rules)]),
    call("events:PutEvents", &[("events:PutEvents", Buses)]),
    call("events:PutRule", &[("events:PutRule", Rules), ("events:TagResource", Rules)]),
    call("events:PutTargets", &[("events:PutTargets", Rules)]),
    call("events:RemoveTargets", &[("events:RemoveTargets", Rules)]),
    call("events:TagResource", &[("events:TagResource", Rules)]),
    call("iam:CreateRole", &[("iam:CreateRole", Role), ("iam:TagRole", Role)]),
    call("iam:DeleteRole", &[("iam:DeleteRole", Role)]),
    call("iam:DeleteRolePolicy", &[("iam:DeleteRolePolicy", Role)]),
    call("iam:DetachRolePolicy", &[("iam:DetachRolePolicy", Role)]),
    call("iam:GetRole", &[("iam:GetRole", Role)]),
    // `gc` and `status --all` ask of which region a role is.
    call("iam:GetRolePolicy", &[("iam:GetRolePolicy", AnyRole)]),
    call("iam:ListAttachedRolePolicies", &[("iam:ListAttachedRolePolicies", Role)]),
    call("iam:ListRolePolicies", &[("iam:ListRolePolicies", Role)]),
    call("iam:ListRoleTags", &[("iam:ListRoleTags", AnyRole)]),
    call("iam:ListRoles", &[("iam:ListRoles", Account)]),
    call("iam:PutRolePolicy", &[("iam:PutRolePolicy", Role)]),
    call("iam:TagRole", &[("iam:TagRole", Role)]),
    call("iam:UpdateAssumeRolePolicy", &[("iam:UpdateAssumeRolePolicy", Role)]),
    call("lambda:AddPermission", &[("lambda:AddPermission", Function)]),
    call("lambda:CreateAlias", &[("lambda:CreateAlias", Function)]),
    call(
        "lambda:CreateEventSourceMapping",
        &[("lambda:CreateEventSourceMapping", Mappings), ("lambda:TagResource", MappingArns)],
    ),
    call(
        "lambda:CreateFunction",
        &[
            ("iam:PassRole", RoleForLambda),
            ("lambda:CreateFunction", Function),
            ("lambda:TagResource", Function),
        ],
    ),
    call("lambda:CreateFunctionUrlConfig", &[("lambda:CreateFunctionUrlConfig", Function)]),
    call("lambda:DeleteAlias", &[("lambda:DeleteAlias", Function)]),
    call("lambda:DeleteEventSourceMapping", &[("lambda:DeleteEventSourceMapping", Mappings)]),
    call("lambda:DeleteFunction", &[("lambda:DeleteFunction", Function)]),
    call("lambda:DeleteFunctionConcurrency", &[("lambda:DeleteFunctionConcurrency", Function)]),
    call("lambda:DeleteFunctionEventInvokeConfig", &[("lambda:DeleteFunctionEventInvokeConfig", Function)]),
    call("lambda:DeleteFunctionUrlConfig", &[("lambda:DeleteFunctionUrlConfig", Function)]),
    call("lambda:GetAccountSettings", &[("lambda:GetAccountSettings", Account)]),
    call("lambda:GetAlias", &[("lambda:GetAlias", Function)]),
    call("lambda:GetEventSourceMapping", &[("lambda:GetEventSourceMapping", MappingArns)]),
    // Its answer has the tags only for whoever may list them.
    call("lambda:GetFunction", &[("lambda:GetFunction", Function), ("lambda:ListTags", Function)]),
    call("lambda:GetFunctionConfiguration", &[("lambda:GetFunctionConfiguration", Function)]),
    call("lambda:GetFunctionEventInvokeConfig", &[("lambda:GetFunctionEventInvokeConfig", Function)]),
    call("lambda:GetFunctionUrlConfig", &[("lambda:GetFunctionUrlConfig", Function)]),
    call("lambda:GetPolicy", &[("lambda:GetPolicy", Function)]),
    call("lambda:Invoke", &[("lambda:InvokeFunction", Function)]),
    call("lambda:ListAliases", &[("lambda:ListAliases", Function)]),
    call("lambda:ListEventSourceMappings", &[("lambda:ListEventSourceMappings", Account)]),
    call("lambda:ListFunctionUrlConfigs", &[("lambda:ListFunctionUrlConfigs", Function)]),
    call("lambda:ListTags", &[("lambda:ListTags", Function), ("lambda:ListTags", MappingArns)]),
    call("lambda:ListVersionsByFunction", &[("lambda:ListVersionsByFunction", Function)]),
    call("lambda:PublishVersion", &[("lambda:PublishVersion", Function)]),
    call("lambda:PutFunctionConcurrency", &[("lambda:PutFunctionConcurrency", Function)]),
    call("lambda:PutFunctionEventInvokeConfig", &[("lambda:PutFunctionEventInvokeConfig", Function)]),
    call("lambda:RemovePermission", &[("lambda:RemovePermission", Function)]),
    call("lambda:TagResource", &[("lambda:TagResource", Function), ("lambda:TagResource", MappingArns)]),
    call("lambda:UpdateAlias", &[("lambda:UpdateAlias", Function)]),
    call("lambda:UpdateEventSourceMapping", &[("lambda:UpdateEventSourceMapping", Mappings)]),
    call("lambda:UpdateFunctionCode", &[("lambda:UpdateFunctionCode", Function)]),
    call(
        "lambda:UpdateFunctionConfiguration",
        &[("iam:PassRole", RoleForLambda), ("lambda:UpdateFunctionConfiguration", Function)],
    ),
    call("lambda:UpdateFunctionUrlConfig", &[("lambda:UpdateFunctionUrlConfig", Function)]),
    call("logs:CreateLogGroup", &[("logs:CreateLogGroup", LogGroup), ("logs:TagResource", LogGroup)]),
    call("logs:DeleteLogGroup", &[("logs:DeleteLogGroup", LogGroup)]),
    call("logs:DescribeLogGroups", &[("logs:DescribeLogGroups", Account)]),
    call("logs:FilterLogEvents", &[("logs:FilterLogEvents", LogGroup)]),
    call("logs:ListTagsForResource", &[("logs:ListTagsForResource", LogGroup)]),
    call("logs:PutRetentionPolicy", &[("logs:PutRetentionPolicy", LogGroup)]),
    call("logs:TagResource", &[("logs:TagResource", LogGroup)]),
    call("sqs:ChangeMessageVisibilityBatch", &[("sqs:ChangeMessageVisibility", Queues)]),
    call("sqs:CreateQueue", &[("sqs:CreateQueue", Queues), ("sqs:TagQueue", Queues)]),
    call("sqs:DeleteMessageBatch", &[("sqs:DeleteMessage", Queues)]),
    call("sqs:DeleteQueue", &[("sqs:DeleteQueue", Queues)]),
    call("sqs:GetQueueAttributes", &[("sqs:GetQueueAttributes", Queues)]),
    call("sqs:GetQueueUrl", &[("sqs:GetQueueUrl", Queues)]),
    call("sqs:ListQueueTags", &[("sqs:ListQueueTags", Queues)]),
    call("sqs:PurgeQueue", &[("sqs:PurgeQueue", Queues)]),
    call("sqs:ReceiveMessage", &[("sqs:ReceiveMessage", Queues)]),
    call("sqs:SendMessageBatch", &[("sqs:SendMessage", Queues)]),
    call("sqs:SetQueueAttributes", &[("sqs:SetQueueAttributes", Queues)]),
    call("sqs:TagQueue", &[("sqs:TagQueue", Queues)]),
    call("sqs:UntagQueue", &[("sqs:UntagQueue", Queues)]),
    // Needs no permission: it works even under an explicit deny.
    call("sts:GetCallerIdentity", &[]),
    call("tagging:GetResources", &[("tag:GetResources", Account)]),
];

impl On {
    /// Its name in the policy.
    fn sid(self) -> &'static str {
        match self {
            Apis => "Apis",
            ApiTags => "ApiTags",
            Function => "Function",
            Mappings => "Mappings",
            MappingArns => "MappingArns",
            AnyRole => "AnyRole",
            Buses => "Buses",
            Queues => "Queues",
            RoleForApi => "RoleForApi",
            Rules => "Rules",
            LogGroup => "LogGroup",
            Role => "Role",
            RoleForLambda => "RoleForLambda",
            Table => "Table",
            Tables => "Tables",
            Distribution => "Distribution",
            Account => "Account",
        }
    }

    fn arns(self, app: &str, env: &str, place: &Place) -> Vec<String> {
        let at = place.location();
        match self {
            Apis => vec![at.api_gateway_arn("/apis"), at.api_gateway_arn("/apis/*")],
            ApiTags => vec![at.api_gateway_arn("/tags/*")],
            Function => {
                let arn = at.function_arn(&names::function(app, env));
                let reader = at.function_arn(&names::reader(app, env));
                let tuned = names::tuned_function(app, env).map(|name| at.function_arn(&name));
                let ours = [format!("{arn}:*"), arn, format!("{reader}:*"), reader];
                ours.into_iter().chain(tuned).collect()
            }
            LogGroup => {
                let arn = at.log_group_arn(&names::log_group(app, env));
                vec![format!("{arn}:*"), arn]
            }
            AnyRole => vec![at.role_arn("*")],
            MappingArns => vec![at.arn("lambda", "event-source-mapping:*")],
            Buses => vec![at.arn("events", "event-bus/*")],
            Queues => {
                vec![at.queue_arn(&names::queue(app, env)), at.queue_arn(&names::dead_letter_queue(app, env))]
            }
            Role => {
                let ingest = at.role_arn(&names::ingest_role(app, env));
                function_roles(app, env).iter().map(|name| at.role_arn(name)).chain([ingest]).collect()
            }
            RoleForApi => vec![at.role_arn(&names::ingest_role(app, env))],
            RoleForLambda => function_roles(app, env).iter().map(|name| at.role_arn(name)).collect(),
            Rules => [names::rule(app, env), names::bucket_rule(app, env)]
                .iter()
                .flat_map(|name| ["default", "*"].map(|bus| at.rule_arn(bus, name)))
                .collect(),
            Table => vec![at.table_arn(&names::table(app, env))],
            Tables => {
                vec![at.table_arn(&names::table(app, env)), at.table_arn(&names::seen_table(app, env))]
            }
            // The id is of the configuration, not a name: `deployer` has it.
            Distribution => Vec::new(),
            // No call that makes a mapping knows a resource; what narrows these is their condition.
            Mappings | Account => vec!["*".to_owned()],
        }
    }

    fn condition(self, app: &str, env: &str, place: &Place) -> Option<Json> {
        let handed_to = |service: &str| json!({ "StringEquals": { "iam:PassedToService": service } });
        match self {
            Mappings => Some(json!({ "ArnLike": { "lambda:FunctionArn": Function.arns(app, env, place) } })),
            RoleForApi => Some(handed_to("apigateway.amazonaws.com")),
            RoleForLambda => Some(handed_to("lambda.amazonaws.com")),
            _ => None,
        }
    }
}

/// The roles of the functions, and those that stand in for them while their KMS grants are renewed.
fn function_roles(app: &str, env: &str) -> [String; 4] {
    let (function, reader) = (names::function(app, env), names::reader(app, env));
    [names::role(app, env), reader.clone(), names::grant_role(&function), names::grant_role(&reader)]
}

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

/// The permissions of the deployer, one statement for each kind of resource.
fn statements(app: &str, env: &str, place: &Place, distribution: Option<&str>) -> Vec<Json> {
    let mut by_resource: BTreeMap<On, BTreeSet<&str>> = BTreeMap::new();
    for (action, on) in CALLS.iter().flat_map(|call| call.needs) {
        by_resource.entry(*on).or_default().insert(action);
    }
    let statements = by_resource.into_iter().filter_map(|(on, actions)| {
        let arns = match on {
            Distribution => vec![place.location().distribution_arn(distribution?)],
            _ => on.arns(app, env, place),
        };
        let mut statement =
            json!({ "Sid": on.sid(), "Effect": "Allow", "Action": actions, "Resource": arns });
        if let (Some(condition), Some(fields)) = (on.condition(app, env, place), statement.as_object_mut()) {
            fields.insert("Condition".to_owned(), condition);
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
        for call in CALLS {
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
