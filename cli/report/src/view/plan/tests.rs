//! Snapshot tests of plans that are built with the engine's types.

use hitctl_engine::{Change, DeletionPolicy, Dependencies, DesiredState, Node, UNKNOWN};
use serde_json::{Value as Json, json};

use super::*;
use crate::render::Renderable;
use crate::test_styles::{COLOUR, NARROW, WIDE, fits, visible};

fn diff(field: &str, old: Json, new: Json) -> FieldDiff {
    let unknown = new == json!(UNKNOWN);
    FieldDiff { field: field.to_owned(), old, new, unknown }
}

fn change(address: (&str, &str), action: Action, why: ChangeReason, fields: Vec<FieldDiff>) -> Change {
    let node = Node {
        address: Address::new(address.0, address.1),
        name: "hits-test".to_owned(),
        desired: DesiredState::Absent,
        deletion_policy: DeletionPolicy::Delete,
        immutable_fields: Vec::new(),
        secret_fields: Vec::new(),
        public_fields: Vec::new(),
        dependencies: Dependencies::new(),
        conditional_order: None,
        create_before_update_of: None,
    };
    Change { action, why, fields, node, observed: None }
}

/// Returns a plan with every kind of change.
pub(in super::super) fn plan_with_all_actions() -> Plan {
    use Action as A;
    Plan {
        changes: vec![
            change(("table", "hits"), A::Keep, ChangeReason::DataKept, vec![]),
            change(("role", "function"), A::Keep, ChangeReason::UpToDate, vec![]),
            change(("log_group", "function"), A::Keep, ChangeReason::UpToDate, vec![]),
            change(
                ("function", "counter"),
                A::Update,
                ChangeReason::FieldsDiffer(vec!["memory_mb".to_owned(), "environment.TOKEN".to_owned()]),
                vec![
                    diff("memory_mb", json!(128), json!(256)),
                    diff("environment.TOKEN", json!("sha256:1f2e"), Json::Null),
                    diff(
                        "cors.allow_origins",
                        json!(["https://a.example", "https://b.example"]),
                        json!(["*"]),
                    ),
                ],
            ),
            change(
                ("http_api", "api"),
                A::Create,
                ChangeReason::Missing,
                vec![
                    diff("api_id", Json::Null, json!(UNKNOWN)),
                    diff("routes", Json::Null, json!(["GET /counter", "\u{1b}[2J"])),
                    diff("name", Json::Null, json!("hits-test")),
                ],
            ),
            change(
                ("permission", "http_api"),
                A::Replace,
                ChangeReason::DependencyReplaced(vec![Address::new("http_api", "api")]),
                vec![diff("api_id", json!("a1b2"), json!(UNKNOWN))],
            ),
            change(("queue", "hits"), A::Delete, ChangeReason::NotDesired, vec![]),
        ],
    }
}

fn view() -> PlanView {
    PlanView {
        account: Some("123456789012".to_owned()),
        region: Some("eu-central-1".to_owned()),
        outputs: BTreeMap::from([("table".to_owned(), "hits-test".to_owned())]),
        warnings: vec![
            "with reserved concurrency 1 a view that arrives while another is served is refused".to_owned(),
        ],
        took_ms: 1234,
        ..PlanView::new("plan", "test", "aws", &plan_with_all_actions())
    }
}

#[test]
fn plan_shows_changes_with_fields() {
    insta::assert_snapshot!(Renderable::to_text(&view(), WIDE), @r"
      ~ update  function.counter     hits-test
          memory_mb           128 -> 256
          environment.TOKEN   sha256:1f2e -> (none)
          cors.allow_origins  https://a.example, https://b.example -> *

      + create  http_api.api         hits-test
          api_id  (known after deploy)
          routes  GET /counter, \u{1b}[2J
          name    hits-test

      ± replace permission.http_api  hits-test  (depends on http_api.api, which is recreated)
          api_id  a1b2 -> (known after deploy)
      - delete  queue.hits           hits-test
        keep    table.hits           hits-test  (kept: it holds your data)

    warning: with reserved concurrency 1 a view that arrives while another is served is refused
    Plan: 1 to create, 1 to update, 1 to replace, 1 to delete, 1 kept, 2 unchanged.

      next  hitctl deploy --env test
    ");
}

#[test]
fn plan_fits_narrow_terminal() {
    insta::assert_snapshot!(Renderable::to_text(&view(), NARROW), @r"
      ~ update  function.counter
          hits-test
          memory_mb           128 -> 256
          environment.TOKEN
            - sha256:1f2e
          cors.allow_origins
            - https://a.example
            - https://b.example
            + *

      + create  http_api.api
          hits-test
          api_id  (known after deploy)
          routes  GET /counter, \u{1b}[2J
          name    hits-test

      ± replace permission.http_api
          hits-test
          (depends on http_api.api, which is
           recreated)
          api_id
            - a1b2
            + (known after deploy)
      - delete  queue.hits
          hits-test
        keep    table.hits
          hits-test
          (kept: it holds your data)

    warning: with reserved concurrency 1 a
      view that arrives while another is
      served is refused
    Plan: 1 to create, 1 to update, 1 to
          replace, 1 to delete, 1 kept, 2
          unchanged.

      next  hitctl deploy --env test
    ");
    assert!(fits(&Renderable::to_text(&view(), NARROW), NARROW));
}

#[test]
fn plan_has_symbols_for_actions_without_colour() {
    let colour = visible(&Renderable::to_text(&view(), COLOUR));
    assert!(colour.contains("<33m~ update </> function.counter"), "{colour}");
    assert!(colour.contains("<32m+ create </>") && colour.contains("<31m- delete </>"), "{colour}");
    let ascii = TextStyle { unicode: false, ..TextStyle::PLAIN };
    assert!(Renderable::to_text(&view(), ascii).contains("* replace permission.http_api"));
}

#[test]
fn brief_plan_omits_fields_of_created_resources() {
    let brief = Renderable::to_text(&view().brief(), WIDE);
    assert!(brief.contains("memory_mb") && !brief.contains("routes"), "{brief}");
}

#[test]
fn plan_without_changes_is_one_line() {
    let plan =
        Plan { changes: vec![change(("table", "hits"), Action::Keep, ChangeReason::UpToDate, vec![])] };
    let view = PlanView::new("plan", "local", "local", &plan);
    assert!(view.is_empty());
    assert_eq!(Renderable::to_text(&view, WIDE), "Nothing to change.\n");
    insta::assert_snapshot!(view.to_json(), @r#"{"v":1,"command":"plan","env":"local","target":"local","account":null,"region":null,"changes":[{"address":"table.hits","kind":"table","name":"hits-test","action":"keep","fields":[],"why":"unchanged"}],"summary":{"keep":1,"create":0,"update":0,"replace":0,"delete":0},"outputs":{},"warnings":[],"took_ms":0}"#);
}

#[test]
fn long_value_of_changed_field_has_lines_for_old_and_new() {
    let long = json!("x".repeat(300));
    let plan = Plan {
        changes: vec![change(
            ("role", "function"),
            Action::Update,
            ChangeReason::FieldsDiffer(vec!["policy".to_owned()]),
            vec![diff("policy", long.clone(), json!("y"))],
        )],
    };
    let text = Renderable::to_text(&PlanView::new("plan", "local", "local", &plan), TextStyle::PLAIN);
    insta::assert_snapshot!(text, @"
      ~ update  role.function  hits-test
          policy
            - xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            + y

    Plan: 1 to update.

      next  hitctl deploy --env local
    ");
}

#[test]
fn json_format_is_stable() {
    let value: Json = serde_json::from_str(&view().to_json()).unwrap();
    assert_eq!(value["v"], 1);
    assert_eq!(value["account"], "123456789012");
    assert_eq!(value["changes"][3]["fields"][0], json!({"field": "memory_mb", "old": 128, "new": 256}));
    assert_eq!(value["summary"], json!({"keep": 3, "create": 1, "update": 1, "replace": 1, "delete": 1}));
    assert_eq!((&value["outputs"]["table"], &value["took_ms"]), (&json!("hits-test"), &json!(1234)));
    assert!(view().to_json().starts_with(r#"{"v":1,"command":"plan","env":"test","target":"aws","#));
}

#[test]
fn cost_estimate_comes_last() {
    let app = hitctl_config::load(None, None, &hitctl_config::Overrides::new()).unwrap().app;
    let view = PlanView { estimate: Some(hitctl_stack::cost::estimate(&app)), ..view() };
    let text = Renderable::to_text(&view, WIDE);
    let end = text.find("Plan:").map(|at| &text[at..]).unwrap();
    insta::assert_snapshot!(end, @"
    Plan: 1 to create, 1 to update, 1 to replace, 1 to delete, 1 kept, 2 unchanged.

    Cost of a month at the prices of us-east-1 of 2026-11:
      no views         < 0.01 USD
      10,000 views       0.04 USD
      1,000,000 views    3.88 USD
      worst case          598 USD  10 requests a second, 10 MB each
                          121 USD  the same with small requests

      next  hitctl deploy --env test
    ");
    assert!(fits(&Renderable::to_text(&view, NARROW), NARROW));
    let json: Json = serde_json::from_str(&view.to_json()).unwrap();
    assert_eq!(
        json["estimate"],
        json!({
            "typical_month_usd": 0.04, "typical_month_views": 10_000, "worst_month_usd": 597.8,
            "per_million_hits_usd": 3.88, "prices_as_of": "2026-11",
        })
    );
}
