//! The HTTP API in front of the function: api, integration, routes and stage as one resource.

use std::collections::{BTreeMap, BTreeSet};

use hitctl_engine::Value;
use serde::{Deserialize, Serialize};

use crate::cors::Cors;
use crate::spec::Spec;
use crate::tags::Tags;

/// An HTTP API (API Gateway v2) whose routes go to one function or two, with payload format 2.0, and to one queue, if it
/// says so; on the stage `$default`.
///
/// Outputs: `api_id`, which the server picks, `call_arn`, as which it calls the function, and `url`, without a trailing
/// slash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpApiSpec {
    /// The function that answers.
    pub function_arn: Value<String>,
    /// Route keys, such as `GET /counter`. What matches none is answered 404 by the gateway.
    pub routes: BTreeSet<String>,
    /// The routes that another function answers.
    #[serde(default)]
    pub reader: Option<Reader>,
    /// What goes to a queue without asking the function.
    #[serde(default)]
    pub ingest: Option<Ingest>,
    /// Who may ask from a browser.
    pub cors: Cors,
    /// How much the stage lets through.
    pub throttle: Throttle,
    /// Its tags.
    pub tags: Tags,
}

/// A second function behind the API, and its routes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reader {
    /// The function that answers.
    pub function_arn: Value<String>,
    /// Route keys; none of them is among those of the first function.
    pub routes: BTreeSet<String>,
}

/// A route that puts each request's body on a queue: the integration `SQS-SendMessage`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ingest {
    /// The route key; it is more specific than those of the function, and wins.
    pub route: String,
    /// The queue.
    pub queue_url: Value<String>,
    /// The role as which the API sends.
    pub role_arn: Value<String>,
    /// The message's attributes, by name, each the variable of the request that it is taken from, such as
    /// `context.identity.sourceIp`.
    pub attributes: BTreeMap<String, String>,
}

/// A token bucket. Both numbers are always sent: one alone means zero for the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Throttle {
    /// Requests a second, in the long run.
    pub rate_per_second: f64,
    /// Requests at once.
    pub burst: u32,
}

impl Spec for HttpApiSpec {
    const KIND: &'static str = "http_api";
}
