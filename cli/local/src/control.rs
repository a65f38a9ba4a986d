//! The control API: the one door through which the deployer changes and asks this cloud.
//!
//! Every request shows the token, and names loopback as its host, before anything else is looked at. It draws nothing and
//! decides nothing: it turns HTTP into calls of [`Cloud`].

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use bytes::Bytes;
use hitctl_engine::Fault;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::blocking::{blocking, detached};
use crate::cloud::Cloud;
use crate::codes;
use crate::connections::Place;
use crate::disk;
use crate::host::is_loopback;
use crate::invocation::{Invocation, InvokeError};
use crate::lock::lock;
use crate::logs;
use crate::protocol::{Hold, Invalidation, Invoked, LogPage, Put, Resources, Status, Stored, bearer};
use crate::registry::Entry;
use crate::secret::equal;
use crate::server::Server;
use crate::state::Endpoint;

/// The largest spec, in bytes.
const MAX_SPEC: usize = 1024 * 1024;
/// How long a client may take to send the head of a request, and a connection may be idle between two.
const HEAD_LIMIT: Duration = Duration::from_mins(2);
/// The largest event of a synchronous invocation, in bytes; Lambda's own.
const MAX_EVENT: usize = 6 * 1024 * 1024;

/// What the handlers share.
pub(crate) struct Control {
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) endpoint: Endpoint,
    pub(crate) stop: CancellationToken,
}

type Shared = State<Arc<Control>>;
type Answer<T> = Result<Json<T>, Refusal>;

/// Serves until `stop`, then lets open requests come to their end.
pub(crate) async fn serve(listener: TcpListener, control: Arc<Control>, stop: CancellationToken) {
    let calls = TowerToHyperService::new(router(control));
    let handle = move |request, place: Arc<Place>| {
        let (answering, answer) = (place.answering(), calls.call(request));
        async move {
            let answer = answer.await;
            drop(answering);
            answer.unwrap_or_else(|never| match never {})
        }
    };
    Server::new(listener, HEAD_LIMIT, stop).serve(handle).await;
}

/// The routes.
fn router(control: Arc<Control>) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/stop", post(stop))
        .route("/v1/resources", get(list))
        .route("/v1/resources/{kind}/{name}", get(read).put(write).delete(remove))
        .route("/v1/code/{sha256}", put(upload).head(has_code).layer(DefaultBodyLimit::disable()))
        .route("/v1/functions/{name}/invocations", post(invoke).layer(DefaultBodyLimit::max(MAX_EVENT)))
        .route("/v1/logs", get(read_logs))
        .route("/v1/invalidations", get(invalidations).put(hold_invalidations))
        .fallback(|| async { Refusal(Fault::fatal(codes::NOT_FOUND, "the local cloud has no such call")) })
        .layer(DefaultBodyLimit::max(MAX_SPEC))
        .layer(middleware::from_fn_with_state(Arc::clone(&control), guard))
        .with_state(control)
}

/// A fault as an answer.
struct Refusal(Fault);

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self.0.code.as_str() {
            "unauthorized" => StatusCode::UNAUTHORIZED,
            "forbidden_host" => StatusCode::FORBIDDEN,
            codes::NOT_FOUND | "unknown_kind" | "ResourceNotFoundException" => StatusCode::NOT_FOUND,
            "code_missing" => StatusCode::CONFLICT,
            "code_too_large" | "RequestTooLargeException" => StatusCode::PAYLOAD_TOO_LARGE,
            "TooManyRequestsException" => StatusCode::TOO_MANY_REQUESTS,
            codes::STOPPING => StatusCode::SERVICE_UNAVAILABLE,
            codes::DISK_FULL => StatusCode::INSUFFICIENT_STORAGE,
            "InvalidEventPatternException"
            | "invalid_request"
            | "code_mismatch"
            | "upload_cut"
            | "ValidationException" => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(self.0)).into_response()
    }
}

async fn guard(State(control): Shared, request: Request, next: Next) -> Response {
    match allowed(request.headers(), &control.endpoint.token) {
        Ok(()) => next.run(request).await,
        Err(fault) => Refusal(fault).into_response(),
    }
}

/// Whether a request comes from a program of this user: it names loopback, and shows the token.
fn allowed(headers: &HeaderMap, token: &str) -> Result<(), Fault> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_loopback(text(header::HOST)) {
        return Err(Fault::fatal("forbidden_host", "the control port answers to loopback names only"));
    }
    if !equal(text(header::AUTHORIZATION).as_bytes(), bearer(token).as_bytes()) {
        return Err(Fault::fatal("unauthorized", "the control port needs the token of daemon.json"));
    }
    Ok(())
}

async fn status(State(control): Shared) -> Json<Status> {
    let cloud = &control.cloud;
    let endpoint = &control.endpoint;
    let mut notices = lock(&cloud.notices).clone();
    let dir = cloud.dir.path().to_owned();
    notices.extend(blocking(move || Ok(disk::notices(&dir))).await.unwrap_or_default());
    let lost = cloud.logs.lost();
    if lost > 0 {
        notices.push(format!("{lost} log events could not be written; is the disk full?"));
    }
    let dropped = cloud.bus.dropped();
    if dropped > 0 {
        notices.push(format!("{dropped} events could not be delivered, and found no queue of dead letters"));
    }
    Json(Status {
        pid: endpoint.pid,
        build_id: endpoint.build_id.clone(),
        control: endpoint.control.clone(),
        table: endpoint.table.clone(),
        state_dir: cloud.dir.path().display().to_string(),
        started_ms: endpoint.started_ms,
        resources: cloud.registry.all().values().map(std::collections::BTreeMap::len).sum(),
        notices,
    })
}

async fn stop(State(control): Shared) -> StatusCode {
    control.stop.cancel();
    StatusCode::ACCEPTED
}

async fn list(State(control): Shared) -> Json<Resources> {
    let mut all = control.cloud.registry.all();
    for (kind, names) in &mut all {
        for (name, stored) in names {
            stored.outputs.extend(control.cloud.live(kind, name).await);
            stored.spec = control.cloud.reported(kind, name, stored.spec.take()).await;
        }
    }
    Json(all)
}

async fn read(State(control): Shared, Path((kind, name)): Path<(String, String)>) -> Answer<Stored> {
    match control.cloud.registry.get(&kind, &name) {
        Some(Entry { spec, mut outputs, .. }) => {
            outputs.extend(control.cloud.live(&kind, &name).await);
            let spec = control.cloud.reported(&kind, &name, spec).await;
            Ok(Json(Stored { spec, outputs }))
        }
        None => Err(Refusal(Fault::fatal(codes::NOT_FOUND, format!("there is no {kind} {name}")))),
    }
}

async fn write(
    State(control): Shared,
    Path((kind, name)): Path<(String, String)>,
    body: Bytes,
) -> Answer<Stored> {
    let put: Put = serde_json::from_slice(&body).map_err(|error| {
        Fault::fatal("invalid_request", format!("the body of {kind} {name} is not valid")).caused_by(error)
    })?;
    let cloud = Arc::clone(&control.cloud);
    let entry = detached(async move { cloud.put(&kind, &name, put.spec).await }).await?;
    Ok(Json(Stored { spec: entry.spec, outputs: entry.outputs }))
}

async fn remove(
    State(control): Shared,
    Path((kind, name)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let cloud = Arc::clone(&control.cloud);
    detached(async move { cloud.delete(&kind, &name).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn has_code(State(control): Shared, Path(sha256): Path<String>) -> StatusCode {
    let cloud = Arc::clone(&control.cloud);
    let has = tokio::task::spawn_blocking(move || cloud.code.has(&sha256)).await;
    if has.unwrap_or(false) { StatusCode::OK } else { StatusCode::NOT_FOUND }
}

async fn upload(
    State(control): Shared,
    Path(sha256): Path<String>,
    body: Body,
) -> Result<StatusCode, Refusal> {
    control.cloud.code.take(&sha256, body.into_data_stream()).await?;
    Ok(StatusCode::CREATED)
}

async fn invoke(State(control): Shared, Path(name): Path<String>, event: Bytes) -> Answer<Invoked> {
    let done = control.cloud.runner.invoke(&name, event).await.map_err(|error| refused(&name, &error))?;
    let payload = done.json_payload();
    let Invocation { request_id, function_error, duration_ms, init_ms, max_memory_mb, log_tail, .. } = done;
    Ok(Json(Invoked { request_id, payload, function_error, duration_ms, init_ms, max_memory_mb, log_tail }))
}

/// Why an invocation did not take place, in Lambda's codes where it has one.
fn refused(name: &str, error: &InvokeError) -> Fault {
    let code = if *error == InvokeError::Stopping { codes::STOPPING } else { error.code() };
    let fault =
        Fault::fatal(code, format!("could not invoke the function {name}")).caused_by(error.to_string());
    match error {
        InvokeError::NoSuchFunction => fault.hinted("run `hitctl deploy --env local`"),
        InvokeError::TooManyRequests { .. } => {
            fault.hinted("try again, or raise `reserved_concurrency` under [function]")
        }
        InvokeError::NeverStarted => fault.hinted("run `hitctl logs --env local` to see what it says"),
        InvokeError::PayloadTooLarge | InvokeError::Stopping => fault,
    }
}

async fn invalidations(State(control): Shared) -> Json<Vec<Invalidation>> {
    Json(control.cloud.cloudfront.all())
}

async fn hold_invalidations(State(control): Shared, Json(hold): Json<Hold>) -> Result<StatusCode, Refusal> {
    let cloudfront = control.cloud.cloudfront.clone();
    blocking(move || cloudfront.hold(hold.in_progress_s)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct LogQuery {
    group: String,
    after: Option<String>,
    #[serde(default)]
    since: u64,
    #[serde(default)]
    limit: usize,
}

async fn read_logs(State(control): Shared, Query(query): Query<LogQuery>) -> Answer<LogPage> {
    let logs = control.cloud.logs.clone();
    let page = blocking(move || {
        let wanted = logs::Query { after: query.after, since_ms: query.since, limit: query.limit };
        logs.read(&query.group, &wanted).map_err(|error| {
            Fault::fatal("local_state_io", format!("could not read the log group {}", query.group))
                .caused_by(error)
        })
    });
    Ok(Json(page.await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &'static str, authorization: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        headers
    }

    #[test]
    fn a_request_needs_the_token_and_a_loopback_host() {
        let code =
            |host, authorization| allowed(&headers(host, authorization), "s3cret").err().map(|f| f.code);
        assert_eq!(code("127.0.0.1:80", "Bearer s3cret"), None);
        assert_eq!(code("127.0.0.1:80", "Bearer s3creT").unwrap(), "unauthorized");
        assert_eq!(code("127.0.0.1:80", "Bearer s3cret2").unwrap(), "unauthorized");
        assert_eq!(code("127.0.0.1:80", "s3cret").unwrap(), "unauthorized");
        assert_eq!(code("evil.example", "Bearer s3cret").unwrap(), "forbidden_host");
        assert_eq!(allowed(&HeaderMap::new(), "s3cret").unwrap_err().code, "forbidden_host");
    }
}
