//! The Lambda function: parses each event, counts its hits, and returns the response that the event's source
//! expects. The time comes from a clock that is passed in.

mod hit_invalidation;
mod objects;
mod services;

pub use services::AwsAccess;
use services::deadline;

use std::time::Duration;

use crate::aws::AwsRestClient;

use crate::batch::{self, BatchResult, MessageError};
use crate::forward;
use crate::http::CounterResponse;
use crate::invocation_error::InvocationError;
use crate::json::{JsonObject, list};
use crate::lambda::RuntimeInvocation;
use crate::log::{Level, LogField, Logger};
use crate::routes::{Counter, RouteOutcome};
use crate::serve::InvocationHandler;
use crate::settings::SourceSettings;
use crate::store::DynamoDbStore;
use crate::trigger::{EventReply, ForwardedHit, InboundMessage, TriggerEvent, forwarded, payload};

/// The remaining time of an invocation without a deadline: Lambda's default timeout of a function.
const DEFAULT_TIME_LEFT: Duration = Duration::from_secs(3);

/// The Lambda function: the counter, and the clients of the AWS services that it calls.
#[derive(Debug)]
pub struct CounterFunction {
    counter: Counter<DynamoDbStore>,
    settings: SourceSettings,
    access: AwsAccess,
    cloudfront: Option<AwsRestClient>,
    lambda: Option<AwsRestClient>,
    /// Whether this invocation counted any hits.
    has_hits: bool,
    /// The time before which this process does not try to claim another invalidation window, in seconds since
    /// 1970.
    not_before_s: u64,
}

impl CounterFunction {
    /// Creates the function with a counter.
    pub fn new(counter: Counter<DynamoDbStore>, settings: SourceSettings, access: AwsAccess) -> Self {
        Self { counter, settings, access, cloudfront: None, lambda: None, has_hits: false, not_before_s: 0 }
    }

    fn cloudfront(&mut self) -> Result<&mut AwsRestClient, String> {
        get_or_create(&mut self.cloudfront, || self.access.cloudfront(&self.settings))
    }

    fn time_left(&self, invocation: &RuntimeInvocation) -> Duration {
        invocation.deadline.map_or(DEFAULT_TIME_LEFT, |deadline| deadline.since((self.access.clock)()))
    }

    fn handle_request(
        &mut self,
        request: &crate::http::CounterRequest,
        invocation: &RuntimeInvocation,
        log: &mut Logger,
    ) -> String {
        let left = self.time_left(invocation);
        self.counter.store().set_request_deadline(left);
        let mut outcome = self.counter.handle(request, (self.access.clock)());
        if let Some(hit) = outcome.forward.take()
            && let Err(why) = self.forward(&hit, invocation)
        {
            outcome = self.counter.not_forwarded(request, why);
        }
        self.has_hits |= outcome.counted;
        self.log_warnings(invocation, log);
        log_outcome(log, &invocation.id, &outcome, &request.route);
        payload(&outcome.response)
    }

    /// Forwards a hit to the counter function.
    fn forward(&mut self, hit: &ForwardedHit, invocation: &RuntimeInvocation) -> Result<(), String> {
        let Some(counter) = self.settings.counter.clone() else {
            return Err("no counter function is configured".to_owned());
        };
        let until = deadline(self.time_left(invocation));
        let lambda = get_or_create(&mut self.lambda, || self.access.lambda(&self.settings))?;
        forward::send(lambda, &counter, &forwarded::encode(hit, &invocation.id), until)
    }

    /// Counts messages and logs the failures.
    fn count_messages(
        &mut self,
        messages: &[InboundMessage],
        invocation: &RuntimeInvocation,
        log: &mut Logger,
    ) -> BatchResult {
        let left = self.time_left(invocation);
        self.counter.store().set_batch_deadline(left);
        let now = (self.access.clock)();
        let mut counted = batch::count(&mut self.counter.batch_context(), messages, self.settings.exact, now);
        self.handle_objects(messages, invocation, &mut counted);
        self.has_hits |= counted.hits > 0;
        self.log_warnings(invocation, log);
        let id = Some(invocation.id.as_str());
        for warning in &counted.warnings {
            log.write_event(Level::Warn, id, warning);
        }
        for (index, failed) in &counted.failed {
            let message = match failed {
                MessageError::Malformed(_) => "message refused",
                MessageError::NotStored(_) => "message not counted",
            };
            let fields = [
                ("messageId", LogField::Text(&messages[*index].id)),
                ("cause", LogField::Text(failed.message())),
            ];
            log.write_line(Level::Error, id, message, &fields);
        }
        // All invalid hits share one log line, because anybody can send them.
        if let Some((index, why)) = counted.invalid.first() {
            let fields = [
                ("messages", LogField::Number(counted.invalid.len() as u64)),
                ("messageId", LogField::Text(&messages[*index].id)),
                ("cause", LogField::Text(why)),
            ];
            log.write_line(Level::Warn, id, "dropped invalid hits from pages", &fields);
        }
        let fields = [
            ("messages", LogField::Number(messages.len() as u64)),
            ("hits", LogField::Number(counted.hits)),
            ("ignored", LogField::Number(counted.ignored)),
            ("failed", LogField::Number(counted.failed.len() as u64)),
        ];
        log.write_line(Level::Debug, id, "messages counted", &fields);
        counted
    }

    fn log_warnings(&mut self, invocation: &RuntimeInvocation, log: &mut Logger) {
        for warning in self.counter.store().take_warnings() {
            log.write_event(Level::Warn, Some(&invocation.id), &warning);
        }
    }
}

impl InvocationHandler for CounterFunction {
    fn after_response(&mut self, invocation: &RuntimeInvocation, log: &mut Logger) {
        self.invalidate_after_hits(invocation, log);
    }

    fn handle(
        &mut self,
        invocation: &RuntimeInvocation,
        log: &mut Logger,
    ) -> Result<String, InvocationError> {
        let Some(event) = &invocation.event else {
            let message = "the event is too large".to_owned();
            return Err(InvocationError { kind: "Hitctl.EventTooLarge", message });
        };
        match TriggerEvent::parse(event, &self.settings.event_options, (self.access.clock)())? {
            TriggerEvent::Http(request) => Ok(self.handle_request(&request, invocation, log)),
            TriggerEvent::Batch(messages) => {
                let counted = self.count_messages(&messages, invocation, log);
                let failed = counted.failed.keys().map(|index| &messages[*index].id);
                let failed = failed.map(|id| JsonObject::new().text("itemIdentifier", id).end());
                Ok(JsonObject::new().raw("batchItemFailures", &list(failed)).end())
            }
            TriggerEvent::Single(message, reply) => {
                let mut counted = self.count_messages(std::slice::from_ref(&message), invocation, log);
                match (counted.failed.remove(&0), reply) {
                    (Some(MessageError::Malformed(why)), _) => {
                        let message = format!("the event is invalid: {why}");
                        Err(InvocationError { kind: "Hitctl.MalformedEvent", message })
                    }
                    (Some(MessageError::NotStored(why)), _) => {
                        let message = format!("failed to count the event: {why}");
                        Err(InvocationError { kind: "Hitctl.NotCounted", message })
                    }
                    (None, EventReply::Verbatim(response)) => Ok(response),
                    (None, EventReply::Summary) => {
                        let response = JsonObject::new().number("v", 1).number("hits", counted.hits);
                        Ok(response.number("ignored", counted.ignored).end())
                    }
                }
            }
        }
    }
}

/// Returns the client. Creates it if it does not exist yet.
fn get_or_create(
    client: &mut Option<AwsRestClient>,
    create: impl FnOnce() -> Result<AwsRestClient, String>,
) -> Result<&mut AwsRestClient, String> {
    match client {
        Some(client) => Ok(client),
        None => Ok(client.insert(create()?)),
    }
}

/// Logs a request: at error level if the store failed, otherwise only at debug level, because log lines cost
/// money.
fn log_outcome(log: &mut Logger, id: &str, outcome: &RouteOutcome, route: &str) {
    let RouteOutcome { response: CounterResponse { status, .. }, key, counted, ignored, store_error, .. } =
        outcome;
    let status = LogField::Number((*status).into());
    if let Some(store_error) = store_error {
        let fields = [("status", status), ("cause", LogField::Text(&store_error.to_string()))];
        log.write_line(Level::Error, Some(id), "failed to access the table", &fields);
        return;
    }
    let mut fields = vec![("route", LogField::Text(route)), ("status", status)];
    if let Some(key) = key {
        fields.push(("key", LogField::Text(key.as_str())));
    }
    if let Some(why) = ignored {
        fields.push(("ignored", LogField::Text(why.code())));
    }
    log.write_line(Level::Debug, Some(id), if *counted { "counted" } else { "responded" }, &fields);
}
