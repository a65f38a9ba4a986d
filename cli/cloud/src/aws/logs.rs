//! Reads a log group by `FilterLogEvents`. Events can arrive late and out of order. Each read therefore
//! covers the last seconds again, and events that were already returned are skipped.

use std::collections::BTreeMap;

use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use aws_types::SdkConfig;
use hitctl_engine::Fault;
use hitctl_resources::aws::fault::{ApiOperation, ToFault as _};
use serde::{Deserialize, Serialize};

use crate::cloud::LogPage;

/// How far back each read starts before the newest event, in milliseconds.
const OVERLAP_MS: i64 = 10_000;

/// The position in a log group, after the events that were returned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct LogCursor {
    /// The start time of the request that `token` belongs to, in milliseconds since 1970.
    start: i64,
    /// The token of the next page. `None` after the last page.
    token: Option<String>,
    /// The time of the newest event, in milliseconds since 1970.
    newest: i64,
    /// The events of the last seconds: time in milliseconds since 1970, and event key.
    seen: Vec<(i64, String)>,
}

/// Returns one page of events after the cursor of an earlier page. Empty pages are skipped, since more events
/// may follow.
pub(super) async fn read_page(
    config: &SdkConfig,
    group: &str,
    since_ms: i64,
    after: Option<String>,
) -> Result<LogPage, Fault> {
    let client = aws_sdk_cloudwatchlogs::Client::new(config);
    let operation = ApiOperation::new("read", format!("log group {group}"), "logs:FilterLogEvents");
    let mut cursor = after.and_then(|cursor| serde_json::from_str(&cursor).ok()).unwrap_or(LogCursor {
        start: since_ms,
        newest: since_ms,
        ..LogCursor::default()
    });
    loop {
        if cursor.token.is_none() {
            cursor.start = since_ms.max(cursor.newest - OVERLAP_MS);
        }
        let response = client
            .filter_log_events()
            .log_group_name(group)
            .start_time(cursor.start)
            .set_next_token(cursor.token.take())
            .send()
            .await
            .map_err(|error| {
                let fault = error.to_fault(&operation);
                if error.has_code("ResourceNotFoundException") {
                    return fault.hinted("run `hitctl deploy` first to create the log group");
                }
                fault
            })?;
        let events = cursor.take_new(response.events());
        cursor.token = response.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if !events.is_empty() || cursor.token.is_none() {
            let next = serde_json::to_string(&cursor).ok();
            return Ok(LogPage { events, next_cursor: next });
        }
    }
}

/// The maximum number of pages to read when searching. CloudWatch searches a limited part of the log for each
/// page.
const MAX_SEARCH_PAGES: usize = 20;

/// Returns the messages that contain a text. CloudWatch does the filtering.
pub(super) async fn search(
    config: &SdkConfig,
    group: &str,
    since_ms: i64,
    text: &str,
) -> Result<Vec<String>, Fault> {
    let client = aws_sdk_cloudwatchlogs::Client::new(config);
    let operation = ApiOperation::new("read", format!("log group {group}"), "logs:FilterLogEvents");
    let request = client.filter_log_events().log_group_name(group).start_time(since_ms);
    let mut pages = request.filter_pattern(format!("\"{text}\"")).into_paginator().send();
    let mut found = Vec::new();
    for _ in 0..MAX_SEARCH_PAGES {
        let Some(page) = pages.try_next().await.map_err(|error| error.to_fault(&operation))? else { break };
        let messages = page.events().iter().filter_map(|event| event.message());
        found.extend(messages.filter(|message| message.contains(text)).map(str::to_owned));
    }
    Ok(found)
}

impl LogCursor {
    /// Returns the events that were not returned before, oldest first, and advances the cursor.
    fn take_new(&mut self, events: &[FilteredLogEvent]) -> Vec<(i64, String)> {
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        let mut new_events = Vec::new();
        for event in events {
            let (time, message) =
                (event.timestamp().unwrap_or_default(), event.message().unwrap_or_default());
            let key = event.event_id().filter(|id| !id.is_empty()).map_or_else(
                || {
                    // Without event IDs, equal lines of the same millisecond are distinguished by their
                    // order.
                    let key = format!("{}|{time}|{message}", event.log_stream_name().unwrap_or_default());
                    let count = counts.entry(key.clone()).or_default();
                    *count += 1;
                    format!("{key}|{count}")
                },
                str::to_owned,
            );
            if self.seen.iter().any(|(at, seen)| *at == time && *seen == key) {
                continue;
            }
            self.newest = self.newest.max(time);
            self.seen.push((time, key));
            new_events.push((time, message.to_owned()));
        }
        let oldest = self.start.max(self.newest - OVERLAP_MS);
        // Later requests without a page token do not return older events.
        self.seen.retain(|(time, _)| *time >= oldest);
        new_events.sort_by_key(|(time, _)| *time);
        new_events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: Option<&str>, time: i64, message: &str) -> FilteredLogEvent {
        FilteredLogEvent::builder()
            .set_event_id(id.map(str::to_owned))
            .timestamp(time)
            .log_stream_name("s")
            .message(message)
            .build()
    }

    #[test]
    fn cursor_skips_returned_events_and_keeps_late_ones() {
        let mut cursor = LogCursor::default();
        let first = cursor.take_new(&[event(Some("1"), 20_000, "b"), event(Some("2"), 19_000, "a")]);
        assert_eq!(first, [(19_000, "a".to_owned()), (20_000, "b".to_owned())]);
        let second = cursor.take_new(&[
            event(Some("3"), 18_000, "late"),
            event(Some("2"), 19_000, "a"),
            event(Some("1"), 20_000, "b"),
        ]);
        assert_eq!(second, [(18_000, "late".to_owned())]);
        cursor.take_new(&[event(Some("4"), 40_000, "c")]);
        assert_eq!(cursor.seen, [(40_000, "4".to_owned())], "events that are not read again are forgotten");
    }

    #[test]
    fn cursor_without_event_ids_distinguishes_equal_lines_by_order() {
        let mut cursor = LogCursor::default();
        let twice = [event(None, 5, "x"), event(None, 5, "x")];
        assert_eq!(cursor.take_new(&twice).len(), 2);
        assert_eq!(cursor.take_new(&twice).len(), 0);
        assert_eq!(cursor.take_new(&[twice[0].clone(), twice[1].clone(), event(None, 5, "x")]).len(), 1);
    }
}
