//! The settings of the HTTP API in front of the function: API, integrations, routes and stage as one
//! resource.

use std::collections::{BTreeMap, BTreeSet};

use hitctl_engine::SpecValue;
use serde::{Deserialize, Serialize};

use crate::cors::Cors;
use crate::spec::Spec;
use crate::tags::Tags;

/// An HTTP API (API Gateway v2) on the stage `$default`. Its routes invoke one or two functions with payload
/// format 2.0, and optionally send requests to a queue.
///
/// Outputs: `api_id`, which AWS chooses; `call_arn`, the source ARN of its invocations; and `url`, without a
/// trailing slash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpApiSpec {
    /// The ARN of the function.
    pub function_arn: SpecValue<String>,
    /// The route keys, such as `GET /counter`. The gateway responds with 404 to requests that match none.
    pub routes: BTreeSet<String>,
    /// The routes of a second function.
    #[serde(default)]
    pub reader: Option<ReaderRoutes>,
    /// The route that sends requests to a queue.
    #[serde(default)]
    pub ingest: Option<IngestRoute>,
    /// The access from browsers.
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
    /// The route key. It is more specific than those of the function and takes precedence.
    pub route: String,
    /// The URL of the queue.
    pub queue_url: SpecValue<String>,
    /// The role that the API assumes to send messages.
    pub role_arn: SpecValue<String>,
    /// The attributes of the message by name. Each value is a variable of the request, such as
    /// `context.identity.sourceIp`.
    pub attributes: BTreeMap<String, String>,
}

/// A token bucket. Both numbers are always sent: if one is missing, AWS takes zero for it.
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
