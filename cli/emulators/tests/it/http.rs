//! A minimal HTTP client: one request per connection, with the whole response as text.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// Sends a request. Returns the status and the response, or `None` when the connection was closed without a response.
pub(crate) fn send(
    endpoint: &str,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<(u16, String)> {
    let address = endpoint.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).ok()?;
    let mut lines =
        vec![format!("{line} HTTP/1.1"), format!("host: {address}"), "connection: close".to_owned()];
    lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    lines.extend([format!("content-length: {}", body.len()), String::new(), body.to_owned()]);
    let head = lines.join(
        "
",
    );
    stream.write_all(head.as_bytes()).ok()?;
    let mut response = Vec::new();
    // An error is ignored: a dropped connection may be reset.
    drop(stream.read_to_end(&mut response));
    let response = String::from_utf8_lossy(&response).into_owned();
    let status = response.split(' ').nth(1)?.parse().ok()?;
    Some((status, response))
}

/// Sends an AWS call with a dummy signature, which emulators do not verify. `target` is the value of `X-Amz-Target`,
/// empty for the query protocol, or `rest`.
pub(crate) fn call(
    endpoint: &str,
    service: &str,
    line: &str,
    target: &str,
    body: &str,
) -> Option<(u16, String)> {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    );
    let mut headers = vec![("authorization", authorization.as_str()), ("user-agent", "aws-sdk-rust/1")];
    match target {
        "" => headers.push(("content-type", "application/x-www-form-urlencoded")),
        "rest" => headers.push(("content-type", "application/json")),
        target => {
            headers.push(("content-type", "application/x-amz-json-1.0"));
            headers.push(("x-amz-target", target));
        }
    }
    send(endpoint, line, &headers, body)
}

/// Creates a DynamoDB table.
pub(crate) fn create_table(endpoint: &str, name: &str) -> Option<(u16, String)> {
    let body = format!(
        r#"{{"TableName":"{name}","BillingMode":"PAY_PER_REQUEST","KeySchema":[{{"AttributeName":"pk","KeyType":"HASH"}}],"AttributeDefinitions":[{{"AttributeName":"pk","AttributeType":"S"}}]}}"#
    );
    call(endpoint, "dynamodb", "POST /", "DynamoDB_20120810.CreateTable", &body)
}

/// Returns the response of `ListTables`.
pub(crate) fn tables(endpoint: &str) -> String {
    let (status, response) =
        call(endpoint, "dynamodb", "POST /", "DynamoDB_20120810.ListTables", "{}").expect("a response");
    assert_eq!(status, 200, "{response}");
    response
}
