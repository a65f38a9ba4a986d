//! An EventBridge event bus, on AWS or in the local cloud.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_types::SdkConfig;
use hitctl_engine::Fault;
use hitctl_resources::aws::fault::{ApiOperation, ToFault as _};
use hitctl_stack::address;
use tokio_util::sync::CancellationToken;

use super::batch::{self, BatchCallResults, BatchSender, not_retryable};

/// The size that one call must stay below, in bytes by EventBridge's own formula:
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html>. The API reference says "less
/// than 1MB".
pub const MAX_EVENT_BYTES: usize = 1_000_000;
/// The size of an event's time in bytes, by the same formula.
const TIME_BYTES: usize = 14;
/// The error codes of events that EventBridge may accept later.
const TRANSIENT_CODES: [&str; 3] = ["InternalException", "InternalFailure", "ThrottlingException"];

/// A client of an EventBridge bus, on AWS or on this machine.
#[derive(Debug)]
pub struct EventBus {
    client: Client,
    name: String,
}

/// An event for a bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusEvent {
    /// The source of the event.
    pub source: String,
    /// The detail type of the event.
    pub detail_type: String,
    /// The detail: the text of a JSON object.
    pub detail: String,
    /// The time of the event in milliseconds since 1970. `None` means now.
    pub time_ms: Option<i64>,
    /// The ARNs of the resources that the event concerns.
    pub resources: Vec<String>,
    /// An X-Ray trace header.
    pub trace_header: Option<String>,
}

impl BusEvent {
    /// Returns the size of the event in bytes, by EventBridge's own formula.
    pub fn bytes(&self) -> usize {
        self.source.len()
            + self.detail_type.len()
            + self.detail.len()
            + self.time_ms.map_or(0, |_| TIME_BYTES)
            + self.resources.iter().map(String::len).sum::<usize>()
    }

    /// Splits events into batches for one call each, and keeps their order.
    pub fn batches(events: &[Self]) -> Vec<&[Self]> {
        batch::batches(events, Self::bytes, |bytes| bytes < MAX_EVENT_BYTES)
    }
}

impl EventBus {
    /// Creates a client for the bus `name`, without sending a request.
    pub(super) fn new(config: &SdkConfig, name: &str) -> Self {
        Self { client: Client::new(config), name: name.to_owned() }
    }

    /// Puts at most ten events on the bus. Returns the event ID or the fault of each. Events that EventBridge
    /// rejects with a transient error are retried.
    pub async fn put_events(
        &self,
        events: &[BusEvent],
        stop: &CancellationToken,
    ) -> Vec<Result<String, Fault>> {
        let sender = BatchSender {
            address: address::event_rule(),
            stop,
            progress_text: "putting events",
            missing_result: Fault::fatal("unanswered", "EventBridge returned no result for some events"),
            unsent_message: "the event was not sent",
        };
        let send = |pending: Vec<usize>| async move {
            let entries = pending.iter().map(|index| self.entry(&events[*index])).collect();
            let response = self.client.put_events().set_entries(Some(entries)).send().await;
            let operation =
                ApiOperation::new("put events on", format!("the bus {}", self.name), "events:PutEvents");
            // The SDK has already retried the call.
            let response = response.map_err(|error| not_retryable(error.to_fault(&operation)))?;
            let mut results = BatchCallResults { completed: Vec::new(), retry_reason: None };
            // The results are in the order of the entries.
            for (index, result) in pending.into_iter().zip(response.entries()) {
                let Some(code) = result.error_code() else {
                    results.completed.push((index, Ok(result.event_id().unwrap_or_default().to_owned())));
                    continue;
                };
                let why = result.error_message().unwrap_or(code);
                let why = format!("EventBridge rejected the event: {why}");
                if TRANSIENT_CODES.contains(&code) {
                    results.retry_reason = Some(Fault::transient(code.to_owned(), why));
                } else {
                    results.completed.push((index, Err(Fault::fatal(code.to_owned(), why))));
                }
            }
            Ok(results)
        };
        sender.send_all(events.len(), send).await
    }

    fn entry(&self, event: &BusEvent) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(&event.source)
            .detail_type(&event.detail_type)
            .detail(&event.detail)
            .set_time(event.time_ms.map(DateTime::from_millis))
            .set_resources(Some(event.resources.clone()).filter(|all| !all.is_empty()))
            .set_trace_header(event.trace_header.clone())
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_batches_are_limited_in_count_and_bytes() {
        let sizes = |bytes: &[usize]| {
            let event = |n: &usize| BusEvent { detail: "x".repeat(*n), ..BusEvent::default() };
            let events: Vec<_> = bytes.iter().map(event).collect();
            BusEvent::batches(&events).iter().map(|batch| batch.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[]), [0_usize; 0]);
        assert_eq!(sizes(&[1; 11]), [10, 1]);
        assert_eq!(sizes(&[400_000; 5]), [2, 2, 1]);
    }

    #[test]
    fn event_size_follows_documented_formula() {
        let event = BusEvent {
            source: "abc".to_owned(),
            detail_type: "de".to_owned(),
            detail: "{}".to_owned(),
            time_ms: Some(0),
            resources: vec!["arn".to_owned()],
            trace_header: None,
        };
        assert_eq!(event.bytes(), 3 + 2 + 2 + 14 + 3);
    }
}
