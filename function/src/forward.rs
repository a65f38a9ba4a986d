//! Lambda's one call that the reader makes: an asynchronous `Invoke` of the counter. Lambda queues the event, and tries again for
//! six hours where the counter is busy.

use std::time::{Duration, Instant};

use crate::aws::{Refusal, Rest};
use crate::settings::Target;

/// Sends an event to the counter until `deadline`. Where an answer was lost it is sent again, so that a hit may arrive twice
/// and none is missing. The error is a sentence for the log.
pub fn send(rest: &mut Rest, counter: &Target, event: &str, deadline: Instant) -> Result<(), String> {
    let Target { function, alias } = counter;
    let qualifier = alias.as_ref().map(|alias| format!("?Qualifier={alias}")).unwrap_or_default();
    let path = format!("/2015-03-31/functions/{function}/invocations{qualifier}");
    let headers = [("content-type", "application/json"), ("x-amz-invocation-type", "Event")];
    rest.post(&path, &headers, event, deadline, Duration::from_millis(50), &|response| {
        let status = response.status;
        if status == 202 {
            return Ok(());
        }
        let id = response.header("x-amzn-requestid").unwrap_or("unknown");
        let kind = response.header("x-amzn-errortype").unwrap_or("no code");
        let why = format!("lambda Invoke: status {status} {kind} (request {id})");
        Err(Refusal { why, may_pass: status >= 500 || status == 429 })
    })
}
