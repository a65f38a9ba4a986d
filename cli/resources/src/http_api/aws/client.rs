//! The API Gateway clients of the driver, and the calls on one HTTP API.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_apigatewayv2::Client;
use hitctl_engine::RetryPolicy;

use crate::aws::account::Aws;
use crate::aws::call::{ApiCall, CallContext};
use crate::aws::fault::NOT_FOUND;

/// The default stage, whose name does not appear in URLs.
pub(super) const STAGE: &str = "$default";

/// The retry policy for reading an API with all its parts.
pub(super) const READ: RetryPolicy = RetryPolicy::with_budget(Duration::from_mins(1));
/// The retry policy for writes. API Gateway accepts ten calls per second from an account (AWS's guide, "Amazon API
/// Gateway quotas"). It responds with 409 to some changes that follow another change of the same API closely.
pub(super) const WRITE: RetryPolicy = RetryPolicy {
    initial_delay: Duration::from_millis(200),
    max_delay: Duration::from_secs(2),
    attempt_timeout: Duration::from_mins(1),
    budget: Duration::from_mins(5),
};

/// The driver of HTTP APIs.
#[derive(Clone, Debug)]
pub(crate) struct HttpApiDriver {
    pub(super) aws: Arc<Aws>,
    /// The client for writes, without SDK retries.
    pub(super) client: Client,
    /// The client for reads, with SDK retries.
    pub(super) read_client: Client,
}

/// The calls on one API.
#[derive(Clone, Copy)]
pub(super) struct ApiCalls<'a> {
    pub(super) apis: &'a HttpApiDriver,
    pub(super) cx: &'a CallContext<'a>,
    pub(super) id: &'a str,
}

impl<'a> ApiCalls<'a> {
    /// Creates a call on a part of the API, or on the API itself if `part` is empty. The call makes one attempt.
    pub(super) fn call(&self, verb: &'static str, part: &str, operation: &'static str) -> ApiCall<'a> {
        let of = if part.is_empty() { "" } else { " of " };
        self.cx.call_on(verb, format!("{part}{of}HTTP API {}", self.id), operation).once()
    }

    /// Creates a call as [`call`](Self::call) does, for an API that exists. "Not found" is transient: the part is not
    /// visible yet, or the API is being deleted.
    pub(super) fn call_existing(
        &self,
        verb: &'static str,
        part: &str,
        operation: &'static str,
    ) -> ApiCall<'a> {
        self.call(verb, part, operation).retry_on(NOT_FOUND)
    }
}
