//! `EventBridge`'s JSON protocol for SDKs: puts events, tests patterns, and lists and describes rules. Rules are created through
//! the control API only.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hitctl_config::event_pattern::EventPattern;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::entry::{self, PutEventsRequestEntry};
use super::{EventBuses, EventRule, Inner};
use crate::clock::now_ms;
use crate::endpoint::{AwsService, ServiceRequest};
use crate::fault::with_cause;
use crate::lock::read;
use crate::service_response::{JSON_1_1, ServiceResponse};

/// The maximum number of entries in a call.
const MAX_ENTRIES: usize = 10;
/// The maximum total size of the entries in a call, in bytes.
const MAX_TOTAL_BYTES: usize = 1024 * 1024;

impl AwsService for EventBuses {
    fn handle(&self, request: ServiceRequest) -> BoxFuture<'_, ServiceResponse> {
        let inner = Arc::clone(&self.inner);
        async move {
            // Waits until the rules are restored. An error is impossible: the sender of `ready` lives as long as the
            // daemon.
            drop(inner.ready.subscribe().wait_for(|ready| *ready).await);
            let result = match request.operation.as_str() {
                "PutEvents" => put_events(&inner, &request.body).await,
                "TestEventPattern" => test_event_pattern(&request.body),
                "ListRules" => list_rules(&inner, &request.body),
                "DescribeRule" => with_rule(&inner, &request.body, |name, rule| Ok(describe(name, rule))),
                "ListTargetsByRule" => with_rule(&inner, &request.body, |_, rule| Ok(targets(rule))),
                _ => return ServiceResponse::unknown_operation(),
            };
            match result {
                Ok(body) => ServiceResponse::new(StatusCode::OK, JSON_1_1, body.to_string()),
                Err((status, kind, message)) => ServiceResponse::json_error(status, JSON_1_1, kind, &message),
            }
        }
        .boxed()
    }
}

/// An error of the service: its status, type and message.
type EventsApiError = (StatusCode, &'static str, String);

fn bad_request(kind: &'static str, message: impl Into<String>) -> EventsApiError {
    (StatusCode::BAD_REQUEST, kind, message.into())
}

fn validation_error(message: impl Into<String>) -> EventsApiError {
    bad_request("ValidationException", message)
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, EventsApiError> {
    serde_json::from_slice(body).map_err(|error| bad_request("SerializationException", error.to_string()))
}

async fn put_events(inner: &Arc<Inner>, body: &[u8]) -> Result<Json, EventsApiError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct PutEventsRequest {
        #[serde(default)]
        entries: Vec<PutEventsRequestEntry>,
    }
    let entries = parse::<PutEventsRequest>(body)?.entries;
    if entries.is_empty() || entries.len() > MAX_ENTRIES {
        return Err(validation_error(format!(
            "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length between 1 and \
             {MAX_ENTRIES}, inclusive"
        )));
    }
    if entries.iter().map(PutEventsRequestEntry::size).sum::<usize>() > MAX_TOTAL_BYTES {
        return Err(validation_error("Total size of the entries in the request is over the limit."));
    }
    let now = now_ms();
    let (mut results, mut deliveries, mut failed) = (Vec::with_capacity(entries.len()), Vec::new(), 0);
    for entry in &entries {
        match entry.to_event(now).and_then(|accepted| check_bus_exists(inner, accepted)) {
            Ok(accepted) => {
                deliveries.extend(inner.deliveries(&accepted.bus, &accepted.event, &accepted.json, now));
                results.push(json!({ "EventId": accepted.id }));
            }
            Err((code, message)) => {
                failed += 1;
                results.push(json!({ "ErrorCode": code, "ErrorMessage": message }));
            }
        }
    }
    if !deliveries.is_empty() {
        inner
            .accept(deliveries, now)
            .await
            .map_err(|fault| (StatusCode::INTERNAL_SERVER_ERROR, "InternalException", with_cause(&fault)))?;
    }
    Ok(json!({ "FailedEntryCount": failed, "Entries": results }))
}

/// Rejects an event for a bus without rules, because it would be dropped silently.
fn check_bus_exists(
    inner: &Inner,
    accepted: entry::AcceptedEvent,
) -> Result<entry::AcceptedEvent, entry::EntryError> {
    let exists =
        accepted.bus == "default" || read(&inner.rules).values().any(|rule| rule.spec.bus == accepted.bus);
    if exists {
        return Ok(accepted);
    }
    Err((
        "InvalidArgument",
        format!("Parameter EventBusName is not valid. Reason: the event bus {} has no rules.", accepted.bus),
    ))
}

fn test_event_pattern(body: &[u8]) -> Result<Json, EventsApiError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct TestEventPatternRequest {
        event_pattern: String,
        event: String,
    }
    let TestEventPatternRequest { event_pattern, event } = parse(body)?;
    let invalid_pattern = |error: &dyn std::fmt::Display| {
        bad_request("InvalidEventPatternException", format!("Event pattern is not valid. Reason: {error}"))
    };
    let pattern: Json = serde_json::from_str(&event_pattern).map_err(|error| invalid_pattern(&error))?;
    let pattern = EventPattern::parse(&pattern).map_err(|error| invalid_pattern(&error))?;
    let event: Json = serde_json::from_str(&event)
        .map_err(|error| validation_error(format!("Parameter Event is not valid. Reason: {error}")))?;
    for field in ["id", "account", "source", "time", "region", "resources", "detail-type"] {
        if event.get(field).is_none() {
            return Err(validation_error(format!(
                "Parameter Event is not valid. Reason: the field {field} is missing."
            )));
        }
    }
    Ok(json!({ "Result": pattern.matches(&event) }))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ListRulesRequest {
    name_prefix: String,
    event_bus_name: Option<String>,
}

fn list_rules(inner: &Inner, body: &[u8]) -> Result<Json, EventsApiError> {
    let ListRulesRequest { name_prefix, event_bus_name } = parse(body)?;
    let bus = entry::bus_name(event_bus_name.as_deref());
    let rules = read(&inner.rules);
    let matching = rules.iter().filter(|(name, rule)| rule.spec.bus == bus && name.starts_with(&name_prefix));
    Ok(json!({ "Rules": matching.map(|(name, rule)| describe(name, rule)).collect::<Vec<_>>() }))
}

fn with_rule(
    inner: &Inner,
    body: &[u8],
    render: impl FnOnce(&str, &EventRule) -> Result<Json, EventsApiError>,
) -> Result<Json, EventsApiError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct RuleRequest {
        #[serde(alias = "Rule")]
        name: String,
        event_bus_name: Option<String>,
    }
    let RuleRequest { name, event_bus_name } = parse(body)?;
    let bus = entry::bus_name(event_bus_name.as_deref());
    let rules = read(&inner.rules);
    let rule = rules.get(&name).filter(|rule| rule.spec.bus == bus).ok_or_else(|| {
        bad_request("ResourceNotFoundException", format!("Rule {name} does not exist on EventBus {bus}."))
    })?;
    render(&name, rule)
}

fn describe(name: &str, rule: &EventRule) -> Json {
    json!({
        "Name": name,
        "Arn": rule.arn,
        "EventPattern": rule.spec.pattern.to_string(),
        "State": if rule.spec.enabled { "ENABLED" } else { "DISABLED" },
        "EventBusName": rule.spec.bus,
    })
}

fn targets(rule: &EventRule) -> Json {
    json!({ "Targets": [{
        "Id": hitctl_resources::EventRuleSpec::TARGET_ID,
        "Arn": rule.target_arn,
        "RetryPolicy": {
            "MaximumRetryAttempts": rule.spec.max_retries, "MaximumEventAgeInSeconds": rule.spec.max_age_s,
        },
        "DeadLetterConfig": { "Arn": rule.dead_letter_arn },
    }] })
}
