//! The clients of API Gateway, and the calls on an HTTP API.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_apigatewayv2::Client;
use hitctl_engine::RetryPolicy;

use crate::aws::account::Aws;
use crate::aws::call::{ApiCall, CallContext};
use crate::aws::fault::NOT_FOUND;

/// The default stage, which has no name in URLs.
pub(super) const STAGE: &str = "$default";

/// The retries of reading a whole API.
pub(super) const READ: RetryPolicy = RetryPolicy::with_budget(Duration::from_mins(1));
/// The retries of a write. API Gateway takes ten calls per second from an account (AWS's guide, "Amazon API
/// Gateway quotas"). It returns 409 to some changes of one API that follow each other closely.
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
    /// The client for writes, without retries.
    pub(super) client: Client,
    /// The client for reads.
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
    /// Creates a call on a part of the API, or on the API itself if `part` is empty. It makes one attempt.
    pub(super) fn call(&self, verb: &'static str, part: &str, operation: &'static str) -> ApiCall<'a> {
        let of = if part.is_empty() { "" } else { " of " };
        self.cx.call_on(verb, format!("{part}{of}HTTP API {}", self.id), operation).once()
    }

    /// The same for an API that was found. Its missing parts are not visible yet, or the API is being
    /// deleted, so "not found" is retried.
    pub(super) fn call_existing(
        &self,
        verb: &'static str,
        part: &str,
        operation: &'static str,
    ) -> ApiCall<'a> {
        self.call(verb, part, operation).retry_on(NOT_FOUND)
    }
}
