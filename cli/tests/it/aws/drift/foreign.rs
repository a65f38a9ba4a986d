//! Access that others add to our resources: `status` and `plan` report it alike, and no deploy removes it.

use hitctl_emulators::{Emulator, Kind};

use super::super::scene::{Scene, config};
use crate::support::artifact;

/// Added access is a warning of `plan`, `status` and `deploy`, and stays.
#[test]
fn access_that_others_added_is_reported_and_kept() {
    let emulator = Emulator::ministack();
    let mut scene = Scene::new(emulator, "foreign", "");
    scene.deploy();
    let clean = scene.ok(&["status", "--json"]);
    assert!(clean.json().get("warnings").is_none(), "{clean:?}");
    add_access(emulator, "foreign-test");
    let zip = artifact();
    let plan = scene.ok(&["plan", "--json", "--detailed-exitcode", "--artifact", &zip]).json();
    let status = scene.ok(&["status", "--json", "--detailed-exitcode"]).json();
    assert_eq!(plan["warnings"], status["warnings"], "both judge alike");
    scene.deploy();
    let after = scene.ok(&["status", "--json"]).json();
    assert_eq!(after["warnings"], status["warnings"], "a deploy leaves it");
    let warnings = status["warnings"].as_array().unwrap().iter();
    let mut warnings: Vec<_> =
        warnings.map(|text| text.as_str().unwrap().split(';').next().unwrap()).collect();
    warnings.sort_unstable();
    insta::assert_snapshot!(warnings.join("\n"), @"
    alias.live: the policy of foreign-test:live lets anybody call lambda:InvokeFunction by the statement anybody-live, which is not hitctl's and stays
    function.counter: the policy of foreign-test lets anybody call lambda:InvokeFunction by the statement anybody, which is not hitctl's and stays
    role.function: role foreign-test has the inline policy more, which is not hitctl's and stays
    role.function: role foreign-test has the managed policy arn:aws:iam::123456789012:policy/everything, which hitctl did not attach and leaves
    ");
    let human = scene.ok(&["status"]).stdout;
    assert!(human.contains("warn  role.function: role foreign-test has the inline policy more"), "{human}");
}

/// Somebody attaches a managed policy, writes an inline one, and lets anybody call the function and its alias.
fn add_access(emulator: &Emulator, name: &str) {
    let config = config(emulator);
    let (roles, functions) = (aws_sdk_iam::Client::new(&config), aws_sdk_lambda::Client::new(&config));
    let document =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let made =
            roles.create_policy().policy_name("everything").policy_document(document).send().await.unwrap();
        let arn = made.policy.unwrap().arn.unwrap();
        roles.attach_role_policy().role_name(name).policy_arn(arn).send().await.unwrap();
        let inline = roles.put_role_policy().role_name(name).policy_name("more");
        inline.policy_document(document).send().await.unwrap();
        // Emulators take an id once for a function and all of its aliases.
        for (qualifier, id) in [(None, "anybody"), (Some("live"), "anybody-live")] {
            let call = functions.add_permission().function_name(name).statement_id(id).principal("*");
            let call = call.action("lambda:InvokeFunction").set_qualifier(qualifier.map(str::to_owned));
            call.send().await.unwrap();
        }
    });
}

/// A share of the requests that goes to another version is drift, and the next deploy takes it back.
#[test]
fn weights_on_the_alias_are_seen_and_taken_back() {
    let emulator = Emulator::moto();
    let mut scene = Scene::new(emulator, "weights", "");
    scene.deploy();
    scene.yard.configure("function.memory_mb = 256\n");
    scene.deploy();
    let client = aws_sdk_lambda::Client::new(&config(emulator));
    let routing =
        aws_sdk_lambda::types::AliasRoutingConfiguration::builder().additional_version_weights("1", 0.25);
    let call =
        client.update_alias().function_name("weights-test").name("live").routing_config(routing.build());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(call.send()).unwrap();
    let zip = artifact();
    let status = scene.run(&["status", "--json", "--detailed-exitcode"]);
    let plan = scene.run(&["plan", "--json", "--detailed-exitcode", "--artifact", &zip]);
    assert_eq!((status.code, plan.code), (2, 2), "{status:?} {plan:?}");
    // Moto forgets another field.
    let weights = "alias.live weights";
    assert!(super::differing(&status).contains(weights), "{status:?}");
    assert_eq!(super::differing(&status), super::differing(&plan));
    scene.deploy();
    let status = scene.ok(&["status", "--json"]);
    assert!(!super::differing(&status).contains(weights), "{status:?}");
}

/// Resources that the configuration no longer has are drift for both, as long as they are there.
#[test]
fn resources_that_a_deploy_would_delete_are_no_ok() {
    for (kind, app) in [(Kind::MiniStack, "leftoverm"), (Kind::Moto, "leftover")] {
        let mut scene = Scene::new(Emulator::shared(kind), app, "queue.enabled = true\n");
        scene.deploy();
        scene.yard.configure("");
        let zip = artifact();
        let plan = scene.run(&["plan", "--json", "--detailed-exitcode", "--artifact", &zip]);
        let status = scene.run(&["status", "--json", "--detailed-exitcode"]);
        assert_eq!((plan.code, status.code), (2, 2), "{plan:?} {status:?}");
        let rows = |json: &super::Json, key: &str, is: &dyn Fn(&super::Json) -> bool| -> Vec<String> {
            let rows = json[key].as_array().unwrap().iter().filter(|row| is(row));
            rows.map(|row| row["address"].as_str().unwrap().to_owned()).collect()
        };
        let deleted = rows(&plan.json(), "changes", &|row| row["action"] == "delete");
        assert_eq!(rows(&status.json(), "resources", &|row| row["unwanted"] == true), deleted);
        assert!(deleted.contains(&"queue.hits".to_owned()), "{deleted:?}");
    }
}
