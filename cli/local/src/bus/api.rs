//! `EventBridge`'s own protocol, as SDKs speak it: events are put, patterns tried, rules looked at. Rules are made through
//! the control API only.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hitctl_config::event_pattern::Pattern;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::entry::{self, Entry};
use super::{Bus, Inner, Rule};
use crate::answer::{Answer, JSON_1_1};
use crate::clock::now_ms;
use crate::fault::with_cause;
use crate::front::{Call, Service};
use crate::lock::read;

/// The most entries of a call.
const MOST_ENTRIES: usize = 10;
/// The largest sum of all entries of a call, in bytes.
const MAX_SIZE: usize = 1024 * 1024;

impl Service for Bus {
    fn answer(&self, call: Call) -> BoxFuture<'_, Answer> {
        let inner = Arc::clone(&self.inner);
        async move {
            // It never ends without an answer: the bus is dropped with the daemon.
            drop(inner.ready.subscribe().wait_for(|ready| *ready).await);
            let answered = match call.operation.as_str() {
                "PutEvents" => put_events(&inner, &call.body).await,
                "TestEventPattern" => test_event_pattern(&call.body),
                "ListRules" => list_rules(&inner, &call.body),
                "DescribeRule" => with_rule(&inner, &call.body, |name, rule| Ok(describe(name, rule))),
                "ListTargetsByRule" => with_rule(&inner, &call.body, |_, rule| Ok(targets(rule))),
                _ => return Answer::unknown(),
            };
            match answered {
                Ok(body) => Answer::new(StatusCode::OK, JSON_1_1, body.to_string()),
                Err((status, kind, message)) => Answer::json_error(status, JSON_1_1, kind, &message),
            }
        }
        .boxed()
    }
}

/// An error of the service: its status, type and words.
type Refused = (StatusCode, &'static str, String);

fn bad(kind: &'static str, message: impl Into<String>) -> Refused {
    (StatusCode::BAD_REQUEST, kind, message.into())
}

fn invalid(message: impl Into<String>) -> Refused {
    bad("ValidationException", message)
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| bad("SerializationException", error.to_string()))
}

async fn put_events(inner: &Arc<Inner>, body: &[u8]) -> Result<Json, Refused> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Request {
        #[serde(default)]
        entries: Vec<Entry>,
    }
    let entries = parse::<Request>(body)?.entries;
    if entries.is_empty() || entries.len() > MOST_ENTRIES {
        return Err(invalid(format!(
            "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length between 1 and \
             {MOST_ENTRIES}, inclusive"
        )));
    }
    if entries.iter().map(Entry::size).sum::<usize>() > MAX_SIZE {
        return Err(invalid("Total size of the entries in the request is over the limit."));
    }
    let now = now_ms();
    let (mut results, mut jobs, mut failed) = (Vec::with_capacity(entries.len()), Vec::new(), 0);
    for entry in &entries {
        match entry.take(now).and_then(|taken| known_bus(inner, taken)) {
            Ok(taken) => {
                jobs.extend(inner.jobs(&taken.bus, &taken.event, &taken.text, now));
                results.push(json!({ "EventId": taken.id }));
            }
            Err((code, message)) => {
                failed += 1;
                results.push(json!({ "ErrorCode": code, "ErrorMessage": message }));
            }
        }
    }
    if !jobs.is_empty() {
        inner
            .accept(jobs, now)
            .await
            .map_err(|fault| (StatusCode::INTERNAL_SERVER_ERROR, "InternalException", with_cause(&fault)))?;
    }
    Ok(json!({ "FailedEntryCount": failed, "Entries": results }))
}

/// Refuses an event for a bus that no rule is on: it would go nowhere without a word.
fn known_bus(inner: &Inner, taken: entry::Taken) -> Result<entry::Taken, entry::Refused> {
    let is_known =
        taken.bus == "default" || read(&inner.rules).values().any(|rule| rule.spec.bus == taken.bus);
    if is_known {
        return Ok(taken);
    }
    Err((
        "InvalidArgument",
        format!("Parameter EventBusName is not valid. Reason: no rule is on the bus {}.", taken.bus),
    ))
}

fn test_event_pattern(body: &[u8]) -> Result<Json, Refused> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Request {
        event_pattern: String,
        event: String,
    }
    let Request { event_pattern, event } = parse(body)?;
    let refused = |why: &dyn std::fmt::Display| {
        bad("InvalidEventPatternException", format!("Event pattern is not valid. Reason: {why}"))
    };
    let pattern: Json = serde_json::from_str(&event_pattern).map_err(|error| refused(&error))?;
    let pattern = Pattern::parse(&pattern).map_err(|refusal| refused(&refusal))?;
    let event: Json = serde_json::from_str(&event)
        .map_err(|error| invalid(format!("Parameter Event is not valid. Reason: {error}")))?;
    for field in ["id", "account", "source", "time", "region", "resources", "detail-type"] {
        if event.get(field).is_none() {
            return Err(invalid(format!("Parameter Event is not valid. Reason: it has no {field}.")));
        }
    }
    Ok(json!({ "Result": pattern.matches(&event) }))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct OfRules {
    name_prefix: String,
    event_bus_name: Option<String>,
}

fn list_rules(inner: &Inner, body: &[u8]) -> Result<Json, Refused> {
    let OfRules { name_prefix, event_bus_name } = parse(body)?;
    let bus = entry::bus(event_bus_name.as_deref());
    let rules = read(&inner.rules);
    let of_bus = rules.iter().filter(|(name, rule)| rule.spec.bus == bus && name.starts_with(&name_prefix));
    Ok(json!({ "Rules": of_bus.map(|(name, rule)| describe(name, rule)).collect::<Vec<_>>() }))
}

fn with_rule(
    inner: &Inner,
    body: &[u8],
    say: impl FnOnce(&str, &Rule) -> Result<Json, Refused>,
) -> Result<Json, Refused> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Request {
        #[serde(alias = "Rule")]
        name: String,
        event_bus_name: Option<String>,
    }
    let Request { name, event_bus_name } = parse(body)?;
    let bus = entry::bus(event_bus_name.as_deref());
    let rules = read(&inner.rules);
    let rule = rules.get(&name).filter(|rule| rule.spec.bus == bus).ok_or_else(|| {
        bad("ResourceNotFoundException", format!("Rule {name} does not exist on EventBus {bus}."))
    })?;
    say(&name, rule)
}

fn describe(name: &str, rule: &Rule) -> Json {
    json!({
        "Name": name,
        "Arn": rule.arn,
        "EventPattern": rule.spec.pattern.to_string(),
        "State": if rule.spec.enabled { "ENABLED" } else { "DISABLED" },
        "EventBusName": rule.spec.bus,
    })
}

fn targets(rule: &Rule) -> Json {
    json!({ "Targets": [{
        "Id": hitctl_resources::EventRuleSpec::TARGET_ID,
        "Arn": rule.target_arn,
        "RetryPolicy": {
            "MaximumRetryAttempts": rule.spec.max_retries, "MaximumEventAgeInSeconds": rule.spec.max_age_s,
        },
        "DeadLetterConfig": { "Arn": rule.dead_letter_arn },
    }] })
}
