//! Routes each request to the service that handles it, by the prefix of its `X-Amz-Target` or of its path.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dynoxide::auth_material::{AuthMaterial, validate};
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderMap, ORIGIN};
use hyper::{Method, Request, StatusCode, Uri};

use super::unknown;
use crate::connections::ConnectionSlot;
use crate::host::is_loopback;
use crate::service_response::{JSON, JSON_1_1, ServiceResponse};
use crate::table::Tables;

/// The request size limit of DynamoDB, in bytes. The limits of the other services are much smaller.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// The time in which a body must arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
const DYNAMODB_TARGET_PREFIX: &str = "DynamoDB_20120810.";

/// A request to a service.
#[derive(Debug)]
pub(crate) struct ServiceRequest {
    /// The operation: the part of `X-Amz-Target` after the prefix. Empty for a service of the REST protocol.
    pub(crate) operation: String,
    /// The HTTP method.
    pub(crate) method: Method,
    /// The path and the query, undecoded.
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    /// The whole body.
    pub(crate) body: Bytes,
}

impl ServiceRequest {
    /// Returns the value of a header, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// An emulated AWS service. It must also respond to operations that it does not support.
pub(crate) trait AwsService: Send + Sync {
    /// Handles one request. The future is dropped when the client disconnects.
    fn handle(&self, request: ServiceRequest) -> BoxFuture<'_, ServiceResponse>;
}

/// The DynamoDB tables, and the other services with their target or path prefixes.
pub(crate) struct ServiceRouter {
    pub(super) tables: Tables,
    target_services: Vec<(&'static str, Arc<dyn AwsService>)>,
    path_services: Vec<(&'static str, Arc<dyn AwsService>)>,
}

/// The service that handles a request, with the operation if `X-Amz-Target` names it.
enum MatchedService<'a> {
    DynamoDb(&'a str),
    Target(&'a Arc<dyn AwsService>, &'a str),
    Path(&'a Arc<dyn AwsService>),
}

impl ServiceRouter {
    /// Creates a router with the tables only.
    pub(crate) fn new(tables: Tables) -> Self {
        Self { tables, target_services: Vec::new(), path_services: Vec::new() }
    }

    /// Adds a service of AWS's JSON protocol. `prefix` is the prefix of its `X-Amz-Target`, with the dot:
    /// `AmazonSQS.`.
    pub(crate) fn with_target(mut self, prefix: &'static str, service: Arc<dyn AwsService>) -> Self {
        self.target_services.push((prefix, service));
        self
    }

    /// Adds a service of AWS's REST protocol. `prefix` is the prefix of its paths: `/2020-05-31/`.
    pub(crate) fn with_path(mut self, prefix: &'static str, service: Arc<dyn AwsService>) -> Self {
        self.path_services.push((prefix, service));
        self
    }

    /// Handles one request.
    pub(super) async fn handle(&self, request: Request<Incoming>, slot: &ConnectionSlot) -> ServiceResponse {
        let (head, body) = request.into_parts();
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        if head.headers.contains_key(ORIGIN) || !text(HOST).is_some_and(is_loopback) {
            let message = "the local cloud accepts only loopback host names and no requests from web pages";
            return ServiceResponse::shared_error(StatusCode::FORBIDDEN, "AccessDeniedException", message);
        }
        let target = head.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
        let matched = match self.find(head.uri.path(), target) {
            Some(MatchedService::Path(service)) => MatchedService::Path(service),
            _ if unknown::is_health_check(&head) => {
                let text = "healthy: the services of the local cloud\n";
                return ServiceResponse::new(StatusCode::OK, "text/plain", text);
            }
            found => {
                let content_type = text(CONTENT_TYPE)
                    .and_then(|content_type| content_type.split(';').next())
                    .unwrap_or_default();
                let is_json = [JSON, JSON_1_1, "application/json"].contains(&content_type.trim());
                match found.filter(|_| head.method == Method::POST) {
                    Some(found) if is_json => found,
                    // A known target, but the content type is not JSON. DynamoDB returns this for every
                    // operation.
                    Some(_) => {
                        let unknown = "<UnknownOperationException/>\n";
                        return ServiceResponse::new(StatusCode::NOT_FOUND, "text/xml", unknown);
                    }
                    None => return unknown::unknown_service_error(&head),
                }
            }
        };
        if let Some(error) = authentication_error(&head.headers, head.uri.query().unwrap_or_default()) {
            return match matched {
                MatchedService::Path(_) => ServiceResponse::missing_signature_xml(
                    StatusCode::FORBIDDEN,
                    "MissingAuthenticationToken",
                ),
                _ => ServiceResponse::new(StatusCode::BAD_REQUEST, JSON, error),
            };
        }
        let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect());
        let Ok(collected) = collected.await else {
            let message = "timed out while reading the request body";
            return ServiceResponse::shared_error(
                StatusCode::REQUEST_TIMEOUT,
                "RequestTimeoutException",
                message,
            );
        };
        let _active = slot.begin_request();
        let Ok(body) = collected else {
            let message = "the request is larger than 16 MB";
            return ServiceResponse::shared_error(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestTooLargeException",
                message,
            );
        };
        let body = body.to_bytes();
        let (service, operation) = match matched {
            // Every hit takes this path, so it allocates no future and copies nothing.
            MatchedService::DynamoDb(operation) => {
                return self
                    .tables
                    .run_operation(operation, &body)
                    .unwrap_or_else(ServiceResponse::unknown_operation);
            }
            MatchedService::Target(service, operation) => (service, operation.to_owned()),
            MatchedService::Path(service) => (service, String::new()),
        };
        let service = Arc::clone(service);
        let request =
            ServiceRequest { operation, method: head.method, uri: head.uri, headers: head.headers, body };
        service.handle(request).await
    }

    fn find<'a>(&'a self, path: &str, target: Option<&'a str>) -> Option<MatchedService<'a>> {
        if let Some(target) = target {
            if let Some(operation) = target.strip_prefix(DYNAMODB_TARGET_PREFIX) {
                return Some(MatchedService::DynamoDb(operation));
            }
            return self.target_services.iter().find_map(|(prefix, service)| {
                target.strip_prefix(prefix).map(|operation| MatchedService::Target(service, operation))
            });
        }
        self.path_services
            .iter()
            .find(|(prefix, _)| path.starts_with(prefix))
            .map(|(_, service)| MatchedService::Path(service))
    }
}

/// Returns AWS's error if a request is not signed. Signatures are not verified, because there is no secret key.
fn authentication_error(headers: &HeaderMap, query: &str) -> Option<String> {
    validate(AuthMaterial {
        authorization: headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()),
        query,
        has_date_header: headers.contains_key("x-amz-date") || headers.contains_key(DATE),
    })
}
