//! The answer to a call of a service that this cloud has not: an error in that service's own shape, so that SDKs and tools
//! report it as one. The service is the one that the request is signed for, else what its form shows.

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use crate::answer::{Answer, JSON, JSON_1_1};

const CODE: &str = "UnknownOperationException";
const MESSAGE: &str = "the local cloud has no such operation: it answers for DynamoDB, SQS, EventBridge and invalidations of CloudFront";

/// The protocols of AWS, by the form of their errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    /// JSON, with the operation in `X-Amz-Target`.
    Json,
    /// JSON, with the operation in method and path.
    RestJson,
    /// XML, with the operation in method and path, of the service with that namespace.
    RestXml(&'static str),
    S3,
    /// XML, with the operation in `Action`.
    Query,
    Ec2,
    /// None that can be told.
    Unknown,
}

/// Whether this is the health check: a plain `GET /`, of nobody and for no operation.
pub(super) fn is_health_check(head: &Parts) -> bool {
    let is_read = matches!(head.method, Method::GET | Method::HEAD);
    let asks_nothing = head.uri.path() == "/" && head.uri.query().is_none_or(str::is_empty);
    let is_signed = head.headers.contains_key(AUTHORIZATION) || head.headers.contains_key("x-amz-target");
    is_read && asks_nothing && !is_signed
}

/// The error for a call that no service here takes.
pub(super) fn refusal(head: &Parts) -> Answer {
    match protocol(head) {
        Protocol::Json => {
            let kind = if is_of(&head.headers, JSON_1_1) { JSON_1_1 } else { JSON };
            let error = format!("com.amazon.coral.service#{CODE}");
            Answer::json_error(StatusCode::BAD_REQUEST, kind, &error, MESSAGE)
        }
        Protocol::RestJson => {
            let body = serde_json::json!({ "message": MESSAGE }).to_string();
            Answer::new(StatusCode::NOT_FOUND, "application/json", body).header("x-amzn-errortype", CODE)
        }
        Protocol::RestXml(namespace) => {
            Answer::error_response(StatusCode::NOT_FOUND, namespace, CODE, MESSAGE)
        }
        Protocol::S3 => Answer::xml(
            StatusCode::NOT_IMPLEMENTED,
            &format!("<Error>{}{}</Error>", error("NotImplemented"), id("RequestId")),
        ),
        Protocol::Query => Answer::error_response(StatusCode::BAD_REQUEST, "", "InvalidAction", MESSAGE),
        Protocol::Ec2 => Answer::xml(
            StatusCode::BAD_REQUEST,
            &format!(
                "<Response><Errors><Error>{}</Error></Errors>{}</Response>",
                error("InvalidAction"),
                id("RequestID")
            ),
        ),
        // DynamoDB's own answer to what it cannot make out.
        Protocol::Unknown => Answer::new(StatusCode::NOT_FOUND, "text/xml", format!("<{CODE}/>\n")),
    }
}

fn error(code: &str) -> String {
    format!("<Code>{code}</Code><Message>{MESSAGE}</Message>")
}

fn id(name: &str) -> String {
    format!("<{name}>{}</{name}>", crate::ids::uuid())
}

fn protocol(head: &Parts) -> Protocol {
    let query = head.uri.query().unwrap_or_default();
    let is_form = is_of(&head.headers, "application/x-www-form-urlencoded");
    let has_action = query.split('&').any(|pair| pair.starts_with("Action="));
    match service(&head.headers, query) {
        Some("ec2") => Protocol::Ec2,
        Some("s3" | "s3express" | "s3-object-lambda") => Protocol::S3,
        Some("cloudfront") => Protocol::RestXml(" xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\""),
        Some("route53") => Protocol::RestXml(" xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\""),
        _ if head.headers.contains_key("x-amz-target") && head.method == Method::POST => Protocol::Json,
        _ if is_form || has_action => Protocol::Query,
        Some("dynamodb" | "sqs" | "events") | None => Protocol::Unknown,
        Some(_) => Protocol::RestJson,
    }
}

fn is_of(headers: &HeaderMap, kind: &str) -> bool {
    let own = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    own.and_then(|own| own.split(';').next()).is_some_and(|own| own.trim().eq_ignore_ascii_case(kind))
}

/// The service that a request is signed for: the fourth part of its credential's scope.
fn service<'a>(headers: &'a HeaderMap, query: &'a str) -> Option<&'a str> {
    let header = headers.get(AUTHORIZATION).map(HeaderValue::to_str).and_then(Result::ok);
    let scope = match header.and_then(|header| header.split_once("Credential=")) {
        Some((_, rest)) => rest.split([',', ' ']).next()?,
        None => query.split('&').find_map(|pair| pair.strip_prefix("X-Amz-Credential="))?,
    };
    // In a presigned URL the slashes are encoded.
    if scope.contains('/') { scope.split('/').nth(3) } else { scope.split("%2F").nth(3) }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn signed(service: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-central-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
        )
    }

    #[test]
    fn service_decides_the_shape_of_an_error() {
        let of = |service: &str, method: &str, target: &str| {
            protocol(&head(method, target, &[("authorization", &signed(service))]))
        };
        assert_eq!(of("s3", "GET", "/"), Protocol::S3);
        assert_eq!(of("ec2", "POST", "/"), Protocol::Ec2);
        assert_eq!(of("lambda", "GET", "/2015-03-31/functions/"), Protocol::RestJson);
        assert_eq!(of("apigateway", "GET", "/v2/apis"), Protocol::RestJson);
        assert!(matches!(of("cloudfront", "GET", "/2019-03-26/distribution"), Protocol::RestXml(_)));
        assert_eq!(of("dynamodb", "GET", "/"), Protocol::Unknown);
        let json = |service: &str| {
            let target = [("authorization", signed(service)), ("x-amz-target", "Logs_20140328.X".to_owned())];
            protocol(&head("POST", "/", &target.each_ref().map(|(name, value)| (*name, value.as_str()))))
        };
        assert_eq!((json("logs"), json("ssm")), (Protocol::Json, Protocol::Json));
        let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        assert_eq!(protocol(&head("POST", "/", &form)), Protocol::Query);
        assert_eq!(protocol(&head("GET", "/?Action=ListQueues&Version=2012-11-05", &[])), Protocol::Query);
        let presigned =
            "/b/k?X-Amz-Credential=AKID%2F20260101%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Signature=0";
        assert_eq!(protocol(&head("GET", presigned, &[])), Protocol::S3);
        assert_eq!(protocol(&head("GET", "/nothing", &[])), Protocol::Unknown);
    }

    #[test]
    fn only_a_plain_look_is_a_health_check() {
        assert!(is_health_check(&head("GET", "/", &[])) && is_health_check(&head("HEAD", "/", &[])));
        assert!(!is_health_check(&head("GET", "/x", &[])) && !is_health_check(&head("POST", "/", &[])));
        assert!(!is_health_check(&head("GET", "/?Action=ListUsers", &[])));
        assert!(!is_health_check(&head("GET", "/", &[("authorization", &signed("s3"))])));
        assert!(!is_health_check(&head("GET", "/", &[("x-amz-target", "DynamoDB_20120810.Scan")])));
    }
}
