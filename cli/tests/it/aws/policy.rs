//! Compares the deployer's policy with every call that the AWS tests recorded: it allows exactly what the calls need.

use std::collections::{BTreeMap, BTreeSet};

use hitctl_emulators::policy_findings;
use hitctl_stack::policy::{OPERATIONS, OperationNeeds};
use serde_json::{Value as Json, json};

use super::{calls, drift, lifecycle};
use crate::support::TestEnv;

/// Calls that no command in these tests makes, and when they are made.
const CALLED_ELSEWHERE: &[(&str, &str)] = &[
    ("apigateway:DeleteIntegration", "when `queue.ingest` is switched off, as in the conformance tests"),
    ("cloudfront:CreateInvalidation", "`invalidate`"),
    ("cloudfront:GetDistribution", "`plan`, `deploy`, `status` and `doctor`, with a `distribution_id`"),
    ("cloudfront:GetInvalidation", "`invalidate --wait`"),
    ("apigateway:GetTags", "when the list of APIs does not show the tags of a new API yet"),
    ("apigateway:DeleteRouteSettings", "when a route with its own settings was deleted, as in aws/stage.rs"),
    ("dynamodb:DescribeLimits", "when `max_write_units` is above AWS's default quota, as in aws/quota.rs"),
    ("dynamodb:UpdateItem", "the heartbeat of a lease that is held for more than 20 s"),
    ("events:PutEvents", "`emit`"),
    ("sqs:ChangeMessageVisibilityBatch", "`dlq list` and `dlq redrive`, for messages that they only read"),
    ("sqs:DeleteMessageBatch", "`dlq redrive`"),
    ("sqs:PurgeQueue", "`dlq purge`"),
    ("sqs:ReceiveMessage", "`dlq list` and `dlq redrive`"),
    ("sqs:SendMessageBatch", "`send` and `dlq redrive`"),
    (
        "sqs:UntagQueue",
        "when a queue is marked as deleted but still exists, as in aws/faults/event_sources.rs",
    ),
];

/// Returns the names of all recorded calls.
fn recorded() -> BTreeSet<&'static str> {
    [calls::all(), drift::all(), lifecycle::on_ministack(), lifecycle::with_switched_exposure()]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect()
}

/// Returns the actions of the printed policy.
fn printed_actions() -> BTreeSet<String> {
    let output = TestEnv::with_config("cloudfront.distribution_id = \"E123ABC\"\n")
        .run(&["policy", "deployer", "--env", "local"]);
    assert_eq!(output.code, 0, "{output:?}");
    let json = output.json();
    let statements = json["Statement"].as_array().unwrap().iter();
    statements
        .flat_map(|statement| statement["Action"].as_array().unwrap())
        .map(|action| action.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn deployer_policy_allows_exactly_the_calls_made() {
    let table: BTreeMap<&str, &OperationNeeds> =
        OPERATIONS.iter().map(|call| (call.operation, call)).collect();
    let (recorded, printed_actions) = (recorded(), printed_actions());

    let unknown: Vec<_> = recorded.iter().filter(|call| !table.contains_key(*call)).collect();
    assert!(unknown.is_empty(), "calls without a known action: {unknown:?}");
    for action in OPERATIONS.iter().flat_map(|call| &call.needs).map(|(action, _)| *action) {
        assert!(printed_actions.contains(action), "the policy lacks {action}");
    }

    let elsewhere: BTreeSet<&str> = CALLED_ELSEWHERE.iter().map(|(call, _)| *call).collect();
    let unused: Vec<_> =
        table.keys().filter(|call| !recorded.contains(*call) && !elsewhere.contains(*call)).collect();
    assert!(unused.is_empty(), "allowed, but never called: {unused:?}");
    let stale: Vec<_> = elsewhere.iter().filter(|call| !table.contains_key(*call)).collect();
    assert!(stale.is_empty(), "listed as called elsewhere, but not allowed: {stale:?}");

    let needed = OPERATIONS.iter().flat_map(|call| &call.needs).map(|(action, _)| *action);
    let needed: BTreeSet<&str> = needed.collect();
    let wide: Vec<_> = printed_actions.iter().filter(|action| !needed.contains(action.as_str())).collect();
    assert!(wide.is_empty(), "allowed, but needed by no call: {wide:?}");
}

/// Enables every event source and every output, so that each policy has all of its statements.
const EVERYTHING: &str = "account = \"123456789012\"\n[queue]\nenabled = true\ningest = \"http\"\n[events]\nenabled = true\n\
    pattern = { source = [\"mine\"] }\n[cloudfront]\ndistribution_id = \"E123ABC\"\nsite_bucket = \"site\"\nlog_bucket = \"logs\"\n";

#[test]
fn printed_policies_use_only_names_known_to_aws() {
    let mut documents = serde_json::Map::new();
    for region in ["eu-central-1", "cn-north-1"] {
        for more in ["account = \"123456789012\"\n", EVERYTHING] {
            let test_env =
                TestEnv::with_config(&format!("app = \"hits\"\nregion = \"{region}\"\n{more}\n[env.test]\n"));
            for policy_kind in ["deployer", "function"] {
                let output = test_env.run(&["policy", policy_kind, "--env", "test"]);
                assert_eq!(output.code, 0, "{output:?}");
                documents.insert(
                    format!("{policy_kind} of {region}, {} keys", more.lines().count()),
                    output.json(),
                );
            }
        }
    }
    let findings = policy_findings(&documents.into());
    assert_eq!(findings, Vec::<String>::new());
}

#[test]
fn policies_with_unknown_names_are_reported() {
    let policy = |statement: Json| json!({ "Version": "2012-10-17", "Statement": [statement] });
    let wrong = json!({
        "action": policy(json!({
            "Sid": "A", "Effect": "Allow", "Action": ["sqs:SendMessages"], "Resource": ["arn:aws:sqs:eu-central-1:123456789012:x"],
        })),
        "resource": policy(json!({
            "Sid": "B", "Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": ["arn:aws:dynamodb:eu-central-1:123456789012:table/x"],
        })),
        "everything": policy(json!({ "Sid": "C", "Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": ["*"] })),
        "condition": policy(json!({
            "Sid": "D", "Effect": "Allow", "Action": ["lambda:GetPolicy"], "Resource": ["arn:aws:lambda:eu-central-1:123456789012:function:x"],
            "Condition": { "StringEquals": { "lambda:Nope": "x" } },
        })),
    });
    let findings = policy_findings(&wrong).join("\n");
    for expected in [
        "A: there is no action sqs:SendMessages",
        "B: sqs:SendMessage does not apply to any of",
        "C: sqs:SendMessage is allowed on all resources",
        "D: lambda:GetPolicy does not support the condition key lambda:Nope",
    ] {
        assert!(findings.contains(expected), "{expected} is not in {findings}");
    }
}
