//! Handles a request with the checks of API Gateway, in their order: size of the head, preflight, route,
//! throttle, body, permission, function, response.
//!
//! Each failed check has its own status and a JSON message. Every response has `apigw-requestid` and the CORS
//! headers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hitctl_config::limits;
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::header::{HeaderName, HeaderValue, ORIGIN};
use hyper::{Request, Response, StatusCode};

use super::api_state::ApiState;
use super::event::{EventContext, proxy_event};
use super::proxy_response;
use super::settings::ApiSettings;
use crate::body::{self, BodyError};
use crate::clock::now_ms;
use crate::connections::ConnectionSlot;
use crate::ids::extended_request_id;
use crate::lambda::InvokeError;
use crate::response::message;

/// API Gateway's limit "Total combined size of request line and header values", in bytes.
const MAX_HEAD_BYTES: usize = 10_240;
/// API Gateway's limit "Payload size: 10 MB", in bytes.
const MAX_BODY_BYTES: usize = limits::HTTP_API_BODY_BYTES;
/// API Gateway's limit "Maximum integration timeout: 30 seconds".
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);
/// The time in which a body must arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

const REQUEST_ID: HeaderName = HeaderName::from_static("apigw-requestid");

/// Handles one request.
pub(super) async fn handle(
    request: Request<Incoming>,
    api: &ApiState,
    slot: &ConnectionSlot,
) -> Response<Full<Bytes>> {
    let settings = api.settings();
    let id = extended_request_id();
    let allowed = settings.cors.allowed_origin(request.headers().get(ORIGIN));
    let preflight = settings.cors.is_preflight(&request);
    let mut response = if head_bytes(&request) > MAX_HEAD_BYTES {
        message(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large")
    } else if preflight {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    } else {
        route_request(request, api, &settings, slot, &id).await
    };
    settings.cors.apply(response.headers_mut(), allowed, preflight);
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response.map(Full::new)
}

/// Returns the size of the request line and the headers, in bytes.
fn head_bytes(request: &Request<Incoming>) -> usize {
    let uri = request.uri();
    // 12 bytes for the two spaces, the version and the line break. Each header has 4 for `: ` and a line break.
    let line =
        request.method().as_str().len() + uri.path_and_query().map_or(1, |path| path.as_str().len()) + 12;
    request.headers().iter().fold(line, |sum, (name, value)| sum + name.as_str().len() + value.len() + 4)
}

async fn route_request(
    request: Request<Incoming>,
    api: &ApiState,
    settings: &Arc<ApiSettings>,
    slot: &ConnectionSlot,
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
        match tokio::time::timeout(BODY_TIMEOUT, body::read(body, MAX_BODY_BYTES)).await {
            Ok(Ok((body, _))) => body,
            Ok(Err(BodyError::TooLarge)) => return too_large(),
            Ok(Err(BodyError::Incomplete)) => return message(StatusCode::BAD_REQUEST, "Bad Request"),
            Err(_) => return message(StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
        }
    };
    let _active = slot.begin_request();
    if let Some(ingest) = settings.ingest.as_ref().filter(|ingest| ingest.route == matched.key) {
        let sender = api.gateway.queue_sender.get().map(|sender| &**sender);
        return ingest.send(sender, &parts.headers, &body, slot.peer).await;
    }
    let function = settings.function(matched.key);
    if !settings.is_url && !api.gateway.is_permitted(&settings.api_id, function) {
        return function_failed(settings);
    }
    let context = EventContext {
        account: &api.gateway.account,
        region: &api.gateway.region,
        api_id: &settings.api_id,
        request_id: id,
        now_ms: now_ms(),
        source: slot.peer,
        port: api.port,
    };
    let event = proxy_event(&parts, &body, &matched, &context);
    drop(body);
    let invoked = api.gateway.runner.invoke(function, event.into());
    match tokio::time::timeout(INTEGRATION_TIMEOUT, invoked).await {
        Ok(Ok(invocation)) if invocation.function_error.is_none() => {
            proxy_response::http_response(&invocation.payload).unwrap_or_else(|| function_failed(settings))
        }
        Ok(Ok(_) | Err(InvokeError::NoSuchFunction | InvokeError::NeverStarted)) => function_failed(settings),
        Ok(Err(InvokeError::PayloadTooLarge)) => too_large(),
        Ok(Err(InvokeError::TooManyRequests { .. })) if settings.is_url => {
            message(StatusCode::TOO_MANY_REQUESTS, "Rate Exceeded.")
        }
        Ok(Err(InvokeError::TooManyRequests { .. } | InvokeError::Stopping)) | Err(_) => {
            message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
    }
}

/// Returns the response when the function failed: 500 from an HTTP API, 502 from a function URL (AWS's guide,
/// "Invoking Lambda function URLs").
fn function_failed(settings: &ApiSettings) -> Response<Bytes> {
    let status = if settings.is_url { StatusCode::BAD_GATEWAY } else { StatusCode::INTERNAL_SERVER_ERROR };
    message(status, "Internal Server Error")
}

fn too_large() -> Response<Bytes> {
    message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
}
