//! A role that was deleted and created again: its KMS grant is renewed, with a new version. The emulators know no grants, so
//! what is tested is which calls are made.

use aws_sdk_iam::primitives::DateTimeFormat;
use aws_sdk_iam::types::Tag;
use hitctl_emulators::{Emulator, Fault};
use serde_json::Value as Json;

use super::scene::{Scene, config, left};
use crate::support::{DEFAULTS, artifact};

/// Lambda's configuration of the function, or of one of its versions.
fn function(emulator: &Emulator, name: &str) -> aws_sdk_lambda::types::FunctionConfiguration {
    let client = aws_sdk_lambda::Client::new(&config(emulator));
    block_on(async { client.get_function().function_name(name).send().await.unwrap().configuration.unwrap() })
}

fn block_on<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(what)
}

/// Deletes the role by hand.
async fn delete(client: &aws_sdk_iam::Client, name: &str) {
    client.delete_role_policy().role_name(name).policy_name("hitctl").send().await.unwrap();
    client.delete_role().role_name(name).send().await.unwrap();
}

/// Deletes the role and creates it again, the same but for its id.
fn recreate(emulator: &Emulator, name: &str) {
    let client = aws_sdk_iam::Client::new(&config(emulator));
    block_on(async {
        let there = client.get_role().role_name(name).send().await.unwrap().role.unwrap();
        let policy = client.get_role_policy().role_name(name).policy_name("hitctl").send().await.unwrap();
        delete(&client, name).await;
        let trust = decoded(there.assume_role_policy_document().unwrap());
        let tags: Vec<Tag> = there.tags().to_vec();
        let create = client.create_role().role_name(name).assume_role_policy_document(trust);
        create.set_tags(Some(tags)).send().await.unwrap();
        let put = client.put_role_policy().role_name(name).policy_name("hitctl");
        put.policy_document(decoded(policy.policy_document())).send().await.unwrap();
    });
}

/// A policy as IAM answers it, percent-decoded.
fn decoded(text: &str) -> String {
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

/// The writes of the last command that are not the lease's.
fn writes(scene: &Scene) -> Vec<String> {
    scene.wire.writes().into_iter().filter(|call| !call.starts_with("dynamodb:")).collect()
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

/// The writing calls of a renewed grant and a published version.
const RENEWAL: [&str; 6] = [
    "iam:CreateRole",
    "lambda:UpdateFunctionConfiguration",
    "iam:DeleteRole",
    "lambda:UpdateFunctionConfiguration",
    "lambda:PublishVersion",
    "lambda:UpdateAlias",
];

fn only_reads(scene: &mut Scene) {
    scene.deploy();
    assert_eq!(scene.wire.writes(), Vec::<String>::new(), "the next deploy finds nothing to do");
}

#[test]
fn recreated_role_gets_a_new_grant_and_the_function_a_new_version() {
    let emulator = Emulator::ministack();
    let mut scene = Scene::new(emulator, "regrant", DEFAULTS);
    scene.deploy();
    let role = function(emulator, "regrant-test").role.unwrap();
    recreate(emulator, "regrant-test");

    let plan = scene.ok(&["plan", "--json", "--artifact", &artifact()]).json();
    assert_eq!(changes(&plan), ["update function.counter", "update alias.live"]);
    assert_eq!(scene.run(&["status", "--detailed-exitcode"]).code, 2);
    scene.deploy();
    assert_eq!(writes(&scene), RENEWAL);
    assert_eq!(function(emulator, "regrant-test").role.unwrap(), role, "it is the own role in the end");
    assert!(!left(emulator, "regrant").iter().any(|name| name.contains("-grant")), "nothing is left of it");
    only_reads(&mut scene);

    let refused = scene.run(&["rollback", "--yes", "--to", "1"]);
    assert!(refused.code == 1 && refused.stderr.contains("a role that was deleted"), "{refused:?}");
    let refused = scene.run(&["rollback", "--yes"]);
    assert_eq!(refused.code, 1, "there is no version before that works: {refused:?}");

    // What a deploy itself creates again is another role as well.
    block_on(delete(&aws_sdk_iam::Client::new(&config(emulator)), "regrant-test"));
    scene.deploy();
    assert_eq!(writes(&scene), [&["iam:CreateRole", "iam:PutRolePolicy"] as &[&str], &RENEWAL].concat());
    only_reads(&mut scene);
    scene.ok(&["destroy", "--yes"]);
}

#[test]
fn function_of_an_earlier_release_is_judged_by_the_age_of_its_role() {
    let emulator = Emulator::ministack();
    let mut scene = Scene::new(emulator, "oldgrant", DEFAULTS);
    scene.deploy();
    // An earlier release told the function nothing of its role.
    let forget = || {
        let client = aws_sdk_lambda::Client::new(&config(emulator));
        let mut variables = function(emulator, "oldgrant-test").environment.unwrap().variables.unwrap();
        variables.remove("HITCTL_ROLE_ID").unwrap();
        let environment =
            aws_sdk_lambda::types::Environment::builder().set_variables(Some(variables)).build();
        let update = client.update_function_configuration().function_name("oldgrant-test");
        block_on(update.environment(environment).send()).unwrap();
    };
    forget();
    scene.deploy();
    assert_eq!(
        writes(&scene),
        ["lambda:UpdateFunctionConfiguration"],
        "the role is older than the function, and the version behind the alias knows it"
    );
    forget();
    // The times are compared by the second.
    let modified = function(emulator, "oldgrant-test").last_modified.unwrap();
    let client = aws_sdk_iam::Client::new(&config(emulator));
    loop {
        recreate(emulator, "oldgrant-test");
        let role = block_on(client.get_role().role_name("oldgrant-test").send()).unwrap().role.unwrap();
        if role.create_date().fmt(DateTimeFormat::DateTime).unwrap()[..19] > modified[..19] {
            break;
        }
    }
    scene.deploy();
    assert_eq!(writes(&scene), RENEWAL);
    only_reads(&mut scene);
    scene.ok(&["destroy", "--yes"]);
}

#[test]
fn interrupted_renewal_is_finished_by_the_next_deploy_or_removed_by_destroy() {
    let emulator = Emulator::ministack();
    let mut scene = Scene::new(emulator, "cutgrant", DEFAULTS);
    scene.deploy();
    let stand_in = |emulator| left(emulator, "cutgrant").iter().any(|name| name.contains("-grant"));
    let cut = |scene: &mut Scene| {
        recreate(emulator, "cutgrant-test");
        scene.wire.reset();
        scene.wire.rule(|call| {
            call.is("iam:DeleteRole")
                .then(|| Fault::status(403, "AccessDenied", "not authorized to perform: iam:DeleteRole"))
        });
        let ran = scene.run_on(&["deploy", "--artifact", &artifact()]);
        assert_ne!(ran.code, 0, "{ran:?}");
        assert!(stand_in(emulator));
    };
    cut(&mut scene);
    scene.deploy();
    assert!(!stand_in(emulator));
    only_reads(&mut scene);
    cut(&mut scene);
    scene.ok(&["destroy", "--yes"]);
    assert!(!stand_in(emulator), "{:?}", left(emulator, "cutgrant"));
}
