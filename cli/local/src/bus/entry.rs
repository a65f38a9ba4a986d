//! Converts an entry of `PutEvents` to the event that targets receive.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::clock::timestamp;
use crate::constants::{ACCOUNT, REGION};

/// An entry of a `PutEvents` request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct PutEventsRequestEntry {
    /// Seconds since the Unix epoch.
    time: Option<f64>,
    source: Option<String>,
    resources: Vec<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    event_bus_name: Option<String>,
}

/// An event as targets receive it, with the fields in AWS's order.
#[derive(Serialize)]
struct EventBridgeEvent<'a> {
    version: &'static str,
    id: &'a str,
    #[serde(rename = "detail-type")]
    detail_type: &'a str,
    source: &'a str,
    account: &'static str,
    time: String,
    region: &'static str,
    resources: &'a [String],
    detail: Json,
}

/// The event of an accepted entry.
pub(super) struct AcceptedEvent {
    pub(super) id: String,
    pub(super) bus: String,
    pub(super) event: Json,
    /// The event as JSON text, with the fields in AWS's order.
    pub(super) json: String,
}

/// The error of a rejected entry: `EventBridge`'s code and a message.
pub(super) type EntryError = (&'static str, String);

impl PutEventsRequestEntry {
    /// Returns the size of the entry as `EventBridge` calculates it, in bytes (its user guide, on the size of
    /// `PutEvents` entries).
    pub(super) fn size(&self) -> usize {
        let fields = [&self.source, &self.detail_type, &self.detail];
        let resources = self.resources.iter().map(String::len).sum::<usize>();
        // A time counts as 14 bytes.
        self.time.map_or(0, |_| 14)
            + resources
            + fields.iter().filter_map(|field| field.as_ref().map(String::len)).sum::<usize>()
    }

    /// Validates the entry and creates its event, received at `now_ms`.
    pub(super) fn to_event(&self, now_ms: u64) -> Result<AcceptedEvent, EntryError> {
        let source = required("Source", self.source.as_ref(), 256)?;
        let detail_type = required("DetailType", self.detail_type.as_ref(), 128)?;
        // Only the total size of the request limits `Detail`.
        let detail = required("Detail", self.detail.as_ref(), usize::MAX)?;
        let detail: Json = serde_json::from_str(detail).unwrap_or_default();
        if !detail.is_object() {
            return Err(("MalformedDetail", "Detail is malformed.".to_owned()));
        }
        let id = crate::ids::uuid();
        let time = self.time.filter(|time| time.is_finite() && *time >= 0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked; it saturates")]
        let event_ms = time.map_or(now_ms, |seconds| (seconds * 1_000.0) as u64);
        let event = EventBridgeEvent {
            version: "0",
            id: &id,
            detail_type,
            source,
            account: ACCOUNT,
            time: format!("{:.0}", timestamp(event_ms)),
            region: REGION,
            resources: &self.resources,
            detail,
        };
        let json = serde_json::to_string(&event).unwrap_or_default();
        let event = serde_json::to_value(&event).unwrap_or_default();
        let bus = bus_name(self.event_bus_name.as_deref()).to_owned();
        Ok(AcceptedEvent { id, bus, event, json })
    }
}

/// Returns the name of the bus in `EventBusName`, which is a name or an ARN.
pub(super) fn bus_name(name: Option<&str>) -> &str {
    let name = name.unwrap_or("default");
    name.split_once(":event-bus/").map_or(name, |(_, name)| name)
}

fn required<'a>(name: &str, value: Option<&'a String>, max_length: usize) -> Result<&'a str, EntryError> {
    let error =
        |reason: String| ("InvalidArgument", format!("Parameter {name} is not valid. Reason: {reason}"));
    match value.filter(|value| !value.is_empty()) {
        None => Err(error(format!("{name} is a required argument."))),
        Some(value) if value.len() > max_length => {
            Err(error(format!("{name} is longer than {max_length} characters.")))
        }
        Some(value) => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(json: Json) -> PutEventsRequestEntry {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn event_from_entry_has_aws_format() {
        let accepted = entry(json!({
            "Time": 1_795_284_000.75, "Source": "cli", "DetailType": "moved", "Detail": "{\"n\":1.5,\"a\":[null]}",
            "Resources": ["arn:aws:x"], "EventBusName": "arn:aws:events:local:000000000000:event-bus/mine", "TraceHeader": "t",
        }))
        .to_event(5)
        .ok()
        .unwrap();
        assert_eq!(accepted.bus, "mine");
        let json = accepted.json.replace(&accepted.id, "ID");
        insta::assert_snapshot!(json, @r#"{"version":"0","id":"ID","detail-type":"moved","source":"cli","account":"000000000000","time":"2026-11-21T18:00:00Z","region":"local","resources":["arn:aws:x"],"detail":{"a":[null],"n":1.5}}"#);
        assert_eq!(serde_json::from_str::<Json>(&accepted.json).unwrap(), accepted.event);
        assert_eq!(accepted.id.len(), 36);
        let plain = entry(json!({ "Source": "a", "DetailType": "b", "Detail": "{}" }))
            .to_event(1_795_284_061_999)
            .ok()
            .unwrap();
        assert_eq!((plain.bus.as_str(), &plain.event["resources"]), ("default", &json!([])));
        assert_eq!(plain.event["time"], "2026-11-21T18:01:01Z");
    }

    #[test]
    fn entry_with_missing_or_malformed_field_is_rejected() {
        let error_of = |json: Json| entry(json).to_event(0).err().unwrap();
        let errors = [
            error_of(json!({ "DetailType": "b", "Detail": "{}" })),
            error_of(json!({ "Source": "", "DetailType": "b", "Detail": "{}" })),
            error_of(json!({ "Source": "a", "Detail": "{}" })),
            error_of(json!({ "Source": "a", "DetailType": "b" })),
            error_of(json!({ "Source": "a", "DetailType": "b", "Detail": "[1]" })),
            error_of(json!({ "Source": "a", "DetailType": "b", "Detail": "{\"a\":" })),
            error_of(json!({ "Source": "a", "DetailType": "b".repeat(129), "Detail": "{}" })),
        ];
        let errors: Vec<String> = errors.iter().map(|(code, message)| format!("{code}: {message}")).collect();
        insta::assert_snapshot!(errors.join("\n"), @"
        InvalidArgument: Parameter Source is not valid. Reason: Source is a required argument.
        InvalidArgument: Parameter Source is not valid. Reason: Source is a required argument.
        InvalidArgument: Parameter DetailType is not valid. Reason: DetailType is a required argument.
        InvalidArgument: Parameter Detail is not valid. Reason: Detail is a required argument.
        MalformedDetail: Detail is malformed.
        MalformedDetail: Detail is malformed.
        InvalidArgument: Parameter DetailType is not valid. Reason: DetailType is longer than 128 characters.
        ");
    }

    #[test]
    fn size_of_entry_matches_documented_formula() {
        let all = json!({ "Time": 0, "Source": "abc", "DetailType": "de", "Detail": "{}", "Resources": ["x", "yz"] });
        assert_eq!(entry(all).size(), 14 + 3 + 2 + 2 + 3);
    }
}
