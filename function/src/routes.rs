//! The routes: a request in, an answer out, by way of the store. Pure but for the store; the time is passed in.

mod badge;
mod counter;
mod hit;
mod numbers;
mod outcome;
mod params;
mod read;
mod site;

pub use crate::setup::Setup;
pub use counter::Counter;
pub use outcome::Outcome;

use hitctl_config::contract::{HEADER_BUILD, HEADER_IGNORED, MAX_BODY_BYTES};

use crate::http::{Answer, Cache, Request};
use crate::json::Object;
use crate::moment::Moment;
use crate::store::{Store, StoreError};
use crate::widget;
use badge::Form;
use outcome::Stop;

/// A route: the methods it answers, and what answers them.
type Route<S> = (&'static [&'static str], fn(&mut Counter<S>, &Request, Moment) -> Result<Outcome, Stop>);

const READING: &[&str] = &["GET", "HEAD"];

impl<S: Store> Counter<S> {
    /// Answers a request at the time `now`.
    pub fn answer(&mut self, request: &Request, now: Moment) -> Outcome {
        finish(self.route(request, now).unwrap_or_else(Stop::outcome), request)
    }

    /// Answers a request whose hit could not be forwarded.
    pub fn not_forwarded(&self, request: &Request, why: String) -> Outcome {
        let stop = Stop::from(StoreError::Unavailable(why));
        let outcome = match Form::of(&request.route) {
            Some(form) => form.error(stop),
            None => stop.outcome(),
        };
        finish(outcome, request)
    }

    fn route(&mut self, request: &Request, now: Moment) -> Result<Outcome, Stop> {
        let stats = self.setup.public_stats;
        let (methods, route): Route<S> = match request.route.as_str() {
            "/counter" => (READING, Self::counter),
            "/v1/hit" => (&["POST"], Self::hit),
            "/v1/count" => (READING, Self::count),
            "/v1/badge.svg" | "/v1/badge.json" | "/v1/pixel.svg" => {
                (READING, |counter, request, now| Ok(counter.picture(request, now)))
            }
            "/v1/widget.js" => (READING, |counter, _, _| Ok(counter.widget())),
            "/v1/top" | "/api/counters" if stats => (READING, Self::top),
            "/v1/series" if stats => (READING, Self::series),
            "/healthz" => (READING, |counter, _, _| Ok(counter.healthz())),
            _ => return Err(Stop::new(404, "not_found", "there is no such route")),
        };
        if !methods.contains(&request.method.as_str()) {
            let message = format!("this route answers {} only", methods.join(" and "));
            let mut stop = Stop::new(405, "method_not_allowed", &message);
            stop.answer = stop.answer.with("allow", methods.join(", "));
            return Err(stop);
        }
        if request.body_bytes > MAX_BODY_BYTES {
            return Err(Stop::new(413, "body_too_large", "the request's body is over 2048 bytes"));
        }
        route(self, request, now)
    }

    /// `/v1/widget.js`: the script that pages embed.
    fn widget(&self) -> Outcome {
        let script = if self.setup.queued { widget::QUEUED } else { widget::SCRIPT };
        Outcome::of(Answer::new(200, "text/javascript; charset=utf-8", Cache::Day, script.to_owned()))
    }

    /// `/healthz`: answers without touching the table.
    fn healthz(&self) -> Outcome {
        let mut answer = Answer::json(200, Cache::No, Object::new().number("v", 1).raw("ok", "true").end());
        if let Some(build) = &self.setup.build {
            answer = answer.with(HEADER_BUILD, build.clone());
        }
        Outcome::of(answer)
    }
}

/// Adds what every answer has in common.
fn finish(mut outcome: Outcome, request: &Request) -> Outcome {
    if let Some(why) = outcome.ignored {
        outcome.answer = outcome.answer.with(HEADER_IGNORED, why.code());
    }
    outcome.answer = outcome.answer.unless_known(request.headers.if_none_match.as_deref());
    if request.method == "HEAD" {
        outcome.answer.body.clear();
    }
    outcome
}

#[cfg(test)]
mod tests;
