//! Leftovers of which nothing but a role is left: the tagging API never answers with those.

use aws_sdk_iam::types::Tag;
use hitctl_emulators::Emulator;

use super::scene::{Scene, config, left};

/// Creates a role by hand; with a policy on a table in that region, if one is given.
async fn create(client: &aws_sdk_iam::Client, name: &str, tags: &[(&str, &str)], region: Option<&str>) {
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
fn role_that_is_left_alone_is_listed_and_removed() {
    let emulator = Emulator::new_ministack();
    let client = aws_sdk_iam::Client::new(&config(&emulator));
    let ours = |app| [("hitctl:app", app), ("hitctl:env", "test"), ("hitctl:managed", "true")];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        create(&client, "old-test", &ours("old"), Some(Emulator::REGION)).await;
        // It may do nothing any more.
        create(&client, "older-test", &ours("older"), None).await;
        // Its function is in another region, and lives.
        create(&client, "elsewhere-test", &ours("elsewhere"), Some("us-west-2")).await;
        create(&client, "somebodys-own", &[("team", "web")], None).await;
    });
    let mut scene = Scene::new(&emulator, "rolegc", "");
    let found = |scene: &mut Scene| -> Vec<String> {
        let json = scene.ok(&["gc", "--json"]).json();
        let rows = json["deployments"].as_array().unwrap().clone();
        rows.iter().map(|row| format!("{} {}", row["app"].as_str().unwrap(), row["resources"])).collect()
    };
    assert_eq!(found(&mut scene), ["old 1", "older 1"]);
    let all = scene.ok(&["status", "--all", "--json"]).json();
    assert_eq!(all["deployments"].as_array().unwrap().len(), 2, "{all}");
    scene.ok(&["gc", "old/test", "--confirm", "test"]);
    assert_eq!(left(&emulator, "old"), Vec::<String>::new());
    assert_eq!(found(&mut scene), ["older 1"]);
}
