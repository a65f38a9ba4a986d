//! Tests that parse sample events from the AWS documentation, and invalid events.

use hitctl_config::contract::HEADER_ORIGIN_SECRET;
use proptest::prelude::*;

mod messages;

use super::*;
use crate::http::{CounterResponse, FetchSite, RequestHeaders};

/// The example event in payload format 2.0 from the AWS page "Create AWS Lambda proxy integrations for HTTP APIs".
const HTTP_API: &str = r#"{
  "version": "2.0",
  "routeKey": "$default",
  "rawPath": "/my/path",
  "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=value",
  "cookies": ["cookie1", "cookie2"],
  "headers": {"header1": "value1", "header2": "value1,value2"},
  "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "value"},
  "requestContext": {
    "accountId": "123456789012",
    "apiId": "api-id",
    "authentication": {"clientCert": {"clientCertPem": "CERT_CONTENT", "subjectDN": "www.example.com",
      "issuerDN": "Example issuer", "serialNumber": "a1:a1:a1:a1:a1:a1:a1:a1:a1:a1:a1:a1:a1:a1:a1:a1",
      "validity": {"notBefore": "May 28 12:30:02 2019 GMT", "notAfter": "Aug  5 09:36:04 2021 GMT"}}},
    "authorizer": {"jwt": {"claims": {"claim1": "value1", "claim2": "value2"}, "scopes": ["scope1", "scope2"]}},
    "domainName": "id.execute-api.us-east-1.amazonaws.com",
    "domainPrefix": "id",
    "http": {"method": "POST", "path": "/my/path", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "agent"},
    "requestId": "id",
    "routeKey": "$default",
    "stage": "$default",
    "time": "12/Mar/2020:19:03:58 +0000",
    "timeEpoch": 1583348638390
  },
  "body": "Hello from Lambda",
  "pathParameters": {"parameter1": "value1"},
  "isBase64Encoded": false,
  "stageVariables": {"stageVariable1": "value1", "stageVariable2": "value2"}
}"#;

/// The example event from the AWS page "Invoking Lambda function URLs", shortened where it repeats `HTTP_API`.
const FUNCTION_URL: &str = r#"{
  "version": "2.0", "routeKey": "$default", "rawPath": "/counter", "rawQueryString": "path=/a,b",
  "cookies": ["cookie1"], "headers": {"origin": "https://blog.example"}, "queryStringParameters": {"path": "/a,b"},
  "requestContext": {"accountId": "123456789012", "apiId": "<urlid>", "authentication": null,
    "authorizer": {"iam": {"accessKey": "AKIA...", "cognitoIdentity": null}},
    "domainName": "<url-id>.lambda-url.us-west-2.on.aws", "domainPrefix": "<url-id>",
    "http": {"method": "GET", "path": "/counter", "protocol": "HTTP/1.1", "sourceIp": "123.123.123.123", "userAgent": "agent"},
    "requestId": "id", "routeKey": "$default", "stage": "$default", "time": "12/Mar/2020:19:03:58 +0000", "timeEpoch": 1583348638390},
  "body": null, "pathParameters": null, "isBase64Encoded": false, "stageVariables": null
}"#;

/// 10:00 UTC on 2026-09-20.
const NOW: Moment = Moment::from_millis(1_789_898_400_000);

fn parse(json: &[u8]) -> Result<TriggerEvent, InvocationError> {
    TriggerEvent::parse(json, &EventOptions::default(), NOW)
}

fn request(json: &str) -> CounterRequest {
    let Ok(TriggerEvent::Http(request)) = parse(json.as_bytes()) else { panic!("no request: {json}") };
    request
}

fn unsupported_event_message(json: &str) -> String {
    let failure = parse(json.as_bytes()).unwrap_err();
    assert_eq!(failure.kind, "Hitctl.UnsupportedEvent");
    failure.message
}

#[test]
fn documented_http_api_event_is_parsed() {
    let expected = CounterRequest {
        method: "POST".to_owned(),
        route: "/my/path".to_owned(),
        query: "parameter1=value1&parameter1=value2&parameter2=value".to_owned(),
        source_address: "192.0.2.1".into(),
        body: b"Hello from Lambda".to_vec(),
        body_bytes: 17,
        ..CounterRequest::default()
    };
    assert_eq!(request(HTTP_API), expected);
}

#[test]
fn documented_function_url_event_is_parsed() {
    let expected = CounterRequest {
        method: "GET".to_owned(),
        route: "/counter".to_owned(),
        query: "path=/a,b".to_owned(),
        headers: RequestHeaders {
            origin: Some("https://blog.example".to_owned()),
            ..RequestHeaders::default()
        },
        source_address: "123.123.123.123".into(),
        ..CounterRequest::default()
    };
    assert_eq!(request(FUNCTION_URL), expected);
}

#[test]
fn nulls_and_missing_fields_are_tolerated() {
    let expected =
        CounterRequest { method: "GET".to_owned(), route: "/".to_owned(), ..CounterRequest::default() };
    assert_eq!(request(r#"{"requestContext":{"http":{"method":"GET"}}}"#), expected);
    let nulls = r#"{"version":null,"routeKey":null,"rawPath":null,"rawQueryString":null,"headers":null,"body":null,
        "requestContext":{"stage":null,"http":{"method":"GET","path":null}},"isBase64Encoded":null,"Records":null,
        "headers2":{"origin":null},"detail-type":null,"httpMethod":null}"#;
    assert_eq!(request(nulls), expected);
}

#[test]
fn route_is_the_path_matched_by_the_gateway() {
    let route = |key: &str, path: &str, stage: &str| {
        request(&format!(
            r#"{{"routeKey":"{key}","rawPath":"{path}","requestContext":{{"stage":"{stage}","http":{{"method":"GET"}}}}}}"#
        ))
        .route
    };
    assert_eq!(route("ANY /counter", "/counter", "$default"), "/counter");
    assert_eq!(
        route("GET /v1/count", "/stats/v1/count", "$default"),
        "/v1/count",
        "the base path of a domain is removed"
    );
    assert_eq!(route("$default", "/prod/counter", "prod"), "/counter", "the name of a stage is removed");
    assert_eq!(route("GET /api/counters", "/x/api/counters", "$default"), "/api/counters");
    assert_eq!(route("$default", "/production", "prod"), "/production");
    assert_eq!(route("ANY /{proxy+}", "/healthz", "$default"), "/healthz");
    assert_eq!(route("ANY /unter", "/unter", "$default"), "/unter");
}

#[test]
fn relevant_headers_are_read() {
    let headers = |sent: &str| {
        request(&format!(r#"{{"headers":{{{sent}}},"requestContext":{{"http":{{"method":"GET"}}}}}}"#))
            .headers
    };
    let all = headers(
        &r#""referer":"https://a.example/x","user-agent":"Agent/1.0","dnt":"0","sec-gpc":"1","sec-purpose":"prefetch;prerender","sec-fetch-site":"cross-site",
        "cloudfront-viewer-address":"203.0.113.7:1","ORIGIN-SECRET":"s","if-none-match":"\"t\"","x-forwarded-for":"1.1.1.1""#
            .replace("ORIGIN-SECRET", HEADER_ORIGIN_SECRET),
    );
    let expected = RequestHeaders {
        referer: "https://a.example/x".into(),
        user_agent: "Agent/1.0".into(),
        viewer_address: "203.0.113.7:1".into(),
        origin_secret: "s".into(),
        if_none_match: Some("\"t\"".to_owned()),
        opted_out: true,
        prefetched: true,
        fetch_site: FetchSite::CrossSite,
        origin: None,
    };
    assert_eq!(all, expected);
    assert!(headers(r#""dnt":"1""#).opted_out && !headers(r#""dnt":"0""#).opted_out);
    assert_eq!(headers(r#""sec-fetch-site":"same-origin""#).fetch_site, FetchSite::SameOrigin);
    assert!(headers(r#""purpose":"Prefetch""#).prefetched && headers(r#""x-moz":"prefetch""#).prefetched);
    assert!(!headers(r#""sec-purpose":"no-prefetch-please""#).prefetched);
}

#[test]
fn base64_is_decoded() {
    let body = |text: &str| {
        let event = format!(
            r#"{{"body":"{text}","isBase64Encoded":true,"requestContext":{{"http":{{"method":"POST"}}}}}}"#
        );
        String::from_utf8(request(&event).body).expect("text")
    };
    for (coded, plain) in
        [("", ""), ("YQ==", "a"), ("YWI=", "ab"), ("YWJj", "abc"), ("YWJjZA", "abcd"), ("fn5+Pz8/", "~~~???")]
    {
        assert_eq!(body(coded), plain);
    }
    for wrong in ["Y", "YWJjZ", "Y*==", "{}"] {
        assert_eq!(body(wrong), wrong, "passed on unchanged, so that the route rejects it");
    }
}

#[test]
fn small_body_is_kept_and_large_body_is_only_measured() {
    let sent = |body: &str, base64: bool| {
        request(&format!(
            r#"{{"body":{body},"isBase64Encoded":{base64},"requestContext":{{"http":{{"method":"GET"}}}}}}"#
        ))
    };
    let size = |body: &str, base64: bool| sent(body, base64).body_bytes;
    assert_eq!(sent(r#""{\"p\":\"/x\"}""#, false).body, br#"{"p":"/x"}"#);
    assert_eq!(sent(&format!("\"{}\"", "x".repeat(2048)), false).body.len(), 2048);
    let large = sent(&format!("\"{}\"", "x".repeat(2049)), false);
    assert_eq!((large.body_bytes, large.body.len()), (2049, 0));
    assert_eq!(size("null", false), 0);
    assert_eq!(size(r#""\u00e9\n""#, false), 3);
    assert_eq!(size(r#""aGVsbG8gd28=""#, true), 8);
    assert!(size(&format!("\"{}\"", "x".repeat(10_000_000)), false) >= 10_000_000);
    assert!(size(&format!("{{\"a\":[{}1]}}", "1,".repeat(5000)), false) > 2048);
}

#[test]
fn unsupported_events_are_named() {
    let shapes: String = [
        r#"{"Records":[{"EventSource":"aws:sns","Sns":{}}]}"#,
        r#"{"Records":[{"eventSource":"aws:kinesis"}]}"#,
        r#"{"Records":[]}"#,
        r#"{"requestContext":{"elb":{"targetGroupArn":"arn"}},"httpMethod":"GET","path":"/"}"#,
        r#"{"version":"1.0","httpMethod":"GET","path":"/counter","requestContext":{"stage":"$default"}}"#,
        r#"{"detail":"/x"}"#,
        "{}",
    ]
    .iter()
    .map(|json| unsupported_event_message(json).split(';').next().unwrap_or_default().to_owned() + "\n")
    .collect();
    insta::assert_snapshot!(shapes, @r"
    unsupported event: an SNS notification (subscribe the hit queue to the topic instead, with raw message delivery)
    unsupported event: a batch of records from aws:kinesis
    unsupported event: a batch of records from an unknown source
    unsupported event: a load balancer request
    unsupported event: an API Gateway request in payload format 1.0
    unsupported event: an unknown format
    unsupported event: an unknown format
    ");
    insta::assert_snapshot!(unsupported_event_message("{}"), @"unsupported event: an unknown format; expected a request of an HTTP API or function URL (payload format 2.0), an SQS batch, an EventBridge event, a CloudFront viewer event or an S3 notification");
}

#[test]
fn invalid_event_is_an_error() {
    let wrong_path = r#"{"rawPath":7,"requestContext":{"http":{"method":"GET"}}}"#;
    for json in [
        "",
        "null",
        "[]",
        "7",
        "{\"version\":",
        wrong_path,
        "{\"requestContext\":7}",
        "{\"Records\":{}}",
        "\u{0}",
    ] {
        assert!(unsupported_event_message(json).contains("failed to read the event: "), "{json}");
    }
    insta::assert_snapshot!(unsupported_event_message(wrong_path), @"failed to read the event: `rawPath`: expected a string");
}

#[test]
fn response_is_written_as_payload_2_0() {
    let response =
        CounterResponse::error(405, "method_not_allowed", "no \"x\"").with_header("allow", "GET, HEAD");
    insta::assert_snapshot!(payload(&response), @r#"{"statusCode":405,"headers":{"content-type":"application/json","cache-control":"no-store","x-content-type-options":"nosniff","allow":"GET, HEAD"},"body":"{\"error\":\"method_not_allowed\",\"message\":\"no \\\"x\\\"\"}","isBase64Encoded":false}"#);
}

proptest! {
    #[test]
    fn parsing_never_panics(json in any::<Vec<u8>>(), cut in 0..HTTP_API.len()) {
        drop(parse(&json));
        drop(parse(&HTTP_API.as_bytes()[..cut]));
    }
}
