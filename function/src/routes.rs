//! The routes: turn a request into a response, using the store. The store does all I/O, and the caller passes
//! the time.

mod badge;
mod counter;
mod counts_json;
mod hit;
mod outcome;
mod params;
mod read;
mod site_cache;

pub use crate::counter_config::CounterConfig;
pub use counter::Counter;
pub use outcome::RouteOutcome;

use hitctl_config::contract::{HEADER_BUILD, HEADER_IGNORED, MAX_BODY_BYTES};

use crate::http::{CachePolicy, CounterRequest, CounterResponse};
use crate::json::JsonObject;
use crate::moment::Moment;
use crate::store::{CounterStore, StoreError};
use crate::widget;
use badge::BadgeFormat;
use outcome::RouteError;

/// The methods that a route allows, and its handler.
type MethodsAndHandler<S> = (
    &'static [&'static str],
    fn(&mut Counter<S>, &CounterRequest, Moment) -> Result<RouteOutcome, RouteError>,
);

/// The page at `/`. Its script inserts the URL of the counter, which depends on the domain.
const PAGE: &str = include_str!("page.html");
/// The page loads nothing and cannot be framed.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'";

const READ_METHODS: &[&str] = &["GET", "HEAD"];

impl<S: CounterStore> Counter<S> {
    /// Handles a request at the time `now`.
    pub fn handle(&mut self, request: &CounterRequest, now: Moment) -> RouteOutcome {
        finish(self.route(request, now).unwrap_or_else(RouteError::into_outcome), request)
    }

    /// Returns the response to a request whose hit could not be forwarded.
    pub fn not_forwarded(&self, request: &CounterRequest, why: String) -> RouteOutcome {
        let error = RouteError::from(StoreError::Unavailable(why));
        let outcome = match BadgeFormat::of(&request.route) {
            Some(format) => format.error(error),
            None => error.into_outcome(),
        };
        finish(outcome, request)
    }

    fn route(&mut self, request: &CounterRequest, now: Moment) -> Result<RouteOutcome, RouteError> {
        let stats = self.config.public_stats;
        let (methods, handler): MethodsAndHandler<S> = match request.route.as_str() {
            "/counter" => (READ_METHODS, Self::counter),
            "/v1/hit" => (&["POST"], Self::hit),
            "/v1/count" => (READ_METHODS, Self::count),
            "/v1/badge.svg" | "/v1/badge.json" | "/v1/pixel.svg" => {
                (READ_METHODS, |counter, request, now| Ok(counter.picture(request, now)))
            }
            "/" => (READ_METHODS, |_, _, _| Ok(Self::page())),
            "/v1/widget.js" => (READ_METHODS, |counter, _, _| Ok(counter.widget())),
            "/v1/top" | "/api/counters" if stats => (READ_METHODS, Self::top),
            "/v1/series" if stats => (READ_METHODS, Self::series),
            "/healthz" => (READ_METHODS, |counter, _, _| Ok(counter.healthz())),
            _ => return Err(RouteError::new(404, "not_found", "there is no such route")),
        };
        if !methods.contains(&request.method.as_str()) {
            let message = format!("this route accepts only {}", methods.join(" and "));
            let mut error = RouteError::new(405, "method_not_allowed", &message);
            error.response = error.response.with_header("allow", methods.join(", "));
            return Err(error);
        }
        if request.body_bytes > MAX_BODY_BYTES {
            return Err(RouteError::new(413, "body_too_large", "the request body exceeds 2048 bytes"));
        }
        handler(self, request, now)
    }

    /// `/v1/widget.js`: returns the script that pages embed.
    fn widget(&self) -> RouteOutcome {
        let script = if self.config.queued { widget::QUEUED } else { widget::SCRIPT };
        RouteOutcome::new(CounterResponse::new(
            200,
            "text/javascript; charset=utf-8",
            CachePolicy::Day,
            script.to_owned(),
        ))
    }

    /// `/`: returns a page that explains what this URL is. It shows no counts and counts nothing.
    fn page() -> RouteOutcome {
        let response =
            CounterResponse::new(200, "text/html; charset=utf-8", CachePolicy::Day, PAGE.to_owned());
        RouteOutcome::new(response.with_header("content-security-policy", PAGE_POLICY))
    }

    /// `/healthz`: responds without accessing the table.
    fn healthz(&self) -> RouteOutcome {
        let mut response = CounterResponse::json(
            200,
            CachePolicy::NoStore,
            JsonObject::new().number("v", 1).raw("ok", "true").end(),
        );
        if let Some(build) = &self.config.build {
            response = response.with_header(HEADER_BUILD, build.clone());
        }
        RouteOutcome::new(response)
    }
}

/// Adds the headers that do not depend on the route. Turns the response into a 304 if the client has the current
/// body, and removes the body if the method is `HEAD`.
fn finish(mut outcome: RouteOutcome, request: &CounterRequest) -> RouteOutcome {
    if let Some(why) = outcome.ignored {
        outcome.response = outcome.response.with_header(HEADER_IGNORED, why.code());
    }
    outcome.response = outcome.response.with_etag(request.headers.if_none_match.as_deref());
    if request.method == "HEAD" {
        outcome.response.body.clear();
    }
    outcome
}

#[cfg(test)]
mod tests;
