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
mod handle;
mod ingest;
mod routes;
mod server;
mod text;
mod throttle;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Instant;

use hitctl_engine::Fault;
use hitctl_resources::{Cors, FunctionUrlSpec, HttpApiSpec, Throttle};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::lambda::Runner;
use crate::lock::{read, write};
use crate::post::Post;
use cors::Rules;
use ingest::Ingest;
use routes::Routes;
pub use server::FIRST_PORT;
use throttle::Bucket;

/// The HTTP APIs of this machine. Clones are the same gateway.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    runner: Runner,
    region: String,
    account: String,
    apis: Mutex<HashMap<String, Api>>,
    /// Which functions an API may call, by the API's id.
    permits: RwLock<HashMap<String, HashSet<String>>>,
    /// The queues, for what goes to them without a function.
    post: OnceLock<Arc<dyn Post>>,
}

/// A listening API.
struct Api {
    front: Arc<Front>,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

/// What the connections of one API see.
struct Front {
    gateway: Arc<Inner>,
    port: u16,
    settings: RwLock<Arc<Settings>>,
}

impl Front {
    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&read(&self.settings))
    }
}

/// What stands in front of a function.
#[derive(Clone, Copy, Debug)]
pub enum Door<'a> {
    /// An HTTP API: routes, a throttle, and a permission of its own.
    Api(&'a HttpApiSpec),
    /// A function URL: every path and method, no throttle, and statements that come with it.
    Url(&'a FunctionUrlSpec),
}

/// A spec, ready to be served.
struct Settings {
    api_id: String,
    function: String,
    /// The function that answers some of the routes, and their keys.
    reader: Option<(String, BTreeSet<String>)>,
    routes: Routes,
    ingest: Option<Ingest>,
    cors: Rules,
    bucket: Bucket,
    /// Whether it is a function URL, which has statuses of its own and asks for no further permission.
    is_url: bool,
}

impl<'a> Door<'a> {
    fn function(self) -> Option<&'a str> {
        match self {
            Self::Api(spec) => name_in(spec.function_arn.get()?),
            Self::Url(spec) => spec.function_name.get().map(String::as_str),
        }
    }

    fn routes(self) -> Result<Routes, Fault> {
        match self {
            Self::Api(spec) => {
                let of_reader = spec.reader.iter().flat_map(|reader| &reader.routes);
                let of_queue = spec.ingest.as_ref().map(|ingest| &ingest.route);
                Routes::parse(spec.routes.iter().chain(of_reader).chain(of_queue))
            }
            Self::Url(_) => Routes::parse(&["$default".to_owned()]),
        }
    }

    fn reader(self) -> Result<Option<(String, BTreeSet<String>)>, Fault> {
        let Self::Api(HttpApiSpec { reader: Some(reader), .. }) = self else { return Ok(None) };
        let function = reader.function_arn.get().and_then(|arn| name_in(arn)).ok_or_else(no_function)?;
        Ok(Some((function.to_owned(), reader.routes.clone())))
    }

    fn ingest(self) -> Result<Option<Ingest>, Fault> {
        match self {
            Self::Api(spec) => spec.ingest.as_ref().map(Ingest::new).transpose(),
            Self::Url(_) => Ok(None),
        }
    }

    fn cors(self) -> &'a Cors {
        match self {
            Self::Api(spec) => &spec.cors,
            Self::Url(spec) => &spec.cors,
        }
    }

    /// A function URL has none: its bucket is one that never empties.
    fn throttle(self) -> Throttle {
        match self {
            Self::Api(spec) => spec.throttle.clone(),
            Self::Url(_) => Throttle { rate_per_second: f64::from(u32::MAX), burst: u32::MAX },
        }
    }
}

impl Settings {
    fn new(api_id: &str, door: Door<'_>, before: Option<&Self>) -> Result<Self, Fault> {
        let function = door.function().ok_or_else(no_function)?;
        let is_url = matches!(door, Door::Url(_));
        Ok(Self {
            api_id: api_id.to_owned(),
            function: function.to_owned(),
            reader: door.reader()?,
            routes: door.routes()?,
            ingest: door.ingest()?,
            cors: Rules::new(door.cors()),
            bucket: Bucket::new(&door.throttle(), before.map(|before| &before.bucket), Instant::now()),
            is_url,
        })
    }
}

impl Settings {
    /// The function that answers a route.
    fn function(&self, route: &str) -> &str {
        match &self.reader {
            Some((reader, routes)) if routes.contains(route) => reader,
            _ => &self.function,
        }
    }
}

/// The name of the function of an ARN. A version or alias may follow; here there is one version.
fn name_in(function_arn: &str) -> Option<&str> {
    function_arn.split_once(":function:")?.1.split(':').next()
}

fn no_function() -> Fault {
    Fault::fatal("bad_integration", "the HTTP API names no function")
}

impl Inner {
    fn permitted(&self, api_id: &str, function: &str) -> bool {
        read(&self.permits).get(api_id).is_some_and(|functions| functions.contains(function))
    }
}

impl Gateway {
    /// A gateway without APIs, in front of the functions of `runner`.
    pub fn new(runner: Runner, region: String, account: String) -> Self {
        let (apis, permits, post) = (Mutex::default(), RwLock::default(), OnceLock::new());
        Self { inner: Arc::new(Inner { runner, region, account, apis, permits, post }) }
    }

    /// Says where messages go. Only the first time counts; without it there are no queues.
    pub(crate) fn post_to(&self, queues: Arc<dyn Post>) {
        self.inner.post.get_or_init(|| queues);
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
        let mut apis = self.inner.apis.lock().await;
        if let Some(api) = apis.get(name) {
            let settings = Settings::new(api_id, door, Some(&api.front.settings()))?;
            *write(&api.front.settings) = Arc::new(settings);
            return Ok(api.front.port);
        }
        let settings = RwLock::new(Arc::new(Settings::new(api_id, door, None)?));
        let (listener, port) = server::listen(port).await?;
        let front = Arc::new(Front { gateway: Arc::clone(&self.inner), port, settings });
        let stop = CancellationToken::new();
        let served = tokio::spawn(server::serve(listener, Arc::clone(&front), stop.clone()));
        apis.insert(name.to_owned(), Api { front, stop, served });
        Ok(port)
    }

    /// Removes an API: its port is free at once, and open requests are answered.
    pub async fn delete(&self, name: &str) {
        let removed = self.inner.apis.lock().await.remove(name);
        if let Some(Api { stop, served, .. }) = removed {
            stop.cancel();
            // It ends within its own bounds.
            drop(served.await);
        }
    }

    /// Lets an API call a function. Without it the API answers 500, as on AWS.
    pub fn permit(&self, api_id: &str, function_name: &str) {
        write(&self.inner.permits).entry(api_id.to_owned()).or_default().insert(function_name.to_owned());
    }

    /// Takes back what [`Gateway::permit`] gave.
    pub fn forbid(&self, api_id: &str, function_name: &str) {
        let mut permits = write(&self.inner.permits);
        if let Some(functions) = permits.get_mut(api_id) {
            functions.remove(function_name);
            if functions.is_empty() {
                permits.remove(api_id);
            }
        }
    }

    /// Removes every API.
    pub async fn stop(&self) {
        let all: Vec<Api> = self.inner.apis.lock().await.drain().map(|(_, api)| api).collect();
        for api in &all {
            api.stop.cancel();
        }
        for api in all {
            // It ends within its own bounds.
            drop(api.served.await);
        }
    }
}
