//! What the parts come to: for each way of counting, what is there, what the function is told, and what goes when.

use hitctl_engine::{Action, Live, Owner, Plan, Snapshot, check, resolve};
use serde_json::json;

use super::*;

/// A place in an account of AWS's.
pub(crate) fn place() -> Place {
    Place {
        partition: "aws".to_owned(),
        region: "eu-central-1".to_owned(),
        account: "123456789012".to_owned(),
        has_versions: true,
        endpoint: None,
    }
}

/// The design of an app with these settings.
fn design_of(settings: &str) -> Graph {
    let source = Some(("hitctl.toml".into(), settings.to_owned()));
    let loaded = hitctl_config::load(source, Some("test"), &hitctl_config::Overrides::new())
        .unwrap_or_else(|errors| panic!("{errors}"));
    let code = Code { sha256: "0123456789abcdef".to_owned(), arch: hitctl_resources::Arch::Arm64 };
    design(&loaded.app, "test", &place(), &code).expect("a design that is none is our mistake")
}

/// What a resource shall be, with every reference resolved; `None` if it shall not be.
fn spec(graph: &Graph, address: &str) -> Option<Json> {
    let node = graph.nodes().iter().find(|node| node.address.as_str() == address);
    let node = node.unwrap_or_else(|| panic!("{address} is not in the graph"));
    Some(resolve(node.spec()?, &|_| None).0)
}

/// All that the graph wants, live and ours.
fn live(graph: &Graph) -> Snapshot {
    let mut live = Snapshot::default();
    for node in graph.nodes() {
        let found = spec(graph, node.address.as_str()).map(|mut spec| {
            // What the server picks.
            let picked = [
                ("call_arn", "arn:aws:execute-api:eu-central-1:123456789012:a1b2/*/*"),
                ("url", "https://queue.example"),
            ];
            if spec.get("source_arn").is_some_and(Json::is_object) {
                spec["source_arn"] = json!(picked[0].1);
            }
            if spec.get("ingest").is_some_and(Json::is_object) {
                spec["ingest"]["queue_url"] = json!(picked[1].1);
            }
            let outputs = picked.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            Live { spec, outputs, owner: Owner::Ours }
        });
        live.insert(node.address.clone(), found);
    }
    live
}

fn planned(from: &Graph, to: &Graph) -> Plan {
    hitctl_engine::plan(to, &live(from)).expect("all was surveyed")
}

/// What a plan changes: `delete table.seen`.
fn changes(plan: &Plan) -> Vec<String> {
    let changed = plan.changes.iter().filter(|change| change.action != Action::Keep);
    changed.map(|change| format!("{} {}", change.action, change.address())).collect()
}

fn shown(json: &Json) -> String {
    serde_json::to_string_pretty(json).expect("plain data")
}

const ALONE: &str = "counter.visitors = \"none\"\n";

#[test]
fn by_default_there_is_a_table_of_visitors_and_the_function_may_use_it() {
    let graph = design_of("");
    insta::assert_snapshot!(shown(&spec(&graph, "table.seen").unwrap()), @r#"
    {
      "deletion_protection": false,
      "max_write_units": 100,
      "partition_key": "id",
      "point_in_time_recovery": false,
      "tags": {
        "hitctl:app": "hits",
        "hitctl:env": "test",
        "hitctl:managed": "true"
      },
      "ttl_attribute": "ttl"
    }
    "#);
    let function = spec(&graph, "function.counter").unwrap();
    insta::assert_snapshot!(shown(&function["environment"]), @r#"
    {
      "HITCTL_BOTS": "ignore",
      "HITCTL_BUILD": "0123456789ab",
      "HITCTL_PATHS": "budget/1000/10000",
      "HITCTL_REPEAT_S": "10",
      "HITCTL_VISITORS": "hash",
      "HITS_SEEN_TABLE_NAME": "hits-test-seen",
      "HITS_TABLE_NAME": "hits-test",
      "LOG_LEVEL": "info"
    }
    "#);
    let role = spec(&graph, "role.function").unwrap();
    insta::assert_snapshot!(shown(&role["statements"]), @r#"
    [
      {
        "actions": [
          "logs:CreateLogStream",
          "logs:PutLogEvents"
        ],
        "resources": [
          "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/hits-test:*"
        ],
        "sid": "Logs"
      },
      {
        "actions": [
          "dynamodb:DeleteItem",
          "dynamodb:GetItem",
          "dynamodb:PutItem",
          "dynamodb:UpdateItem"
        ],
        "resources": [
          "arn:aws:dynamodb:eu-central-1:123456789012:table/hits-test-seen"
        ],
        "sid": "Seen"
      },
      {
        "actions": [
          "dynamodb:BatchGetItem",
          "dynamodb:GetItem",
          "dynamodb:Scan",
          "dynamodb:UpdateItem"
        ],
        "resources": [
          "arn:aws:dynamodb:eu-central-1:123456789012:table/hits-test"
        ],
        "sid": "Table"
      }
    ]
    "#);
}

#[test]
fn without_visitors_nothing_speaks_of_their_table() {
    let graph = design_of(ALONE);
    assert_eq!(spec(&graph, "table.seen"), None);
    for address in ["function.counter", "role.function"] {
        let spec = spec(&graph, address).unwrap().to_string();
        assert!(!spec.contains("seen") && !spec.contains("SEEN"), "{spec}");
    }
}

#[test]
fn lists_for_everybody_are_routes_of_their_own() {
    let routes = |settings: &str| {
        let api = spec(&design_of(settings), "http_api.api").unwrap();
        api["routes"].as_array().unwrap().iter().map(|route| route.as_str().unwrap().to_owned()).collect()
    };
    let few: BTreeSet<String> = routes("");
    assert_eq!(few, set(contract::ROUTES));
    let more: BTreeSet<String> = routes("counter.public_stats = true\n");
    assert_eq!(more.difference(&few).cloned().collect::<BTreeSet<_>>(), set(contract::STATS_ROUTES));
}

#[test]
fn visitors_can_be_switched_off_and_on_and_nobody_is_asked() {
    let (with, without) = (design_of(""), design_of(ALONE));
    let off = planned(&with, &without);
    assert_eq!(
        changes(&off),
        ["update role.function", "update function.counter", "update alias.live", "delete table.seen"]
    );
    assert_eq!(check(&off), [], "there is nothing in it that anybody could lose");
    let on = planned(&without, &with);
    assert_eq!(
        changes(&on),
        ["update role.function", "create table.seen", "update function.counter", "update alias.live"]
    );
}

#[test]
fn the_counts_alone_outlive_a_destroy() {
    let graph = design_of("");
    let plan = planned(&graph, &graph.all_absent());
    let kept: Vec<_> = plan.changes.iter().filter(|change| change.action == Action::Keep).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].address().as_str(), "table.hits");
    assert_eq!(check(&plan), []);
}
