//! Snapshots of the AWS calls that each command makes.

mod counts;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::OnceLock;

use hitctl_emulators::Emulator;

use super::recorded_env::{RecordedAwsEnv, remaining_resources};
use crate::support::{DEFAULTS, artifact};

/// The maximum number of AWS calls of a deploy without changes.
const MAX_CALLS_WITHOUT_CHANGES: usize = 46;

/// The calls that read all resources, deployed or not, and how often each is made. Every deployment has two tables, and
/// two functions with their roles and aliases. It can have two queues, two rules and a third role. A call that returns
/// everything at once, such as the statements of one policy or the list of buses, is made once.
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

/// The calls that find access which others added to the roles, and to the policies of the functions and their aliases.
const ADDITIONS: [(&str, usize); 3] =
    [("iam:ListAttachedRolePolicies", 2), ("iam:ListRolePolicies", 2), ("lambda:GetPolicy", 4)];

/// The heartbeat of a lease, which only slow runs send.
const HEARTBEAT: &str = "dynamodb:UpdateItem";

/// Runs a command and lists its calls: first the reads, then the writes. They are sorted, since independent calls run
/// in any order. The number of reads is omitted for a command that writes, since it polls until it sees its changes,
/// and for `logs`, which reads several pages.
fn calls(aws_env: &mut RecordedAwsEnv, args: &[&str]) -> String {
    aws_env.ok(args);
    let names: Vec<_> = aws_env.proxy.call_names().into_iter().filter(|name| name != HEARTBEAT).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in &names {
        *counts.entry(name).or_default() += 1;
    }
    let writes: BTreeSet<String> = aws_env.proxy.write_names().into_iter().collect();
    let is_counted = writes.is_empty() && args[0] != "logs";
    let (mut reads, mut wrote) = (String::new(), String::new());
    // A call that is made more often than in `list` keeps the difference.
    let mut remove_calls = |list: &[(&'static str, usize)]| {
        for (name, times) in list {
            match counts.get_mut(name) {
                Some(count) if is_counted && *count > *times => *count -= times,
                _ => drop(counts.remove(name)),
            }
        }
    };
    let includes =
        |list: &[(&str, usize)]| list.iter().all(|(name, _)| names.iter().any(|made| made == name));
    if includes(&SURVEY) {
        reads.push_str("  the survey\n");
        remove_calls(&SURVEY);
    }
    if includes(&ADDITIONS) && matches!(args[0], "plan" | "deploy" | "status") {
        reads.push_str("  the additions of others\n");
        remove_calls(&ADDITIONS);
    }
    for (name, count) in counts {
        let times = if count > 1 { format!(" x{count}") } else { String::new() };
        // Writing to a string does not fail.
        let _infallible = if writes.contains(name) {
            writeln!(wrote, "  {name}{times}")
        } else if is_counted {
            writeln!(reads, "  {name}{times}")
        } else {
            writeln!(reads, "  {name}")
        };
    }
    format!("looks\n{reads}writes\n{wrote}")
}

/// Runs every command and checks its calls. Returns the names of all calls.
pub(super) fn all() -> &'static BTreeSet<String> {
    static CALLS: OnceLock<BTreeSet<String>> = OnceLock::new();
    CALLS.get_or_init(|| {
        // Commands that list all deployments would find those of other tests, so this test has its own emulator.
        let emulator = Emulator::new_ministack();
        let mut aws_env = RecordedAwsEnv::new(&emulator, "calls", DEFAULTS);
        check_deploys(&mut aws_env);
        check_reads(&mut aws_env);
        counts::all(&mut aws_env);
        check_destroys(&mut aws_env);
        assert_eq!(remaining_resources(&emulator, "calls"), Vec::<String>::new());
        aws_env.into_calls()
    })
}

fn check_deploys(aws_env: &mut RecordedAwsEnv) {
    let zip = artifact();
    insta::assert_snapshot!(calls(aws_env, &["plan", "--artifact", &zip]), @"
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
    insta::assert_snapshot!(calls(aws_env, &["deploy", "--artifact", &zip]), @"
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
      apigateway:CreateRoute x9
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

    insta::assert_snapshot!(calls(aws_env, &["deploy", "--artifact", &zip]), @"
    looks
      the survey
      the additions of others
      sts:GetCallerIdentity
    writes
    ");
    assert_eq!(aws_env.proxy.write_names(), Vec::<String>::new());
    let call_count = aws_env.proxy.call_names().len();
    assert!(call_count <= MAX_CALLS_WITHOUT_CHANGES, "a deploy without changes makes {call_count} calls");
    insta::assert_snapshot!(calls(aws_env, &["plan", "--artifact", &zip]), @"
    looks
      the survey
      the additions of others
      sts:GetCallerIdentity
    writes
    ");
    assert_eq!(
        aws_env.proxy.call_names().len(),
        call_count,
        "a plan makes as many calls as a deploy without changes"
    );

    aws_env.env.configure(&format!("{DEFAULTS}function.memory_mb = 256\nhttp.burst = 40\n"));
    insta::assert_snapshot!(calls(aws_env, &["deploy", "--artifact", &zip]), @"
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
    insta::assert_snapshot!(calls(aws_env, &["rollback", "--list"]), @"
    looks
      lambda:GetAlias
      lambda:ListVersionsByFunction
      sts:GetCallerIdentity
    writes
    ");
    insta::assert_snapshot!(calls(aws_env, &["rollback", "--yes"]), @"
    looks
      the survey
      lambda:ListVersionsByFunction
      sts:GetCallerIdentity
    writes
      dynamodb:DeleteItem
      dynamodb:PutItem
      lambda:UpdateAlias x2
    ");
    insta::assert_snapshot!(calls(aws_env, &["deploy", "--artifact", &zip]), @"
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

fn check_reads(aws_env: &mut RecordedAwsEnv) {
    insta::assert_snapshot!(calls(aws_env, &["status"]), @"
    looks
      the survey
      the additions of others
      dynamodb:GetItem
      dynamodb:Scan
      sts:GetCallerIdentity
    writes
    ");
    insta::assert_snapshot!(calls(aws_env, &["status", "--all"]), @"
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
    insta::assert_snapshot!(calls(aws_env, &["doctor"]), @"
    looks
      lambda:GetAccountSettings
      sts:GetCallerIdentity
    writes
    ");
    insta::assert_snapshot!(calls(aws_env, &["invoke", "--path", "/"]), @"
    looks
      sts:GetCallerIdentity
    writes
      lambda:Invoke
    ");
    insta::assert_snapshot!(calls(aws_env, &["logs"]), @"
    looks
      logs:FilterLogEvents
      sts:GetCallerIdentity
    writes
    ");
    insta::assert_snapshot!(calls(aws_env, &["policy", "deployer"]), @"
    looks
    writes
    ");
}

fn check_destroys(aws_env: &mut RecordedAwsEnv) {
    insta::assert_snapshot!(calls(aws_env, &["destroy", "--yes"]), @"
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
    insta::assert_snapshot!(calls(aws_env, &["destroy", "--yes"]), @"
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
    let destroy_all = ["destroy", "--delete-data", "--confirm", "test", "--export", "all.csv"];
    insta::assert_snapshot!(calls(aws_env, &destroy_all), @"
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
    let leftover = aws_env.ok(&["gc", "--json"]).json();
    assert_eq!(leftover["deployments"], serde_json::json!([]));
}

#[test]
fn commands_make_expected_aws_calls() {
    assert!(!all().is_empty());
}
