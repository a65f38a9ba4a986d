//! The HTTP API in front of the function: api, integration, routes and stage as one resource.

#[cfg(feature = "aws")]
pub(crate) mod aws;

use std::collections::BTreeSet;

use hitctl_engine::Value;
use serde::{Deserialize, Serialize};

use crate::{Cors, Spec, Tags};

/// An HTTP API (API Gateway v2) whose routes all go to one function, with payload format 2.0, on the stage `$default`.
///
/// Outputs: `api_id`, which the server picks, and `url`, without a trailing slash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpApiSpec {
    /// The function that answers.
    pub function_arn: Value<String>,
    /// Route keys, such as `GET /counter`. What matches none is answered 404 by the gateway.
    pub routes: BTreeSet<String>,
    /// Who may ask from a browser.
    pub cors: Cors,
    /// How much the stage lets through.
    pub throttle: Throttle,
    /// Its tags.
    pub tags: Tags,
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
