//! The policy statement that lets a rule call the function. Earlier releases added a condition on the account, which
//! calls of EventBridge do not meet. A deploy replaces such a statement without a gap.

use hitctl_emulators::Emulator;
use serde_json::Value as Json;

use super::recorded_env::{RecordedAwsEnv, sdk_config};

/// Returns the statements for rules in the alias's policy.
async fn statements(client: &aws_sdk_lambda::Client, function: &str) -> Vec<Json> {
    let policy = client.get_policy().function_name(function).qualifier("live").send().await.unwrap();
    let policy: Json = serde_json::from_str(policy.policy().unwrap()).unwrap();
    let all = policy["Statement"].as_array().unwrap().iter();
    all.filter(|one| one["Sid"].as_str().unwrap().starts_with("hitctl-events")).cloned().collect()
}

#[test]
fn rule_permission_with_account_condition_is_replaced_without_gap() {
    let emulator = Emulator::ministack();
    let mut aws_env = RecordedAwsEnv::new(emulator, "gapless", "events.enabled = true\n");
    aws_env.deploy();
    let client = aws_sdk_lambda::Client::new(&sdk_config(emulator));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let name = "gapless-test";
    let found = runtime.block_on(statements(&client, name));
    assert_eq!(found.len(), 1);
    assert!(!found[0].to_string().contains("SourceAccount"), "{found:?}");
    let rule = found[0]["Condition"]["ArnLike"]["AWS:SourceArn"].as_str().unwrap().to_owned();
    runtime.block_on(async {
        let call = client.remove_permission().function_name(name).qualifier("live");
        call.statement_id("hitctl-events").send().await.unwrap();
        let call =
            client.add_permission().function_name(name).qualifier("live").statement_id("hitctl-events");
        let call = call.action("lambda:InvokeFunction").principal("events.amazonaws.com").source_arn(&rule);
        call.source_account(Emulator::ACCOUNT).send().await.unwrap();
    });

    aws_env.deploy();
    let writes: Vec<_> =
        aws_env.proxy.write_names().into_iter().filter(|call| call.starts_with("lambda:")).collect();
    assert_eq!(writes, ["lambda:AddPermission", "lambda:RemovePermission"]);
    let found = runtime.block_on(statements(&client, name));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(!found[0].to_string().contains("SourceAccount"), "{found:?}");
    aws_env.deploy();
    assert_eq!(aws_env.proxy.write_names(), Vec::<String>::new());
    let status = aws_env.ok(&["status", "--json"]);
    assert!(
        status.json().get("warnings").is_none(),
        "hitctl recognizes its statement by both ids: {status:?}"
    );
    aws_env.ok(&["destroy", "--yes"]);
}
