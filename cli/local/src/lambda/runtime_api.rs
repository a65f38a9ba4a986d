//! The Lambda Runtime API, version 2018-06-01, for one process. It listens on its own port and only serves
//! requests whose path begins with the secret of the process.
//!
//! In addition to the four calls of the Runtime API, it has the two calls of the Extensions API that runtimes
//! use: the official Rust runtime registers an internal extension to be notified of a shutdown.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::access::RuntimeApiSecret;
use super::process::{FunctionProcess, InvocationEvent, RuntimeResult};
use crate::body::{self, BodyError};
use crate::clock::now_ms;
use crate::connections::{ConnectionSlot, Connections};
use crate::ids;
use crate::invocation::MAX_RESPONSE_BYTES;
use crate::response;
use crate::server::HttpServer;

const BASE: &str = "/2018-06-01/runtime/";
const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const DEADLINE: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const FUNCTION_ARN: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");
const EXTENSION_ID: HeaderName = HeaderName::from_static("lambda-extension-identifier");
/// The maximum number of connections, which is more than any process needs.
const MAX_CONNECTIONS: u64 = 64;

type ApiResponse = Response<Full<Bytes>>;

/// Serves `process` until it has finished. Once `exited` is cancelled, only requests that the process sent
/// before are still handled.
pub(super) async fn serve(
    listener: TcpListener,
    secret: RuntimeApiSecret,
    process: Arc<FunctionProcess>,
    exited: CancellationToken,
) {
    let mut http = http1::Builder::new();
    http.auto_date_header(false);
    let (connections, drain) = (Connections::with_limit(MAX_CONNECTIONS), CancellationToken::new());
    let server = HttpServer { listener, connections, http, stop_accepting: exited, drain };
    let (secret, finished) = (Arc::new(secret), process.finished.clone());
    let handle = move |request, slot: Arc<ConnectionSlot>| {
        let (secret, process) = (Arc::clone(&secret), Arc::clone(&process));
        async move {
            let _active = slot.begin_request();
            handle_request(request, &secret, &process).await
        }
    };
    finished.run_until_cancelled(server.serve(handle)).await;
}

async fn handle_request(
    request: Request<Incoming>,
    secret: &RuntimeApiSecret,
    process: &Arc<FunctionProcess>,
) -> ApiResponse {
    let path = match secret.check(&request) {
        Ok(path) => path.to_owned(),
        Err(denied) => return denied.response(),
    };
    let Some(call) = path.strip_prefix(BASE) else {
        return handle_extension_call(&request, &path, process).await;
    };
    match (request.method(), call) {
        (&Method::GET, "invocation/next") => match process.next().await {
            Some(event) => next_response(event, process),
            None => error_response(
                StatusCode::FORBIDDEN,
                "InvalidStateTransition",
                "Transition from Running to Ready is not allowed",
            ),
        },
        (&Method::POST, "init/error") => {
            let error_type = error_type(&request);
            match body::read(request.into_body(), MAX_RESPONSE_BYTES).await {
                Ok((payload, _)) if process.init_failed(payload.clone(), error_type) => accepted(),
                Ok(_) => error_response(
                    StatusCode::FORBIDDEN,
                    "InvalidStateTransition",
                    "the initialization is already complete",
                ),
                Err(error) => body_error(&error),
            }
        }
        (&Method::POST, call) => {
            let Some((id, operation)) =
                call.strip_prefix("invocation/").and_then(|rest| rest.split_once('/'))
            else {
                return unknown_call();
            };
            match operation {
                "response" | "error" => record_result(request, process, id, operation == "error").await,
                _ => unknown_call(),
            }
        }
        _ => unknown_call(),
    }
}

fn next_response(event: InvocationEvent, process: &FunctionProcess) -> ApiResponse {
    let mut response = json(StatusCode::OK, event.payload);
    let headers = response.headers_mut();
    for (name, value) in [
        (REQUEST_ID, event.request_id),
        (DEADLINE, event.deadline_ms.to_string()),
        (FUNCTION_ARN, process.function().arn.clone()),
        (TRACE_ID, ids::trace_header(now_ms())),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    response
}

async fn record_result(
    request: Request<Incoming>,
    process: &Arc<FunctionProcess>,
    id: &str,
    failed: bool,
) -> ApiResponse {
    let error_type = error_type(&request);
    let (is_running, response) = match body::read(request.into_body(), MAX_RESPONSE_BYTES).await {
        Ok((payload, trailers)) => {
            // A streamed response that fails in the middle reports the error in its trailers.
            let late_error = trailers.as_ref().and_then(|trailers| trailers.get(&ERROR_TYPE)).map(text);
            let result = match (failed, late_error) {
                (true, _) => RuntimeResult::Error(payload, error_type),
                (false, Some(late_error)) => RuntimeResult::Error(payload, Some(late_error)),
                (false, None) => RuntimeResult::Response(payload),
            };
            (process.record_result(id, result), accepted())
        }
        Err(BodyError::TooLarge) => {
            let response = body_error(&BodyError::TooLarge);
            (process.record_result(id, RuntimeResult::TooLarge), response)
        }
        Err(error) => return body_error(&error),
    };
    if is_running {
        response
    } else {
        error_response(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
    }
}

/// Handles the calls of a runtime's internal extension. The extension is never notified of a shutdown, because
/// the process is killed, as Lambda kills processes without extensions.
async fn handle_extension_call(
    request: &Request<Incoming>,
    path: &str,
    process: &FunctionProcess,
) -> ApiResponse {
    match (request.method(), path) {
        (&Method::POST, "/2020-01-01/extension/register") => {
            let body = serde_json::json!({
                "functionName": process.function().name,
                "functionVersion": "$LATEST",
                "handler": super::code::BOOTSTRAP,
            });
            let mut response = json(StatusCode::OK, body.to_string());
            if let Ok(id) = HeaderValue::try_from(ids::uuid()) {
                response.headers_mut().insert(EXTENSION_ID, id);
            }
            response
        }
        (&Method::GET, "/2020-01-01/extension/event/next") => {
            process.finished.cancelled().await;
            error_response(
                StatusCode::FORBIDDEN,
                "Extension.Shutdown",
                "the execution environment has shut down",
            )
        }
        _ => unknown_call(),
    }
}

fn error_type(request: &Request<Incoming>) -> Option<String> {
    request.headers().get(&ERROR_TYPE).map(text)
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> ApiResponse {
    response::json(status, body).map(Full::new)
}

fn accepted() -> ApiResponse {
    json(StatusCode::ACCEPTED, Bytes::from_static(b"{\"status\":\"OK\"}\n"))
}

fn error_response(status: StatusCode, error_type: &str, message: &str) -> ApiResponse {
    json(status, super::report::error_payload(error_type, message))
}

fn unknown_call() -> ApiResponse {
    error_response(StatusCode::NOT_FOUND, "NotFound", "the Runtime API has no such operation")
}

fn body_error(error: &BodyError) -> ApiResponse {
    match error {
        BodyError::TooLarge => error_response(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            "Exceeded maximum allowed payload size (6291556 bytes).",
        ),
        BodyError::Incomplete => {
            error_response(StatusCode::BAD_REQUEST, "BadRequest", "the request body is incomplete")
        }
    }
}
