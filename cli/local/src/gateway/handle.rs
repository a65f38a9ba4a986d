//! From a request to its answer: the order of API Gateway's own checks.
//!
//! Size of the head, preflight, route, throttle, body, permission, function, answer. Each has its status and a JSON
//! message, and every answer has `apigw-requestid` and the CORS headers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hitctl_config::limits;
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::header::{HeaderName, HeaderValue, ORIGIN};
use hyper::{Request, Response, StatusCode};

use super::answer;
use super::event::{Context, event};
use super::front::Front;
use super::settings::Settings;
use crate::body::{self, BodyError};
use crate::clock::now_ms;
use crate::connections::Place;
use crate::ids::extended_id;
use crate::lambda::InvokeError;
use crate::response::message;

/// "Total combined size of request line and header values".
const HEAD_BYTES: usize = 10_240;
/// "Payload size: 10 MB".
const BODY_BYTES: usize = limits::HTTP_API_BODY_BYTES;
/// "Maximum integration timeout: 30 seconds".
const INTEGRATION_LIMIT: Duration = Duration::from_secs(30);
/// How long a body may take to arrive.
const BODY_LIMIT: Duration = Duration::from_secs(30);

const REQUEST_ID: HeaderName = HeaderName::from_static("apigw-requestid");

/// Answers one request.
pub(super) async fn handle(
    request: Request<Incoming>,
    front: &Front,
    place: &Place,
) -> Response<Full<Bytes>> {
    let settings = front.settings();
    let id = extended_id();
    let allowed = settings.cors.allowed(request.headers().get(ORIGIN));
    let preflight = settings.cors.is_preflight(&request);
    let mut response = if head_bytes(&request) > HEAD_BYTES {
        message(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large")
    } else if preflight {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    } else {
        serve(request, front, &settings, place, &id).await
    };
    settings.cors.mark(response.headers_mut(), allowed, preflight);
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response.map(Full::new)
}

fn head_bytes(request: &Request<Incoming>) -> usize {
    let uri = request.uri();
    let line =
        request.method().as_str().len() + uri.path_and_query().map_or(1, |path| path.as_str().len()) + 12;
    request.headers().iter().fold(line, |sum, (name, value)| sum + name.as_str().len() + value.len() + 4)
}

async fn serve(
    request: Request<Incoming>,
    front: &Front,
    settings: &Arc<Settings>,
    place: &Place,
    id: &str,
) -> Response<Bytes> {
    let Some(matched) = settings.routes.find(request.method(), request.uri().path()) else {
        return message(StatusCode::NOT_FOUND, "Not Found");
    };
    if !settings.bucket.take(Instant::now()) {
        return message(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
    }
    let (parts, body) = request.into_parts();
    let body = if body.is_end_stream() {
        Bytes::new()
    } else {
        match tokio::time::timeout(BODY_LIMIT, body::read(body, BODY_BYTES)).await {
            Ok(Ok((body, _))) => body,
            Ok(Err(BodyError::TooLarge)) => return too_large(),
            Ok(Err(BodyError::Broken)) => return message(StatusCode::BAD_REQUEST, "Bad Request"),
            Err(_) => return message(StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
        }
    };
    let _answering = place.answering();
    if let Some(ingest) = settings.ingest.as_ref().filter(|ingest| ingest.route == matched.key) {
        let post = front.gateway.post.get().map(|post| &**post);
        return ingest.take(post, &parts.headers, &body, place.peer).await;
    }
    let function = settings.function(matched.key);
    if !settings.is_url && !front.gateway.permitted(&settings.api_id, function) {
        return broken(settings);
    }
    let context = Context {
        account: &front.gateway.account,
        region: &front.gateway.region,
        api_id: &settings.api_id,
        request_id: id,
        now_ms: now_ms(),
        source: place.peer,
        port: front.port,
    };
    let event = event(&parts, &body, &matched, &context);
    drop(body);
    let invoked = front.gateway.runner.invoke(function, event.into());
    match tokio::time::timeout(INTEGRATION_LIMIT, invoked).await {
        Ok(Ok(invocation)) if invocation.function_error.is_none() => {
            answer::answer(&invocation.payload).unwrap_or_else(|| broken(settings))
        }
        Ok(Ok(_) | Err(InvokeError::NoSuchFunction | InvokeError::NeverStarted)) => broken(settings),
        Ok(Err(InvokeError::PayloadTooLarge)) => too_large(),
        Ok(Err(InvokeError::TooManyRequests { .. })) if settings.is_url => {
            message(StatusCode::TOO_MANY_REQUESTS, "Rate Exceeded.")
        }
        Ok(Err(InvokeError::TooManyRequests { .. } | InvokeError::Stopping)) | Err(_) => {
            message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
    }
}

/// The function failed: 500 from an HTTP API, 502 from a function URL (AWS's guide, "Invoking Lambda function URLs").
fn broken(settings: &Settings) -> Response<Bytes> {
    let status = if settings.is_url { StatusCode::BAD_GATEWAY } else { StatusCode::INTERNAL_SERVER_ERROR };
    message(status, "Internal Server Error")
}

fn too_large() -> Response<Bytes> {
    message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
}
