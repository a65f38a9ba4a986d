//! The conformance case of a function. The case never invokes the function.

use std::collections::BTreeMap;

use aws_sdk_lambda::Client;
use futures::FutureExt as _;
use hitctl_emulators::EmulatorKind;
use hitctl_engine::SpecValue;
use hitctl_resources::{Arch, FunctionSpec, LogGroupSpec, RoleSpec, Spec as _};

use super::{function_dependencies, log_group};
use crate::Gap;
use crate::suite::{CaseChange, ConformanceCase, ForeignView};
use crate::test_app::TestApp;

pub(crate) const GAPS: &[Gap] = &[Gap::DropsField {
    emulator: EmulatorKind::Moto,
    field: "arch",
    reason: "ignores Architectures in UpdateFunctionCode",
}];

/// Returns a function that uses every setting.
pub(crate) fn spec(app: &TestApp) -> FunctionSpec {
    FunctionSpec {
        runtime: "provided.al2023".to_owned(),
        arch: Arch::X86_64,
        code_sha256: app.code_hash(0),
        memory_mb: 128,
        timeout_s: 3,
        reserved_concurrency: Some(1),
        environment: BTreeMap::from([
            ("HITCTL_TABLE".to_owned(), SpecValue::from(app.base())),
            ("GREETING".to_owned(), SpecValue::from("grüß \"dich\"".to_owned())),
        ]),
        role_arn: SpecValue::known(RoleSpec::address("function"), app.role_arn()),
        log_format: "JSON".to_owned(),
        app_log_level: Some("INFO".to_owned()),
        system_log_level: Some("INFO".to_owned()),
        log_group: SpecValue::known(LogGroupSpec::address("function"), log_group::name(app)),
        tags: app.tags(),
    }
}

pub(crate) fn case(app: &TestApp) -> ConformanceCase {
    let function = spec(app);
    let change = |label, spec: &FunctionSpec| CaseChange::new(label, spec.node("counter", &app.base()));
    let environment = BTreeMap::from([("HITCTL_TABLE".to_owned(), SpecValue::from("elsewhere".to_owned()))]);
    let other_limits = FunctionSpec { memory_mb: 256, timeout_s: 10, ..function.clone() };
    let other_environment = FunctionSpec { environment: environment.clone(), ..function.clone() };
    let without_environment = FunctionSpec { environment: BTreeMap::new(), ..function.clone() };
    let other_code = FunctionSpec { code_sha256: app.code_hash(1), ..function.clone() };
    let arm = FunctionSpec { arch: Arch::Arm64, code_sha256: app.code_hash(2), ..function.clone() };
    let unreserved = FunctionSpec { reserved_concurrency: None, ..function.clone() };
    let reserved = FunctionSpec { reserved_concurrency: Some(5), ..function.clone() };
    let verbose = FunctionSpec {
        app_log_level: Some("DEBUG".to_owned()),
        system_log_level: Some("WARN".to_owned()),
        ..function.clone()
    };
    let tagged = FunctionSpec { tags: app.tags_with("team", "web"), ..function.clone() };
    let all = FunctionSpec {
        arch: Arch::Arm64,
        code_sha256: app.code_hash(2),
        memory_mb: 512,
        timeout_s: 20,
        reserved_concurrency: Some(7),
        environment,
        log_format: "Text".to_owned(),
        app_log_level: None,
        system_log_level: None,
        tags: app.tags_with("team", "ops"),
        ..function.clone()
    };
    ConformanceCase {
        dependencies: function_dependencies(app),
        node: function.node("counter", &app.base()),
        changes: vec![
            change("memory and timeout", &other_limits),
            change("environment", &other_environment),
            change("no environment", &without_environment),
            change("code", &other_code),
            change("architecture", &arm),
            change("no reserved concurrency", &unreserved),
            change("reserved concurrency", &reserved),
            // Moto does not store logging settings, so hitctl plans no update if only they change. Here, the reserved
            // concurrency changes as well.
            change("log levels", &verbose),
            change("an additional tag", &tagged),
            change("everything", &all),
        ],
        count: |app| {
            async {
                let client = Client::new(&app.config());
                let listed: Vec<_> =
                    client.list_functions().into_paginator().items().send().try_collect().await.unwrap();
                listed
                    .iter()
                    .filter(|function_item| function_item.function_name() == Some(&app.base()))
                    .count()
            }
            .boxed()
        },
        foreign_view: ForeignView::OtherOwner,
    }
}
