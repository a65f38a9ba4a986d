//! A local API Gateway: HTTP APIs (v2) for functions, each on its own loopback port.
//!
//! Events, routes, CORS, throttling and limits are those of API Gateway; `event`, `routes`, `cors` and
//! `proxy_response` name the pages of its documentation. This module must not know what the functions do.

mod api_state;
mod cors;
mod event;
mod handle;
mod ingest;
mod proxy_response;
mod routes;
mod server;
mod settings;
mod text;
mod throttle;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, RwLock};

use hitctl_engine::Fault;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::lambda::Runner;
use crate::lock::write;
use crate::queue_sender::QueueSender;
use api_state::{ApiState, GatewayState};
pub use server::FIRST_PORT;
use settings::ApiSettings;
pub use settings::FrontendSpec;

/// The HTTP APIs of this machine. Clones share the same gateway.
///
/// The documentation of API Gateway does not define the following behavior:
///
/// - If the function exceeds the integration timeout of 30 s, the response is 503
///   `{"message":"Service Unavailable"}`. Users of HTTP APIs report this response, and not the 504 of REST APIs
///   (`github.com/anomalyco/sst`, issue 2232). The invocation continues.
/// - If the function is at its concurrency limit, the response is also 503, as in this project's contract.
/// - If the function fails, exceeds its own timeout, does not exist, may not be invoked by this API, or returns an
///   invalid response, the response is 500 `{"message":"Internal Server Error"}`
///   (`github.com/denoland/deno_registry2`, issue 87, for the timeout).
/// - Requests to a queue are throttled like all others, and need no permission to invoke the function.
/// - Preflights and paths without a route are not throttled.
/// - The gateway's own errors also have CORS headers, so that a page can distinguish 429 from a network failure.
/// - The `Host` header is not checked, because pages of every origin may call an API.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<GatewayState>,
    apis: Arc<Mutex<HashMap<String, RunningApi>>>,
}

/// An API that is listening.
struct RunningApi {
    state: Arc<ApiState>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Gateway {
    /// Creates a gateway without APIs for the functions of `runner`.
    pub fn new(runner: Runner, region: String, account: String) -> Self {
        let (permissions, queue_sender) = (RwLock::default(), OnceLock::new());
        let shared = Arc::new(GatewayState { runner, region, account, permissions, queue_sender });
        Self { shared, apis: Arc::default() }
    }

    /// Sets the sender for messages to queues. Only the first call has an effect. Without a sender there are
    /// no queues.
    pub(crate) fn set_queue_sender(&self, queues: Arc<dyn QueueSender>) {
        self.shared.queue_sender.get_or_init(|| queues);
    }

    /// Creates an API, or changes a running one without dropping a request. Returns its port.
    ///
    /// A new API listens on `port` if it is free, or else on the first free port from [`FIRST_PORT`] upwards. A
    /// running API keeps its port.
    pub async fn put(
        &self,
        name: &str,
        api_id: &str,
        frontend: FrontendSpec<'_>,
        port: Option<u16>,
    ) -> Result<u16, Fault> {
        let mut apis = self.apis.lock().await;
        if let Some(api) = apis.get(name) {
            let settings = ApiSettings::new(api_id, frontend, Some(&api.state.settings()))?;
            *write(&api.state.settings) = Arc::new(settings);
            return Ok(api.state.port);
        }
        let settings = RwLock::new(Arc::new(ApiSettings::new(api_id, frontend, None)?));
        let (listener, port) = server::listen(port).await?;
        let state = Arc::new(ApiState { gateway: Arc::clone(&self.shared), port, settings });
        let stop = CancellationToken::new();
        let task = tokio::spawn(server::serve(listener, Arc::clone(&state), stop.clone()));
        apis.insert(name.to_owned(), RunningApi { state, stop, task });
        Ok(port)
    }

    /// Removes an API. Its port is free at once, and open requests are completed.
    pub async fn delete(&self, name: &str) {
        let removed = self.apis.lock().await.remove(name);
        stop_apis(removed).await;
    }

    /// Allows an API to invoke a function. Without this permission the API returns 500, as on AWS.
    pub fn permit(&self, api_id: &str, function_name: &str) {
        write(&self.shared.permissions)
            .entry(api_id.to_owned())
            .or_default()
            .insert(function_name.to_owned());
    }

    /// Revokes the permission that [`Gateway::permit`] granted.
    pub fn revoke(&self, api_id: &str, function_name: &str) {
        let mut permissions = write(&self.shared.permissions);
        if let Some(functions) = permissions.get_mut(api_id) {
            functions.remove(function_name);
            if functions.is_empty() {
                permissions.remove(api_id);
            }
        }
    }

    /// Removes every API.
    pub async fn stop(&self) {
        let all: Vec<RunningApi> = self.apis.lock().await.drain().map(|(_, api)| api).collect();
        stop_apis(all).await;
    }
}

/// Stops APIs concurrently. Each stops within its own time limit.
async fn stop_apis(apis: impl IntoIterator<Item = RunningApi>) {
    let all: Vec<RunningApi> = apis.into_iter().inspect(|api| api.stop.cancel()).collect();
    for api in all {
        drop(api.task.await);
    }
}
