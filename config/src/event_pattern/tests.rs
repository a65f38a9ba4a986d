//! Checks the operators against the behaviour that the AWS user guide documents. The events are our own.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{EventPattern, PatternStep};

fn event() -> Value {
    json!({
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": "Counter moved",
        "source": "cli",
        "account": "123456789012",
        "time": "2026-11-21T18:43:48Z",
        "region": "eu-central-1",
        "resources": ["arn:aws:one", "arn:aws:two"],
        "detail": {
            "state": "running", "count": 5, "limit": 301.8, "ip": "10.0.0.33", "ip6": "2001:db8::7", "nothing": null,
            "empty": "", "on": true, "none": [], "file": "dir/a/b/photo.PNG", "inner": { "deep": 1 },
        },
    })
}

fn matches(pattern: &Value, event: &Value) -> bool {
    EventPattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).matches(event)
}

/// Whether a field of `detail` in [`event`] matches one of `values`.
fn detail_matches(field: &str, values: Value) -> bool {
    let mut pattern = json!({ "detail": {} });
    pattern["detail"][field] = values;
    matches(&pattern, &event())
}

#[test]
fn exact_values_match_by_value_and_type() {
    assert!(matches(&json!({ "source": ["x", "cli"], "detail": { "state": ["running"] } }), &event()));
    assert!(!matches(&json!({ "source": ["cli"], "detail": { "state": ["stopped"] } }), &event()));
    assert!(!matches(&json!({ "source": ["CLI"] }), &event()), "case matters");
    assert!(!matches(&json!({ "missing": ["cli"] }), &event()));
    for (field, value) in [
        ("count", json!(5)),
        ("limit", json!(301.8)),
        ("on", json!(true)),
        ("nothing", json!(null)),
        ("empty", json!("")),
    ] {
        assert!(detail_matches(field, json!([value])), "{field}");
    }
    for (field, value) in [
        ("count", json!("5")),
        ("count", json!(5.0)),
        ("on", json!("true")),
        ("empty", json!(null)),
        ("nothing", json!("")),
    ] {
        assert!(!detail_matches(field, json!([value])), "{field}");
    }
}

#[test]
fn string_operators_match_strings() {
    for (field, test, expected) in [
        ("state", json!({ "prefix": "run" }), true),
        ("state", json!({ "prefix": "un" }), false),
        ("state", json!({ "prefix": { "equals-ignore-case": "RUN" } }), true),
        ("state", json!({ "prefix": { "equals-ignore-case": "unn" } }), false),
        ("file", json!({ "suffix": ".PNG" }), true),
        ("file", json!({ "suffix": ".png" }), false),
        ("file", json!({ "suffix": { "equals-ignore-case": ".pnG" } }), true),
        ("state", json!({ "equals-ignore-case": "RuNNing" }), true),
        ("state", json!({ "equals-ignore-case": "RuNNin" }), false),
        ("state", json!({ "exactly": "running" }), true),
        ("file", json!({ "wildcard": "dir/*.PNG" }), true),
        ("file", json!({ "wildcard": "dir/*/b/*" }), true),
        ("file", json!({ "wildcard": "*/c/*" }), false),
        ("file", json!({ "wildcard": "dir" }), false),
        ("file", json!({ "wildcard": "*" }), true),
        ("count", json!({ "wildcard": "*" }), false),
        ("count", json!({ "prefix": "5" }), false),
    ] {
        assert_eq!(detail_matches(field, json!([test])), expected, "{field} {test}");
    }
}

#[test]
fn wildcard_supports_escapes_and_does_not_overlap() {
    let wildcard_matches = |pattern: &str, text: &str| {
        matches(&json!({ "a": [{ "wildcard": pattern }] }), &json!({ "a": text }))
    };
    assert!(wildcard_matches(r"a\*b", "a*b"));
    assert!(!wildcard_matches(r"a\*b", "axb"));
    assert!(wildcard_matches(r"a\\*", r"a\xyz"));
    assert!(!wildcard_matches("ab*ba", "aba"), "the same b cannot stand for both");
    assert!(wildcard_matches("a*a*a", "aaa"));
    assert!(wildcard_matches("*ab*ab", "xabab"));
}

#[test]
fn anything_but_matches_any_other_present_value() {
    for (field, test, expected) in [
        ("state", json!("initializing"), true),
        ("state", json!("running"), false),
        ("state", json!(["stopped", "running"]), false),
        ("state", json!(["stopped", "overloaded"]), true),
        ("count", json!(5), false),
        ("count", json!([4, 6]), true),
        ("limit", json!([100, 200, 301.8]), false),
        ("count", json!("5"), true),
        ("state", json!({ "prefix": "run" }), false),
        ("state", json!({ "prefix": ["stop", "run"] }), false),
        ("state", json!({ "prefix": "init" }), true),
        ("file", json!({ "suffix": ".PNG" }), false),
        ("state", json!({ "equals-ignore-case": "RUNNING" }), false),
        ("state", json!({ "equals-ignore-case": ["STOPPED", "INIT"] }), true),
        ("file", json!({ "wildcard": "*/a/*" }), false),
        ("file", json!({ "wildcard": "*/lib/*" }), true),
        ("missing", json!("x"), false),
    ] {
        assert_eq!(detail_matches(field, json!([{ "anything-but": test }])), expected, "{field} {test}");
    }
}

#[test]
fn numeric_compares_numbers_by_value() {
    for (field, test, expected) in [
        ("count", json!(["=", 5.0]), true),
        ("limit", json!(["=", 3.018e2]), true),
        ("count", json!([">", 5]), false),
        ("count", json!([">=", 5]), true),
        ("count", json!(["<", 5]), false),
        ("count", json!(["<=", 5]), true),
        ("count", json!([">", 0, "<=", 5]), true),
        ("count", json!([">", 0, "<", 5]), false),
        ("count", json!([">=", -5e9, "<=", 5e9]), true),
        ("state", json!([">", 0]), false),
    ] {
        assert_eq!(detail_matches(field, json!([{ "numeric": test }])), expected, "{field} {test}");
    }
}

#[test]
fn cidr_matches_addresses_in_network() {
    for (field, test, expected) in [
        ("ip", "10.0.0.0/24", true),
        ("ip", "10.0.1.0/24", false),
        ("ip", "0.0.0.0/0", true),
        ("ip", "10.0.0.33/32", true),
        ("ip6", "2001:db8::/32", true),
        ("ip6", "2001:db9::/32", false),
        ("ip6", "::/0", true),
        ("ip6", "10.0.0.0/8", false),
        ("state", "10.0.0.0/8", false),
    ] {
        assert_eq!(detail_matches(field, json!([{ "cidr": test }])), expected, "{field} {test}");
    }
}

#[test]
fn exists_checks_leaves_only() {
    for (field, exists, expected) in [
        ("state", true, true),
        ("state", false, false),
        ("missing", true, false),
        ("missing", false, true),
        ("nothing", true, true),
        ("inner", true, false),
        ("inner", false, true),
        ("none", true, false),
        ("none", false, true),
    ] {
        assert_eq!(detail_matches(field, json!([{ "exists": exists }])), expected, "{field} {exists}");
    }
    assert!(detail_matches("state", json!([{ "exists": false }, "running"])), "alternatives");
}

#[test]
fn arrays_match_by_any_one_element() {
    assert!(matches(&json!({ "resources": ["arn:aws:two", "arn:aws:nine"] }), &event()));
    assert!(!matches(&json!({ "resources": ["arn:aws:three"] }), &event()));
    let people_match = |pattern: Value| {
        let nested = json!({ "people": [
            [{ "first": "John", "last": "Doe" }, { "first": "Anna", "last": "Smith" }],
            [{ "first": "Peter", "last": "Jones" }],
        ], "tags": ["a", "b"], "rooms": [{ "n": 1 }, { "n": 2 }] });
        matches(&json!({ "people": pattern, "tags": ["b"], "rooms": { "n": [2] } }), &nested)
    };
    assert!(people_match(json!({ "first": ["Anna"] })));
    assert!(people_match(json!({ "first": ["Anna"], "last": ["Smith"] })));
    assert!(!people_match(json!({ "first": ["Anna"], "last": ["Jones"] })), "two different elements");
    assert!(!people_match(json!({ "first": ["Anna"], "last": ["Doe"] })));
    assert!(people_match(json!({ "first": ["Anna", "Peter"], "last": ["Jones"] })));
}

#[test]
fn dotted_and_nested_names_are_same_field() {
    let (dotted, nested) = (json!({ "a": { "b.c": 1 } }), json!({ "a": { "b": { "c": 1 } } }));
    for pattern in [json!({ "a": { "b": { "c": [1] } } }), json!({ "a.b": { "c": [1] } })] {
        assert!(matches(&pattern, &dotted) && matches(&pattern, &nested), "{pattern}");
    }
}

#[test]
fn or_combines_fields_and_nests() {
    let pattern = json!({
        "source": ["cli"],
        "$or": [
            { "detail": { "state": ["stopped"] } },
            { "detail-type": ["Counter moved"], "$or": [{ "detail": { "count": [4] } }, { "detail": { "count": [5] } }] },
        ],
    });
    assert!(matches(&pattern, &event()));
    let mut other_event = event();
    other_event["detail"]["count"] = json!(6);
    assert!(!matches(&pattern, &other_event));
    other_event["detail"]["state"] = json!("stopped");
    assert!(matches(&pattern, &other_event));
    other_event["source"] = json!("web");
    assert!(!matches(&pattern, &other_event), "the rest still must match");
}

#[test]
fn parse_of_invalid_pattern_reports_path_and_reason() {
    let refused = |pattern: Value| EventPattern::parse(&pattern).expect_err("refused").to_string();
    let all: Vec<String> = [
        json!([]),
        json!({}),
        json!({ "a": {} }),
        json!({ "a": [] }),
        json!({ "a": "b" }),
        json!({ "a": { "b": [["c"]] } }),
        json!({ "a": [{}] }),
        json!({ "a": ["x", { "prefix": "p", "suffix": "s" }] }),
        json!({ "a": [{ "begins": "p" }] }),
        json!({ "a": [{ "prefix": 5 }] }),
        json!({ "a": [{ "prefix": { "wildcard": "p" } }] }),
        json!({ "a": [{ "wildcard": "a**b" }] }),
        json!({ "a": [{ "wildcard": "a\\b" }] }),
        json!({ "a": [{ "exists": "yes" }] }),
        json!({ "a": [{ "cidr": "10.0.0.0/33" }] }),
        json!({ "a": [{ "cidr": "10.0.0.0" }] }),
        json!({ "a": [{ "numeric": [] }] }),
        json!({ "a": [{ "numeric": ["!=", 5] }] }),
        json!({ "a": [{ "numeric": ["<", 5, ">", 1] }] }),
        json!({ "a": [{ "numeric": [">", 5, "<", 5] }] }),
        json!({ "a": [{ "numeric": ["=", 6e9] }] }),
        json!({ "a": [{ "anything-but": [] }] }),
        json!({ "a": [{ "anything-but": ["a", 1] }] }),
        json!({ "a": [{ "anything-but": null }] }),
        json!({ "a": [{ "anything-but": { "prefix": "" } }] }),
        json!({ "a": [{ "anything-but": { "cidr": "10.0.0.0/8" } }] }),
        json!({ "$or": { "a": [1] } }),
        json!({ "$or": [{ "a": [1] }] }),
        json!({ "$or": [{ "a": [1] }, 5] }),
        json!({ "$or": [{ "a": [1] }, { "prefix": ["x"] }] }),
    ]
    .into_iter()
    .map(refused)
    .collect();
    insta::assert_snapshot!(all.join("\n"), @r#"
    expected an object, found an array
    expected at least one field, found an empty object
    a: expected at least one field, found an empty object
    a: expected at least one value, found an empty array
    a: expected an array of values, found a string
    a.b[0]: expected a value or an operator, found an array
    a[0]: expected `prefix`, `suffix`, `equals-ignore-case`, `wildcard`, `anything-but`, `numeric`, `cidr` or `exists`, found an empty object
    a[1]: expected one operator in the object, found 2
    a[0].begins: expected `prefix`, `suffix`, `equals-ignore-case`, `wildcard`, `anything-but`, `numeric`, `cidr` or `exists`, found "begins"
    a[0].prefix: expected a string in `prefix`, found a number
    a[0].prefix.wildcard: expected `equals-ignore-case` inside `prefix`, found "wildcard"
    a[0].wildcard: expected single stars in `wildcard`, found `**`
    a[0].wildcard: expected `*` or a backslash after each backslash in `wildcard`, found neither
    a[0].exists: expected true or false in `exists`, found a string
    a[0].cidr: expected a network such as `10.0.0.0/24` or `2001:db8::/32` in `cidr`, found "10.0.0.0/33"
    a[0].cidr: expected a network such as `10.0.0.0/24` or `2001:db8::/32` in `cidr`, found "10.0.0.0"
    a[0].numeric: expected a comparison such as `[">=", 5]` or a range such as `[">", 0, "<=", 5]` in `numeric`
    a[0].numeric: expected a comparison such as `[">=", 5]` or a range such as `[">", 0, "<=", 5]` in `numeric`
    a[0].numeric: expected a comparison such as `[">=", 5]` or a range such as `[">", 0, "<=", 5]` in `numeric`
    a[0].numeric: expected a lower bound below the upper bound in `numeric`, found 5 and 5
    a[0].numeric: expected a number from -5e9 to 5e9, found 6000000000.0
    a[0].anything-but: expected at least one value in `anything-but`, found an empty array
    a[0].anything-but: expected only strings or only numbers in `anything-but`, found other or mixed values
    a[0].anything-but: expected a string, a number, an array of either or an operator in `anything-but`, found null
    a[0].anything-but.prefix: expected a non-empty value in `prefix`, found an empty one
    a[0].anything-but.cidr: expected `prefix`, `suffix`, `equals-ignore-case` or `wildcard` inside `anything-but`, found "cidr"
    $or: expected an array of objects in `$or`, found an object
    $or: expected at least two objects in `$or`, found 1
    $or[1]: expected an object in `$or`, found a number
    $or[1].prefix: expected a field name inside `$or`, found the operator `prefix`
    "#);
}

#[test]
fn parse_enforces_length_and_combination_limits() {
    let pattern_of_length = |chars: usize| EventPattern::parse(&json!({ "a": ["x".repeat(chars)] }));
    // `{"a":[".."]}` has 10 characters besides the string itself.
    assert!(pattern_of_length(super::MAX_LENGTH - 10).is_ok());
    let error = pattern_of_length(super::MAX_LENGTH - 9).unwrap_err();
    assert_eq!(error.message, "expected at most 4096 characters of JSON, found 4097");
    let with_ors = |branches: usize| {
        let branch = |field: &str| (0..branches).map(|n| json!({ field: [n] })).collect::<Vec<_>>();
        EventPattern::parse(&json!({
            "a": { "$or": branch("a") }, "b": { "$or": branch("b") }, "c": { "$or": branch("c") },
        }))
    };
    assert!(with_ors(10).is_ok());
    let error = with_ors(11).unwrap_err();
    assert_eq!(error.message, "expected at most 1000 combinations of `$or`, found more");
    assert_eq!(error.path.first(), Some(&PatternStep::Field("c".to_owned())));
}

#[test]
fn matches_with_many_parallel_arrays_is_fast() {
    let names: Vec<String> = (0..60).map(|n| format!("f{n}")).collect();
    let (mut pattern, mut event) = (json!({}), json!({}));
    for name in &names {
        pattern[name] = json!({ "x": [1] });
        event[name] = (0..60).map(|n| json!({ "x": 1, "n": n })).collect();
    }
    assert!(matches(&pattern, &event), "60 arrays of 60 would be 60^60 ways");
}

/// Generates JSON values such as those in events.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1000_i64..1000).prop_map(Value::from),
        (-8000_i32..8000).prop_map(|n| json!(f64::from(n) / 8.0)),
        "[a-c.*]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d]", inner, 1..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// Returns a pattern that requires one leaf of each field, taken from one element of each array; `None` if the value
/// has no leaf.
fn pattern_for(value: &Value) -> Option<Value> {
    match value {
        Value::Object(fields) => {
            let patterns: serde_json::Map<_, _> =
                fields.iter().filter_map(|(name, value)| Some((name.clone(), pattern_for(value)?))).collect();
            (!patterns.is_empty()).then_some(Value::Object(patterns))
        }
        Value::Array(elements) => elements.iter().find_map(pattern_for),
        leaf => Some(json!([leaf])),
    }
}

proptest! {
    #[test]
    fn pattern_made_from_event_matches_event(event in any_json()) {
        prop_assume!(event.is_object());
        if let Some(pattern) = pattern_for(&event) {
            prop_assert!(matches(&pattern, &event), "{pattern} on {event}");
            // A pattern with a field that the event does not have must not match.
            let mut more = pattern;
            more["zz"] = json!(["x"]);
            prop_assert!(!matches(&more, &event));
            more["zz"] = json!([{ "exists": false }]);
            prop_assert!(matches(&more, &event));
        }
    }

    #[test]
    fn parse_and_matches_never_panic(pattern in any_json(), event in any_json()) {
        if let Ok(pattern) = EventPattern::parse(&pattern) {
            pattern.matches(&event);
        }
    }

    #[test]
    fn wildcard_with_star_between_parts_matches_filled_text(parts in prop::collection::vec("[ab]{0,3}", 1..5), fill in "[ab]{0,3}") {
        let wildcard = parts.join("*");
        prop_assume!(!wildcard.contains("**"));
        let text = parts.join(&fill);
        let found = matches(&json!({ "a": [{ "wildcard": wildcard }] }), &json!({ "a": text }));
        prop_assert!(found);
    }
}
