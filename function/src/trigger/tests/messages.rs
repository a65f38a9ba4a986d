//! Tests that parse sample messages and events from the AWS documentation, and messages in hitctl's own format.

use super::*;

fn options() -> EventOptions {
    EventOptions {
        site_bucket: Some("site".to_owned()),
        log_bucket: Some("logs".to_owned()),
        ..EventOptions::default()
    }
}

fn hit(path: &str) -> IncomingHit {
    IncomingHit { path: path.to_owned(), at: Some(NOW), n: 1, ..IncomingHit::default() }
}

fn read(text: &str) -> Result<ParsedContent, String> {
    parse_body(text, &options(), NOW)
}

fn hits(text: &str) -> Vec<IncomingHit> {
    match read(text) {
        Ok(ParsedContent::Hits(hits)) => hits,
        other => panic!("{text}: {other:?}"),
    }
}

fn batch(json: &str) -> Vec<InboundMessage> {
    match TriggerEvent::parse(json.as_bytes(), &options(), NOW) {
        Ok(TriggerEvent::Batch(messages)) => messages,
        other => panic!("{json}: {other:?}"),
    }
}

fn single(json: &str, options: &EventOptions) -> (InboundMessage, EventReply) {
    match TriggerEvent::parse(json.as_bytes(), options, NOW) {
        Ok(TriggerEvent::Single(message, reply)) => (message, reply),
        other => panic!("{json}: {other:?}"),
    }
}

/// The example event from the AWS page "Using Lambda with Amazon SQS", with a body in hitctl's own format.
const SQS: &str = r#"{"Records":[{
  "messageId":"059f36b4-87a3-44ab-83d2-661975830a7d","receiptHandle":"AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
  "body":"{\"v\":1,\"path\":\"/x\",\"ts\":\"2026-09-19T10:00:00Z\",\"n\":3}",
  "attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"1789898399650","SenderId":"AIDAIENQZJOLO23YVJ4VO",
    "ApproximateFirstReceiveTimestamp":"1789898399660"},
  "messageAttributes":{"myAttribute":{"stringValue":"myValue","stringListValues":[],"binaryListValues":[],"dataType":"String"}},
  "md5OfBody":"e4e68fb7bd0e697a0ae8f1bb342846b3","eventSource":"aws:sqs",
  "eventSourceARN":"arn:aws:sqs:us-east-2:123456789012:my-queue","awsRegion":"us-east-2"},
 {"messageId":"2e1424d4-f796-459a-8184-9c92662be6da","body":"/y/","attributes":{"SentTimestamp":"1789898340000"},
  "messageAttributes":{},"eventSource":"aws:sqs"}]}"#;

#[test]
fn batch_is_parsed_message_by_message() {
    let messages = batch(SQS);
    let yesterday = Moment::from_rfc3339("2026-09-19T10:00:00Z");
    assert_eq!(messages[0].id, "059f36b4-87a3-44ab-83d2-661975830a7d");
    assert_eq!(messages[0].dedup_id, messages[0].id);
    assert_eq!(
        messages[0].content,
        Ok(ParsedContent::Hits(vec![IncomingHit { at: yesterday, n: 3, ..hit("/x") }]))
    );
    let sent = Some(Moment::from_millis(1_789_898_340_000));
    assert_eq!(messages[1].content, Ok(ParsedContent::Hits(vec![IncomingHit { at: sent, ..hit("/y/") }])));
}

#[test]
fn message_without_id_fails_the_batch() {
    let why = unsupported_event_message(r#"{"Records":[{"eventSource":"aws:sqs","body":"/x"}]}"#);
    insta::assert_snapshot!(why, @"invalid SQS batch: a message has no `messageId`");
}

#[test]
fn dedup_id_is_the_first_available_id() {
    let dedup_id = |attributes: &str, body: &str| {
        let json = format!(
            r#"{{"Records":[{{"eventSource":"aws:sqs","messageId":"m","body":{},"messageAttributes":{attributes}}}]}}"#,
            crate::json::string(body)
        );
        batch(&json).remove(0).dedup_id
    };
    assert_eq!(dedup_id("{}", r#"{"path":"/x"}"#), "m");
    assert_eq!(dedup_id("{}", r#"{"path":"/x","id":"i"}"#), "i");
    assert_eq!(dedup_id(r#"{"hitctl-id":{"stringValue":"first"}}"#, r#"{"path":"/x","id":"i"}"#), "first");
    assert_eq!(dedup_id("{}", r#"{"id":"event","detail-type":"Hit","detail":{"path":"/x"}}"#), "event");
    assert_eq!(dedup_id(r#"{"ip":{"stringValue":"203.0.113.7"}}"#, r#"{"p":"/x","id":"forged"}"#), "m");
}

#[test]
fn queued_page_hit_is_a_view() {
    let record = |body: &str, origin: &str| {
        format!(
            r#"{{"Records":[{{"eventSource":"aws:sqs","messageId":"m","body":{},"messageAttributes":{{
                "ip":{{"stringValue":"203.0.113.7"}},"ua":{{"stringValue":"Mozilla/5.0"}},"origin":{{"stringValue":"{origin}"}}}}}}]}}"#,
            crate::json::string(body)
        )
    };
    let expected = IncomingHit {
        by: HitSource::Page,
        address: "203.0.113.7".into(),
        agent: "Mozilla/5.0".into(),
        origin: Some("https://a.example".to_owned()),
        automated: true,
        ..hit("/x")
    };
    let read = |body, origin| batch(&record(body, origin)).remove(0).content;
    let sent = read(r#"{"p":"/x","r":"https://ref.example","b":1}"#, "https://a.example");
    assert_eq!(sent, Ok(ParsedContent::Hits(vec![expected.clone()])));
    let opted_out_hit = IncomingHit { automated: false, opted_out: true, ..expected.clone() };
    let sent = read(r#"{"p":"/x","b":0,"g":1}"#, "https://a.example");
    assert_eq!(sent, Ok(ParsedContent::Hits(vec![opted_out_hit])));
    let without_optional_fields = IncomingHit { origin: None, automated: false, ..expected };
    assert_eq!(read(r#"{"p":"/x"}"#, ""), Ok(ParsedContent::Hits(vec![without_optional_fields])));
    for wrong in ["", "/x", "[]", r#"{"p":7}"#, &format!(r#"{{"p":"{}"}}"#, "x".repeat(2048))] {
        assert!(matches!(read(wrong, ""), Ok(ParsedContent::Invalid(_))), "{wrong}");
    }
}

#[test]
fn body_formats_are_parsed_as_hits() {
    assert_eq!(hits(r#"{"v":1,"path":"/x","ts":null,"ip":null,"id":null}"#), [hit("/x")]);
    assert_eq!(hits(" /x\n"), [hit("/x")]);
    assert_eq!(hits("https://a.example/x"), [hit("https://a.example/x")]);
    assert_eq!(hits(r#"{"path":"any words"}"#), [hit("any words")]);
    let known = IncomingHit { address: "2001:db8::1".into(), agent: "Agent/1".into(), ..hit("/x") };
    assert_eq!(hits(r#"{"path":"/x","ip":"2001:db8::1","ua":"Agent/1","more":{}}"#), [known]);
    let two = hits(
        r#"{"hits":[{"path":"/x"},{"path":"/y","n":9007199254740991,"ts":"2026-09-20T12:04:59+02:00"}]}"#,
    );
    let ahead = Moment::from_rfc3339("2026-09-20T10:04:59Z");
    assert_eq!(two, [hit("/x"), IncomingHit { n: 9_007_199_254_740_991, at: ahead, ..hit("/y") }]);
    let many = format!(r#"{{"hits":[{}{{"path":"/x"}}]}}"#, r#"{"path":"/x"},"#.repeat(499));
    assert_eq!(hits(&many).len(), 500);
}

#[test]
fn malformed_body_error_does_not_quote_the_body() {
    let long = format!(r#"{{"path":"/x","id":"{}"}}"#, "i".repeat(257));
    let many = format!(r#"{{"hits":[{}{{"path":"/x"}}]}}"#, r#"{"path":"/x"},"#.repeat(500));
    let bodies = [
        "",
        "hello 203.0.113.7",
        "[\"/x\"]",
        "\"/x\"",
        "{\"path\":\"203.0.113.7",
        "{}",
        r#"{"path":null}"#,
        r#"{"path":7}"#,
        r#"{"v":2,"path":"/x"}"#,
        r#"{"path":"/x","n":0}"#,
        r#"{"path":"/x","n":9007199254740992}"#,
        r#"{"path":"/x","n":-1}"#,
        r#"{"path":"/x","n":"203.0.113.7"}"#,
        r#"{"path":"/x","ip":"203.0.113.7:80"}"#,
        r#"{"path":"/x","ts":"203.0.113.7"}"#,
        r#"{"path":"/x","ts":"2026-09-20T10:05:01Z"}"#,
        r#"{"path":"/x","ts":"2026-07-22T09:59:59Z"}"#,
        &long,
        r#"{"hits":[]}"#,
        r#"{"hits":{}}"#,
        r#"{"hits":["/x"]}"#,
        r#"{"hits":[{"path":"/x"},{"path":"/y","n":0}]}"#,
        &many,
        r#"{"Records":[]}"#,
        r#"{"Records":[{"eventSource":"aws:sns"}]}"#,
        r#"{"Records":[{"eventSource":"aws:s3","eventName":"ObjectRemoved:Delete","s3":{}}]}"#,
        r#"{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"site"},"object":{}}}]}"#,
        r#"{"Records":[{"cf":{"request":{}}}]}"#,
        r#"{"Event":"s3:OtherEvent"}"#,
        r#"{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:eu-central-1:123456789012:t","Message":"{\"path\":\"/x\"}"}"#,
        r#"{"Type":"SubscriptionConfirmation","TopicArn":"arn:aws:sns:eu-central-1:123456789012:t","Token":"t","Message":"You .."}"#,
        r#"{"detail-type":"Hit","detail":{}}"#,
        r#"{"detail-type":"Hit","detail":{"path":{}}}"#,
    ];
    let reasons: Vec<String> = bodies.iter().map(|body| read(body).expect_err(body)).collect();
    assert!(!reasons.concat().contains("203.0"), "{reasons:?}");
    insta::assert_snapshot!(reasons.join("\n"), @"
    the body is neither a path nor a JSON object
    the body is neither a path nor a JSON object
    the body is neither a path nor a JSON object
    the body is neither a path nor a JSON object
    the body is not valid JSON: line 1, column 20
    `path` is missing, and the body is not a known event
    `path` is missing, and the body is not a known event
    `path`: expected a string
    `v`: expected 1
    `n`: expected a whole number from 1 to 9007199254740991
    `n`: expected a whole number from 1 to 9007199254740991
    `n`: expected a whole number from 1 to 9007199254740991
    `n`: expected a whole number from 1 to 9007199254740991
    `ip`: expected an IP address
    `ts`: expected an RFC 3339 time such as 2026-09-20T10:00:00Z
    `ts`: expected a time between sixty days ago and five minutes from now
    `ts`: expected a time between sixty days ago and five minutes from now
    `id`: expected 1 to 256 bytes
    `hits`: expected 1 to 500 entries, found 0
    `hits`: expected a list
    `hits[0]` is not a JSON object
    `hits[1]`: `n`: expected a whole number from 1 to 9007199254740991
    `hits`: expected 1 to 500 entries, found 501
    `Records` is empty
    the records come from an unknown source
    expected an `ObjectCreated` event, found another S3 event
    the object key is missing
    `cf.request.method` is missing
    the message is neither a hit nor a known event
    expected a raw message, found an SNS notification; enable raw message delivery for the queue's subscription to the topic
    expected a raw message, found an SNS subscription message; enable raw message delivery for the queue's subscription to the topic
    the event has no value at /detail/path
    expected a string or a whole number at /detail/path
    ");
}

/// An object with a `detail` and no `path`, as people write it by hand, is parsed as an EventBridge event. An
/// object with a top-level `path` is parsed as a hit.
#[test]
fn event_with_only_a_detail_is_parsed() {
    let (message, reply) = single(r#"{"detail":{"path":"/x"}}"#, &options());
    assert_eq!(
        (message.content, reply),
        (Ok(ParsedContent::Hits(vec![IncomingHit { at: None, ..hit("/x") }])), EventReply::Summary)
    );
    let keyed = EventOptions {
        event_key: Some("Distance".to_owned()),
        event_amount: Some("/detail/coordinate/x".to_owned()),
        ..EventOptions::default()
    };
    let (message, _) = single(r#"{"detail":{"coordinate":{"x":"5","y":"5"},"type":"move"}}"#, &keyed);
    assert_eq!(
        message.content,
        Ok(ParsedContent::Hits(vec![IncomingHit { at: None, n: 5, ..hit("Distance") }]))
    );
    assert_eq!(hits(r#"{"detail":{"path":"/x"}}"#), [IncomingHit { at: None, ..hit("/x") }]);
    assert_eq!(hits(r#"{"path":"/y","detail":{"path":"/x"}}"#), [hit("/y")]);
    assert_eq!(
        single(r#"{"detail":{}}"#, &options()).0.content,
        Err("the event has no value at /detail/path".to_owned())
    );
}

/// The example event from the S3 page "EventBridge event message structure".
const OBJECT_CREATED: &str = r#"{"version":"0","id":"17793124-05d4-b198-2fde-7ededc63b103","detail-type":"Object Created","source":"aws.s3",
  "account":"111122223333","time":"2026-09-20T09:59:00Z","region":"ca-central-1","resources":["arn:aws:s3:::site"],
  "detail":{"version":"0","bucket":{"name":"site"},"object":{"key":"a+b c.html","size":5,"etag":"b1946ac92492d2347c6235b4d2611184",
    "version-id":"IYV3p45BT0ac8hjHg1houSdS1a.Mro8e","sequencer":"617f08299329d189"},"request-id":"N4N7GDK58NMKJ12R",
    "requester":"123456789012","source-ip-address":"1.2.3.4","reason":"PutObject"}}"#;

/// The example event from the S3 page "Event message structure".
const NOTIFICATION: &str = r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-west-2","eventTime":"1970-01-01T00:00:00.000Z",
  "eventName":"ObjectCreated:Put","userIdentity":{"principalId":"AIDAJDPLRKLG7UEXAMPLE"},"requestParameters":{"sourceIPAddress":"127.0.0.1"},
  "responseElements":{"x-amz-request-id":"C3D13FE58DE4C810"},"s3":{"s3SchemaVersion":"1.0","configurationId":"testConfigRule",
  "bucket":{"name":"site","ownerIdentity":{"principalId":"A3NL1KOZZKExample"},"arn":"arn:aws:s3:::amzn-s3-demo-bucket"},
  "object":{"key":"a%2Bb+c.html","size":1024,"eTag":"d41d8cd98f00b204e9800998ecf8427e","versionId":"096fKKXTRTtl3on89fVO.nfljtsv6qko",
  "sequencer":"0055AED6DCD90281E5"}}}]}"#;

#[test]
fn created_objects_are_parsed_from_both_services() {
    let object = |version: &str| S3Object {
        bucket: "site".to_owned(),
        key: "a+b c.html".to_owned(),
        version: version.to_owned(),
    };
    let expected = Ok(ParsedContent::Objects(vec![object("617f08299329d189")]));
    assert_eq!(read(OBJECT_CREATED), expected);
    assert_eq!(single(OBJECT_CREATED, &options()).0.content, expected);
    let expected = Ok(ParsedContent::Objects(vec![object("0055AED6DCD90281E5")]));
    assert_eq!(read(NOTIFICATION), expected);
    assert_eq!(
        single(NOTIFICATION, &options()),
        (
            InboundMessage { id: "(none)".to_owned(), dedup_id: String::new(), content: expected },
            EventReply::Summary
        )
    );
    let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2014-10-13T15:57:02.089Z","Bucket":"b","RequestId":"5582815E1AEA5ADF"}"#;
    assert_eq!(read(test), Ok(ParsedContent::Nothing));
    // With a configured key, objects of other buckets may be counted.
    let own = EventOptions { event_key: Some("/detail/object/key".to_owned()), ..EventOptions::default() };
    let content = single(OBJECT_CREATED, &own).0.content;
    assert_eq!(
        content,
        Ok(ParsedContent::Hits(vec![IncomingHit {
            at: Moment::from_rfc3339("2026-09-20T09:59:00Z"),
            ..hit("a+b c.html")
        }]))
    );
}

#[test]
fn event_path_and_amount_are_read_at_pointers() {
    let event = r#"{"version":"0","id":"e","detail-type":"Move","source":"cli","time":"2026-09-20T10:00:00Z",
        "detail":{"path":"/x","coordinate":{"x":"5","y":7},"a/b":[{"~":"deep"}],"none":"","negative":-1,"half":1.5}}"#;
    let read = |key: Option<&str>, amount: Option<&str>| {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let options =
            EventOptions { event_key: own(key), event_amount: own(amount), ..EventOptions::default() };
        let (message, reply) = single(event, &options);
        assert_eq!((message.id.as_str(), message.dedup_id.as_str(), reply), ("e", "e", EventReply::Summary));
        match message.content {
            Ok(ParsedContent::Hits(mut hits)) => Ok((hits[0].path.clone(), hits.remove(0).n)),
            Ok(other) => panic!("{other:?}"),
            Err(why) => Err(why),
        }
    };
    let counted = |path: &str, n| Ok((path.to_owned(), n));
    assert_eq!(read(None, None), counted("/x", 1));
    assert_eq!(read(Some("Distance"), Some("/detail/coordinate/x")), counted("Distance", 5));
    assert_eq!(read(Some("/detail/a~1b/0/~0"), Some("/detail/coordinate/y")), counted("deep", 7));
    assert_eq!(read(Some("/detail/coordinate/y"), None), counted("7", 1));
    for amount in ["none", "negative", "half", "nothing", "coordinate"] {
        assert!(read(None, Some(&format!("/detail/{amount}"))).is_err(), "{amount}");
    }
    for key in ["/detail/coordinate", "/nothing", "/detail/a~1b/7", "/detail/half"] {
        assert!(read(Some(key), None).is_err(), "{key}");
    }
}

/// The example of a viewer request from the CloudFront page "Lambda@Edge event structure".
const VIEWER_REQUEST: &str = r#"{"Records":[{"cf":{"config":{"distributionDomainName":"d111111abcdef8.cloudfront.net","distributionId":"EDFDVBD6EXAMPLE",
  "eventType":"viewer-request","requestId":"4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ=="},
  "request":{"clientIp":"203.0.113.178","headers":{"host":[{"key":"Host","value":"d111111abcdef8.cloudfront.net"}],
    "user-agent":[{"key":"User-Agent","value":"curl/7.66.0"}],"accept":[{"key":"accept","value":"*/*"}],
    "sec-gpc":[{"key":"Sec-GPC","value":"1"}]},"method":"GET","querystring":"a=b","uri":"/x"}}}]}"#;

#[test]
fn viewer_event_is_a_view_and_returns_its_request_unchanged() {
    let (message, reply) = single(VIEWER_REQUEST, &EventOptions::default());
    let expected = IncomingHit {
        by: HitSource::Viewer,
        address: "203.0.113.178".into(),
        agent: "curl/7.66.0".into(),
        opted_out: true,
        ..hit("/x?a=b")
    };
    assert_eq!(message.content, Ok(ParsedContent::Hits(vec![expected.clone()])));
    assert_eq!(message.dedup_id, "4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==");
    let EventReply::Verbatim(response) = reply else { panic!("expected a reply to CloudFront") };
    assert!(VIEWER_REQUEST.contains(&response) && response.starts_with(r#"{"clientIp""#), "{response}");
    assert_eq!(
        read(VIEWER_REQUEST),
        Ok(ParsedContent::Hits(vec![expected])),
        "the same event as the body of a message"
    );
    let post = VIEWER_REQUEST.replace("GET", "POST");
    assert_eq!(single(&post, &EventOptions::default()).0.content, Ok(ParsedContent::Nothing));
}

proptest! {
    #[test]
    fn reading_never_panics(text in any::<String>(), cut in 0..2000_usize) {
        drop(read(&text));
        for json in [SQS, OBJECT_CREATED, NOTIFICATION, VIEWER_REQUEST] {
            let cut = json.floor_char_boundary(cut.min(json.len()));
            drop(read(&json[..cut]));
            drop(parse(&json.as_bytes()[..cut]));
        }
    }
}
