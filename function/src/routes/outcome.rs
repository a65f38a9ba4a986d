//! The result of a request: the response, and details for the log.

use crate::http::CounterResponse;
use crate::json::JsonObject;
use crate::path::{PageKey, PathError};
use crate::rules::IgnoreReason;
use crate::store::StoreError;
use crate::trigger::ForwardedHit;

/// A response, and details for the log.
#[derive(Debug)]
pub struct RouteOutcome {
    /// The response to send.
    pub response: CounterResponse,
    /// The page that was counted or read, if any.
    pub key: Option<PageKey>,
    /// Whether a hit was counted.
    pub counted: bool,
    /// The reason why the view was not counted; `None` if it was counted or the request only read.
    pub ignored: Option<IgnoreReason>,
    /// The error of the store, if it failed.
    pub store_error: Option<StoreError>,
    /// The hit that has to be forwarded to the counter function before the response is sent.
    pub forward: Option<Box<ForwardedHit>>,
}

impl RouteOutcome {
    pub(super) fn new(response: CounterResponse) -> Self {
        Self { response, key: None, counted: false, ignored: None, store_error: None, forward: None }
    }

    pub(super) fn for_page(response: CounterResponse, key: Option<PageKey>) -> Self {
        Self { key, ..Self::new(response) }
    }
}

/// An error that ends the handling of a request.
#[derive(Debug)]
pub(super) struct RouteError {
    pub(super) response: CounterResponse,
    /// The error code, for badges.
    pub(super) code: String,
    pub(super) store_error: Option<StoreError>,
    pub(super) forward: Option<Box<ForwardedHit>>,
}

impl RouteError {
    pub(super) fn new(status: u16, code: &str, message: &str) -> Self {
        let response = CounterResponse::error(status, code, message);
        Self { response, code: code.to_owned(), store_error: None, forward: None }
    }

    pub(super) fn into_outcome(self) -> RouteOutcome {
        let Self { response, store_error, forward, .. } = self;
        RouteOutcome { store_error, forward, ..RouteOutcome::new(response) }
    }

    /// Returns a 503 for a failed store, to be retried after `after_s` seconds.
    pub(super) fn retry_later(store_error: StoreError, after_s: u64) -> Self {
        let (code, message) = match store_error {
            StoreError::Throttled(_) => ("busy", "too many requests; retry in a second"),
            StoreError::Unavailable(_) => {
                ("unavailable", "the counts are unavailable; retry in a few seconds")
            }
            StoreError::TooLarge(_) => {
                ("too_many_pages", "the site has too many pages to sum up; request single paths")
            }
        };
        let mut error = Self::new(503, code, message);
        error.response = error.response.with_header("retry-after", after_s.to_string());
        Self { store_error: Some(store_error), ..error }
    }

    /// Returns a 403 for a page of another origin. `why` is set if the request was meant to count.
    pub(super) fn foreign_origin(message: &str, why: Option<IgnoreReason>) -> Self {
        let mut error = Self::new(403, "origin_not_allowed", message);
        if let Some(why) = why {
            let body = JsonObject::new().text("error", "origin_not_allowed").text("message", message);
            error.response.body = body.raw("counted", "false").text("why", why.code()).end();
        }
        error
    }
}

impl From<PathError> for RouteError {
    fn from(why: PathError) -> Self {
        let status = if why.code() == "path_too_long" { 414 } else { 400 };
        Self::new(status, why.code(), &why.to_string())
    }
}

impl From<StoreError> for RouteError {
    fn from(store_error: StoreError) -> Self {
        let after_s = match store_error {
            StoreError::Throttled(_) => 1,
            StoreError::Unavailable(_) | StoreError::TooLarge(_) => 5,
        };
        Self::retry_later(store_error, after_s)
    }
}
