//! A function. Its code is never run here.

use std::collections::BTreeMap;

use aws_sdk_lambda::Client;
use futures::FutureExt as _;
use hitctl_emulators::Kind;
use hitctl_engine::Value;
use hitctl_resources::{Arch, FunctionSpec, LogGroupSpec, RoleSpec, Spec as _};

use super::{below, log_group};
use crate::Gap;
use crate::suite::{Case, Change, Foreign};
use crate::world::World;

pub(crate) const GAPS: &[Gap] =
    &[Gap::Forgets { by: Kind::Moto, field: "arch", why: "takes no Architectures in UpdateFunctionCode" }];

/// A function with a bit of everything.
pub(crate) fn spec(world: &World) -> FunctionSpec {
    FunctionSpec {
        runtime: "provided.al2023".to_owned(),
        arch: Arch::X86_64,
        code_sha256: world.code(0),
        memory_mb: 128,
        timeout_s: 3,
        reserved_concurrency: Some(1),
        environment: BTreeMap::from([
            ("HITCTL_TABLE".to_owned(), Value::from(world.base())),
            ("GREETING".to_owned(), Value::from("grüß \"dich\"".to_owned())),
        ]),
        role_arn: Value::known(RoleSpec::address("function"), world.role_arn()),
        log_format: "JSON".to_owned(),
        app_log_level: Some("INFO".to_owned()),
        system_log_level: Some("INFO".to_owned()),
        log_group: Value::known(LogGroupSpec::address("function"), log_group::name(world)),
        tags: world.tags(),
    }
}

pub(crate) fn case(world: &World) -> Case {
    let function = spec(world);
    let change = |what, spec: &FunctionSpec| Change::new(what, spec.node("counter", &world.base()));
    let environment = BTreeMap::from([("HITCTL_TABLE".to_owned(), Value::from("elsewhere".to_owned()))]);
    let sized = FunctionSpec { memory_mb: 256, timeout_s: 10, ..function.clone() };
    let other = FunctionSpec { environment: environment.clone(), ..function.clone() };
    let bare = FunctionSpec { environment: BTreeMap::new(), ..function.clone() };
    let recoded = FunctionSpec { code_sha256: world.code(1), ..function.clone() };
    let arm = FunctionSpec { arch: Arch::Arm64, code_sha256: world.code(2), ..function.clone() };
    let freed = FunctionSpec { reserved_concurrency: None, ..function.clone() };
    let reserved = FunctionSpec { reserved_concurrency: Some(5), ..function.clone() };
    let verbose = FunctionSpec {
        app_log_level: Some("DEBUG".to_owned()),
        system_log_level: Some("WARN".to_owned()),
        ..function.clone()
    };
    let tagged = FunctionSpec { tags: world.more_tags("team", "web"), ..function.clone() };
    let all = FunctionSpec {
        arch: Arch::Arm64,
        code_sha256: world.code(2),
        memory_mb: 512,
        timeout_s: 20,
        reserved_concurrency: Some(7),
        environment,
        log_format: "Text".to_owned(),
        app_log_level: None,
        system_log_level: None,
        tags: world.more_tags("team", "ops"),
        ..function.clone()
    };
    Case {
        before: below(world),
        node: function.node("counter", &world.base()),
        changes: vec![
            change("memory and timeout", &sized),
            change("environment", &other),
            change("no environment", &bare),
            change("code", &recoded),
            change("architecture", &arm),
            change("no reserved concurrency", &freed),
            change("reserved concurrency", &reserved),
            // The other format is in "everything": Moto shows no logging settings any more once they were changed.
            change("log levels", &verbose),
            change("a tag more", &tagged),
            change("everything", &all),
        ],
        count: |world| {
            async {
                let client = Client::new(&world.config());
                let listed: Vec<_> =
                    client.list_functions().into_paginator().items().send().try_collect().await.unwrap();
                listed.iter().filter(|one| one.function_name() == Some(&world.base())).count()
            }
            .boxed()
        },
        foreign: Foreign::Theirs,
    }
}
