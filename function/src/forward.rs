//! Forwards hits from the reader to the counter function, by asynchronous `Invoke` calls. Lambda queues the
//! events and retries for six hours if the counter function is busy.

use std::time::{Duration, Instant};

use crate::aws::{AwsRestClient, AwsRestError};
use crate::settings::LambdaTarget;

/// Sends an event to the counter function, with retries until `deadline`. If the response is lost, the event
/// is sent again, so that a hit may arrive twice but is not lost. The error is a text for the log.
pub fn send(
    client: &mut AwsRestClient,
    counter: &LambdaTarget,
    event: &str,
    deadline: Instant,
) -> Result<(), String> {
    let LambdaTarget { function, alias } = counter;
    let qualifier = alias.as_ref().map(|alias| format!("?Qualifier={alias}")).unwrap_or_default();
    let path = format!("/2015-03-31/functions/{function}/invocations{qualifier}");
    let headers = [("content-type", "application/json"), ("x-amz-invocation-type", "Event")];
    client.send_with_retries(&path, &headers, event, deadline, Duration::from_millis(50), &|response| {
        let status = response.status;
        if status == 202 {
            return Ok(());
        }
        let id = response.header("x-amzn-requestid").unwrap_or("unknown");
        let kind = response.header("x-amzn-errortype").unwrap_or("no code");
        let why = format!("lambda Invoke: status {status} {kind} (request {id})");
        Err(AwsRestError { why, is_retryable: status >= 500 || status == 429 })
    })
}
