//! Tests of plans: actions, fields and reasons.

use hitctl_engine::{
    Address, CONTENTS_OUTPUT, Change, ChangeReason, DeletionPolicy, Graph, Node, ObservedState, Outputs,
    Owner, Plan, PlanError, SecretMask, Snapshot, SpecValue, check, plan,
};
use serde_json::{Value as Json, json};

/// Masks a secret with its last character.
fn mask() -> SecretMask {
    SecretMask::new(|secret| format!("#{:0>8}", secret.chars().next_back().unwrap_or('-')))
}

/// Parses an address.
fn at(address: &str) -> Address {
    Address::try_from(address.to_owned()).unwrap()
}

fn observed(spec: Json) -> ObservedState {
    ObservedState { spec, outputs: Outputs::from([("id".to_owned(), "x7".to_owned())]), owner: Owner::Ours }
}

fn foreign_resource() -> ObservedState {
    ObservedState { owner: Owner::Other("app=blog env=prod".to_owned()), ..observed(json!({})) }
}

/// Returns a small counter: role <- function <- api <- permission and alarm, and a table.
fn nodes() -> Vec<Node> {
    let node = |address: &str, spec: Json| Node::present(at(address), "hits-test", spec);
    vec![
        node("table.hits", json!({"hash_key": "path"}))
            .with_immutable_fields(&["hash_key"])
            .with_deletion_policy(DeletionPolicy::Confirm),
        node("role.function", json!({"path": "/"})).with_immutable_fields(&["path"]),
        node(
            "function.hits",
            json!({
                "memory_mb": 128,
                "role": SpecValue::known(at("role.function"), "arn:role"),
                "environment": {"TABLE": "hits-test", "TOKEN": "s3cret"},
            }),
        )
        .with_secret_fields(&["environment.TOKEN"]),
        node("api.http", json!({"function": SpecValue::known(at("function.hits"), "arn:f"), "kind": "HTTP"}))
            .with_immutable_fields(&["kind"]),
        node("permission.http", json!({"api": SpecValue::<String>::output(at("api.http"), "id")}))
            .with_immutable_fields(&["api"]),
        node("alarm.http", json!({"watches": [SpecValue::<String>::output(at("api.http"), "id")]})),
    ]
}

/// Returns the observed states after a deploy of [`nodes`].
fn deployed() -> Snapshot {
    let specs = [
        ("table.hits", json!({"hash_key": "path"})),
        ("role.function", json!({"path": "/"})),
        (
            "function.hits",
            json!({"memory_mb": 128, "role": "arn:role",
                "environment": {"TABLE": "hits-test", "TOKEN": "s3cret"}}),
        ),
        ("api.http", json!({"function": "arn:f", "kind": "HTTP"})),
        ("permission.http", json!({"api": "x7"})),
        ("alarm.http", json!({"watches": ["x7"]})),
    ];
    specs.into_iter().map(|(address, spec)| (at(address), Some(observed(spec)))).collect()
}

/// Returns the observed states after a deploy, with another state of one resource.
fn deployed_with(address: &str, found: impl Into<Option<ObservedState>>) -> Snapshot {
    let mut snapshot = deployed();
    snapshot.insert(at(address), found.into());
    snapshot
}

fn plan_for(nodes: Vec<Node>, observed: &Snapshot) -> Plan {
    plan(&Graph::new(nodes).unwrap(), observed, &mask()).unwrap()
}

/// Formats a plan and its findings, without the resources that are up to date.
fn text(plan: &Plan) -> String {
    let mut lines = Vec::new();
    for Change { action, why, fields, node, .. } in &plan.changes {
        if *why != ChangeReason::UpToDate {
            lines.push(format!("{} {}: {why}", action.symbol(), node.address));
            lines.extend(fields.iter().map(|field| format!("    {field}")));
        }
    }
    for finding in check(plan) {
        lines.push(format!(
            "{:?} {} {}: {}",
            finding.severity, finding.code, finding.address, finding.message
        ));
    }
    lines.join("\n")
}

#[test]
fn first_deploy_creates_everything_and_shows_unknown_values() {
    let nothing = deployed().iter().map(|(address, _)| (address.clone(), None)).collect();
    let plan = plan_for(nodes(), &nothing);
    insta::assert_snapshot!(text(&plan), @r##"
    + role.function: not deployed
        path: (not set) -> "/"
    + function.hits: not deployed
        environment: (not set) -> {"TABLE":"hits-test","TOKEN":"#0000000t"}
        memory_mb: (not set) -> 128
        role: (not set) -> "arn:role"
    + api.http: not deployed
        function: (not set) -> "arn:f"
        kind: (not set) -> "HTTP"
    + alarm.http: not deployed
        watches: (not set) -> ["(known after deploy)"]
    + permission.http: not deployed
        api: (not set) -> (known after deploy)
    + table.hits: not deployed
        hash_key: (not set) -> "path"
    "##);
    assert_eq!(plan.summary().create, 6);
    assert!(plan.outputs().is_empty());
}

#[test]
fn unchanged_state_gives_empty_plan_with_all_outputs() {
    let plan = plan_for(nodes(), &deployed());
    assert!(plan.is_empty(), "{plan:#?}");
    assert_eq!(plan.summary().keep, 6);
    assert_eq!(plan.outputs()[&at("api.http")]["id"], "x7");
}

#[test]
fn drifted_resource_is_updated_and_lists_the_fields() {
    let function = json!({"memory_mb": 256, "role": "arn:role", "timeout_s": 3,
        "environment": {"TABLE": "hits-test", "TOKEN": "0ther", "DEBUG": "1"}});
    let plan = plan_for(nodes(), &deployed_with("function.hits", observed(function)));
    insta::assert_snapshot!(text(&plan), @r##"
    ~ function.hits: environment.DEBUG, environment.TOKEN, memory_mb and 1 more differ
        environment.DEBUG: "1" -> (not set)
        environment.TOKEN: #0000000r -> #0000000t
        memory_mb: 256 -> 128
        timeout_s: 3 -> (not set)
    "##);
}

#[test]
fn replacement_replaces_only_dependents_with_immutable_references() {
    let plan = plan_for(
        nodes(),
        &deployed_with("api.http", observed(json!({"function": "arn:f", "kind": "WEBSOCKET"}))),
    );
    insta::assert_snapshot!(text(&plan), @r#"
    ± api.http: kind cannot be changed in place
        kind: "WEBSOCKET" -> "HTTP"
    ~ alarm.http: watches differs
        watches: ["x7"] -> ["(known after deploy)"]
    ± permission.http: depends on api.http, which is recreated
        api: "x7" -> (known after deploy)
    "#);
    // The function refers to the role by its name, which stays the same.
    let plan = plan_for(nodes(), &deployed_with("role.function", observed(json!({"path": "/old/"}))));
    insta::assert_snapshot!(text(&plan), @r#"
    ± role.function: path cannot be changed in place
        path: "/old/" -> "/"
    "#);
}

#[test]
fn replacement_replaces_dependent_with_known_reference() {
    let rule = Node::present(at("rule.bus"), "hits", json!({"bus": "b"})).with_immutable_fields(&["bus"]);
    let target =
        Node::present(at("target.bus"), "hits", json!({"rule": SpecValue::known(at("rule.bus"), "hits")}))
            .with_immutable_fields(&["rule"]);
    let found_target = observed(json!({"rule": "hits"}));
    let found = |found_rule| {
        [(at("rule.bus"), found_rule), (at("target.bus"), Some(found_target.clone()))].into_iter().collect()
    };
    let plan = plan_for(vec![rule.clone(), target.clone()], &found(Some(observed(json!({"bus": "a"})))));
    insta::assert_snapshot!(text(&plan), @r#"
    ± rule.bus: bus cannot be changed in place
        bus: "a" -> "b"
    ± target.bus: depends on rule.bus, which is recreated
    "#);
    // The target exists although the rule does not, so it was not deleted together with the rule.
    let plan = plan_for(vec![rule, target], &found(None));
    assert_eq!(plan.change(&at("target.bus")).unwrap().why, ChangeReason::UpToDate);
}

#[test]
fn data_loss_needs_consent_and_absent_table_is_kept_without_it() {
    let replaced = plan_for(nodes(), &deployed_with("table.hits", observed(json!({"hash_key": "id"}))));
    insta::assert_snapshot!(text(&replaced), @r#"
    ± table.hits: hash_key cannot be changed in place
        hash_key: "id" -> "path"
    Consent data_loss table.hits: replacing table hits-test loses its data (hash_key cannot be changed in place)
    "#);
    let all_absent = Graph::new(nodes()).unwrap().all_absent();
    insta::assert_snapshot!(text(&plan(&all_absent, &deployed(), &mask()).unwrap()), @r"
    - role.function: no longer needed
    - function.hits: no longer needed
    - api.http: no longer needed
    - alarm.http: no longer needed
    - permission.http: no longer needed
      table.hits: kept: it holds your data
    ");
    let deletion =
        plan(&all_absent.allow_data_deletion(), &deployed_with("api.http", None), &mask()).unwrap();
    insta::assert_snapshot!(text(&deletion), @r"
    - role.function: no longer needed
    - function.hits: no longer needed
    - alarm.http: no longer needed
    - permission.http: no longer needed
    - table.hits: no longer needed
    Consent data_loss table.hits: deleting table hits-test loses its data (no longer needed)
    ");
}

#[test]
fn absent_queue_is_kept_only_while_not_empty() {
    let queue = Node::present(at("queue.hits"), "hits-test-hits", json!({}))
        .with_deletion_policy(DeletionPolicy::ConfirmIfNonEmpty)
        .absent();
    let found = |contents: Option<&str>| {
        let contents = contents.map(|contents| (CONTENTS_OUTPUT.to_owned(), contents.to_owned()));
        let observed = ObservedState { outputs: contents.into_iter().collect(), ..observed(json!({})) };
        [(at("queue.hits"), Some(observed))].into_iter().collect::<Snapshot>()
    };
    let graph = Graph::new(vec![queue]).unwrap();
    let plan_for = |graph: &Graph, contents| text(&plan(graph, &found(contents), &mask()).unwrap());
    insta::assert_snapshot!(plan_for(&graph, None), @"- queue.hits: no longer needed");
    insta::assert_snapshot!(plan_for(&graph, Some("3 messages")), @"  queue.hits: kept: it holds your data");
    insta::assert_snapshot!(plan_for(&graph.allow_data_deletion(), Some("3 messages")), @r"
    - queue.hits: no longer needed
    Consent data_loss queue.hits: deleting queue hits-test-hits loses its data (no longer needed)
    ");
}

#[test]
fn dependencies_of_kept_data_are_kept() {
    let key = Node::present(at("key.hits"), "hits", json!({"spec": "a"})).with_immutable_fields(&["spec"]);
    let table =
        Node::present(at("table.hits"), "hits", json!({"key": SpecValue::known(at("key.hits"), "k")}))
            .with_deletion_policy(DeletionPolicy::Confirm);
    let found: Snapshot = [
        (at("key.hits"), Some(observed(json!({"spec": "a"})))),
        (at("table.hits"), Some(observed(json!({"key": "k"})))),
    ]
    .into_iter()
    .collect();
    let all_absent = plan_for(vec![key.clone().absent(), table.clone().absent()], &found);
    insta::assert_snapshot!(text(&all_absent), @r"
      key.hits: kept: table.hits depends on it
      table.hits: kept: it holds your data
    ");
    let mut found = found;
    found.insert(at("key.hits"), Some(observed(json!({"spec": "b"}))));
    insta::assert_snapshot!(text(&plan_for(vec![key, table.absent()], &found)), @r#"
    ± key.hits: spec cannot be changed in place
        spec: "b" -> "a"
      table.hits: kept: it holds your data
    Consent data_loss table.hits: replacing key hits may lose the data of table hits, which depends on it
    "#);
}

#[test]
fn foreign_resource_is_conflict_if_present_and_left_alone_if_absent() {
    let plan = plan_for(nodes(), &deployed_with("api.http", foreign_resource()));
    insta::assert_snapshot!(text(&plan), @r#"
      api.http: not managed by this app: app=blog env=prod
    ~ alarm.http: watches differs
        watches: ["x7"] -> ["(known after deploy)"]
    ± permission.http: api cannot be changed in place
        api: "x7" -> (known after deploy)
    Error not_ours api.http: api hits-test already exists and is not managed by this app (app=blog env=prod)
    "#);
    let all_absent = Graph::new(nodes()).unwrap().all_absent();
    let plan = plan_of(&all_absent, &deployed_with("table.hits", foreign_resource()));
    let table = plan.change(&at("table.hits")).unwrap();
    assert_eq!(table.why.to_string(), "not managed by this app: app=blog env=prod");
    assert_eq!(
        check(&plan)[0].message,
        "table hits-test is not managed by this app (app=blog env=prod) and stays unchanged"
    );
}

fn plan_of(graph: &Graph, observed: &Snapshot) -> Plan {
    plan(graph, observed, &mask()).unwrap()
}

#[test]
fn incomplete_snapshot_returns_plan_error() {
    let graph = Graph::new(nodes()).unwrap();
    let err = plan(&graph, &Snapshot::default(), &mask()).unwrap_err();
    assert_eq!(err.to_string(), "internal error: the state of role.function was not read; please report it");
    let no_outputs =
        ObservedState { outputs: Outputs::new(), ..observed(json!({"function": "arn:f", "kind": "HTTP"})) };
    let err = plan(&graph, &deployed_with("api.http", no_outputs), &mask()).unwrap_err();
    assert!(matches!(err, PlanError::NoOutput { .. }));
    assert_eq!(
        err.to_string(),
        "internal error: alarm.http refers to the output id, which api.http does not have; please report it"
    );
}

#[test]
fn change_serializes_without_spec() {
    let function = json!({"memory_mb": 128, "role": "arn:role",
        "environment": {"TABLE": "hits-test", "TOKEN": "0ther"}});
    let plan = plan_for(nodes(), &deployed_with("function.hits", observed(function)));
    let change = plan.change(&at("function.hits")).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(change).unwrap(), @r##"
    {
      "address": "function.hits",
      "kind": "function",
      "name": "hits-test",
      "action": "update",
      "fields": [
        {
          "field": "environment.TOKEN",
          "old": "#0000000r",
          "new": "#0000000t"
        }
      ],
      "why": "environment.TOKEN differs"
    }
    "##);
    insta::assert_snapshot!(
        serde_json::to_string(&plan.summary()).unwrap(),
        @r#"{"keep":5,"create":0,"update":1,"replace":0,"delete":0}"#
    );
    assert!(serde_json::to_value(&plan).unwrap().is_array());
}
