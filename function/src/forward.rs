//! Lambda's one call that the reader makes: an asynchronous `Invoke` of the counter. Lambda queues the event, and tries again for
//! six hours where the counter is busy.

use std::time::{Duration, Instant};

use crate::aws::{Rest, Unanswered};
use crate::settings::Target;

/// How often a hit is sent before it is given up.
const TRIES: u32 = 4;
const ANSWER_LIMIT: usize = 64 * 1024;

/// Sends an event to the counter until `deadline`. Where an answer was lost it is sent again, so that a hit may arrive twice
/// and none is missing. The error is a sentence for the log.
pub fn send(rest: &mut Rest, counter: &Target, event: &str, deadline: Instant) -> Result<(), String> {
    let Target { function, alias } = counter;
    let qualifier = alias.as_ref().map(|alias| format!("?Qualifier={alias}")).unwrap_or_default();
    let path = format!("/2015-03-31/functions/{function}/invocations{qualifier}");
    let headers = [("content-type", "application/json"), ("x-amz-invocation-type", "Event")];
    let mut tries = 0;
    loop {
        let why = match rest.exchange_with("POST", &path, &headers, event.as_bytes(), deadline, ANSWER_LIMIT)
        {
            Ok(response) if response.status == 202 => return Ok(()),
            Ok(response) => {
                let id = response.header("x-amzn-requestid").unwrap_or("unknown");
                let kind = response.header("x-amzn-errortype").unwrap_or("no code");
                let why = format!("lambda Invoke: status {} {kind} (request {id})", response.status);
                if response.status < 500 && response.status != 429 {
                    return Err(why);
                }
                why
            }
            Err(Unanswered(why)) => why,
        };
        tries += 1;
        if tries == TRIES || !rest.pause(Duration::from_millis(50) * 2_u32.pow(tries), deadline) {
            return Err(why);
        }
    }
}
