//! What a plan says: actions, fields and reasons, as users read them.

use hitctl_engine::{
    Address, Change, Graph, HELD, Keep, Live, Mask, Node, Outputs, Owner, Plan, PlanError, Snapshot, Value,
    Why, check, plan,
};
use serde_json::{Value as Json, json};

/// Tells secrets apart by their last character.
fn mask() -> Mask {
    Mask::new(|secret| format!("#{:0>8}", secret.chars().next_back().unwrap_or('-')))
}

fn at(address: &str) -> Address {
    Address::try_from(address.to_owned()).unwrap()
}

fn live(spec: Json) -> Live {
    Live { spec, outputs: Outputs::from([("id".to_owned(), "x7".to_owned())]), owner: Owner::Ours }
}

fn somebody_elses() -> Live {
    Live { owner: Owner::Other("app=blog env=prod".to_owned()), ..live(json!({})) }
}

/// A small counter: role <- function <- api <- permission, and a table.
fn nodes() -> Vec<Node> {
    let node = |address: &str, spec: Json| Node::present(at(address), "hits-test", spec);
    vec![
        node("table.hits", json!({"hash_key": "path"}))
            .replaced_on(&["hash_key"])
            .keeping(Keep::AskBeforeLoss),
        node("role.function", json!({"path": "/"})).replaced_on(&["path"]),
        node(
            "function.hits",
            json!({
                "memory_mb": 128,
                "role": Value::known(at("role.function"), "arn:role"),
                "environment": {"TABLE": "hits-test", "TOKEN": "s3cret"},
            }),
        )
        .hiding(&["environment.TOKEN"]),
        node("api.http", json!({"function": Value::known(at("function.hits"), "arn:f"), "kind": "HTTP"}))
            .replaced_on(&["kind"]),
        node("permission.http", json!({"api": Value::<String>::output(at("api.http"), "id")}))
            .replaced_on(&["api"]),
        node("alarm.http", json!({"watches": [Value::<String>::output(at("api.http"), "id")]})),
    ]
}

/// What is live after a deploy of that.
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
    specs.into_iter().map(|(address, spec)| (at(address), Some(live(spec)))).collect()
}

fn with(address: &str, found: impl Into<Option<Live>>) -> Snapshot {
    let mut snapshot = deployed();
    snapshot.insert(at(address), found.into());
    snapshot
}

fn planned(nodes: Vec<Node>, live: &Snapshot) -> Plan {
    plan(&Graph::new(nodes).unwrap(), live, &mask()).unwrap()
}

/// The plan and its findings as text, without what stays as wanted.
fn text(plan: &Plan) -> String {
    let mut lines = Vec::new();
    for Change { action, why, fields, node, .. } in &plan.changes {
        if *why != Why::AsWanted {
            lines.push(format!("{} {}: {why}", action.sign(), node.address));
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
fn a_first_deploy_creates_everything_and_shows_what_is_not_known_yet() {
    let nothing = deployed().iter().map(|(address, _)| (address.clone(), None)).collect();
    let plan = planned(nodes(), &nothing);
    insta::assert_snapshot!(text(&plan), @r##"
    + role.function: not there yet
        path: (not set) -> "/"
    + function.hits: not there yet
        environment: (not set) -> {"TABLE":"hits-test","TOKEN":"#0000000t"}
        memory_mb: (not set) -> 128
        role: (not set) -> "arn:role"
    + api.http: not there yet
        function: (not set) -> "arn:f"
        kind: (not set) -> "HTTP"
    + alarm.http: not there yet
        watches: (not set) -> ["(known after deploy)"]
    + permission.http: not there yet
        api: (not set) -> (known after deploy)
    + table.hits: not there yet
        hash_key: (not set) -> "path"
    "##);
    assert_eq!(plan.summary().create, 6);
    assert!(plan.outputs().is_empty());
}

#[test]
fn nothing_to_do_is_an_empty_plan_with_every_output() {
    let plan = planned(nodes(), &deployed());
    assert!(plan.is_empty(), "{plan:#?}");
    assert_eq!(plan.summary().keep, 6);
    assert_eq!(plan.outputs()[&at("api.http")]["id"], "x7");
}

#[test]
fn drift_is_an_update_that_names_the_fields() {
    let function = json!({"memory_mb": 256, "role": "arn:role", "timeout_s": 3,
        "environment": {"TABLE": "hits-test", "TOKEN": "0ther", "DEBUG": "1"}});
    let plan = planned(nodes(), &with("function.hits", live(function)));
    insta::assert_snapshot!(text(&plan), @r##"
    ~ function.hits: environment.DEBUG, environment.TOKEN, memory_mb and 1 more differ
        environment.DEBUG: "1" -> (not set)
        environment.TOKEN: #0000000r -> #0000000t
        memory_mb: 256 -> 128
        timeout_s: 3 -> (not set)
    "##);
}

#[test]
fn a_replacement_reaches_what_is_made_from_it_and_no_further() {
    let plan = planned(nodes(), &with("api.http", live(json!({"function": "arn:f", "kind": "WEBSOCKET"}))));
    insta::assert_snapshot!(text(&plan), @r#"
    ± api.http: kind cannot be changed in place
        kind: "WEBSOCKET" -> "HTTP"
    ~ alarm.http: watches differs
        watches: ["x7"] -> ["(known after deploy)"]
    ± permission.http: made from api.http, which is made anew
        api: "x7" -> (known after deploy)
    "#);
    // The function only names the role, by a name that stays.
    let plan = planned(nodes(), &with("role.function", live(json!({"path": "/old/"}))));
    insta::assert_snapshot!(text(&plan), @r#"
    ± role.function: path cannot be changed in place
        path: "/old/" -> "/"
    "#);
}

#[test]
fn a_part_is_replaced_with_its_whole_even_when_its_name_is_known() {
    let whole = Node::present(at("rule.bus"), "hits", json!({"bus": "b"})).replaced_on(&["bus"]);
    let part = Node::present(at("target.bus"), "hits", json!({"rule": Value::known(at("rule.bus"), "hits")}))
        .replaced_on(&["rule"]);
    let target = live(json!({"rule": "hits"}));
    let found =
        |rule| [(at("rule.bus"), rule), (at("target.bus"), Some(target.clone()))].into_iter().collect();
    let plan = planned(vec![whole.clone(), part.clone()], &found(Some(live(json!({"bus": "a"})))));
    insta::assert_snapshot!(text(&plan), @r#"
    ± rule.bus: bus cannot be changed in place
        bus: "a" -> "b"
    ± target.bus: made from rule.bus, which is made anew
    "#);
    // What is live without its whole is no part of it.
    let plan = planned(vec![whole, part], &found(None));
    assert_eq!(plan.change(&at("target.bus")).unwrap().why, Why::AsWanted);
}

#[test]
fn losing_data_needs_consent_and_an_unwanted_table_is_kept_without_it() {
    let replaced = planned(nodes(), &with("table.hits", live(json!({"hash_key": "id"}))));
    insta::assert_snapshot!(text(&replaced), @r#"
    ± table.hits: hash_key cannot be changed in place
        hash_key: "id" -> "path"
    Consent data_loss table.hits: replacing table hits-test loses its data: hash_key cannot be changed in place
    "#);
    let gone = Graph::new(nodes()).unwrap().all_absent();
    insta::assert_snapshot!(text(&plan(&gone, &deployed(), &mask()).unwrap()), @r"
    - role.function: no longer wanted
    - function.hits: no longer wanted
    - api.http: no longer wanted
    - alarm.http: no longer wanted
    - permission.http: no longer wanted
      table.hits: no longer wanted, but its data is kept
    ");
    let lost = plan(&gone.deleting_data(), &with("api.http", None), &mask()).unwrap();
    insta::assert_snapshot!(text(&lost), @r"
    - role.function: no longer wanted
    - function.hits: no longer wanted
    - alarm.http: no longer wanted
    - permission.http: no longer wanted
    - table.hits: no longer wanted
    Consent data_loss table.hits: deleting table hits-test loses its data: no longer wanted
    ");
}

#[test]
fn a_queue_is_kept_only_while_it_holds_something() {
    let queue =
        Node::present(at("queue.hits"), "hits-test-hits", json!({})).keeping(Keep::AskWhileHolding).absent();
    let found = |held: Option<&str>| {
        let held = held.map(|held| (HELD.to_owned(), held.to_owned()));
        let live = Live { outputs: held.into_iter().collect(), ..live(json!({})) };
        [(at("queue.hits"), Some(live))].into_iter().collect::<Snapshot>()
    };
    let graph = Graph::new(vec![queue]).unwrap();
    let planned = |graph: &Graph, held| text(&plan(graph, &found(held), &mask()).unwrap());
    insta::assert_snapshot!(planned(&graph, None), @"- queue.hits: no longer wanted");
    insta::assert_snapshot!(planned(&graph, Some("3 messages")), @"  queue.hits: no longer wanted, but its data is kept");
    insta::assert_snapshot!(planned(&graph.deleting_data(), Some("3 messages")), @r"
    - queue.hits: no longer wanted
    Consent data_loss queue.hits: deleting queue hits-test-hits loses its data: no longer wanted
    ");
}

#[test]
fn what_kept_data_needs_is_kept_too() {
    let key = Node::present(at("key.hits"), "hits", json!({"spec": "a"})).replaced_on(&["spec"]);
    let table = Node::present(at("table.hits"), "hits", json!({"key": Value::known(at("key.hits"), "k")}))
        .keeping(Keep::AskBeforeLoss);
    let found: Snapshot = [
        (at("key.hits"), Some(live(json!({"spec": "a"})))),
        (at("table.hits"), Some(live(json!({"key": "k"})))),
    ]
    .into_iter()
    .collect();
    let unwanted = planned(vec![key.clone().absent(), table.clone().absent()], &found);
    insta::assert_snapshot!(text(&unwanted), @r"
      key.hits: no longer wanted, but table.hits is kept and needs it
      table.hits: no longer wanted, but its data is kept
    ");
    let mut found = found;
    found.insert(at("key.hits"), Some(live(json!({"spec": "b"}))));
    insta::assert_snapshot!(text(&planned(vec![key, table.absent()], &found)), @r#"
    ± key.hits: spec cannot be changed in place
        spec: "b" -> "a"
      table.hits: no longer wanted, but its data is kept
    Consent data_loss table.hits: replacing key hits may lose the data of table hits, which needs it
    "#);
}

#[test]
fn what_is_not_ours_is_a_conflict_when_wanted_and_left_alone_when_not() {
    let plan = planned(nodes(), &with("api.http", somebody_elses()));
    insta::assert_snapshot!(text(&plan), @r#"
      api.http: not ours: app=blog env=prod
    ~ alarm.http: watches differs
        watches: ["x7"] -> ["(known after deploy)"]
    ± permission.http: api cannot be changed in place
        api: "x7" -> (known after deploy)
    Error not_ours api.http: api hits-test is there already and is not this app's (app=blog env=prod)
    "#);
    let gone = Graph::new(nodes()).unwrap().all_absent();
    let plan = plan_of(&gone, &with("table.hits", somebody_elses()));
    let table = plan.change(&at("table.hits")).unwrap();
    assert_eq!(table.why.to_string(), "not ours: app=blog env=prod");
    assert_eq!(
        check(&plan)[0].message,
        "table hits-test is not this app's (app=blog env=prod) and is left alone"
    );
}

fn plan_of(graph: &Graph, live: &Snapshot) -> Plan {
    plan(graph, live, &mask()).unwrap()
}

#[test]
fn mistakes_of_ours_are_errors() {
    let graph = Graph::new(nodes()).unwrap();
    let err = plan(&graph, &Snapshot::default(), &mask()).unwrap_err();
    assert_eq!(err.to_string(), "role.function was not surveyed");
    let no_outputs = Live { outputs: Outputs::new(), ..live(json!({"function": "arn:f", "kind": "HTTP"})) };
    let err = plan(&graph, &with("api.http", no_outputs), &mask()).unwrap_err();
    assert!(matches!(err, PlanError::NoOutput { .. }));
    assert_eq!(
        err.to_string(),
        "alarm.http refers to the output id of api.http, which has none of that name"
    );
}

#[test]
fn a_change_serialises_as_the_contract_says() {
    let function = json!({"memory_mb": 128, "role": "arn:role",
        "environment": {"TABLE": "hits-test", "TOKEN": "0ther"}});
    let plan = planned(nodes(), &with("function.hits", live(function)));
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
