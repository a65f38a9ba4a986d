//! One file a kind: one of it, what it needs, its changes, and what the emulators lack.

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

use hitctl_engine::{Node, Value};
use hitctl_resources::{AliasSpec, Cors, FunctionSpec, Spec as _};

use crate::world::World;

fn set(items: &[&str]) -> BTreeSet<String> {
    items.iter().map(ToString::to_string).collect()
}

/// What a function needs.
fn below(world: &World) -> Vec<Node> {
    vec![role::spec(world).node("function", &world.base()), log_group::node(world)]
}

/// A function, with what it needs.
fn with_function(world: &World) -> Vec<Node> {
    let mut nodes = below(world);
    nodes.push(function::spec(world).node("counter", &world.base()));
    nodes
}

/// A function with an alias.
fn with_alias(world: &World) -> Vec<Node> {
    let mut nodes = with_function(world);
    let alias = AliasSpec {
        function_name: function_name(world),
        release: "release-1".to_owned(),
        weights: None,
        role_id: None,
    };
    nodes.push(alias.node("live", &format!("{}:{}", world.base(), AliasSpec::NAME)));
    nodes
}

/// The function's ARN, in a spec.
fn function_arn(world: &World) -> Value<String> {
    let arn = world.arn("lambda", &format!("function:{}", world.base()));
    Value::known(FunctionSpec::address("counter"), arn)
}

/// The ARN of its alias, in a spec.
fn alias_arn(world: &World) -> Value<String> {
    let arn = world.arn("lambda", &format!("function:{}:{}", world.base(), AliasSpec::NAME));
    Value::known(AliasSpec::address("live"), arn)
}

/// The function's name, in a spec.
fn function_name(world: &World) -> Value<String> {
    Value::known(FunctionSpec::address("counter"), world.base())
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
