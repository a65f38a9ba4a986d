//! What a rule and its targets are read as, and what is said of what was not done.

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

fn other(id: &str, arn: &str) -> Target {
    Target::builder().id(id).arn(arn).build().unwrap()
}

#[test]
fn what_is_written_is_read_back_however_the_pattern_is_escaped() {
    let read = |pattern: &str| spec("mine", &rule(pattern), &[target(&wanted())], Tags::new());
    assert_eq!(read(r#"{"source":["cli"]}"#), wanted());
    assert_eq!(read("{ \"sour\\u0063e\": [\"cl\\u0069\"] }"), wanted());
    assert!(is_target(&read("{"), &wanted()));
    assert_eq!(read("{").pattern, json!("{"));
}

#[test]
fn targets_of_others_are_theirs_and_ours_shows_what_is_odd() {
    let targets = [other("theirs", "arn:theirs"), target(&wanted())];
    assert_eq!(spec("mine", &rule(r#"{"source":["cli"]}"#), &targets, Tags::new()), wanted());

    let bare = spec("mine", &rule("{}"), &[other(EventRuleSpec::TARGET_ID, "arn:function")], Tags::new());
    assert_eq!((bare.max_retries, bare.max_age_s, bare.dead_letter_arn), (185, 86_400, String::new().into()));

    let none = spec("mine", &rule("{}"), &targets[..1], Tags::new());
    assert_eq!(none.target_arn, String::new().into());

    let changed =
        Target::builder().id(EventRuleSpec::TARGET_ID).arn("arn:f").input("{}").role_arn("arn:role");
    let shown = spec("mine", &rule("{}"), &[changed.build().unwrap()], Tags::new()).target_arn;
    assert_eq!(shown.get().unwrap(), "arn:f (with another input, as arn:role)");
}

#[test]
fn a_schedule_is_no_pattern_of_ours() {
    let rule = DescribeRuleOutput::builder().schedule_expression("rate(1 minute)").state(RuleState::Disabled);
    let read = spec("default", &rule.build(), &[], Tags::new());
    assert_eq!(read.pattern, json!(" (and rate(1 minute))"));
    assert!(!read.enabled);
}

#[test]
fn what_was_not_done_is_told_by_its_target_and_tried_again_where_that_helps() {
    let doing = Doing::new("set the target of", "rule hits-test", "events:PutTargets");
    let of = |code: &str| {
        let entry =
            PutTargetsResultEntry::builder().target_id("hitctl").error_code(code).error_message("No.");
        let entry = entry.build();
        let failed = FailedEntry {
            target: entry.target_id(),
            code: entry.error_code(),
            message: entry.error_message(),
        };
        all_done(&doing, [failed].into_iter())
    };
    assert_eq!(all_done(&doing, std::iter::empty()), Ok(()));
    let fault = of("AccessDeniedException").unwrap_err();
    assert_eq!(fault.kind, FaultKind::Fatal);
    let fault = of("LimitExceededException").unwrap_err();
    assert_eq!(
        fault.message,
        "failed to set the target of rule hits-test (target hitctl): a limit of the account is reached"
    );
    assert_eq!(fault.cause.as_deref(), Some("LimitExceededException (events:PutTargets): No."));
    for code in ["InternalException", "ConcurrentModificationException", "ResourceNotFoundException"] {
        assert_eq!(of(code).unwrap_err().kind, FaultKind::Transient, "{code}");
    }
}

#[test]
fn a_rule_that_sends_elsewhere_too_is_not_deleted() {
    assert_eq!(in_the_way("mine", "hits-test", &[target(&wanted())]), None);
    let fault =
        in_the_way("mine", "hits-test", &[other("a", "arn:a"), target(&wanted()), other("b", "arn:b")]);
    let fault = fault.unwrap();
    assert_eq!(fault.message, "failed to delete rule hits-test: it has targets that are not this app's");
    assert_eq!(fault.cause.as_deref(), Some("it also sends to arn:a, arn:b"));
    assert!(fault.hint.unwrap().contains("--event-bus-name mine --rule hits-test --ids a b`"));
}
