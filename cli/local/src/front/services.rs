//! From a request to the service that answers it.

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
use crate::answer::{Answer, JSON, JSON_1_1};
use crate::connections::Place;
use crate::host::is_loopback;
use crate::table::Tables;

/// `DynamoDB`'s own limit of a request, and by far the largest.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_LIMIT: Duration = Duration::from_secs(30);
const TABLES: &str = "DynamoDB_20120810.";

/// A call of a service.
#[derive(Debug)]
pub(crate) struct Call {
    /// The operation: the rest of `X-Amz-Target` after its prefix. Empty for a service of the REST protocol.
    pub(crate) operation: String,
    /// The HTTP method.
    pub(crate) method: Method,
    /// The path and the query, as they came.
    pub(crate) uri: Uri,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The whole body.
    pub(crate) body: Bytes,
}

impl Call {
    /// The value of a header, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A service of AWS as this cloud has it. Its operations are its own affair, unknown ones too.
pub(crate) trait Service: Send + Sync {
    /// Answers one call. Dropped when the caller hangs up.
    fn answer(&self, call: Call) -> BoxFuture<'_, Answer>;
}

/// The services, by the requests that they answer: the tables, and those that are added to them.
pub(crate) struct Services {
    pub(super) tables: Tables,
    targets: Vec<(&'static str, Arc<dyn Service>)>,
    paths: Vec<(&'static str, Arc<dyn Service>)>,
}

/// The service that answers a request.
enum To<'a> {
    Tables(&'a str),
    Target(&'a Arc<dyn Service>, &'a str),
    Path(&'a Arc<dyn Service>),
}

impl Services {
    /// The tables alone.
    pub(crate) fn new(tables: Tables) -> Self {
        Self { tables, targets: Vec::new(), paths: Vec::new() }
    }

    /// Adds a service of AWS's JSON protocol, by the prefix of its `X-Amz-Target` with the dot: `AmazonSQS.`.
    pub(crate) fn target(mut self, prefix: &'static str, service: Arc<dyn Service>) -> Self {
        self.targets.push((prefix, service));
        self
    }

    /// Adds a service of AWS's REST protocol, by the beginning of its paths: `/2020-05-31/`.
    pub(crate) fn path(mut self, prefix: &'static str, service: Arc<dyn Service>) -> Self {
        self.paths.push((prefix, service));
        self
    }

    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<Incoming>, place: &Place) -> Answer {
        let (head, body) = request.into_parts();
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        if head.headers.contains_key(ORIGIN) || !text(HOST).is_some_and(is_loopback) {
            let message = "the local cloud answers programs, not web pages";
            return Answer::error(StatusCode::FORBIDDEN, "AccessDeniedException", message);
        }
        let target = head.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
        let to = match self.find(head.uri.path(), target) {
            Some(To::Path(service)) => To::Path(service),
            _ if unknown::is_health_check(&head) => {
                let healthy = "healthy: the services of this machine\n";
                return Answer::new(StatusCode::OK, "text/plain", healthy);
            }
            found => {
                let kind = text(CONTENT_TYPE).and_then(|kind| kind.split(';').next()).unwrap_or_default();
                let is_json = [JSON, JSON_1_1, "application/json"].contains(&kind.trim());
                match found.filter(|_| head.method == Method::POST) {
                    Some(found) if is_json => found,
                    // A known target with an unknown content type: DynamoDB answers this, whatever the target.
                    Some(_) => {
                        let unknown = "<UnknownOperationException/>\n";
                        return Answer::new(StatusCode::NOT_FOUND, "text/xml", unknown);
                    }
                    None => return unknown::refusal(&head),
                }
            }
        };
        if let Some(refusal) = unsigned(&head.headers, head.uri.query().unwrap_or_default()) {
            return match to {
                To::Path(_) => Answer::xml_error(StatusCode::FORBIDDEN, "MissingAuthenticationToken"),
                _ => Answer::new(StatusCode::BAD_REQUEST, JSON, refusal),
            };
        }
        let collected = tokio::time::timeout(BODY_LIMIT, Limited::new(body, MAX_BODY).collect());
        let Ok(collected) = collected.await else {
            let message = "the request's body did not arrive in time";
            return Answer::error(StatusCode::REQUEST_TIMEOUT, "RequestTimeoutException", message);
        };
        let _answering = place.answering();
        let Ok(body) = collected else {
            let message = "a request has at most 16 MB";
            return Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", message);
        };
        let body = body.to_bytes();
        let (service, operation) = match to {
            // A hit's way: no box, no copy.
            To::Tables(operation) => {
                return self.tables.answer(operation, &body).unwrap_or_else(Answer::unknown);
            }
            To::Target(service, operation) => (service, operation.to_owned()),
            To::Path(service) => (service, String::new()),
        };
        let service = Arc::clone(service);
        let call = Call { operation, method: head.method, uri: head.uri, headers: head.headers, body };
        service.answer(call).await
    }

    fn find<'a>(&'a self, path: &str, target: Option<&'a str>) -> Option<To<'a>> {
        if let Some(target) = target {
            if let Some(operation) = target.strip_prefix(TABLES) {
                return Some(To::Tables(operation));
            }
            return self.targets.iter().find_map(|(prefix, service)| {
                target.strip_prefix(prefix).map(|operation| To::Target(service, operation))
            });
        }
        self.paths.iter().find(|(prefix, _)| path.starts_with(prefix)).map(|(_, service)| To::Path(service))
    }
}

/// Returns AWS's refusal of a request that is not signed. Signatures themselves are not checked: there is no secret here.
fn unsigned(headers: &HeaderMap, query: &str) -> Option<String> {
    validate(AuthMaterial {
        authorization: headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()),
        query,
        has_date_header: headers.contains_key("x-amz-date") || headers.contains_key(DATE),
    })
}
