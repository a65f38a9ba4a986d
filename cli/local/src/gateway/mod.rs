//! API Gateway on this machine: HTTP APIs (v2) in front of functions, each on a loopback port of its own.
//!
//! Events, routes, CORS, throttling and limits are API Gateway's; `event`, `routes`, `cors` and `answer` say by which
//! page of its documentation. Where that is silent:
//!
//! - A function that takes longer than the integration's 30 s is answered 503 `{"message":"Service Unavailable"}`: users
//!   of HTTP APIs report that and not 504, which is what REST APIs say (`github.com/anomalyco/sst`, issue 2232). The
//!   invocation goes on.
//! - A function at its concurrency limit is 503 too, as in this project's contract. A function that fails, times out by
//!   itself, is not there, may not be called by this API or answers nonsense is 500
//!   `{"message":"Internal Server Error"}` (`github.com/denoland/deno_registry2`, issue 87, for the timeout).
//! - What goes to a queue is throttled like the rest, and needs no permission of the function's.
//! - Preflights are not throttled, and paths without a route neither.
//! - CORS headers are on the gateway's own errors too, so that a page can tell 429 from a broken network.
//!
//! The `Host` header is not checked: pages of every origin are meant to call. Nothing here knows what the function does.

mod answer;
mod cors;
mod event;
mod front;
mod handle;
mod ingest;
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
use front::{Front, Shared};
pub use server::FIRST_PORT;
pub use settings::Door;
use settings::Settings;

/// The HTTP APIs of this machine. Clones are the same gateway.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
    apis: Arc<Mutex<HashMap<String, Api>>>,
}

/// A listening API.
struct Api {
    front: Arc<Front>,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl Gateway {
    /// A gateway without APIs, in front of the functions of `runner`.
    pub fn new(runner: Runner, region: String, account: String) -> Self {
        let (permits, post) = (RwLock::default(), OnceLock::new());
        let shared = Arc::new(Shared { runner, region, account, permits, post });
        Self { shared, apis: Arc::default() }
    }

    /// Says where messages go. Only the first time counts; without it there are no queues.
    pub(crate) fn post_to(&self, queues: Arc<dyn QueueSender>) {
        self.shared.post.get_or_init(|| queues);
    }

    /// Makes an API, or changes a running one without dropping a request, and says the port that it listens on.
    ///
    /// A new API takes `port` when that is free, else the first free one from [`FIRST_PORT`] upwards; a running one keeps
    /// its own.
    pub async fn put(
        &self,
        name: &str,
        api_id: &str,
        door: Door<'_>,
        port: Option<u16>,
    ) -> Result<u16, Fault> {
        let mut apis = self.apis.lock().await;
        if let Some(api) = apis.get(name) {
            let settings = Settings::new(api_id, door, Some(&api.front.settings()))?;
            *write(&api.front.settings) = Arc::new(settings);
            return Ok(api.front.port);
        }
        let settings = RwLock::new(Arc::new(Settings::new(api_id, door, None)?));
        let (listener, port) = server::listen(port).await?;
        let front = Arc::new(Front { gateway: Arc::clone(&self.shared), port, settings });
        let stop = CancellationToken::new();
        let served = tokio::spawn(server::serve(listener, Arc::clone(&front), stop.clone()));
        apis.insert(name.to_owned(), Api { front, stop, served });
        Ok(port)
    }

    /// Removes an API: its port is free at once, and open requests are answered.
    pub async fn delete(&self, name: &str) {
        let removed = self.apis.lock().await.remove(name);
        end(removed).await;
    }

    /// Lets an API call a function. Without it the API answers 500, as on AWS.
    pub fn permit(&self, api_id: &str, function_name: &str) {
        write(&self.shared.permits).entry(api_id.to_owned()).or_default().insert(function_name.to_owned());
    }

    /// Takes back what [`Gateway::permit`] gave.
    pub fn forbid(&self, api_id: &str, function_name: &str) {
        let mut permits = write(&self.shared.permits);
        if let Some(functions) = permits.get_mut(api_id) {
            functions.remove(function_name);
            if functions.is_empty() {
                permits.remove(api_id);
            }
        }
    }

    /// Removes every API.
    pub async fn stop(&self) {
        let all: Vec<Api> = self.apis.lock().await.drain().map(|(_, api)| api).collect();
        end(all).await;
    }
}

/// Ends APIs, all at once. Each ends within its own bounds.
async fn end(apis: impl IntoIterator<Item = Api>) {
    let all: Vec<Api> = apis.into_iter().inspect(|api| api.stop.cancel()).collect();
    for api in all {
        drop(api.served.await);
    }
}
