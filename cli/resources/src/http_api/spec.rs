//! The settings of the HTTP API in front of the function. An API, its integrations, routes and stage are one
//! resource.

use std::collections::{BTreeMap, BTreeSet};

use hitctl_engine::SpecValue;
use serde::{Deserialize, Serialize};

use crate::cors::Cors;
use crate::spec::Spec;
use crate::tags::Tags;

/// An HTTP API (API Gateway v2) with the stage `$default`. Its routes invoke one or two functions with payload format
/// 2.0. One more route may send requests to a queue.
///
/// Outputs: `api_id`, which AWS chooses; `call_arn`, the source ARN when the API invokes a function; and `url`, without
/// a trailing slash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpApiSpec {
    /// The ARN of the function.
    pub function_arn: SpecValue<String>,
    /// The route keys, such as `GET /counter`. The gateway responds with 404 to requests that match no route.
    pub routes: BTreeSet<String>,
    /// The routes of a second function.
    #[serde(default)]
    pub reader: Option<ReaderRoutes>,
    /// The route that sends requests to a queue.
    #[serde(default)]
    pub ingest: Option<IngestRoute>,
    /// The cross-origin access from browsers.
    pub cors: Cors,
    /// The throttle of the stage.
    pub throttle: Throttle,
    /// The tags of the API.
    pub tags: Tags,
}

/// A second function behind the API, with its routes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReaderRoutes {
    /// The ARN of the function.
    pub function_arn: SpecValue<String>,
    /// The route keys. None of them is a key of the first function.
    pub routes: BTreeSet<String>,
}

/// A route that puts the body of each request on a queue: the integration `SQS-SendMessage`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IngestRoute {
    /// The route key. It takes precedence over the routes of the functions, because it is more specific.
    pub route: String,
    /// The URL of the queue.
    pub queue_url: SpecValue<String>,
    /// The ARN of the role that the API assumes to send messages.
    pub role_arn: SpecValue<String>,
    /// The attributes of the message by name. Each value is a variable of the request, such as
    /// `context.identity.sourceIp`.
    pub attributes: BTreeMap<String, String>,
}

/// The throttle of a stage, which is a token bucket. Both numbers are always sent, because AWS treats a missing number
/// as zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Throttle {
    /// The sustained rate in requests per second.
    pub rate_per_second: f64,
    /// The maximum burst of requests.
    pub burst: u32,
}

impl Spec for HttpApiSpec {
    const KIND: &'static str = "http_api";
}
