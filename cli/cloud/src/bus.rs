//! An EventBridge bus, on AWS or on this machine: events are put on it.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_types::SdkConfig;
use hitctl_engine::Fault;
use hitctl_resources::aws::fault::{Doing, ToFault as _};
use hitctl_stack::address;
use tokio_util::sync::CancellationToken;

use super::batch::{self, CallResults, Sending, settled};

/// The most bytes in one call, by EventBridge's own count: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html>.
/// Its reference says "less than 1MB".
pub const MOST_EVENT_BYTES: usize = 1_000_000;
/// What a time counts for.
const TIME_BYTES: usize = 14;
/// What it says of an event that it may take later.
const PASSING: [&str; 3] = ["InternalException", "InternalFailure", "ThrottlingException"];

/// A bus.
#[derive(Debug)]
pub struct Bus {
    client: Client,
    name: String,
}

/// An event to be put on a bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusEvent {
    /// Who sends it.
    pub source: String,
    /// What kind it is.
    pub detail_type: String,
    /// What it is about: the text of a JSON object.
    pub detail: String,
    /// When it happened, in milliseconds since 1970; else now.
    pub time_ms: Option<i64>,
    /// The ARNs of what it is about.
    pub resources: Vec<String>,
    /// An X-Ray trace header.
    pub trace_header: Option<String>,
}

impl BusEvent {
    /// How much of a call it takes, by EventBridge's own count.
    pub fn bytes(&self) -> usize {
        self.source.len()
            + self.detail_type.len()
            + self.detail.len()
            + self.time_ms.map_or(0, |_| TIME_BYTES)
            + self.resources.iter().map(String::len).sum::<usize>()
    }

    /// Events as they are sent together, in their order.
    pub fn batches(events: &[Self]) -> Vec<&[Self]> {
        batch::batches(events, Self::bytes, |bytes| bytes < MOST_EVENT_BYTES)
    }
}

impl Bus {
    /// The bus of that name, by a client's settings.
    pub(super) fn new(config: &SdkConfig, name: &str) -> Self {
        Self { client: Client::new(config), name: name.to_owned() }
    }

    /// Puts events on it, at most ten, and says of each which id it got, or why it was not taken. What
    /// EventBridge did not take just now is sent again for a while.
    pub async fn put(&self, events: &[BusEvent], stop: &CancellationToken) -> Vec<Result<String, Fault>> {
        let sending = Sending {
            address: address::event_rule(),
            stop,
            doing: "putting events",
            unanswered: Fault::fatal("unanswered", "EventBridge did not say what became of some events"),
            unsent: "the event was not sent",
        };
        let send = |left: Vec<usize>| async move {
            let entries = left.iter().map(|n| self.entry(&events[*n])).collect();
            let answer = self.client.put_events().set_entries(Some(entries)).send().await;
            let doing = Doing::new("put events on", format!("the bus {}", self.name), "events:PutEvents");
            // The SDK has sent it again already.
            let answer = answer.map_err(|error| settled(error.fault(&doing)))?;
            let mut results = CallResults { settled: Vec::new(), busy: None };
            // Results come in the order of the entries.
            for (n, result) in left.into_iter().zip(answer.entries()) {
                let Some(code) = result.error_code() else {
                    results.settled.push((n, Ok(result.event_id().unwrap_or_default().to_owned())));
                    continue;
                };
                let why = result.error_message().unwrap_or(code);
                let why = format!("EventBridge did not take an event: {why}");
                if PASSING.contains(&code) {
                    results.busy = Some(Fault::transient(code.to_owned(), why));
                } else {
                    results.settled.push((n, Err(Fault::fatal(code.to_owned(), why))));
                }
            }
            Ok(results)
        };
        sending.send_all(events.len(), send).await
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
    fn what_is_put_together_is_bounded_in_number_and_in_bytes() {
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
    fn the_size_is_that_of_the_documentation() {
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
