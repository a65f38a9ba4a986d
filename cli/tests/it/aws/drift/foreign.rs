//! Access that others add to the app's resources is reported by both `status` and `plan`, and no deploy removes it.
//! Traffic weights and resources that are no longer configured are drift, which a deploy removes.

use hitctl_emulators::{Emulator, EmulatorKind};

use super::super::recorded_env::{RecordedAwsEnv, sdk_config};
use crate::support::artifact;

/// Added access is a warning of `plan`, `status` and `deploy`, and is kept.
#[test]
fn access_added_by_others_is_reported_and_kept() {
    let emulator = Emulator::ministack();
    let mut aws_env = RecordedAwsEnv::new(emulator, "foreign", "");
    aws_env.deploy();
    let clean = aws_env.ok(&["status", "--json"]);
    assert!(clean.json().get("warnings").is_none(), "{clean:?}");
    add_access(emulator, "foreign-test");
    let zip = artifact();
    let plan = aws_env.ok(&["plan", "--json", "--detailed-exitcode", "--artifact", &zip]).json();
    let status = aws_env.ok(&["status", "--json", "--detailed-exitcode"]).json();
    assert_eq!(plan["warnings"], status["warnings"], "plan and status warn alike");
    aws_env.deploy();
    let after = aws_env.ok(&["status", "--json"]).json();
    assert_eq!(after["warnings"], status["warnings"], "a deploy keeps the added access");
    let warnings = status["warnings"].as_array().unwrap().iter();
    let mut warnings: Vec<_> =
        warnings.map(|text| text.as_str().unwrap().split(';').next().unwrap()).collect();
    warnings.sort_unstable();
    insta::assert_snapshot!(warnings.join("\n"), @"
    alias.live: the policy of foreign-test:live allows anyone to call lambda:InvokeFunction by statement anybody-live, which hitctl did not create
    function.counter: the policy of foreign-test allows anyone to call lambda:InvokeFunction by statement anybody, which hitctl did not create
    role.function: role foreign-test has the inline policy more, which hitctl did not create
    role.function: role foreign-test has the managed policy arn:aws:iam::123456789012:policy/everything, which hitctl did not attach
    ");
    let human = aws_env.ok(&["status"]).stdout;
    assert!(human.contains("warn   role.function: role foreign-test has the inline policy more"), "{human}");
}

/// Attaches a managed policy, adds an inline one, and lets anybody call the function and its alias.
fn add_access(emulator: &Emulator, name: &str) {
    let config = sdk_config(emulator);
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
        // Emulators accept a statement id only once for a function and all of its aliases.
        for (qualifier, id) in [(None, "anybody"), (Some("live"), "anybody-live")] {
            let call = functions.add_permission().function_name(name).statement_id(id).principal("*");
            let call = call.action("lambda:InvokeFunction").set_qualifier(qualifier.map(str::to_owned));
            call.send().await.unwrap();
        }
    });
}

/// Traffic weights on the alias are drift, and the next deploy removes them.
#[test]
fn alias_weights_are_reported_and_removed() {
    let emulator = Emulator::moto();
    let mut aws_env = RecordedAwsEnv::new(emulator, "weights", "");
    aws_env.deploy();
    aws_env.env.configure("function.memory_mb = 256\n");
    aws_env.deploy();
    let client = aws_sdk_lambda::Client::new(&sdk_config(emulator));
    let routing =
        aws_sdk_lambda::types::AliasRoutingConfiguration::builder().additional_version_weights("1", 0.25);
    let call =
        client.update_alias().function_name("weights-test").name("live").routing_config(routing.build());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(call.send()).unwrap();
    let zip = artifact();
    let status = aws_env.run(&["status", "--json", "--detailed-exitcode"]);
    let plan = aws_env.run(&["plan", "--json", "--detailed-exitcode", "--artifact", &zip]);
    assert_eq!((status.code, plan.code), (2, 2), "{status:?} {plan:?}");
    // Another field differs too, since Moto does not store it.
    let weights = "alias.live weights";
    assert!(super::differing_fields(&status).contains(weights), "{status:?}");
    assert_eq!(super::differing_fields(&status), super::differing_fields(&plan));
    aws_env.deploy();
    let status = aws_env.ok(&["status", "--json"]);
    assert!(!super::differing_fields(&status).contains(weights), "{status:?}");
}

/// Existing resources that are no longer configured are drift for both `plan` and `status`.
#[test]
fn resources_that_a_deploy_would_delete_are_drift() {
    for (kind, app) in [(EmulatorKind::MiniStack, "leftoverm"), (EmulatorKind::Moto, "leftover")] {
        let mut aws_env = RecordedAwsEnv::new(Emulator::shared(kind), app, "queue.enabled = true\n");
        aws_env.deploy();
        aws_env.env.configure("");
        let zip = artifact();
        let plan = aws_env.run(&["plan", "--json", "--detailed-exitcode", "--artifact", &zip]);
        let status = aws_env.run(&["status", "--json", "--detailed-exitcode"]);
        assert_eq!((plan.code, status.code), (2, 2), "{plan:?} {status:?}");
        let rows = |json: &super::Json, key: &str, filter: &dyn Fn(&super::Json) -> bool| -> Vec<String> {
            let rows = json[key].as_array().unwrap().iter().filter(|row| filter(row));
            rows.map(|row| row["address"].as_str().unwrap().to_owned()).collect()
        };
        let deleted = rows(&plan.json(), "changes", &|row| row["action"] == "delete");
        assert_eq!(rows(&status.json(), "resources", &|row| row["unwanted"] == true), deleted);
        assert!(deleted.contains(&"queue.hits".to_owned()), "{deleted:?}");
    }
}
