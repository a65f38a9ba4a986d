//! Tests that convert specs to attributes and back.

use super::*;

const ARN: &str = "arn:aws:sqs:eu-west-1:123456789012:hits-test-hits";
const RULE: &str = "arn:aws:events:eu-west-1:123456789012:rule/hits-test";

fn wanted() -> QueueSpec {
    QueueSpec {
        visibility_timeout_s: 66,
        retention_s: 345_600,
        managed_encryption: true,
        redrive: Some(RedrivePolicy { dead_letter_arn: "arn:dlq".to_owned().into(), max_receive_count: 5 }),
        senders: [AllowedSender { service: "events.amazonaws.com".to_owned(), source_arn: RULE.to_owned() }]
            .into(),
        tags: Tags::new(),
    }
}

fn read(attributes: &Attributes) -> QueueSpec {
    spec(attributes, ARN, Tags::new()).unwrap()
}

#[test]
fn spec_round_trips_through_initial_attributes() {
    let attributes = initial_attributes(&wanted(), ARN);
    assert_eq!(read(&attributes), wanted());
    assert_eq!(attributes.len(), 5, "{attributes:?}");
    assert!(changed_attributes(&wanted(), &wanted(), ARN).is_empty());
}

#[test]
fn changed_attributes_contain_differences_and_clear_removed_settings() {
    let want = QueueSpec { retention_s: 60, redrive: None, senders: BTreeSet::new(), ..wanted() };
    let set = changed_attributes(&wanted(), &want, ARN);
    let expected = [
        (Name::MessageRetentionPeriod, "60".to_owned()),
        (Name::RedrivePolicy, String::new()),
        (Name::Policy, String::new()),
    ];
    assert_eq!(set, Attributes::from(expected));
    assert_eq!(read(&set), QueueSpec { visibility_timeout_s: 0, ..want });
}

#[test]
fn kms_key_is_drift_and_is_cleared() {
    let mut attributes = initial_attributes(&wanted(), ARN);
    attributes.insert(Name::KmsMasterKeyId, "alias/mine".to_owned());
    let have = read(&attributes);
    assert!(!have.managed_encryption);
    let set = changed_attributes(&have, &wanted(), ARN);
    assert_eq!(set[&Name::KmsMasterKeyId], "");
    assert_eq!(set[&Name::SqsManagedSseEnabled], "true");
}

#[test]
fn redrive_count_may_be_number_or_string() {
    for count in ["5", "\"5\""] {
        let text = format!(r#"{{"maxReceiveCount":{count},"deadLetterTargetArn":"arn:dlq"}}"#);
        assert_eq!(redrive(&text).unwrap(), wanted().redrive);
    }
    assert_eq!(redrive("").unwrap(), None);
    assert_eq!(redrive("{}").unwrap(), None);
    assert_eq!(redrive("{").unwrap_err().message, "the redrive policy of the queue is not valid JSON");
}

#[test]
fn sender_is_ours_if_statement_is_equivalent() {
    let ours = json!({
        "Sid": "by-hand", "Effect": "Allow", "Principal": { "Service": ["events.amazonaws.com"] },
        "Action": ["SQS:SendMessage"], "Resource": [ARN], "Condition": { "ArnEquals": { "AWS:SourceArn": RULE } },
    });
    let senders_of = |statement: &Json| senders(&json!({ "Statement": statement }).to_string(), ARN).unwrap();
    assert_eq!(senders_of(&ours), wanted().senders);
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
        let found = senders_of(&statement);
        assert_ne!(found, wanted().senders, "{field}");
        assert!(found.first().unwrap().service.contains("(statement {"), "{found:?}");
    }
}

#[test]
fn contents_are_described_unless_queue_is_empty() {
    let described = |counts: [u32; 3]| {
        describe_contents(&Attributes::from([
            (Name::ApproximateNumberOfMessages, counts[0].to_string()),
            (Name::ApproximateNumberOfMessagesNotVisible, counts[1].to_string()),
            (Name::ApproximateNumberOfMessagesDelayed, counts[2].to_string()),
        ]))
    };
    assert_eq!(described([0, 0, 0]), None);
    assert_eq!(described([0, 1, 0]).as_deref(), Some("1 message"));
    assert_eq!(described([3, 2, 1]).as_deref(), Some("6 messages"));
    assert_eq!(describe_contents(&Attributes::new()), None);
}

#[test]
fn kms_key_is_cleared_before_managed_encryption_is_enabled() {
    let set = Attributes::from([
        (Name::KmsMasterKeyId, String::new()),
        (Name::SqsManagedSseEnabled, "true".to_owned()),
        (Name::VisibilityTimeout, "60".to_owned()),
    ]);
    let calls = split_into_calls(set);
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert_eq!(calls[0], Attributes::from([(Name::KmsMasterKeyId, String::new())]));
    assert_eq!(calls[1].len(), 2, "{calls:?}");
    let visibility_only = Attributes::from([(Name::VisibilityTimeout, "60".to_owned())]);
    assert_eq!(split_into_calls(visibility_only.clone()), [visibility_only]);
    assert!(split_into_calls(Attributes::new()).is_empty());
}
