//! Parses and checks events in the format of EventBridge's `PutEvents`. It makes no calls.

use hitctl_cloud::{BusEvent, MAX_EVENT_BYTES};
use hitctl_config::event_pattern::EventPattern;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// The maximum length of a detail type in characters, from the EventBridge API reference.
const MAX_DETAIL_TYPE_CHARS: usize = 128;

/// An entry of a `PutEvents` request, in the form that the user writes in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct EventEntry {
    source: Option<String>,
    detail_type: Option<String>,
    detail: Option<Json>,
    time: Option<Json>,
    resources: Option<Vec<String>>,
    event_bus_name: Option<String>,
    trace_header: Option<String>,
}

/// Parses the events of a file. Returns one line per error.
pub(super) fn parse(content: &[u8], bus: &str) -> Result<Vec<BusEvent>, Vec<String>> {
    let content = content.strip_prefix("\u{feff}".as_bytes()).unwrap_or(content);
    let list: Json = serde_json::from_slice(content)
        .map_err(|error| vec![format!("failed to parse the JSON: {error}")])?;
    // In the format of `--cli-input-json` of the AWS CLI, the list is in an object.
    let list = match list {
        Json::Object(mut object) if object.len() == 1 => {
            object.remove("Entries").unwrap_or(Json::Object(object))
        }
        other => other,
    };
    let Json::Array(entries) = list else {
        return Err(vec![
            "expected a list of events: [{\"Source\":..,\"DetailType\":..,\"Detail\":..}]".to_owned(),
        ]);
    };
    let (mut events, mut errors) = (Vec::new(), Vec::new());
    for (index, entry) in entries.into_iter().enumerate() {
        match check_entry(entry, bus) {
            Ok(event) => events.push(event),
            Err(error) => errors.push(format!("event {index}: {error}")),
        }
    }
    if errors.is_empty() { Ok(events) } else { Err(errors) }
}

/// Creates an event from arguments of the command line.
pub(super) fn from_args(
    source: &str,
    detail_type: &str,
    detail: &str,
    bus: &str,
) -> Result<BusEvent, String> {
    check_entry(json!({ "Source": source, "DetailType": detail_type, "Detail": detail }), bus)
}

fn check_entry(entry: Json, bus: &str) -> Result<BusEvent, String> {
    if !entry.is_object() {
        return Err("expected a JSON object".to_owned());
    }
    let entry: EventEntry = serde_json::from_value(entry).map_err(|error| error.to_string())?;
    let required = |name: &str, value: Option<String>| {
        value.filter(|value| !value.is_empty()).ok_or_else(|| format!("{name} is missing"))
    };
    let detail = match entry.detail {
        None | Some(Json::Null) => return Err("Detail is missing".to_owned()),
        Some(Json::Object(detail)) => Json::Object(detail).to_string(),
        Some(Json::String(text)) => match serde_json::from_str::<Json>(&text) {
            Ok(Json::Object(_)) => text,
            Ok(_) => return Err("Detail: expected a JSON object, found other JSON".to_owned()),
            Err(error) => return Err(format!("Detail: failed to parse the JSON: {error}")),
        },
        Some(_) => return Err("Detail: expected an object, or its JSON as a string".to_owned()),
    };
    if let Some(other) = entry.event_bus_name.filter(|name| name != bus && !is_arn_of(name, bus)) {
        return Err(format!("EventBusName: expected {bus:?} as in `events.bus`, found {other:?}"));
    }
    let event = BusEvent {
        source: required("Source", entry.source)?,
        detail_type: required("DetailType", entry.detail_type)?,
        detail,
        time_ms: entry.time.as_ref().filter(|time| !time.is_null()).map(time).transpose()?,
        resources: entry.resources.unwrap_or_default(),
        trace_header: entry.trace_header,
    };
    if event.detail_type.chars().count() > MAX_DETAIL_TYPE_CHARS {
        return Err(format!("DetailType: expected at most {MAX_DETAIL_TYPE_CHARS} characters"));
    }
    if event.bytes() >= MAX_EVENT_BYTES {
        return Err(format!("expected less than 1 MB, found {} bytes", event.bytes()));
    }
    Ok(event)
}

fn is_arn_of(name: &str, bus: &str) -> bool {
    name.starts_with("arn:") && name.rsplit_once(":event-bus/").is_some_and(|(_, name)| name == bus)
}

/// Parses a time: a timestamp as text, or seconds since 1970 as in the JSON of the AWS CLI. Returns milliseconds.
fn time(time: &Json) -> Result<i64, String> {
    let wrong = || format!("Time: expected a time such as \"2026-09-20T10:00:00Z\", found {time}");
    match time {
        Json::String(text) => text.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(|_| wrong()),
        Json::Number(seconds) => {
            let seconds = seconds.as_i64().ok_or_else(wrong)?;
            Timestamp::from_second(seconds).map(Timestamp::as_millisecond).map_err(|_| wrong())
        }
        _ => Err(wrong()),
    }
}

/// Returns the indexes of the events that the pattern does not match.
pub(super) fn unmatched(events: &[BusEvent], pattern: &Json) -> Vec<usize> {
    let Ok(pattern) = EventPattern::parse(pattern) else { return Vec::new() };
    let as_delivered = |event: &BusEvent| {
        json!({
            "version": "0",
            "id": "",
            "detail-type": event.detail_type,
            "source": event.source,
            "account": "",
            "time": "",
            "region": "",
            "resources": event.resources,
            "detail": serde_json::from_str::<Json>(&event.detail).unwrap_or_default(),
        })
    };
    let unmatched = events.iter().enumerate().filter(|(_, event)| !pattern.matches(&as_delivered(event)));
    unmatched.map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_accepts_details_as_objects_and_as_text() {
        let text = r#"[
            {"Source":"cli","DetailType":"move","Detail":{"coordinate":{"x":"5"}},"Time":"2026-09-20T10:00:00.5Z"},
            {"Source":"cli","DetailType":"move","Detail":"{\"path\":\"/a\"}","Time":1789898400,"Resources":["arn:a"],"EventBusName":"arn:aws:events:eu-central-1:123456789012:event-bus/default"}
        ]"#;
        let events = parse(text.as_bytes(), "default").unwrap();
        assert_eq!(events[0].detail, r#"{"coordinate":{"x":"5"}}"#);
        assert_eq!(
            (events[0].time_ms, events[1].time_ms),
            (Some(1_789_898_400_500), Some(1_789_898_400_000))
        );
        assert_eq!((events[1].detail.as_str(), events[1].resources.len()), (r#"{"path":"/a"}"#, 1));
        let wrapped = format!("{{\"Entries\":{text}}}");
        assert_eq!(parse(wrapped.as_bytes(), "default").unwrap(), events);
    }

    #[test]
    fn parse_with_invalid_events_reports_index_of_each() {
        let long = "x".repeat(129);
        let huge = "x".repeat(1_000_000);
        let list = json!([
            { "Source": "cli", "DetailType": "t", "Detail": {} },
            "text",
            { "DetailType": "t", "Detail": {} },
            { "Source": "", "DetailType": "t", "Detail": {} },
            { "Source": "cli", "Detail": {} },
            { "Source": "cli", "DetailType": "t" },
            { "Source": "cli", "DetailType": "t", "Detail": [1] },
            { "Source": "cli", "DetailType": "t", "Detail": "[1]" },
            { "Source": "cli", "DetailType": "t", "Detail": "{" },
            { "Source": "cli", "DetailType": "t", "Detail": {}, "Time": "noon" },
            { "Source": "cli", "DetailType": "t", "Detail": {}, "EventBusName": "other" },
            { "Source": "cli", "DetailType": "t", "Detail": {}, "Detial": {} },
            { "Source": "cli", "DetailType": long, "Detail": {} },
            { "Source": "cli", "DetailType": "t", "Detail": { "x": huge } },
        ]);
        let wrong = parse(list.to_string().as_bytes(), "default").unwrap_err();
        insta::assert_snapshot!(wrong.join("\n"), @r#"
        event 1: expected a JSON object
        event 2: Source is missing
        event 3: Source is missing
        event 4: DetailType is missing
        event 5: Detail is missing
        event 6: Detail: expected an object, or its JSON as a string
        event 7: Detail: expected a JSON object, found other JSON
        event 8: Detail: failed to parse the JSON: EOF while parsing an object at line 1 column 1
        event 9: Time: expected a time such as "2026-09-20T10:00:00Z", found "noon"
        event 10: EventBusName: expected "default" as in `events.bus`, found "other"
        event 11: unknown field `Detial`, expected one of `Source`, `DetailType`, `Detail`, `Time`, `Resources`, `EventBusName`, `TraceHeader`
        event 12: DetailType: expected at most 128 characters
        event 13: expected less than 1 MB, found 1000012 bytes
        "#);
        for (text, expected) in
            [("{}", "a list"), ("[", "failed to parse"), ("", "failed to parse"), ("7", "a list")]
        {
            let wrong = parse(text.as_bytes(), "default").unwrap_err();
            assert!(wrong[0].contains(expected), "{text}: {wrong:?}");
        }
        assert_eq!(parse(b"[]", "default"), Ok(Vec::new()));
    }

    #[test]
    fn unmatched_returns_events_outside_the_pattern() {
        let event = |source: &str| from_args(source, "t", "{\"path\":\"/\"}", "default").unwrap();
        let pattern = json!({ "source": ["cli"], "detail": { "path": [{ "prefix": "/" }] } });
        assert_eq!(unmatched(&[event("cli"), event("other"), event("cli")], &pattern), [1]);
    }
}
