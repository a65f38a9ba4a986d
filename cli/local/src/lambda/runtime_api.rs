//! The Lambda Runtime API, version 2018-06-01, for one process: it listens on a port of its own, and only answers callers
//! that show the secret of the address that the process was given.
//!
//! Beside the four calls of the Runtime API there are the two of the Extensions API that runtimes use on themselves: the
//! official Rust runtime registers an internal extension so as to be told of a shutdown.

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
use super::process::{Answer, Event, Process};
use crate::body::{self, BodyError};
use crate::clock::now_ms;
use crate::connections::{Connections, Place};
use crate::ids;
use crate::invocation::MAX_RESPONSE_BYTES;
use crate::response;
use crate::server::Server;

const BASE: &str = "/2018-06-01/runtime/";
const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const DEADLINE: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const FUNCTION_ARN: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");
const EXTENSION_ID: HeaderName = HeaderName::from_static("lambda-extension-identifier");
/// No process needs more connections than this to talk to its own runtime.
const CONNECTIONS: u64 = 64;

type Answered = Response<Full<Bytes>>;

/// Serves `process` until it is gone. Once it has `exited`, only what it said before is still heard.
pub(super) async fn serve(
    listener: TcpListener,
    secret: RuntimeApiSecret,
    process: Arc<Process>,
    exited: CancellationToken,
) {
    let mut http = http1::Builder::new();
    http.auto_date_header(false);
    let (connections, close) = (Connections::with_room_for(CONNECTIONS), CancellationToken::new());
    let server = Server { listener, connections, http, stop: exited, close };
    let (secret, gone) = (Arc::new(secret), process.gone.clone());
    let handle = move |request, place: Arc<Place>| {
        let (secret, process) = (Arc::clone(&secret), Arc::clone(&process));
        async move {
            let _answering = place.answering();
            answer(request, &secret, &process).await
        }
    };
    gone.run_until_cancelled(server.serve(handle)).await;
}

async fn answer(request: Request<Incoming>, secret: &RuntimeApiSecret, process: &Arc<Process>) -> Answered {
    let path = match secret.check(&request) {
        Ok(path) => path.to_owned(),
        Err(denied) => return denied.response(),
    };
    let Some(call) = path.strip_prefix(BASE) else {
        return extension(&request, &path, process).await;
    };
    match (request.method(), call) {
        (&Method::GET, "invocation/next") => match process.next().await {
            Some(event) => next(event, process),
            None => refuse(
                StatusCode::FORBIDDEN,
                "InvalidStateTransition",
                "Transition from Running to Ready is not allowed",
            ),
        },
        (&Method::POST, "init/error") => {
            let error_type = error_type(&request);
            match body::read(request.into_body(), MAX_RESPONSE_BYTES).await {
                Ok((payload, _)) if process.init_failed(payload.clone(), error_type) => accepted(),
                Ok(_) => refuse(StatusCode::FORBIDDEN, "InvalidStateTransition", "init is over"),
                Err(error) => bad_body(&error),
            }
        }
        (&Method::POST, call) => {
            let Some((id, what)) = call.strip_prefix("invocation/").and_then(|rest| rest.split_once('/'))
            else {
                return unknown();
            };
            match what {
                "response" | "error" => finish(request, process, id, what == "error").await,
                _ => unknown(),
            }
        }
        _ => unknown(),
    }
}

fn next(event: Event, process: &Process) -> Answered {
    let mut response = json(StatusCode::OK, event.payload);
    let headers = response.headers_mut();
    for (name, value) in [
        (REQUEST_ID, event.request_id),
        (DEADLINE, event.deadline_ms.to_string()),
        (FUNCTION_ARN, process.function().arn.clone()),
        (TRACE_ID, ids::trace(now_ms())),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    response
}

async fn finish(request: Request<Incoming>, process: &Arc<Process>, id: &str, failed: bool) -> Answered {
    let error_type = error_type(&request);
    let (known, response) = match body::read(request.into_body(), MAX_RESPONSE_BYTES).await {
        Ok((payload, trailers)) => {
            // A streamed answer that fails half-way says so in its trailers.
            let late = trailers.as_ref().and_then(|trailers| trailers.get(&ERROR_TYPE)).map(text);
            let answer = match (failed, late) {
                (true, _) => Answer::Error(payload, error_type),
                (false, Some(late)) => Answer::Error(payload, Some(late)),
                (false, None) => Answer::Response(payload),
            };
            (process.answer(id, answer), accepted())
        }
        Err(BodyError::TooLarge) => {
            let response = bad_body(&BodyError::TooLarge);
            (process.answer(id, Answer::TooLarge), response)
        }
        Err(error) => return bad_body(&error),
    };
    if known { response } else { refuse(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID") }
}

/// What a runtime's own extension asks. It is never told of a shutdown, because processes are killed, as Lambda kills
/// those without extensions.
async fn extension(request: &Request<Incoming>, path: &str, process: &Process) -> Answered {
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
            process.gone.cancelled().await;
            refuse(StatusCode::FORBIDDEN, "Extension.Shutdown", "the environment is gone")
        }
        _ => unknown(),
    }
}

fn error_type(request: &Request<Incoming>) -> Option<String> {
    request.headers().get(&ERROR_TYPE).map(text)
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Answered {
    response::json(status, body).map(Full::new)
}

fn accepted() -> Answered {
    json(StatusCode::ACCEPTED, Bytes::from_static(b"{\"status\":\"OK\"}\n"))
}

fn refuse(status: StatusCode, error_type: &str, message: &str) -> Answered {
    json(status, super::report::payload(error_type, message))
}

fn unknown() -> Answered {
    refuse(StatusCode::NOT_FOUND, "NotFound", "no such call of the Runtime API")
}

fn bad_body(error: &BodyError) -> Answered {
    match error {
        BodyError::TooLarge => refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            "Exceeded maximum allowed payload size (6291556 bytes).",
        ),
        BodyError::Broken => refuse(StatusCode::BAD_REQUEST, "BadRequest", "the body did not arrive whole"),
    }
}
