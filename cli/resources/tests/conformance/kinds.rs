//! The conformance cases, one file per kind. Each has a resource, its dependencies, its changes, and the gaps of the
//! emulators.

pub(crate) mod alias;
pub(crate) mod event_invoke_config;
pub(crate) mod event_rule;
pub(crate) mod event_source_mapping;
pub(crate) mod expiring_table;
pub(crate) mod function;
pub(crate) mod function_url;
pub(crate) mod http_api;
pub(crate) mod log_group;
pub(crate) mod permission;
pub(crate) mod queue;
pub(crate) mod role;
pub(crate) mod table;

use std::collections::BTreeSet;

use hitctl_engine::{Node, SpecValue};
use hitctl_resources::{AliasSpec, Cors, FunctionSpec, Spec as _};

use crate::test_app::TestApp;

fn set(items: &[&str]) -> BTreeSet<String> {
    items.iter().map(ToString::to_string).collect()
}

/// Returns the dependencies of a function.
fn function_dependencies(app: &TestApp) -> Vec<Node> {
    vec![role::spec(app).node("function", &app.base()), log_group::node(app)]
}

/// Returns a function and its dependencies.
fn with_function(app: &TestApp) -> Vec<Node> {
    let mut nodes = function_dependencies(app);
    nodes.push(function::spec(app).node("counter", &app.base()));
    nodes
}

/// Returns an alias, its function and the function's dependencies.
fn with_alias(app: &TestApp) -> Vec<Node> {
    let mut nodes = with_function(app);
    let alias = AliasSpec {
        function_name: function_name(app),
        release: "release-1".to_owned(),
        weights: None,
        role_id: None,
    };
    nodes.push(alias.node("live", &format!("{}:{}", app.base(), AliasSpec::NAME)));
    nodes
}

/// Returns the function's ARN as a value in a spec.
fn function_arn(app: &TestApp) -> SpecValue<String> {
    let arn = app.arn("lambda", &format!("function:{}", app.base()));
    SpecValue::known(FunctionSpec::address("counter"), arn)
}

/// Returns the ARN of the function's alias as a value in a spec.
fn alias_arn(app: &TestApp) -> SpecValue<String> {
    let arn = app.arn("lambda", &format!("function:{}:{}", app.base(), AliasSpec::NAME));
    SpecValue::known(AliasSpec::address("live"), arn)
}

/// Returns the function's name as a value in a spec.
fn function_name(app: &TestApp) -> SpecValue<String> {
    SpecValue::known(FunctionSpec::address("counter"), app.base())
}

fn cors() -> Cors {
    Cors {
        allow_origins: set(&["https://a.example", "https://b.example"]),
        allow_methods: set(&["GET", "POST"]),
        allow_headers: set(&["content-type"]),
        expose_headers: set(&["hitctl-build", "hitctl-ignored"]),
        max_age_s: 3600,
    }
}

fn other_cors() -> Cors {
    Cors {
        allow_origins: set(&["*"]),
        allow_methods: set(&["GET"]),
        allow_headers: set(&["content-type", "x-visitor"]),
        expose_headers: set(&["hitctl-build"]),
        max_age_s: 60,
    }
}
