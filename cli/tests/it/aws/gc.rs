//! Leftover deployments that consist only of a role, which the tagging API does not return.

use aws_sdk_iam::types::Tag;
use hitctl_emulators::Emulator;

use super::recorded_env::{RecordedAwsEnv, remaining_resources, sdk_config};

/// Creates a role with the SDK. If `region` is given, the role gets a policy for a table in that region.
async fn create_role(client: &aws_sdk_iam::Client, name: &str, tags: &[(&str, &str)], region: Option<&str>) {
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let tag = |(key, value): &(&str, &str)| Tag::builder().key(*key).value(*value).build().unwrap();
    let call = client.create_role().role_name(name).assume_role_policy_document(trust);
    call.set_tags(Some(tags.iter().map(tag).collect())).send().await.unwrap();
    if let Some(region) = region {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Table","Effect":"Allow","Action":["dynamodb:GetItem"],"Resource":["arn:aws:dynamodb:{region}:{}:table/{name}"]}}]}}"#,
            Emulator::ACCOUNT
        );
        let call = client.put_role_policy().role_name(name).policy_name("hitctl");
        call.policy_document(policy).send().await.unwrap();
    }
}

#[test]
fn leftover_role_is_listed_and_removed() {
    let emulator = Emulator::new_ministack();
    let client = aws_sdk_iam::Client::new(&sdk_config(&emulator));
    let ours = |app| [("hitctl:app", app), ("hitctl:env", "test"), ("hitctl:managed", "true")];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        create_role(&client, "old-test", &ours("old"), Some(Emulator::REGION)).await;
        // A role without a policy.
        create_role(&client, "older-test", &ours("older"), None).await;
        // The role of a deployment in another region: its policy names a table there.
        create_role(&client, "elsewhere-test", &ours("elsewhere"), Some("us-west-2")).await;
        create_role(&client, "somebodys-own", &[("team", "web")], None).await;
    });
    let mut aws_env = RecordedAwsEnv::new(&emulator, "rolegc", "");
    let leftovers = |aws_env: &mut RecordedAwsEnv| -> Vec<String> {
        let json = aws_env.ok(&["gc", "--json"]).json();
        let rows = json["deployments"].as_array().unwrap().clone();
        rows.iter().map(|row| format!("{} {}", row["app"].as_str().unwrap(), row["resources"])).collect()
    };
    assert_eq!(leftovers(&mut aws_env), ["old 1", "older 1"]);
    let all = aws_env.ok(&["status", "--all", "--json"]).json();
    assert_eq!(all["deployments"].as_array().unwrap().len(), 2, "{all}");
    aws_env.ok(&["gc", "old/test", "--confirm", "test"]);
    assert_eq!(remaining_resources(&emulator, "old"), Vec::<String>::new());
    assert_eq!(leftovers(&mut aws_env), ["older 1"]);
}
