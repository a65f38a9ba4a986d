//! The errors for calls of services that the local cloud does not have. Each error has the format of the
//! called service, so that SDKs and tools report it. The service is the one that the request is signed for,
//! or else the one that its format indicates. The module also recognizes the health check.

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use crate::service_response::{JSON, JSON_1_1, ServiceResponse};

const CODE: &str = "UnknownOperationException";
const MESSAGE: &str = "the local cloud does not support this operation; it supports DynamoDB, SQS, EventBridge, Lambda Invoke and CloudFront invalidations";

/// The AWS protocols, by the format of their errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AwsProtocol {
    /// JSON, with the operation in `X-Amz-Target`.
    Json,
    /// JSON, with the operation in the method and path.
    RestJson,
    /// XML, with the operation in the method and path. Holds the attribute ` xmlns=".."` of the root element.
    RestXml(&'static str),
    S3,
    /// XML, with the operation in `Action`.
    Query,
    Ec2,
    /// The protocol cannot be determined.
    Undetermined,
}

/// Whether this is the health check: an unsigned `GET /` or `HEAD /` without an operation.
pub(super) fn is_health_check(head: &Parts) -> bool {
    let is_read = matches!(head.method, Method::GET | Method::HEAD);
    let has_no_operation = head.uri.path() == "/" && head.uri.query().is_none_or(str::is_empty);
    let is_signed = head.headers.contains_key(AUTHORIZATION) || head.headers.contains_key("x-amz-target");
    is_read && has_no_operation && !is_signed
}

/// Returns the error for a call that no local service handles.
pub(super) fn unknown_service_error(head: &Parts) -> ServiceResponse {
    match protocol(head) {
        AwsProtocol::Json => {
            let kind = if has_content_type(&head.headers, JSON_1_1) { JSON_1_1 } else { JSON };
            let error = format!("com.amazon.coral.service#{CODE}");
            ServiceResponse::json_error(StatusCode::BAD_REQUEST, kind, &error, MESSAGE)
        }
        AwsProtocol::RestJson => {
            let body = serde_json::json!({ "message": MESSAGE }).to_string();
            ServiceResponse::new(StatusCode::NOT_FOUND, "application/json", body)
                .header("x-amzn-errortype", CODE)
        }
        AwsProtocol::RestXml(namespace) => {
            ServiceResponse::xml_error(StatusCode::NOT_FOUND, namespace, CODE, MESSAGE)
        }
        AwsProtocol::S3 => ServiceResponse::xml(
            StatusCode::NOT_IMPLEMENTED,
            &format!("<Error>{}{}</Error>", error("NotImplemented"), id("RequestId")),
        ),
        AwsProtocol::Query => {
            ServiceResponse::xml_error(StatusCode::BAD_REQUEST, "", "InvalidAction", MESSAGE)
        }
        AwsProtocol::Ec2 => ServiceResponse::xml(
            StatusCode::BAD_REQUEST,
            &format!(
                "<Response><Errors><Error>{}</Error></Errors>{}</Response>",
                error("InvalidAction"),
                id("RequestID")
            ),
        ),
        // DynamoDB's own response to a request that it cannot interpret.
        AwsProtocol::Undetermined => {
            ServiceResponse::new(StatusCode::NOT_FOUND, "text/xml", format!("<{CODE}/>\n"))
        }
    }
}

fn error(code: &str) -> String {
    format!("<Code>{code}</Code><Message>{MESSAGE}</Message>")
}

fn id(name: &str) -> String {
    format!("<{name}>{}</{name}>", crate::ids::uuid())
}

fn protocol(head: &Parts) -> AwsProtocol {
    let query = head.uri.query().unwrap_or_default();
    let is_form = has_content_type(&head.headers, "application/x-www-form-urlencoded");
    let has_action = query.split('&').any(|pair| pair.starts_with("Action="));
    match signed_service(&head.headers, query) {
        Some("ec2") => AwsProtocol::Ec2,
        Some("s3" | "s3express" | "s3-object-lambda") => AwsProtocol::S3,
        Some("cloudfront") => {
            AwsProtocol::RestXml(" xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"")
        }
        Some("route53") => AwsProtocol::RestXml(" xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\""),
        _ if head.headers.contains_key("x-amz-target") && head.method == Method::POST => AwsProtocol::Json,
        _ if is_form || has_action => AwsProtocol::Query,
        // These use `X-Amz-Target` or `Action`, and the request has neither.
        Some("dynamodb" | "sqs" | "events") | None => AwsProtocol::Undetermined,
        Some(_) => AwsProtocol::RestJson,
    }
}

fn has_content_type(headers: &HeaderMap, kind: &str) -> bool {
    let header = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    header
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case(kind))
}

/// Returns the service that a request is signed for: the fourth part of its credential, which is
/// `KEY/DATE/REGION/SERVICE/aws4_request`.
fn signed_service<'a>(headers: &'a HeaderMap, query: &'a str) -> Option<&'a str> {
    let header = headers.get(AUTHORIZATION).map(HeaderValue::to_str).and_then(Result::ok);
    let credential = match header.and_then(|header| header.split_once("Credential=")) {
        Some((_, rest)) => rest.split([',', ' ']).next()?,
        None => query.split('&').find_map(|pair| pair.strip_prefix("X-Amz-Credential="))?,
    };
    // The slashes are encoded in a presigned URL.
    if credential.contains('/') { credential.split('/').nth(3) } else { credential.split("%2F").nth(3) }
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
    fn protocol_follows_signed_service_and_request_format() {
        let protocol_for = |service: &str, method: &str, target: &str| {
            protocol(&head(method, target, &[("authorization", &signed(service))]))
        };
        assert_eq!(protocol_for("s3", "GET", "/"), AwsProtocol::S3);
        assert_eq!(protocol_for("ec2", "POST", "/"), AwsProtocol::Ec2);
        assert_eq!(protocol_for("lambda", "GET", "/2015-03-31/functions/"), AwsProtocol::RestJson);
        assert_eq!(protocol_for("apigateway", "GET", "/v2/apis"), AwsProtocol::RestJson);
        assert!(matches!(
            protocol_for("cloudfront", "GET", "/2019-03-26/distribution"),
            AwsProtocol::RestXml(_)
        ));
        assert_eq!(protocol_for("dynamodb", "GET", "/"), AwsProtocol::Undetermined);
        let json = |service: &str| {
            let target = [("authorization", signed(service)), ("x-amz-target", "Logs_20140328.X".to_owned())];
            protocol(&head("POST", "/", &target.each_ref().map(|(name, value)| (*name, value.as_str()))))
        };
        assert_eq!((json("logs"), json("ssm")), (AwsProtocol::Json, AwsProtocol::Json));
        let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        assert_eq!(protocol(&head("POST", "/", &form)), AwsProtocol::Query);
        assert_eq!(protocol(&head("GET", "/?Action=ListQueues&Version=2012-11-05", &[])), AwsProtocol::Query);
        let presigned =
            "/b/k?X-Amz-Credential=AKID%2F20260101%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Signature=0";
        assert_eq!(protocol(&head("GET", presigned, &[])), AwsProtocol::S3);
        assert_eq!(protocol(&head("GET", "/nothing", &[])), AwsProtocol::Undetermined);
    }

    #[test]
    fn is_health_check_accepts_only_unsigned_get_or_head_of_root() {
        assert!(is_health_check(&head("GET", "/", &[])) && is_health_check(&head("HEAD", "/", &[])));
        assert!(!is_health_check(&head("GET", "/x", &[])) && !is_health_check(&head("POST", "/", &[])));
        assert!(!is_health_check(&head("GET", "/?Action=ListUsers", &[])));
        assert!(!is_health_check(&head("GET", "/", &[("authorization", &signed("s3"))])));
        assert!(!is_health_check(&head("GET", "/", &[("x-amz-target", "DynamoDB_20120810.Scan")])));
    }
}
