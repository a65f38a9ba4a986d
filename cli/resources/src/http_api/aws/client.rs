//! The clients of API Gateway, and what all calls on HTTP APIs share.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_apigatewayv2::Client;
use hitctl_engine::Wait;

use crate::aws::account::Aws;
use crate::aws::call::{Call, CallContext};
use crate::aws::fault::NOT_FOUND;

/// The stage that has no name in URLs.
pub(super) const STAGE: &str = "$default";

/// For a read of all of it.
pub(super) const READ: Wait = Wait::up_to(Duration::from_mins(1));
/// For a write. API Gateway takes ten calls a second from an account (AWS's guide, "Amazon API Gateway quotas"), and answers
/// 409 to some changes of one API that come close together.
pub(super) const WRITE: Wait = Wait {
    first: Duration::from_millis(200),
    longest: Duration::from_secs(2),
    attempt: Duration::from_mins(1),
    budget: Duration::from_mins(5),
};

/// HTTP APIs in AWS.
#[derive(Clone, Debug)]
pub(crate) struct HttpApis {
    pub(super) aws: Arc<Aws>,
    /// For calls that change something, each sent once.
    pub(super) client: Client,
    /// For calls that only look.
    pub(super) reader: Client,
}

/// One API, with the surroundings of the calls on it.
#[derive(Clone, Copy)]
pub(super) struct ApiCalls<'a> {
    pub(super) apis: &'a HttpApis,
    pub(super) cx: &'a CallContext<'a>,
    pub(super) id: &'a str,
}

impl<'a> ApiCalls<'a> {
    /// One attempt of a call on a part of the API, or on the API itself where the part is empty.
    pub(super) fn call(&self, verb: &'static str, part: &str, operation: &'static str) -> Call<'a> {
        let of = if part.is_empty() { "" } else { " of " };
        self.cx.call_on(verb, format!("{part}{of}HTTP API {}", self.id), operation).once()
    }

    /// The same of an API that was found: what does not exist in it is not visible everywhere yet, or is being deleted.
    pub(super) fn call_in(&self, verb: &'static str, part: &str, operation: &'static str) -> Call<'a> {
        self.call(verb, part, operation).retry_on(NOT_FOUND)
    }
}
