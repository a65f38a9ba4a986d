//! The control API, through which the deployer changes and queries the local cloud.
//!
//! Every request must present the token and have a loopback `Host`; this is checked before anything else. This
//! module only translates HTTP into calls of [`CloudServices`].

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
use hitctl_engine::{Fault, plural};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::blocking::{run_blocking, run_detached};
use crate::cloud::CloudServices;
use crate::codes;
use crate::connections::ConnectionSlot;
use crate::disk;
use crate::host::is_loopback;
use crate::invocation::{Invocation, InvokeError};
use crate::lock::lock;
use crate::logs;
use crate::protocol::{
    DaemonStatus, DeployedResource, DeployedResources, InvalidationRecord, InvalidationSettings,
    JsonInvocation, LogEventPage, PutResourceRequest, bearer_header,
};
use crate::registry::RegistryEntry;
use crate::secret::equal;
use crate::server::HttpServer;
use crate::state::DaemonEndpoint;

/// The largest spec, in bytes.
const MAX_SPEC_BYTES: usize = 1024 * 1024;
/// The time in which a client must send the head of a request, and the time that a connection may be idle
/// between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_mins(2);
/// The largest event of a synchronous invocation, in bytes, as on Lambda.
const MAX_EVENT_BYTES: usize = 6 * 1024 * 1024;

/// The state that the handlers share.
pub(crate) struct ControlState {
    pub(crate) cloud: Arc<CloudServices>,
    pub(crate) endpoint: DaemonEndpoint,
    pub(crate) stop: CancellationToken,
}

type SharedState = State<Arc<ControlState>>;
type JsonResult<T> = Result<Json<T>, FaultResponse>;

/// Serves until `stop` is cancelled, then lets open requests finish.
pub(crate) async fn serve(listener: TcpListener, control: Arc<ControlState>, stop: CancellationToken) {
    let service = TowerToHyperService::new(router(control));
    let handle = move |request, slot: Arc<ConnectionSlot>| {
        let (active, response) = (slot.begin_request(), service.call(request));
        async move {
            let response = response.await;
            drop(active);
            // The service cannot fail: its error type has no values.
            response.unwrap_or_else(|never| match never {})
        }
    };
    HttpServer::new(listener, HEAD_TIMEOUT, stop).serve(handle).await;
}

fn router(control: Arc<ControlState>) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/stop", post(stop))
        .route("/v1/resources", get(list_resources))
        .route("/v1/resources/{kind}/{name}", get(read_resource).put(put_resource).delete(delete_resource))
        .route("/v1/code/{sha256}", put(upload).head(has_code).layer(DefaultBodyLimit::disable()))
        .route("/v1/functions/{name}/invocations", post(invoke).layer(DefaultBodyLimit::max(MAX_EVENT_BYTES)))
        .route("/v1/logs", get(read_logs))
        .route("/v1/invalidations", get(invalidations).put(set_invalidation_settings))
        .fallback(|| async {
            FaultResponse(Fault::fatal(codes::NOT_FOUND, "the control API has no such endpoint"))
        })
        .layer(DefaultBodyLimit::max(MAX_SPEC_BYTES))
        .layer(middleware::from_fn_with_state(Arc::clone(&control), require_access))
        .with_state(control)
}

/// A fault as an HTTP response.
struct FaultResponse(Fault);

impl From<Fault> for FaultResponse {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl IntoResponse for FaultResponse {
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

async fn require_access(State(control): SharedState, request: Request, next: Next) -> Response {
    match check_access(request.headers(), &control.endpoint.token) {
        Ok(()) => next.run(request).await,
        Err(fault) => FaultResponse(fault).into_response(),
    }
}

/// Checks that a request comes from a program of this user: that its host is loopback, and that it presents the
/// token.
fn check_access(headers: &HeaderMap, token: &str) -> Result<(), Fault> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_loopback(text(header::HOST)) {
        return Err(Fault::fatal("forbidden_host", "the control API accepts only loopback host names"));
    }
    if !equal(text(header::AUTHORIZATION).as_bytes(), bearer_header(token).as_bytes()) {
        return Err(Fault::fatal("unauthorized", "the control API requires the token from `daemon.json`"));
    }
    Ok(())
}

async fn status(State(control): SharedState) -> Json<DaemonStatus> {
    let cloud = &control.cloud;
    let endpoint = &control.endpoint;
    let mut notices = lock(&cloud.notices).clone();
    let dir = cloud.dir.path().to_owned();
    notices.extend(run_blocking(move || Ok(disk::notices(&dir))).await.unwrap_or_default());
    let lost_events = cloud.logs.dropped();
    if lost_events > 0 {
        let events = plural(lost_events, "log event");
        notices.push(format!("failed to write {events}; check the free disk space"));
    }
    let dropped_events = cloud.bus.dropped();
    if dropped_events > 0 {
        notices.push(format!(
            "dropped {}: delivery failed, and no dead-letter queue accepted them",
            plural(dropped_events, "event")
        ));
    }
    Json(DaemonStatus {
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

async fn stop(State(control): SharedState) -> StatusCode {
    control.stop.cancel();
    StatusCode::ACCEPTED
}

async fn list_resources(State(control): SharedState) -> Json<DeployedResources> {
    let mut all = control.cloud.registry.all();
    for (kind, names) in &mut all {
        for (name, stored) in names {
            stored.outputs.extend(control.cloud.live_outputs(kind, name).await);
            stored.spec = control.cloud.reported_spec(kind, name, stored.spec.take()).await;
        }
    }
    Json(all)
}

async fn read_resource(
    State(control): SharedState,
    Path((kind, name)): Path<(String, String)>,
) -> JsonResult<DeployedResource> {
    match control.cloud.registry.get(&kind, &name) {
        Some(RegistryEntry { spec, mut outputs, .. }) => {
            outputs.extend(control.cloud.live_outputs(&kind, &name).await);
            let spec = control.cloud.reported_spec(&kind, &name, spec).await;
            Ok(Json(DeployedResource { spec, outputs }))
        }
        None => Err(FaultResponse(Fault::fatal(codes::NOT_FOUND, format!("{kind} {name} does not exist")))),
    }
}

async fn put_resource(
    State(control): SharedState,
    Path((kind, name)): Path<(String, String)>,
    body: Bytes,
) -> JsonResult<DeployedResource> {
    let put: PutResourceRequest = serde_json::from_slice(&body).map_err(|error| {
        Fault::fatal("invalid_request", format!("failed to parse the request for {kind} {name}"))
            .caused_by(error)
    })?;
    let cloud = Arc::clone(&control.cloud);
    let entry = run_detached(async move { cloud.put(&kind, &name, put.spec).await }).await?;
    Ok(Json(DeployedResource { spec: entry.spec, outputs: entry.outputs }))
}

async fn delete_resource(
    State(control): SharedState,
    Path((kind, name)): Path<(String, String)>,
) -> Result<StatusCode, FaultResponse> {
    let cloud = Arc::clone(&control.cloud);
    run_detached(async move { cloud.delete(&kind, &name).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn has_code(State(control): SharedState, Path(sha256): Path<String>) -> StatusCode {
    let cloud = Arc::clone(&control.cloud);
    let has = tokio::task::spawn_blocking(move || cloud.code.has(&sha256)).await;
    if has.unwrap_or(false) { StatusCode::OK } else { StatusCode::NOT_FOUND }
}

async fn upload(
    State(control): SharedState,
    Path(sha256): Path<String>,
    body: Body,
) -> Result<StatusCode, FaultResponse> {
    control.cloud.code.store(&sha256, body.into_data_stream()).await?;
    Ok(StatusCode::CREATED)
}

async fn invoke(
    State(control): SharedState,
    Path(name): Path<String>,
    event: Bytes,
) -> JsonResult<JsonInvocation> {
    let invocation =
        control.cloud.runner.invoke(&name, event).await.map_err(|error| invoke_fault(&name, &error))?;
    let payload = invocation.json_payload();
    let Invocation { request_id, function_error, duration_ms, init_ms, max_memory_mb, log_tail, .. } =
        invocation;
    Ok(Json(JsonInvocation {
        request_id,
        payload,
        function_error,
        duration_ms,
        init_ms,
        max_memory_mb,
        log_tail,
    }))
}

/// Returns the fault for an invocation that was not started, with Lambda's code except while the local cloud
/// stops.
fn invoke_fault(name: &str, error: &InvokeError) -> Fault {
    let code = if *error == InvokeError::Stopping { codes::STOPPING } else { error.code() };
    let fault =
        Fault::fatal(code, format!("failed to invoke the function {name:?}")).caused_by(error.to_string());
    match error {
        InvokeError::NoSuchFunction => fault.hinted("run `hitctl deploy --env local`"),
        InvokeError::TooManyRequests { .. } => {
            fault.hinted("run the command again, or raise `reserved_concurrency` under `[function]`")
        }
        InvokeError::NeverStarted => fault.hinted("run `hitctl logs --env local` to see its output"),
        InvokeError::PayloadTooLarge | InvokeError::Stopping => fault,
    }
}

async fn invalidations(State(control): SharedState) -> Json<Vec<InvalidationRecord>> {
    Json(control.cloud.cloudfront.all())
}

async fn set_invalidation_settings(
    State(control): SharedState,
    Json(settings): Json<InvalidationSettings>,
) -> Result<StatusCode, FaultResponse> {
    let cloudfront = control.cloud.cloudfront.clone();
    run_blocking(move || cloudfront.set_invalidation_time(settings.in_progress_s)).await?;
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

async fn read_logs(State(control): SharedState, Query(query): Query<LogQuery>) -> JsonResult<LogEventPage> {
    let logs = control.cloud.logs.clone();
    let page = run_blocking(move || {
        let log_query = logs::LogEventQuery { after: query.after, since_ms: query.since, limit: query.limit };
        logs.read(&query.group, &log_query).map_err(|error| {
            Fault::fatal("local_state_io", format!("failed to read the log group {:?}", query.group))
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
    fn check_access_requires_token_and_loopback_host() {
        let code =
            |host, authorization| check_access(&headers(host, authorization), "s3cret").err().map(|f| f.code);
        assert_eq!(code("127.0.0.1:80", "Bearer s3cret"), None);
        assert_eq!(code("127.0.0.1:80", "Bearer s3creT").unwrap(), "unauthorized");
        assert_eq!(code("127.0.0.1:80", "Bearer s3cret2").unwrap(), "unauthorized");
        assert_eq!(code("127.0.0.1:80", "s3cret").unwrap(), "unauthorized");
        assert_eq!(code("evil.example", "Bearer s3cret").unwrap(), "forbidden_host");
        assert_eq!(check_access(&HeaderMap::new(), "s3cret").unwrap_err().code, "forbidden_host");
    }
}
