//! The messages of the control API, shared by its server and its client.
//!
//! The API is JSON over HTTP/1.1 on 127.0.0.1, with the token of `daemon.json` as a bearer token. A failed
//! call returns a [`Fault`](hitctl_engine::Fault).

use std::collections::BTreeMap;

use hitctl_engine::Outputs;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::invocation::Invocation;
pub use crate::logs::{LogEvent, LogEventPage};

/// The response of `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// The process id of the daemon.
    pub pid: u32,
    /// The build of the daemon's program.
    pub build_id: String,
    /// The base URL of the control API.
    pub control: String,
    /// The URL of the endpoint for DynamoDB and the other AWS services.
    pub table: String,
    /// The state directory.
    pub state_dir: String,
    /// The start time, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// The number of deployed resources.
    pub resources: usize,
    /// Notices for the user, such as a port that had to change or a resource that could not be restored.
    pub notices: Vec<String>,
}

/// A deployed resource: the response of `GET /v1/resources/KIND/NAME`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeployedResource {
    /// The settings from the last `PUT`.
    pub spec: Json,
    /// The values that other resources can refer to.
    pub outputs: Outputs,
}

/// The response of `GET /v1/resources`: resources by kind, then by name.
pub type DeployedResources = BTreeMap<String, BTreeMap<String, DeployedResource>>;

/// The body of `PUT /v1/resources/KIND/NAME`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutResourceRequest {
    /// The settings, with every reference resolved.
    pub spec: Json,
}

/// The response of `POST /v1/functions/NAME/invocations`. The payload is JSON, or the text that the function
/// returned.
pub type JsonInvocation = Invocation<Json>;

/// An entry of the response of `GET /v1/invalidations`: an invalidation that `CloudFront` recorded, oldest
/// first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvalidationRecord {
    /// The id that `CloudFront` assigned.
    pub id: String,
    /// The id of the distribution.
    pub distribution: String,
    /// The reference that the caller chose, unique per request.
    pub caller_reference: String,
    /// The paths to invalidate.
    pub paths: Vec<String>,
    /// The creation time, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// `InProgress` or `Completed`.
    pub status: String,
}

/// The body of `PUT /v1/invalidations`: the behavior of the local `CloudFront`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvalidationSettings {
    /// The time that an invalidation takes, in seconds. With the default of 0, it completes at once.
    pub in_progress_s: u32,
}

/// Returns the `Authorization` header for a token.
pub(crate) fn bearer_header(token: &str) -> String {
    format!("Bearer {token}")
}
