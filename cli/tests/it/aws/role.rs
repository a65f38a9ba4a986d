//! A role that was deleted and recreated: a deploy renews the function's KMS grant and publishes a new version. The
//! emulators have no grants, so the tests check the calls.

use aws_sdk_iam::primitives::DateTimeFormat;
use aws_sdk_iam::types::Tag;
use hitctl_emulators::{Emulator, InjectedFault};
use serde_json::Value as Json;

use super::recorded_env::{RecordedAwsEnv, remaining_resources, sdk_config};
use crate::support::{DEFAULTS, artifact};

/// Returns the configuration of the function, or of one of its versions.
fn function_config(emulator: &Emulator, name: &str) -> aws_sdk_lambda::types::FunctionConfiguration {
    let client = aws_sdk_lambda::Client::new(&sdk_config(emulator));
    block_on(async { client.get_function().function_name(name).send().await.unwrap().configuration.unwrap() })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Deletes the role with the SDK.
async fn delete_role(client: &aws_sdk_iam::Client, name: &str) {
    client.delete_role_policy().role_name(name).policy_name("hitctl").send().await.unwrap();
    client.delete_role().role_name(name).send().await.unwrap();
}

/// Deletes the role and creates it again with the same settings and another id.
fn recreate_role(emulator: &Emulator, name: &str) {
    let client = aws_sdk_iam::Client::new(&sdk_config(emulator));
    block_on(async {
        let role = client.get_role().role_name(name).send().await.unwrap().role.unwrap();
        let policy = client.get_role_policy().role_name(name).policy_name("hitctl").send().await.unwrap();
        delete_role(&client, name).await;
        let trust = percent_decode(role.assume_role_policy_document().unwrap());
        let tags: Vec<Tag> = role.tags().to_vec();
        let create = client.create_role().role_name(name).assume_role_policy_document(trust);
        create.set_tags(Some(tags)).send().await.unwrap();
        let put = client.put_role_policy().role_name(name).policy_name("hitctl");
        put.policy_document(percent_decode(policy.policy_document())).send().await.unwrap();
    });
}

/// Percent-decodes a policy, which IAM returns encoded.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        if let (b'%', Some(byte)) = (first, hex) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Returns the writes of the last command, without those of the lease.
fn writes(aws_env: &RecordedAwsEnv) -> Vec<String> {
    aws_env.proxy.write_names().into_iter().filter(|call| !call.starts_with("dynamodb:")).collect()
}

fn changes(plan: &Json) -> Vec<String> {
    let all = plan["changes"].as_array().unwrap().iter();
    let changed = all.filter(|change| change["action"] != "keep");
    changed
        .map(|change| {
            format!("{} {}", change["action"].as_str().unwrap(), change["address"].as_str().unwrap())
        })
        .collect()
}

/// The writes that renew a grant with a temporary role, and then publish a version.
const RENEWAL: [&str; 6] = [
    "iam:CreateRole",
    "lambda:UpdateFunctionConfiguration",
    "iam:DeleteRole",
    "lambda:UpdateFunctionConfiguration",
    "lambda:PublishVersion",
    "lambda:UpdateAlias",
];

fn assert_only_reads(aws_env: &mut RecordedAwsEnv) {
    aws_env.deploy();
    assert_eq!(aws_env.proxy.write_names(), Vec::<String>::new(), "the next deploy finds nothing to do");
}

#[test]
fn recreated_role_gets_new_grant_and_function_new_version() {
    let emulator = Emulator::ministack();
    let mut aws_env = RecordedAwsEnv::new(emulator, "regrant", DEFAULTS);
    aws_env.deploy();
    let role = function_config(emulator, "regrant-test").role.unwrap();
    recreate_role(emulator, "regrant-test");

    let plan = aws_env.ok(&["plan", "--json", "--artifact", &artifact()]).json();
    assert_eq!(changes(&plan), ["update function.counter", "update alias.live"]);
    assert_eq!(aws_env.run(&["status", "--detailed-exitcode"]).code, 2);
    aws_env.deploy();
    assert_eq!(writes(&aws_env), RENEWAL);
    assert_eq!(
        function_config(emulator, "regrant-test").role.unwrap(),
        role,
        "the function has its own role again"
    );
    assert!(
        !remaining_resources(emulator, "regrant").iter().any(|name| name.contains("-grant")),
        "the temporary role is deleted"
    );
    assert_only_reads(&mut aws_env);

    let refused = aws_env.run(&["rollback", "--yes", "--to", "1"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("a role that has since been deleted"),
        "{refused:?}"
    );
    let refused = aws_env.run(&["rollback", "--yes"]);
    assert_eq!(refused.code, 1, "no earlier version has a valid grant: {refused:?}");

    // A role that the deploy itself recreates has another id too.
    block_on(delete_role(&aws_sdk_iam::Client::new(&sdk_config(emulator)), "regrant-test"));
    aws_env.deploy();
    assert_eq!(writes(&aws_env), [&["iam:CreateRole", "iam:PutRolePolicy"] as &[&str], &RENEWAL].concat());
    assert_only_reads(&mut aws_env);
    aws_env.ok(&["destroy", "--yes"]);
}

#[test]
fn grant_of_earlier_release_is_judged_by_age_of_role() {
    let emulator = Emulator::ministack();
    let mut aws_env = RecordedAwsEnv::new(emulator, "oldgrant", DEFAULTS);
    aws_env.deploy();
    // Earlier releases did not set the id of the role in the function's environment.
    let remove_role_id = || {
        let client = aws_sdk_lambda::Client::new(&sdk_config(emulator));
        let mut variables =
            function_config(emulator, "oldgrant-test").environment.unwrap().variables.unwrap();
        variables.remove("HITCTL_ROLE_ID").unwrap();
        let environment =
            aws_sdk_lambda::types::Environment::builder().set_variables(Some(variables)).build();
        let update = client.update_function_configuration().function_name("oldgrant-test");
        block_on(update.environment(environment).send()).unwrap();
    };
    remove_role_id();
    aws_env.deploy();
    assert_eq!(
        writes(&aws_env),
        ["lambda:UpdateFunctionConfiguration"],
        "the role is older than the function, and the live version has the id of the role"
    );
    remove_role_id();
    // The times have a resolution of one second, so this repeats until the role is younger.
    let modified = function_config(emulator, "oldgrant-test").last_modified.unwrap();
    let client = aws_sdk_iam::Client::new(&sdk_config(emulator));
    loop {
        recreate_role(emulator, "oldgrant-test");
        let role = block_on(client.get_role().role_name("oldgrant-test").send()).unwrap().role.unwrap();
        if role.create_date().fmt(DateTimeFormat::DateTime).unwrap()[..19] > modified[..19] {
            break;
        }
    }
    aws_env.deploy();
    assert_eq!(writes(&aws_env), RENEWAL);
    assert_only_reads(&mut aws_env);
    aws_env.ok(&["destroy", "--yes"]);
}

#[test]
fn interrupted_renewal_is_finished_by_the_next_deploy_or_removed_by_destroy() {
    let emulator = Emulator::ministack();
    let mut aws_env = RecordedAwsEnv::new(emulator, "cutgrant", DEFAULTS);
    aws_env.deploy();
    let has_temporary_role =
        |emulator| remaining_resources(emulator, "cutgrant").iter().any(|name| name.contains("-grant"));
    let cut = |aws_env: &mut RecordedAwsEnv| {
        recreate_role(emulator, "cutgrant-test");
        aws_env.proxy.reset();
        aws_env.proxy.set_fault_rule(|call| {
            call.has_name("iam:DeleteRole").then(|| {
                InjectedFault::service_error(403, "AccessDenied", "not authorized to perform: iam:DeleteRole")
            })
        });
        let output = aws_env.run_with_rules(&["deploy", "--artifact", &artifact()]);
        assert_ne!(output.code, 0, "{output:?}");
        assert!(has_temporary_role(emulator));
    };
    cut(&mut aws_env);
    aws_env.deploy();
    assert!(!has_temporary_role(emulator));
    assert_only_reads(&mut aws_env);
    cut(&mut aws_env);
    aws_env.ok(&["destroy", "--yes"]);
    assert!(!has_temporary_role(emulator), "{:?}", remaining_resources(emulator, "cutgrant"));
}
