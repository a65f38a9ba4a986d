//! What the control API says and hears, as data: shared by its server and its client.
//!
//! JSON over HTTP/1.1 on 127.0.0.1, with the token of `daemon.json` as a bearer. A failed call answers with a
//! [`Fault`](hitctl_engine::Fault).

use std::collections::BTreeMap;

use hitctl_engine::Outputs;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::invocation::Invocation;
pub use crate::logs::{LogEvent, Page as LogPage};

/// `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's process.
    pub pid: u32,
    /// Which build of the program it is.
    pub build_id: String,
    /// The base of the control API.
    pub control: String,
    /// The DynamoDB endpoint.
    pub table: String,
    /// The state directory.
    pub state_dir: String,
    /// When it started, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// How many resources are deployed.
    pub resources: usize,
    /// What the user should know: a port that had to move, a resource that could not be brought back.
    pub notices: Vec<String>,
}

/// A resource as it is deployed: `GET /v1/resources/KIND/NAME`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Its settings, as they were put.
    pub spec: Json,
    /// What it offers to others.
    pub outputs: Outputs,
}

/// `GET /v1/resources`: by kind, then by name.
pub type Resources = BTreeMap<String, BTreeMap<String, Stored>>;

/// The body of `PUT /v1/resources/KIND/NAME`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Put {
    /// The settings, every reference resolved.
    pub spec: Json,
}

/// `POST /v1/functions/NAME/invocations`; the payload is JSON, or the text that the function answered.
pub type Invoked = Invocation<Json>;

/// One of `GET /v1/invalidations`: what the recorder of `CloudFront` was asked, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invalidation {
    /// `CloudFront`'s id of it.
    pub id: String,
    /// The distribution.
    pub distribution: String,
    /// What the caller calls it.
    pub caller_reference: String,
    /// What is invalidated.
    pub paths: Vec<String>,
    /// When it was asked for, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// `InProgress` or `Completed`.
    pub status: String,
}

/// The body of `PUT /v1/invalidations`: how this cloud's `CloudFront` behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// How long invalidations take, in seconds. They are done at once by default.
    pub in_progress_s: u32,
}

/// The header that carries the token.
pub(crate) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}
