//! From an entry of `PutEvents` to the event that targets get.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::clock::timestamp;
use crate::constants::{ACCOUNT, REGION};

/// An entry as it is put.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Entry {
    /// Seconds since the Unix epoch.
    time: Option<f64>,
    source: Option<String>,
    resources: Vec<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    event_bus_name: Option<String>,
}

/// An event as targets get it, with its fields in AWS's order.
#[derive(Serialize)]
struct Event<'a> {
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

/// An entry that was taken.
pub(super) struct Taken {
    pub(super) id: String,
    pub(super) bus: String,
    pub(super) event: Json,
    pub(super) text: String,
}

/// Why an entry was not: a code of `EventBridge`, and its words.
pub(super) type Refused = (&'static str, String);

impl Entry {
    /// How large `EventBridge` says it is, in bytes (`PutEvents` and the size of its entries, in its user guide).
    pub(super) fn size(&self) -> usize {
        let texts = [&self.source, &self.detail_type, &self.detail];
        let resources = self.resources.iter().map(String::len).sum::<usize>();
        self.time.map_or(0, |_| 14)
            + resources
            + texts.iter().filter_map(|text| text.as_ref().map(String::len)).sum::<usize>()
    }

    /// Makes the event, which came at `now_ms`.
    pub(super) fn take(&self, now_ms: u64) -> Result<Taken, Refused> {
        let source = required("Source", self.source.as_ref(), 256)?;
        let detail_type = required("DetailType", self.detail_type.as_ref(), 128)?;
        let detail = required("Detail", self.detail.as_ref(), usize::MAX)?;
        let detail: Json = serde_json::from_str(detail).unwrap_or_default();
        if !detail.is_object() {
            return Err(("MalformedDetail", "Detail is malformed.".to_owned()));
        }
        let id = crate::ids::uuid();
        let put = self.time.filter(|time| time.is_finite() && *time >= 0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked; it saturates")]
        let at = put.map_or(now_ms, |seconds| (seconds * 1_000.0) as u64);
        let event = Event {
            version: "0",
            id: &id,
            detail_type,
            source,
            account: ACCOUNT,
            time: format!("{:.0}", timestamp(at)),
            region: REGION,
            resources: &self.resources,
            detail,
        };
        let text = serde_json::to_string(&event).unwrap_or_default();
        let event = serde_json::to_value(&event).unwrap_or_default();
        let bus = bus(self.event_bus_name.as_deref()).to_owned();
        Ok(Taken { id, bus, event, text })
    }
}

/// The bus that a name or an ARN means.
pub(super) fn bus(name: Option<&str>) -> &str {
    let name = name.unwrap_or("default");
    name.split_once(":event-bus/").map_or(name, |(_, name)| name)
}

fn required<'a>(name: &str, value: Option<&'a String>, longest: usize) -> Result<&'a str, Refused> {
    let refused = |why: String| ("InvalidArgument", format!("Parameter {name} is not valid. Reason: {why}"));
    match value.filter(|value| !value.is_empty()) {
        None => Err(refused(format!("{name} is a required argument."))),
        Some(value) if value.len() > longest => {
            Err(refused(format!("{name} is longer than {longest} characters.")))
        }
        Some(value) => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(json: Json) -> Entry {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn an_event_has_the_shape_of_awss() {
        let taken = entry(json!({
            "Time": 1_795_284_000.75, "Source": "cli", "DetailType": "moved", "Detail": "{\"n\":1.5,\"a\":[null]}",
            "Resources": ["arn:aws:x"], "EventBusName": "arn:aws:events:local:000000000000:event-bus/mine", "TraceHeader": "t",
        }))
        .take(5)
        .ok()
        .unwrap();
        assert_eq!(taken.bus, "mine");
        let text = taken.text.replace(&taken.id, "ID");
        insta::assert_snapshot!(text, @r#"{"version":"0","id":"ID","detail-type":"moved","source":"cli","account":"000000000000","time":"2026-11-21T18:00:00Z","region":"local","resources":["arn:aws:x"],"detail":{"a":[null],"n":1.5}}"#);
        assert_eq!(serde_json::from_str::<Json>(&taken.text).unwrap(), taken.event);
        assert_eq!(taken.id.len(), 36);
        let plain = entry(json!({ "Source": "a", "DetailType": "b", "Detail": "{}" }))
            .take(1_795_284_061_999)
            .ok()
            .unwrap();
        assert_eq!((plain.bus.as_str(), &plain.event["resources"]), ("default", &json!([])));
        assert_eq!(plain.event["time"], "2026-11-21T18:01:01Z");
    }

    #[test]
    fn what_is_missing_or_malformed_is_told() {
        let why = |json: Json| entry(json).take(0).err().unwrap();
        let told = [
            why(json!({ "DetailType": "b", "Detail": "{}" })),
            why(json!({ "Source": "", "DetailType": "b", "Detail": "{}" })),
            why(json!({ "Source": "a", "Detail": "{}" })),
            why(json!({ "Source": "a", "DetailType": "b" })),
            why(json!({ "Source": "a", "DetailType": "b", "Detail": "[1]" })),
            why(json!({ "Source": "a", "DetailType": "b", "Detail": "{\"a\":" })),
            why(json!({ "Source": "a", "DetailType": "b".repeat(129), "Detail": "{}" })),
        ];
        let told: Vec<String> = told.iter().map(|(code, message)| format!("{code}: {message}")).collect();
        insta::assert_snapshot!(told.join("\n"), @"
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
    fn a_size_is_counted_as_documented() {
        let all = json!({ "Time": 0, "Source": "abc", "DetailType": "de", "Detail": "{}", "Resources": ["x", "yz"] });
        assert_eq!(entry(all).size(), 14 + 3 + 2 + 2 + 3);
    }
}
