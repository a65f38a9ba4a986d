//! What strangers get: other programs without the token, and web pages.

use crate::harness::{Machine, Raw, dynamodb_head, table_spec};

#[tokio::test]
async fn the_control_port_needs_the_token_and_a_loopback_host() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    let mut raw = Raw::connect(&client.endpoint().control).await.unwrap();
    let token = &client.endpoint().token;
    assert_eq!(token.len(), 64);
    let ask = |host: &str, token: &str| {
        format!("GET /v1/status HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}")
    };
    assert_eq!(raw.send(&ask("127.0.0.1", token), "").await.unwrap().0, 200);
    assert_eq!(raw.send("GET /v1/status HTTP/1.1\r\nhost: 127.0.0.1", "").await.unwrap().0, 401);
    let wrong = format!("{}{}", &token[..63], if token.ends_with('0') { '1' } else { '0' });
    let (status, body) = raw.send(&ask("127.0.0.1", &wrong), "").await.unwrap();
    assert_eq!(status, 401, "{body}");
    assert!(!body.contains(token.as_str()));
    let (status, body) = raw.send(&ask("rebound.example:80", token), "").await.unwrap();
    assert_eq!(status, 403);
    assert!(body.contains("forbidden_host"), "{body}");
    assert_eq!(raw.send("POST /v1/stop HTTP/1.1\r\nhost: 127.0.0.1", "").await.unwrap().0, 401);
    assert_eq!(raw.send(&ask("127.0.0.1", token).replace("status", "nothing"), "").await.unwrap().0, 404);
}

#[tokio::test]
async fn a_spec_that_is_too_large_or_no_json_is_refused() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    let head = format!(
        "PUT /v1/resources/role/x HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {}",
        client.endpoint().token
    );
    let mut raw = Raw::connect(&client.endpoint().control).await.unwrap();
    assert_eq!(raw.send(&head, "{").await.unwrap().0, 400);
    assert_eq!(raw.send(&head, r#"{"spec":{"trusted_service":1}}"#).await.unwrap().0, 400);
    // The server may close before it has heard all of it.
    if let Ok((status, _)) = raw.send(&head, &"x".repeat(1_100_000)).await {
        assert_eq!(status, 413);
    }
    assert!(client.resources().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_tables_answer_programs_and_no_web_page() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    let mut raw = Raw::connect(&client.endpoint().table).await.unwrap();
    assert_eq!(raw.hit("hits-local", "/").await.unwrap().0, 200);
    let scan = r#"{"TableName":"hits-local"}"#;
    assert_eq!(raw.send(&dynamodb_head("Scan", "localhost:1"), scan).await.unwrap().0, 200);
    assert_eq!(raw.send(&dynamodb_head("Scan", "rebound.example"), scan).await.unwrap().0, 403);
    let page = format!("{}\r\norigin: https://page.example", dynamodb_head("Scan", "127.0.0.1"));
    assert_eq!(raw.send(&page, scan).await.unwrap().0, 403);
    let preflight = "OPTIONS / HTTP/1.1\r\nhost: 127.0.0.1\r\norigin: https://page.example";
    assert_eq!(raw.send(preflight, "").await.unwrap().0, 403);
    let plain = "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: text/plain\r\nx-amz-target: DynamoDB_20120810.Scan";
    assert_eq!(raw.send(plain, scan).await.unwrap().0, 404);
    let unsigned = "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-amz-json-1.0\r\nx-amz-target: \
                    DynamoDB_20120810.Scan";
    let (status, body) = raw.send(unsigned, scan).await.unwrap();
    assert_eq!(status, 400);
    assert!(body.contains("MissingAuthenticationTokenException"), "{body}");
}

#[tokio::test]
async fn unknown_calls_are_answered_with_the_error_of_their_service() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    let mut raw = Raw::connect(&client.endpoint().table).await.unwrap();
    assert!(raw.send("GET / HTTP/1.1\r\nhost: 127.0.0.1", "").await.unwrap().1.starts_with("healthy"));
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let json = "content-type: application/x-amz-json-1.1\r\nx-amz-target: ";
    for (service, request, more, status, part) in [
        (
            "dynamodb",
            "POST /",
            format!("{json}DynamoDB_20120810.Nothing\r\n"),
            400,
            "#UnknownOperationException",
        ),
        ("sqs", "POST /", format!("{json}AmazonSQS.Nothing\r\n"), 400, "UnknownOperationException"),
        ("events", "POST /", format!("{json}AWSEvents.ListArchives\r\n"), 400, "#UnknownOperationException"),
        (
            "logs",
            "POST /",
            format!("{json}Logs_20140328.DescribeLogGroups\r\n"),
            400,
            "#UnknownOperationException",
        ),
        ("s3", "GET /", String::new(), 501, "<Error><Code>NotImplemented</Code>"),
        ("s3", "GET /bucket/key", String::new(), 501, "<Error><Code>NotImplemented</Code>"),
        (
            "lambda",
            "GET /2015-03-31/functions/",
            String::new(),
            404,
            "\"Message\":\"the local cloud has Invoke only\"",
        ),
        (
            "cloudfront",
            "GET /2020-05-31/distribution",
            String::new(),
            404,
            "<Code>UnknownOperationException</Code>",
        ),
        (
            "cloudfront",
            "GET /2019-03-26/distribution",
            String::new(),
            404,
            "<Code>UnknownOperationException</Code>",
        ),
        (
            "sts",
            "POST /",
            form.to_owned(),
            400,
            "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code>",
        ),
        ("sqs", "GET /?Action=ListQueues", String::new(), 400, "<Code>InvalidAction</Code>"),
        ("ec2", "POST /", form.to_owned(), 400, "<Response><Errors><Error><Code>InvalidAction</Code>"),
    ] {
        let head = format!(
            "{request} HTTP/1.1\r\nhost: 127.0.0.1\r\n{more}x-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential=a/20260101/local/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let (answered, body) = raw.send(&head, if more.is_empty() { "" } else { "{}" }).await.unwrap();
        assert_eq!(answered, status, "{service} {request}: {body}");
        assert!(body.contains(part), "{service} {request}: {body}");
    }
    assert_eq!(raw.send("GET /nothing HTTP/1.1\r\nhost: 127.0.0.1", "").await.unwrap().0, 404);
}

#[tokio::test]
async fn the_tables_answer_mistakes_as_dynamodb_does() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    let mut raw = Raw::connect(&client.endpoint().table).await.unwrap();
    let mut ask = async |operation: &str, body: &str| {
        raw.send(&dynamodb_head(operation, "127.0.0.1"), body).await.unwrap()
    };
    let cases = [
        ("Scan", r#"{"TableName":"nothing"}"#, "ResourceNotFoundException"),
        ("Nothing", "{}", "UnknownOperationException"),
        ("Scan", "{", "SerializationException"),
        ("Scan", r#"{"TableName":7}"#, "SerializationException"),
        ("GetItem", r#"{"TableName":"hits-local","Key":{"path":{"N":"1"}}}"#, "ValidationException"),
        (
            "PutItem",
            r#"{"TableName":"hits-local","Item":{"path":{"S":"/"}},"ConditionExpression":"attribute_exists(hits)"}"#,
            "ConditionalCheckFailedException",
        ),
    ];
    for (operation, body, expected) in cases {
        let (status, answer) = ask(operation, body).await;
        assert_eq!(status, 400, "{operation} {body}: {answer}");
        assert!(answer.contains(expected), "{operation} {body}: {answer}");
    }
    assert_eq!(
        ask("GetItem", r#"{"TableName":"hits-local","Key":{"path":{"S":"/x"}}}"#).await,
        (200, "{}".into())
    );
}
