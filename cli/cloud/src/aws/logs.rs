//! Reads a log by `FilterLogEvents`. Events arrive late and out of order, so that the last seconds are read again each time,
//! and what was seen is left out.

use std::collections::BTreeMap;

use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use aws_types::SdkConfig;
use hitctl_engine::Fault;
use hitctl_resources::aws::fault::{Doing, ToFault as _};
use serde::{Deserialize, Serialize};

use crate::cloud::LogPage;

/// How far back is read again, in milliseconds.
const OVERLAP_MS: i64 = 10_000;

/// Where reading goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    /// Where the pages that `token` belongs to begin.
    start: i64,
    /// The next page, if the last one was not the end.
    token: Option<String>,
    /// The time of the newest event.
    newest: i64,
    /// The events of the last seconds, by time.
    seen: Vec<(i64, String)>,
}

/// One page of events, after the cursor of an earlier one. Pages without events are read over: they are not the end.
pub(super) async fn page(
    config: &SdkConfig,
    group: &str,
    since_ms: i64,
    after: Option<String>,
) -> Result<LogPage, Fault> {
    let client = aws_sdk_cloudwatchlogs::Client::new(config);
    let doing = Doing::new("read", format!("log group {group}"), "logs:FilterLogEvents");
    let mut cursor = after.and_then(|cursor| serde_json::from_str(&cursor).ok()).unwrap_or(Cursor {
        start: since_ms,
        newest: since_ms,
        ..Cursor::default()
    });
    loop {
        if cursor.token.is_none() {
            cursor.start = since_ms.max(cursor.newest - OVERLAP_MS);
        }
        let answer = client
            .filter_log_events()
            .log_group_name(group)
            .start_time(cursor.start)
            .set_next_token(cursor.token.take())
            .send()
            .await
            .map_err(|error| {
                let fault = error.fault(&doing);
                if error.is("ResourceNotFoundException") {
                    return fault.hinted("run `hitctl deploy` first: it makes the log group");
                }
                fault
            })?;
        let events = cursor.unseen(answer.events());
        cursor.token = answer.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if !events.is_empty() || cursor.token.is_none() {
            let next = serde_json::to_string(&cursor).ok();
            return Ok(LogPage { events, next });
        }
    }
}

/// How many pages are read for lines with a text: CloudWatch looks through so much of the log in each.
const MOST_PAGES: usize = 20;

/// Lines with a text, which CloudWatch itself looks for.
pub(super) async fn lines(
    config: &SdkConfig,
    group: &str,
    since_ms: i64,
    text: &str,
) -> Result<Vec<String>, Fault> {
    let client = aws_sdk_cloudwatchlogs::Client::new(config);
    let doing = Doing::new("read", format!("log group {group}"), "logs:FilterLogEvents");
    let request = client.filter_log_events().log_group_name(group).start_time(since_ms);
    let mut pages = request.filter_pattern(format!("\"{text}\"")).into_paginator().send();
    let mut found = Vec::new();
    for _ in 0..MOST_PAGES {
        let Some(page) = pages.try_next().await.map_err(|error| error.fault(&doing))? else { break };
        let messages = page.events().iter().filter_map(|event| event.message());
        found.extend(messages.filter(|message| message.contains(text)).map(str::to_owned));
    }
    Ok(found)
}

impl Cursor {
    /// The events that were not seen before, oldest first; moves on.
    fn unseen(&mut self, events: &[FilteredLogEvent]) -> Vec<(i64, String)> {
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        let mut fresh = Vec::new();
        for event in events {
            let (time, message) =
                (event.timestamp().unwrap_or_default(), event.message().unwrap_or_default());
            let key = event.event_id().filter(|id| !id.is_empty()).map_or_else(
                || {
                    // Without an id, equal lines of one millisecond are told apart by their order.
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
            fresh.push((time, message.to_owned()));
        }
        let oldest = self.start.max(self.newest - OVERLAP_MS);
        // While pages follow, an event may come again in any of them.
        self.seen.retain(|(time, _)| *time >= oldest);
        fresh.sort_by_key(|(time, _)| *time);
        fresh
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
    fn what_was_seen_is_left_out_and_what_comes_late_is_not() {
        let mut cursor = Cursor::default();
        let first = cursor.unseen(&[event(Some("1"), 20_000, "b"), event(Some("2"), 19_000, "a")]);
        assert_eq!(first, [(19_000, "a".to_owned()), (20_000, "b".to_owned())]);
        let again = cursor.unseen(&[
            event(Some("3"), 18_000, "late"),
            event(Some("2"), 19_000, "a"),
            event(Some("1"), 20_000, "b"),
        ]);
        assert_eq!(again, [(18_000, "late".to_owned())]);
        cursor.unseen(&[event(Some("4"), 40_000, "c")]);
        assert_eq!(cursor.seen, [(40_000, "4".to_owned())], "what is not read again need not be remembered");
    }

    #[test]
    fn without_ids_equal_lines_are_told_apart_by_their_order() {
        let mut cursor = Cursor::default();
        let twice = [event(None, 5, "x"), event(None, 5, "x")];
        assert_eq!(cursor.unseen(&twice).len(), 2);
        assert_eq!(cursor.unseen(&twice).len(), 0);
        assert_eq!(cursor.unseen(&[twice[0].clone(), twice[1].clone(), event(None, 5, "x")]).len(), 1);
    }
}
