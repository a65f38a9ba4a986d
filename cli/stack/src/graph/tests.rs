//! Checks the resource graph of each configuration: the resources that are present, the function's variables, and the order of
//! changes.

use hitctl_engine::{Action, ObservedState, Owner, Plan, Snapshot, check, resolve};

use super::*;
use crate::test_location::test_location;

/// Returns the resource graph for the given settings.
fn graph_for(settings: &str) -> Graph {
    let source = Some(("hitctl.toml".into(), settings.to_owned()));
    let loaded = hitctl_config::load(source, Some("test"), &hitctl_config::Overrides::new())
        .unwrap_or_else(|errors| panic!("{errors}"));
    let code =
        FunctionArtifact { sha256: "0123456789abcdef".to_owned(), arch: hitctl_resources::Arch::Arm64 };
    resource_graph(&loaded.app, "test", &test_location(), Some(&code)).expect("the graph is valid")
}

/// Returns the desired spec of a resource with all references resolved; `None` if the resource is absent.
fn spec(graph: &Graph, address: &str) -> Option<Json> {
    let node = graph.nodes().iter().find(|node| node.address.as_str() == address);
    let node = node.unwrap_or_else(|| panic!("{address} is not in the graph"));
    Some(resolve(node.spec()?, &|_| None))
}

/// Returns a snapshot in which all present resources of the graph exist and belong to hitctl.
fn snapshot_of(graph: &Graph) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for node in graph.nodes() {
        let found = spec(graph, node.address.as_str()).map(|mut spec| {
            // Values that AWS generates.
            let generated = [
                ("call_arn", "arn:aws:execute-api:eu-central-1:123456789012:a1b2/*/*"),
                ("url", "https://queue.example"),
                ("id", "AROAEXAMPLE"),
            ];
            let outputs = generated.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            spec = resolve(&spec, &|_| Some(&outputs));
            ObservedState { spec, outputs, owner: Owner::Ours }
        });
        snapshot.insert(node.address.clone(), found);
    }
    snapshot
}

fn planned(from: &Graph, to: &Graph) -> Plan {
    hitctl_engine::plan(to, &snapshot_of(from), &hitctl_engine::SecretMask::default())
        .expect("the snapshot is complete")
}

/// Returns the changes of a plan, such as `delete table.seen`.
fn changes(plan: &Plan) -> Vec<String> {
    let changed = plan.changes.iter().filter(|change| change.action != Action::Keep);
    changed.map(|change| format!("{} {}", change.action, change.address())).collect()
}

fn pretty(json: &Json) -> String {
    serde_json::to_string_pretty(json).expect("plain data")
}

const WITHOUT_VISITORS: &str = "counter.visitors = \"none\"\n";

#[test]
fn default_graph_has_seen_table_and_function_may_use_it() {
    let graph = graph_for("");
    insta::assert_snapshot!(pretty(&spec(&graph, "table.seen").unwrap()), @r#"
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
    insta::assert_snapshot!(pretty(&function["environment"]), @r#"
    {
      "HITCTL_BOTS": "ignore",
      "HITCTL_BUILD": "0123456789ab",
      "HITCTL_PATHS": "budget/1000/10000",
      "HITCTL_REPEAT_S": "10",
      "HITCTL_ROLE_ID": {
        "$ref": {
          "of": "role.function",
          "output": "id"
        }
      },
      "HITCTL_VISITORS": "hash",
      "HITS_SEEN_TABLE_NAME": "hits-test-seen",
      "HITS_TABLE_NAME": "hits-test",
      "LOG_LEVEL": "info"
    }
    "#);
    let role = spec(&graph, "role.function").unwrap();
    insta::assert_snapshot!(pretty(&role["statements"]), @r#"
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
fn graph_without_visitors_does_not_mention_seen_table() {
    let graph = graph_for(WITHOUT_VISITORS);
    assert_eq!(spec(&graph, "table.seen"), None);
    for address in ["function.counter", "role.function"] {
        let spec = spec(&graph, address).unwrap().to_string();
        assert!(!spec.contains("seen") && !spec.contains("SEEN"), "{spec}");
    }
}

#[test]
fn public_stats_add_stats_routes() {
    let (_, few) = routes("");
    let (_, more) = routes("counter.public_stats = true\n");
    assert_eq!(more.difference(&few).cloned().collect::<BTreeSet<_>>(), string_set(contract::STATS_ROUTES));
}

/// Returns the routes of the HTTP API that invoke the counter, and those that invoke the reader.
fn routes(settings: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let api = spec(&graph_for(settings), "http_api.api").unwrap();
    let listed = |routes: &Json| {
        let all = routes.as_array().into_iter().flatten();
        all.map(|route| route.as_str().unwrap().to_owned()).collect()
    };
    (listed(&api["routes"]), listed(&api["reader"]["routes"]))
}

#[test]
fn reader_serves_reading_routes_with_reserved_counter() {
    assert_eq!(routes(""), (string_set(contract::COUNTING_ROUTES), string_set(contract::READING_ROUTES)));
    let graph = graph_for("");
    let reader = spec(&graph, "function.reader").unwrap();
    assert_eq!(reader["reserved_concurrency"], Json::Null);
    insta::assert_snapshot!(pretty(&reader["environment"]), @r#"
    {
      "HITCTL_BOTS": "ignore",
      "HITCTL_BUILD": "0123456789ab",
      "HITCTL_COUNTER": "hits-test:live",
      "HITCTL_PATHS": "budget/1000/10000",
      "HITCTL_REPEAT_S": "10",
      "HITCTL_ROLE_ID": {
        "$ref": {
          "of": "role.reader",
          "output": "id"
        }
      },
      "HITCTL_VISITORS": "hash",
      "HITS_TABLE_NAME": "hits-test",
      "LOG_LEVEL": "info"
    }
    "#);
    let role = spec(&graph, "role.reader").unwrap();
    insta::assert_snapshot!(pretty(&role["statements"]), @r#"
    [
      {
        "actions": [
          "lambda:InvokeFunction"
        ],
        "resources": [
          "arn:aws:lambda:eu-central-1:123456789012:function:hits-test:live"
        ],
        "sid": "Counter"
      },
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
          "dynamodb:BatchGetItem",
          "dynamodb:GetItem",
          "dynamodb:Scan"
        ],
        "resources": [
          "arn:aws:dynamodb:eu-central-1:123456789012:table/hits-test"
        ],
        "sid": "Table"
      }
    ]
    "#);
    let releases =
        ["alias.live", "alias.reader"].map(|alias| spec(&graph, alias).unwrap()["release"].clone());
    assert_eq!(releases[0], releases[1], "both functions have the same release");
}

#[test]
fn graph_without_reservation_or_api_has_one_function() {
    let unreserved = "function.reserved_concurrency = \"none\"\n";
    let all = [contract::COUNTING_ROUTES, contract::READING_ROUTES].concat();
    assert_eq!(routes(unreserved), (string_set(&all), BTreeSet::new()));
    for settings in [unreserved, "http.expose = \"function-url\"\n", "http.expose = \"none\"\n"] {
        let graph = graph_for(settings);
        for address in ["role.reader", "function.reader", "alias.reader", "permission.reader"] {
            assert_eq!(spec(&graph, address), None, "{settings}{address}");
        }
    }
}

#[test]
fn visitors_can_be_switched_without_confirmation() {
    let (with, without) = (graph_for(""), graph_for(WITHOUT_VISITORS));
    let off = planned(&with, &without);
    assert_eq!(
        changes(&off),
        [
            "update role.function",
            "update function.counter",
            "update alias.live",
            "update function.reader",
            "update alias.reader",
            "delete table.seen"
        ]
    );
    assert_eq!(check(&off), [], "no data is lost");
    let on = planned(&without, &with);
    assert_eq!(
        changes(&on),
        [
            "update role.function",
            "create table.seen",
            "update function.counter",
            "update alias.live",
            "update function.reader",
            "update alias.reader"
        ]
    );
}

#[test]
fn destroy_keeps_counts_and_logs() {
    let graph = graph_for("");
    let plan = planned(&graph, &graph.all_absent());
    let kept: Vec<_> = plan.changes.iter().filter(|change| change.action == Action::Keep).collect();
    let kept: Vec<_> = kept.iter().map(|change| change.address().as_str()).collect();
    assert_eq!(kept, ["log_group.function", "table.hits"]);
    assert_eq!(check(&plan), []);
}

/// A configuration with a queue, a function with reserved concurrency and an invalidation.
const QUEUED: &str = "counter.visitors = \"none\"\n[queue]\nenabled = true\ningest = \"http\"\n\
                      [cloudfront]\ndistribution_id = \"E123ABC\"\n";
const EVENTS: &str = "counter.visitors = \"none\"\n[events]\nenabled = true\nbus = \"mine\"\n";

/// Returns the changes that these settings cause.
fn added_by(settings: &str) -> Vec<String> {
    changes(&planned(&graph_for(WITHOUT_VISITORS), &graph_for(settings)))
}

/// Returns the spec of a resource without its tags, on one line.
fn spec_line(graph: &Graph, address: &str) -> String {
    let mut spec = spec(graph, address).unwrap();
    spec.as_object_mut().unwrap().remove("tags");
    spec.to_string()
}

#[test]
fn queue_adds_dead_letter_queue_mapping_and_ingest_role() {
    insta::assert_snapshot!(added_by(QUEUED).join("\n"), @"
    create queue.dlq
    create queue.hits
    update role.function
    create role.ingest
    update function.counter
    update alias.live
    create event_source_mapping.hits
    update function.reader
    update alias.reader
    update http_api.api
    ");
    let graph = graph_for(QUEUED);
    insta::assert_snapshot!(spec_line(&graph, "queue.hits"), @r#"{"managed_encryption":true,"redrive":{"dead_letter_arn":"arn:aws:sqs:eu-central-1:123456789012:hits-test-dlq","max_receive_count":5},"retention_s":345600,"senders":[],"visibility_timeout_s":120}"#);
    insta::assert_snapshot!(spec_line(&graph, "queue.dlq"), @r#"{"managed_encryption":true,"redrive":null,"retention_s":1209600,"senders":[],"visibility_timeout_s":120}"#);
    insta::assert_snapshot!(spec_line(&graph, "event_source_mapping.hits"), @r#"{"batch_size":25,"enabled":true,"function_arn":"arn:aws:lambda:eu-central-1:123456789012:function:hits-test:live","max_concurrency":2,"queue_arn":"arn:aws:sqs:eu-central-1:123456789012:hits-test-hits","reports_failures":true,"window_s":60}"#);
    insta::assert_snapshot!(spec_line(&graph, "role.ingest"), @r#"{"statements":[{"actions":["sqs:SendMessage"],"resources":["arn:aws:sqs:eu-central-1:123456789012:hits-test-hits"],"sid":"Send"}],"trusted_service":"apigateway.amazonaws.com"}"#);
    insta::assert_snapshot!(pretty(&spec(&graph, "role.function").unwrap()["statements"]), @r#"
    [
      {
        "actions": [
          "cloudfront:CreateInvalidation"
        ],
        "resources": [
          "arn:aws:cloudfront::123456789012:distribution/E123ABC"
        ],
        "sid": "Invalidation"
      },
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
          "sqs:DeleteMessage",
          "sqs:GetQueueAttributes",
          "sqs:ReceiveMessage"
        ],
        "resources": [
          "arn:aws:sqs:eu-central-1:123456789012:hits-test-hits"
        ],
        "sid": "Queue"
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
    insta::assert_snapshot!(spec(&graph, "http_api.api").unwrap()["ingest"].to_string(), @r#"{"attributes":{"ip":"context.identity.sourceIp","origin":"request.header.origin","ua":"context.identity.userAgent"},"queue_url":{"$ref":{"of":"queue.hits","output":"url"}},"role_arn":"arn:aws:iam::123456789012:role/hits-test-ingest","route":"POST /v1/hit"}"#);
}

#[test]
fn events_target_function_or_queue() {
    insta::assert_snapshot!(added_by(EVENTS).join("\n"), @"
    create queue.dlq
    update role.function
    create event_invoke_config.counter
    create event_rule.events
    create permission.events
    ");
    let graph = graph_for(EVENTS);
    insta::assert_snapshot!(spec_line(&graph, "event_rule.events"), @r#"{"bus":"mine","dead_letter_arn":"arn:aws:sqs:eu-central-1:123456789012:hits-test-dlq","enabled":true,"max_age_s":86400,"max_retries":185,"pattern":{"source":["cli"]},"target_arn":"arn:aws:lambda:eu-central-1:123456789012:function:hits-test:live"}"#);
    insta::assert_snapshot!(spec_line(&graph, "permission.events"), @r#"{"function_name":"hits-test","principal":"events.amazonaws.com","qualifier":"live","source_account":null,"source_arn":"arn:aws:events:eu-central-1:123456789012:rule/mine/hits-test"}"#);
    insta::assert_snapshot!(spec_line(&graph, "event_invoke_config.counter"), @r#"{"function_name":"hits-test","max_age_s":21600,"max_retries":2,"on_failure_arn":"arn:aws:sqs:eu-central-1:123456789012:hits-test-dlq","qualifier":"live"}"#);
    insta::assert_snapshot!(spec_line(&graph, "queue.dlq"), @r#"{"managed_encryption":true,"redrive":null,"retention_s":1209600,"senders":[{"service":"events.amazonaws.com","source_arn":"arn:aws:events:eu-central-1:123456789012:rule/mine/hits-test"}],"visibility_timeout_s":120}"#);
    let both = format!("{EVENTS}[queue]\nenabled = true\n");
    let graph = graph_for(&both);
    let target = &spec(&graph, "event_rule.events").unwrap()["target_arn"];
    assert_eq!(target, "arn:aws:sqs:eu-central-1:123456789012:hits-test-hits");
    assert_eq!(spec(&graph, "permission.events"), None);
    // Enabling the queue redirects the rule and removes its permission to invoke the function.
    insta::assert_snapshot!(changes(&planned(&graph_for(EVENTS), &graph)).join("\n"), @"
    create queue.hits
    update event_rule.events
    update role.function
    delete event_invoke_config.counter
    create event_source_mapping.hits
    delete permission.events
    ");
}

#[test]
fn buckets_add_rule_on_default_bus() {
    let buckets = "counter.visitors = \"none\"\n[cloudfront]\ndistribution_id = \"E123ABC\"\nsite_bucket = \"site\"\nlog_bucket = \"logs\"\n";
    insta::assert_snapshot!(added_by(buckets).join("\n"), @"
    create queue.dlq
    update role.function
    create table.seen
    update function.counter
    update alias.live
    create event_invoke_config.counter
    create event_rule.s3
    update alias.reader
    create permission.s3
    ");
    insta::assert_snapshot!(spec_line(&graph_for(buckets), "event_rule.s3"), @r#"{"bus":"default","dead_letter_arn":"arn:aws:sqs:eu-central-1:123456789012:hits-test-dlq","enabled":true,"max_age_s":86400,"max_retries":185,"pattern":{"detail":{"bucket":{"name":["site","logs"]}},"detail-type":["Object Created"],"source":["aws.s3"]},"target_arn":"arn:aws:lambda:eu-central-1:123456789012:function:hits-test:live"}"#);
}

#[test]
fn exact_counting_adds_seen_table() {
    insta::assert_snapshot!(added_by("counter.visitors = \"none\"\ncounter.exact = true\n").join("\n"), @"
    update role.function
    create table.seen
    update function.counter
    update alias.live
    update alias.reader
    ");
}

#[test]
fn log_levels_of_lambda_follow_function() {
    for (level, expected) in [("debug", "DEBUG"), ("info", "INFO"), ("warn", "WARN"), ("error", "ERROR")] {
        let function =
            spec(&graph_for(&format!("function.log_level = \"{level}\"\n")), "function.counter").unwrap();
        assert_eq!(function["app_log_level"], expected);
        // Without report lines of invocations `tune` and `logs` would have nothing to read.
        assert_eq!(function["system_log_level"], "INFO");
    }
}

#[test]
fn only_api_permission_has_source_account() {
    let graph = graph_for(EVENTS);
    assert_eq!(spec(&graph, "permission.events").unwrap()["source_account"], Json::Null);
    assert_eq!(spec(&graph, "permission.http_api").unwrap()["source_account"], "123456789012");
}

#[test]
fn new_role_id_changes_version_but_not_release() {
    let graph = graph_for("");
    let release = |id: &str| {
        let outputs = [("id".to_owned(), id.to_owned())].into();
        let function = |address: &str| -> FunctionSpec {
            let node = graph.nodes().iter().find(|node| node.address.as_str() == address).unwrap();
            let function = resolve(node.spec().unwrap(), &|_| Some(&outputs));
            assert_eq!(function["environment"]["HITCTL_ROLE_ID"], id);
            serde_json::from_value(function).unwrap()
        };
        super::release_hash(&function("function.counter"), Some(&function("function.reader")))
    };
    let wanted = spec(&graph, "alias.live").unwrap();
    assert_eq!(wanted["release"], release("AROA1").as_str());
    assert_eq!(release("AROA1"), release("AROA2"));
    assert_eq!(wanted["role_id"]["$ref"]["of"], "role.function");
    assert_eq!(spec(&graph, "alias.reader").unwrap()["role_id"]["$ref"]["of"], "role.reader");
}
