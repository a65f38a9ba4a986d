//! The attributes of a queue, as they are written and read back.

use super::*;

const ARN: &str = "arn:aws:sqs:eu-west-1:123456789012:hits-test-hits";
const RULE: &str = "arn:aws:events:eu-west-1:123456789012:rule/hits-test";

fn wanted() -> QueueSpec {
    QueueSpec {
        visibility_timeout_s: 66,
        retention_s: 345_600,
        managed_encryption: true,
        redrive: Some(Redrive { dead_letter_arn: "arn:dlq".to_owned().into(), max_receive_count: 5 }),
        senders: [Sender { service: "events.amazonaws.com".to_owned(), source_arn: RULE.to_owned() }].into(),
        tags: Tags::new(),
    }
}

fn read(attributes: &Attributes) -> QueueSpec {
    spec(attributes, ARN, Tags::new()).unwrap()
}

#[test]
fn what_a_queue_is_made_with_is_read_back() {
    let made = all(&wanted(), ARN);
    assert_eq!(read(&made), wanted());
    assert_eq!(made.len(), 5, "{made:?}");
    assert!(delta(&wanted(), &wanted(), ARN).is_empty());
}

#[test]
fn only_what_differs_is_set_and_nothing_clears() {
    let want = QueueSpec { retention_s: 60, redrive: None, senders: BTreeSet::new(), ..wanted() };
    let set = delta(&wanted(), &want, ARN);
    let expected = [
        (Name::MessageRetentionPeriod, "60".to_owned()),
        (Name::RedrivePolicy, String::new()),
        (Name::Policy, String::new()),
    ];
    assert_eq!(set, Attributes::from(expected));
    assert_eq!(read(&set), QueueSpec { visibility_timeout_s: 0, ..want });
}

#[test]
fn a_key_of_the_users_own_is_drift_and_is_cleared() {
    let mut attributes = all(&wanted(), ARN);
    attributes.insert(Name::KmsMasterKeyId, "alias/mine".to_owned());
    let have = read(&attributes);
    assert!(!have.managed_encryption);
    let set = delta(&have, &wanted(), ARN);
    assert_eq!(set[&Name::KmsMasterKeyId], "");
    assert_eq!(set[&Name::SqsManagedSseEnabled], "true");
}

#[test]
fn a_count_may_be_a_number_or_a_text() {
    for count in ["5", "\"5\""] {
        let text = format!(r#"{{"maxReceiveCount":{count},"deadLetterTargetArn":"arn:dlq"}}"#);
        assert_eq!(redrive(&text).unwrap(), wanted().redrive);
    }
    assert_eq!(redrive("").unwrap(), None);
    assert_eq!(redrive("{}").unwrap(), None);
    assert_eq!(redrive("{").unwrap_err().message, "the queue's redrive policy is no JSON");
}

#[test]
fn a_statement_is_ours_by_what_it_allows_and_any_other_shows() {
    let ours = json!({
        "Sid": "by-hand", "Effect": "Allow", "Principal": { "Service": ["events.amazonaws.com"] },
        "Action": ["SQS:SendMessage"], "Resource": [ARN], "Condition": { "ArnEquals": { "AWS:SourceArn": RULE } },
    });
    let found = |statement: &Json| senders(&json!({ "Statement": statement }).to_string(), ARN).unwrap();
    assert_eq!(found(&ours), wanted().senders);
    let changes = [
        ("Effect", json!("Deny")),
        ("Principal", json!("*")),
        ("Action", json!("sqs:*")),
        ("Resource", json!("arn:aws:sqs:eu-west-1:123456789012:other")),
        ("Condition", json!({})),
        ("Condition", json!({ "ArnLike": { "aws:SourceArn": RULE } })),
        ("NotAction", json!("sqs:DeleteQueue")),
    ];
    for (field, value) in changes {
        let mut statement = ours.clone();
        statement[field] = value;
        let found = found(&statement);
        assert_ne!(found, wanted().senders, "{field}");
        assert!(found.first().unwrap().service.contains("by the statement {"), "{found:?}");
    }
}

#[test]
fn what_is_held_is_said_in_words() {
    let counted = |counts: [u32; 3]| {
        held(&Attributes::from([
            (Name::ApproximateNumberOfMessages, counts[0].to_string()),
            (Name::ApproximateNumberOfMessagesNotVisible, counts[1].to_string()),
            (Name::ApproximateNumberOfMessagesDelayed, counts[2].to_string()),
        ]))
    };
    assert_eq!(counted([0, 0, 0]), None);
    assert_eq!(counted([0, 1, 0]).as_deref(), Some("1 message"));
    assert_eq!(counted([3, 2, 1]).as_deref(), Some("6 messages"));
    assert_eq!(held(&Attributes::new()), None);
}

#[test]
fn key_of_kms_is_cleared_in_a_call_before_managed_encryption_is_switched_on() {
    let set = Attributes::from([
        (Name::KmsMasterKeyId, String::new()),
        (Name::SqsManagedSseEnabled, "true".to_owned()),
        (Name::VisibilityTimeout, "60".to_owned()),
    ]);
    let calls = in_calls(set);
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert_eq!(calls[0], Attributes::from([(Name::KmsMasterKeyId, String::new())]));
    assert_eq!(calls[1].len(), 2, "{calls:?}");
    let plain = Attributes::from([(Name::VisibilityTimeout, "60".to_owned())]);
    assert_eq!(in_calls(plain.clone()), [plain]);
    assert!(in_calls(Attributes::new()).is_empty());
}
