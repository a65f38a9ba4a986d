//! The statement that lets a rule call the function, as earlier releases wrote it: with a condition on the account, which calls
//! of EventBridge do not meet. It is exchanged without a moment in which there is none.

use hitctl_emulators::Emulator;
use serde_json::Value as Json;

use super::scene::{Scene, config};

/// The statements for rules in the alias's policy.
async fn statements(client: &aws_sdk_lambda::Client, function: &str) -> Vec<Json> {
    let policy = client.get_policy().function_name(function).qualifier("live").send().await.unwrap();
    let policy: Json = serde_json::from_str(policy.policy().unwrap()).unwrap();
    let all = policy["Statement"].as_array().unwrap().iter();
    all.filter(|one| one["Sid"].as_str().unwrap().starts_with("hitctl-events")).cloned().collect()
}

#[test]
fn permission_of_a_rule_loses_its_account_without_a_gap() {
    let emulator = Emulator::ministack();
    let mut scene = Scene::new(emulator, "gapless", "events.enabled = true\n");
    scene.deploy();
    let client = aws_sdk_lambda::Client::new(&config(emulator));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let name = "gapless-test";
    let there = runtime.block_on(statements(&client, name));
    assert_eq!(there.len(), 1);
    assert!(!there[0].to_string().contains("SourceAccount"), "{there:?}");
    let rule = there[0]["Condition"]["ArnLike"]["AWS:SourceArn"].as_str().unwrap().to_owned();
    runtime.block_on(async {
        let call = client.remove_permission().function_name(name).qualifier("live");
        call.statement_id("hitctl-events").send().await.unwrap();
        let call =
            client.add_permission().function_name(name).qualifier("live").statement_id("hitctl-events");
        let call = call.action("lambda:InvokeFunction").principal("events.amazonaws.com").source_arn(&rule);
        call.source_account(Emulator::ACCOUNT).send().await.unwrap();
    });

    scene.deploy();
    let writes: Vec<_> = scene.wire.writes().into_iter().filter(|call| call.starts_with("lambda:")).collect();
    assert_eq!(writes, ["lambda:AddPermission", "lambda:RemovePermission"]);
    let there = runtime.block_on(statements(&client, name));
    assert_eq!(there.len(), 1, "{there:?}");
    assert!(!there[0].to_string().contains("SourceAccount"), "{there:?}");
    scene.deploy();
    assert_eq!(scene.wire.writes(), Vec::<String>::new());
    let status = scene.ok(&["status", "--json"]);
    assert!(
        status.json().get("warnings").is_none(),
        "the statement is ours under both of its ids: {status:?}"
    );
    scene.ok(&["destroy", "--yes"]);
}
