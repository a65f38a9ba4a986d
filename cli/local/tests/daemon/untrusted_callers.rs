//! Tests of requests from untrusted callers: other programs without the token, and web pages.

use crate::harness::{DaemonTestEnv, RawConnection, dynamodb_head, table_spec};

#[tokio::test]
async fn control_port_requires_token_and_loopback_host() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let mut connection = RawConnection::connect(&client.endpoint().control).await.unwrap();
    let token = &client.endpoint().token;
    assert_eq!(token.len(), 64);
    let request_head = |host: &str, token: &str| {
        format!("GET /v1/status HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}")
    };
    assert_eq!(connection.send(&request_head("127.0.0.1", token), "").await.unwrap().0, 200);
    assert_eq!(connection.send("GET /v1/status HTTP/1.1\r\nhost: 127.0.0.1", "").await.unwrap().0, 401);
    let wrong = format!("{}{}", &token[..63], if token.ends_with('0') { '1' } else { '0' });
    let (status, body) = connection.send(&request_head("127.0.0.1", &wrong), "").await.unwrap();
    assert_eq!(status, 401, "{body}");
    assert!(!body.contains(token.as_str()));
    let (status, body) = connection.send(&request_head("rebound.example:80", token), "").await.unwrap();
    assert_eq!(status, 403);
    assert!(body.contains("forbidden_host"), "{body}");
    assert_eq!(connection.send("POST /v1/stop HTTP/1.1\r\nhost: 127.0.0.1", "").await.unwrap().0, 401);
    assert_eq!(
        connection.send(&request_head("127.0.0.1", token).replace("status", "nothing"), "").await.unwrap().0,
        404
    );
}

#[tokio::test]
async fn put_of_too_large_or_invalid_spec_is_refused() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let head = format!(
        "PUT /v1/resources/role/x HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {}",
        client.endpoint().token
    );
    let mut connection = RawConnection::connect(&client.endpoint().control).await.unwrap();
    assert_eq!(connection.send(&head, "{").await.unwrap().0, 400);
    assert_eq!(connection.send(&head, r#"{"spec":{"trusted_service":1}}"#).await.unwrap().0, 400);
    // The server may close the connection before it has read the whole body.
    if let Ok((status, _)) = connection.send(&head, &"x".repeat(1_100_000)).await {
        assert_eq!(status, 413);
    }
    assert!(client.resources().await.unwrap().is_empty());
}

#[tokio::test]
async fn tables_refuse_web_pages_and_unsigned_requests() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    let mut connection = RawConnection::connect(&client.endpoint().table).await.unwrap();
    assert_eq!(connection.hit("hits-local", "/").await.unwrap().0, 200);
    let scan = r#"{"TableName":"hits-local"}"#;
    assert_eq!(connection.send(&dynamodb_head("Scan", "localhost:1"), scan).await.unwrap().0, 200);
    assert_eq!(connection.send(&dynamodb_head("Scan", "rebound.example"), scan).await.unwrap().0, 403);
    let page = format!("{}\r\norigin: https://page.example", dynamodb_head("Scan", "127.0.0.1"));
    assert_eq!(connection.send(&page, scan).await.unwrap().0, 403);
    let preflight = "OPTIONS / HTTP/1.1\r\nhost: 127.0.0.1\r\norigin: https://page.example";
    assert_eq!(connection.send(preflight, "").await.unwrap().0, 403);
    let plain = "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: text/plain\r\nx-amz-target: DynamoDB_20120810.Scan";
    assert_eq!(connection.send(plain, scan).await.unwrap().0, 404);
    let unsigned = "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-amz-json-1.0\r\nx-amz-target: \
                    DynamoDB_20120810.Scan";
    let (status, body) = connection.send(unsigned, scan).await.unwrap();
    assert_eq!(status, 400);
    assert!(body.contains("MissingAuthenticationTokenException"), "{body}");
}

#[tokio::test]
async fn unknown_calls_get_error_format_of_their_service() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    let mut connection = RawConnection::connect(&client.endpoint().table).await.unwrap();
    assert!(connection.send("GET / HTTP/1.1\r\nhost: 127.0.0.1", "").await.unwrap().1.starts_with("healthy"));
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
            "\"Message\":\"the local cloud supports only Invoke\"",
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
        let (actual_status, body) =
            connection.send(&head, if more.is_empty() { "" } else { "{}" }).await.unwrap();
        assert_eq!(actual_status, status, "{service} {request}: {body}");
        assert!(body.contains(part), "{service} {request}: {body}");
    }
    assert_eq!(connection.send("GET /nothing HTTP/1.1\r\nhost: 127.0.0.1", "").await.unwrap().0, 404);
}

#[tokio::test]
async fn invalid_table_requests_get_errors_of_dynamodb() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    client.put_resource("table", "hits-local", &table_spec()).await.unwrap();
    let mut connection = RawConnection::connect(&client.endpoint().table).await.unwrap();
    let mut call_table = async |operation: &str, body: &str| {
        connection.send(&dynamodb_head(operation, "127.0.0.1"), body).await.unwrap()
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
        let (status, response) = call_table(operation, body).await;
        assert_eq!(status, 400, "{operation} {body}: {response}");
        assert!(response.contains(expected), "{operation} {body}: {response}");
    }
    assert_eq!(
        call_table("GetItem", r#"{"TableName":"hits-local","Key":{"path":{"S":"/x"}}}"#).await,
        (200, "{}".into())
    );
}
