//! The calls of every command, word for word.

mod counted;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::OnceLock;

use hitctl_emulators::Emulator;

use super::scene::{Scene, left};
use crate::support::{DEFAULTS, artifact};

/// What a deploy that finds nothing to change may ask AWS.
const MOST_WITHOUT_CHANGES: usize = 46;

/// The calls that read everything that is deployed, and that nothing else is, and how often each is made: there are two tables, two
/// functions with their roles and aliases, and there might be two queues, two rules, and another role. What one call returns as a
/// whole, such as the statements of one policy or the list of buses, is read once.
const SURVEY: [(&str, usize); 22] = [
    ("apigateway:GetApis", 1),
    ("apigateway:GetIntegrations", 1),
    ("apigateway:GetRoutes", 1),
    ("apigateway:GetStage", 1),
    ("dynamodb:DescribeContinuousBackups", 2),
    ("dynamodb:DescribeTable", 2),
    ("dynamodb:DescribeTimeToLive", 2),
    ("dynamodb:ListTagsOfResource", 2),
    ("events:DescribeRule", 2),
    ("events:ListEventBuses", 1),
    ("iam:GetRole", 3),
    ("iam:GetRolePolicy", 2),
    ("lambda:GetAlias", 2),
    ("lambda:GetFunction", 2),
    ("lambda:GetFunctionConfiguration", 2),
    ("lambda:GetFunctionEventInvokeConfig", 2),
    ("lambda:GetPolicy", 3),
    ("lambda:ListEventSourceMappings", 1),
    ("lambda:ListFunctionUrlConfigs", 1),
    ("logs:DescribeLogGroups", 1),
    ("logs:ListTagsForResource", 1),
    ("sqs:GetQueueUrl", 2),
];

/// The calls that find what others added to the roles and to the policies of the functions and their aliases.
const ADDITIONS: [(&str, usize); 3] =
    [("iam:ListAttachedRolePolicies", 2), ("iam:ListRolePolicies", 2), ("lambda:GetPolicy", 4)];

/// The sign of life of a lease, which a slow machine makes a run give.
const SIGN_OF_LIFE: &str = "dynamodb:UpdateItem";

/// Runs a command, and gives back its calls: those that look, and those that write. Independent ones come in any order, so they
/// are sorted. A command that writes asks until it sees what it wrote, and logs come in pages: how often is not said then.
fn calls(scene: &mut Scene, args: &[&str]) -> String {
    scene.ok(args);
    let names: Vec<_> = scene.wire.names().into_iter().filter(|name| name != SIGN_OF_LIFE).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &names {
        *counts.entry(name).or_default() += 1;
    }
    let writes: BTreeSet<String> = scene.wire.writes().into_iter().collect();
    let is_counted = writes.is_empty() && args[0] != "logs";
    let (mut looks, mut wrote) = (String::new(), String::new());
    // What is asked more often is shown.
    let mut without = |of: &[(&'static str, usize)]| {
        for (name, times) in of {
            match counts.get_mut(name) {
                Some(count) if is_counted && *count > *times => *count -= times,
                _ => drop(counts.remove(name)),
            }
        }
    };
    let is_asked = |of: &[(&str, usize)]| of.iter().all(|(name, _)| names.iter().any(|asked| asked == name));
    if is_asked(&SURVEY) {
        looks.push_str("  the survey\n");
        without(&SURVEY);
    }
    if is_asked(&ADDITIONS) && matches!(args[0], "plan" | "deploy" | "status") {
        looks.push_str("  the additions of others\n");
        without(&ADDITIONS);
    }
    for (name, count) in counts {
        let times = if count > 1 { format!(" x{count}") } else { String::new() };
        // Writing to a string does not fail.
        let _infallible = if writes.contains(name) {
            writeln!(wrote, "  {name}{times}")
        } else if is_counted {
            writeln!(looks, "  {name}{times}")
        } else {
            writeln!(looks, "  {name}")
        };
    }
    format!("looks\n{looks}writes\n{wrote}")
}

/// Every call of every command.
pub(super) fn all() -> &'static BTreeSet<String> {
    static SEEN: OnceLock<BTreeSet<String>> = OnceLock::new();
    SEEN.get_or_init(|| {
        // Alone: what others deploy meanwhile is found too by what looks for all there is.
        let emulator = Emulator::new_ministack();
        let mut scene = Scene::new(&emulator, "calls", DEFAULTS);
        deployed(&mut scene);
        looked_at(&mut scene);
        counted::all(&mut scene);
        gone(&mut scene);
        assert_eq!(left(&emulator, "calls"), Vec::<String>::new());
        scene.into_seen()
    })
}

fn deployed(scene: &mut Scene) {
    let zip = artifact();
    insta::assert_snapshot!(calls(scene, &["plan", "--artifact", &zip]), @"
    looks
      apigateway:GetApis
      dynamodb:DescribeTable x2
      events:DescribeRule x2
      events:ListEventBuses
      iam:GetRole x3
      lambda:GetAccountSettings
      lambda:GetAlias x2
      lambda:GetFunction x2
      lambda:GetFunctionConfiguration x2
      lambda:GetFunctionEventInvokeConfig x2
      lambda:GetPolicy x4
      lambda:ListEventSourceMappings
      lambda:ListFunctionUrlConfigs
      logs:DescribeLogGroups
      sqs:GetQueueUrl x2
      sts:GetCallerIdentity
    writes
    ");
    insta::assert_snapshot!(calls(scene, &["deploy", "--artifact", &zip]), @"
    looks
      apigateway:GetApis
      dynamodb:DescribeTable
      events:DescribeRule
      events:ListEventBuses
      iam:GetRole
      lambda:GetAccountSettings
      lambda:GetAlias
      lambda:GetFunction
      lambda:GetFunctionConfiguration
      lambda:GetFunctionEventInvokeConfig
      lambda:GetPolicy
      lambda:ListEventSourceMappings
      lambda:ListFunctionUrlConfigs
      logs:DescribeLogGroups
      sqs:GetQueueUrl
      sts:GetCallerIdentity
    writes
      apigateway:CreateApi
      apigateway:CreateIntegration x2
      apigateway:CreateRoute x8
      apigateway:CreateStage
      dynamodb:CreateTable x2
      dynamodb:DeleteItem
      dynamodb:PutItem
      dynamodb:UpdateContinuousBackups
      dynamodb:UpdateTimeToLive
      iam:CreateRole x2
      iam:PutRolePolicy x2
      lambda:AddPermission x2
      lambda:CreateAlias x2
      lambda:CreateFunction x2
      lambda:PublishVersion x2
      lambda:PutFunctionConcurrency
      logs:CreateLogGroup
      logs:PutRetentionPolicy
    ");

    insta::assert_snapshot!(calls(scene, &["deploy", "--artifact", &zip]), @"
    looks
      the survey
      the additions of others
      sts:GetCallerIdentity
    writes
    ");
    assert_eq!(scene.wire.writes(), Vec::<String>::new());
    let asked = scene.wire.names().len();
    assert!(asked <= MOST_WITHOUT_CHANGES, "a deploy without changes makes {asked} calls");
    insta::assert_snapshot!(calls(scene, &["plan", "--artifact", &zip]), @"
    looks
      the survey
      the additions of others
      sts:GetCallerIdentity
    writes
    ");
    assert_eq!(scene.wire.names().len(), asked, "a plan asks what a deploy asks");

    scene.yard.configure(&format!("{DEFAULTS}function.memory_mb = 256\nhttp.burst = 40\n"));
    insta::assert_snapshot!(calls(scene, &["deploy", "--artifact", &zip]), @"
    looks
      the survey
      the additions of others
      sts:GetCallerIdentity
    writes
      apigateway:UpdateStage
      dynamodb:DeleteItem
      dynamodb:PutItem
      lambda:PublishVersion x2
      lambda:UpdateAlias x2
      lambda:UpdateFunctionConfiguration x2
    ");
    insta::assert_snapshot!(calls(scene, &["rollback", "--list"]), @"
    looks
      lambda:GetAlias
      lambda:ListVersionsByFunction
      sts:GetCallerIdentity
    writes
    ");
    insta::assert_snapshot!(calls(scene, &["rollback", "--yes"]), @"
    looks
      the survey
      lambda:ListVersionsByFunction
      sts:GetCallerIdentity
    writes
      dynamodb:DeleteItem
      dynamodb:PutItem
      lambda:UpdateAlias x2
    ");
    insta::assert_snapshot!(calls(scene, &["deploy", "--artifact", &zip]), @"
    looks
      the survey
      the additions of others
      sts:GetCallerIdentity
    writes
      dynamodb:DeleteItem
      dynamodb:PutItem
      lambda:PublishVersion x2
      lambda:UpdateAlias x2
    ");
}

fn looked_at(scene: &mut Scene) {
    insta::assert_snapshot!(calls(scene, &["status"]), @"
    looks
      the survey
      the additions of others
      dynamodb:Scan
      sts:GetCallerIdentity
    writes
    ");
    insta::assert_snapshot!(calls(scene, &["status", "--all"]), @"
    looks
      the survey
      iam:GetRole x2
      iam:GetRolePolicy x2
      iam:ListRoleTags x2
      iam:ListRoles
      lambda:GetFunction
      sts:GetCallerIdentity
      tagging:GetResources
    writes
    ");
    insta::assert_snapshot!(calls(scene, &["doctor"]), @"
    looks
      lambda:GetAccountSettings
      sts:GetCallerIdentity
    writes
    ");
    insta::assert_snapshot!(calls(scene, &["invoke", "--path", "/"]), @"
    looks
      sts:GetCallerIdentity
    writes
      lambda:Invoke
    ");
    insta::assert_snapshot!(calls(scene, &["logs"]), @"
    looks
      logs:FilterLogEvents
      sts:GetCallerIdentity
    writes
    ");
    insta::assert_snapshot!(calls(scene, &["policy", "deployer"]), @"
    looks
    writes
    ");
}

fn gone(scene: &mut Scene) {
    insta::assert_snapshot!(calls(scene, &["destroy", "--yes"]), @"
    looks
      the survey
      iam:ListAttachedRolePolicies
      iam:ListRolePolicies
      lambda:ListTags
      sts:GetCallerIdentity
    writes
      apigateway:DeleteApi
      dynamodb:DeleteItem
      dynamodb:DeleteTable
      dynamodb:PutItem
      iam:DeleteRole x2
      iam:DeleteRolePolicy x2
      lambda:DeleteAlias x2
      lambda:DeleteFunction x2
      lambda:RemovePermission
    ");
    insta::assert_snapshot!(calls(scene, &["destroy", "--yes"]), @"
    looks
      apigateway:GetApis
      dynamodb:DescribeContinuousBackups
      dynamodb:DescribeTable x2
      dynamodb:DescribeTimeToLive
      dynamodb:ListTagsOfResource
      events:DescribeRule x2
      events:ListEventBuses
      iam:GetRole x5
      lambda:GetAlias x2
      lambda:GetFunction x3
      lambda:GetFunctionConfiguration x2
      lambda:GetFunctionEventInvokeConfig x2
      lambda:GetPolicy x2
      lambda:ListEventSourceMappings
      lambda:ListFunctionUrlConfigs
      logs:DescribeLogGroups
      logs:ListTagsForResource
      sqs:GetQueueUrl x2
      sts:GetCallerIdentity
    writes
    ");
    let all = ["destroy", "--delete-data", "--confirm", "test", "--export", "all.csv"];
    insta::assert_snapshot!(calls(scene, &all), @"
    looks
      apigateway:GetApis
      dynamodb:DescribeContinuousBackups
      dynamodb:DescribeTable
      dynamodb:DescribeTimeToLive
      dynamodb:ListTagsOfResource
      dynamodb:Scan
      events:DescribeRule
      events:ListEventBuses
      iam:GetRole
      lambda:GetAlias
      lambda:GetFunction
      lambda:GetFunctionConfiguration
      lambda:GetFunctionEventInvokeConfig
      lambda:GetPolicy
      lambda:ListEventSourceMappings
      lambda:ListFunctionUrlConfigs
      logs:DescribeLogGroups
      logs:ListTagsForResource
      sqs:GetQueueUrl
      sts:GetCallerIdentity
    writes
      dynamodb:DeleteTable
      dynamodb:PutItem
      dynamodb:UpdateTable
      logs:DeleteLogGroup
    ");
    let left = scene.ok(&["gc", "--json"]).json();
    assert_eq!(left["deployments"], serde_json::json!([]));
}

#[test]
fn every_command_makes_these_calls_and_no_others() {
    assert!(!all().is_empty());
}
