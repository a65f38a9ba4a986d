//! Tests that convert rules and targets to specs, and that check failed entries.

use aws_sdk_eventbridge::types::PutTargetsResultEntry;
use serde_json::json;

use super::*;

fn wanted() -> EventRuleSpec {
    EventRuleSpec {
        bus: "mine".to_owned(),
        pattern: json!({ "source": ["cli"] }),
        enabled: true,
        target_arn: "arn:function".to_owned().into(),
        max_retries: 3,
        max_age_s: 600,
        dead_letter_arn: "arn:dlq".to_owned().into(),
        tags: Tags::new(),
    }
}

fn rule(pattern: &str) -> DescribeRuleOutput {
    DescribeRuleOutput::builder().event_pattern(pattern).state(RuleState::Enabled).build()
}

fn foreign_target(id: &str, arn: &str) -> Target {
    Target::builder().id(id).arn(arn).build().unwrap()
}

#[test]
fn spec_round_trips_with_any_pattern_escaping() {
    let read = |pattern: &str| spec("mine", &rule(pattern), &[target(&wanted())], Tags::new());
    assert_eq!(read(r#"{"source":["cli"]}"#), wanted());
    assert_eq!(read("{ \"sour\\u0063e\": [\"cl\\u0069\"] }"), wanted());
    assert!(has_same_target(&read("{"), &wanted()));
    assert_eq!(read("{").pattern, json!("{"));
}

#[test]
fn spec_ignores_foreign_targets_and_shows_changes_of_ours() {
    let targets = [foreign_target("theirs", "arn:theirs"), target(&wanted())];
    assert_eq!(spec("mine", &rule(r#"{"source":["cli"]}"#), &targets, Tags::new()), wanted());

    let bare =
        spec("mine", &rule("{}"), &[foreign_target(EventRuleSpec::TARGET_ID, "arn:function")], Tags::new());
    assert_eq!((bare.max_retries, bare.max_age_s, bare.dead_letter_arn), (185, 86_400, String::new().into()));

    let without_our_target = spec("mine", &rule("{}"), &targets[..1], Tags::new());
    assert_eq!(without_our_target.target_arn, String::new().into());

    let changed =
        Target::builder().id(EventRuleSpec::TARGET_ID).arn("arn:f").input("{}").role_arn("arn:role");
    let shown = spec("mine", &rule("{}"), &[changed.build().unwrap()], Tags::new()).target_arn;
    assert_eq!(shown.get().unwrap(), "arn:f (with a different input, with role arn:role)");
}

#[test]
fn spec_of_scheduled_rule_has_different_pattern() {
    let rule = DescribeRuleOutput::builder().schedule_expression("rate(1 minute)").state(RuleState::Disabled);
    let read = spec("default", &rule.build(), &[], Tags::new());
    assert_eq!(read.pattern, json!(" (and rate(1 minute))"));
    assert!(!read.enabled);
}

#[test]
fn failed_entry_names_target_and_is_transient_if_retryable() {
    let operation = ApiOperation::new("set the target of", "rule hits-test", "events:PutTargets");
    let check = |code: &str| {
        let entry =
            PutTargetsResultEntry::builder().target_id("hitctl").error_code(code).error_message("No.");
        let entry = entry.build();
        let failed = FailedEntry {
            target: entry.target_id(),
            code: entry.error_code(),
            message: entry.error_message(),
        };
        check_failed_entries(&operation, [failed].into_iter())
    };
    assert_eq!(check_failed_entries(&operation, std::iter::empty()), Ok(()));
    let fault = check("AccessDeniedException").unwrap_err();
    assert_eq!(fault.kind, FaultKind::Fatal);
    let fault = check("LimitExceededException").unwrap_err();
    assert_eq!(
        fault.message,
        "failed to set the target of rule hits-test (target hitctl): an account quota is exceeded"
    );
    assert_eq!(fault.cause.as_deref(), Some("LimitExceededException (events:PutTargets): No."));
    for code in ["InternalException", "ConcurrentModificationException", "ResourceNotFoundException"] {
        assert_eq!(check(code).unwrap_err().kind, FaultKind::Transient, "{code}");
    }
}

#[test]
fn rule_with_foreign_targets_is_not_deleted() {
    assert_eq!(foreign_targets_error("mine", "hits-test", &[target(&wanted())]), None);
    let fault = foreign_targets_error(
        "mine",
        "hits-test",
        &[foreign_target("a", "arn:a"), target(&wanted()), foreign_target("b", "arn:b")],
    );
    let fault = fault.unwrap();
    assert_eq!(
        fault.message,
        "failed to delete rule hits-test: it has targets that are not managed by this app"
    );
    assert_eq!(fault.cause.as_deref(), Some("the other targets are arn:a, arn:b"));
    assert!(fault.hint.unwrap().contains("--event-bus-name mine --rule hits-test --ids a b`"));
}
