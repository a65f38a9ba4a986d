//! Encodes and parses hits that the reader forwards to the counter function by asynchronous invocation. Both
//! directions are in one module, so that they use the same format.

use std::borrow::Cow;

use super::message::{HitSource, IncomingHit, ParsedContent, ParsedMessage, usable_id};
use crate::fields::{RawFields, number};
use crate::json::JsonObject;
use crate::moment::Moment;
use crate::path::PageKey;
use crate::rules::IgnoreReason;
use crate::visitor::Visitor;

/// The field that identifies a forwarded hit. Its value is the version of the format.
const VERSION_FIELD: &str = "hitctl-forwarded";
const VERSION: u64 = 1;

/// A hit to which the reader has applied the web rules. The counter function decides whether it is a reload
/// and whether its path may be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedHit {
    /// The page.
    pub key: PageKey,
    /// The time of the request.
    pub at: Moment,
    /// The visitor, if it may be recorded.
    pub visitor: Option<Visitor>,
    /// The reason why the view does not count; `None` if it may count.
    pub ignored: Option<IgnoreReason>,
}

/// Encodes a hit as an event; `id` is the ID of the original request.
pub fn encode(hit: &ForwardedHit, id: &str) -> String {
    let mut event = JsonObject::new()
        .number(VERSION_FIELD, VERSION)
        .text("id", id)
        .text("path", hit.key.as_str())
        .number("at", hit.at.millis());
    if let Some(visitor) = &hit.visitor {
        event = event.text("ip", &visitor.address().to_string()).text("ua", visitor.agent());
    }
    if let Some(why) = hit.ignored {
        event = event.text("why", why.code());
    }
    event.end()
}

/// Returns whether an event is a forwarded hit.
pub(super) fn is_forwarded_hit(event: &RawFields<'_>) -> bool {
    event.has(VERSION_FIELD)
}

/// Parses a forwarded hit.
pub(super) fn read(event: &RawFields<'_>) -> ParsedMessage {
    (usable_id(event.string("id").ok().flatten()), content(event))
}

fn content(event: &RawFields<'_>) -> Result<ParsedContent, String> {
    let version = number(event.get(VERSION_FIELD), VERSION_FIELD)?.unwrap_or_default();
    if version != VERSION {
        return Err(format!("expected version {VERSION} of a forwarded hit, found {version}"));
    }
    let missing = |name: &str| format!("`{name}` is missing");
    let reason = |code: Cow<'_, str>| {
        IgnoreReason::from_code(&code).ok_or_else(|| format!("`why`: expected a reason code, found `{code}`"))
    };
    let ignored = event.text("why")?.map(reason).transpose()?;
    Ok(ParsedContent::Hits(vec![IncomingHit {
        by: HitSource::Reader,
        path: event.string("path")?.ok_or_else(|| missing("path"))?,
        at: Some(Moment::from_millis(number(event.get("at"), "at")?.ok_or_else(|| missing("at"))?)),
        n: 1,
        address: event.string("ip")?.into(),
        agent: event.string("ua")?.into(),
        ignored,
        ..IncomingHit::default()
    }]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::normalise;
    use crate::trigger::{EventOptions, EventReply, InboundMessage, TriggerEvent};

    const NOON: Moment = Moment::from_millis(1_789_898_400_000);

    fn parsed(event: &str) -> InboundMessage {
        match TriggerEvent::parse(event.as_bytes(), &EventOptions::default(), NOON) {
            Ok(TriggerEvent::Single(message, EventReply::Summary)) => message,
            other => panic!("not a single message: {other:?}"),
        }
    }

    #[test]
    fn encoded_forwarded_hit_parses_back() {
        let hit = ForwardedHit {
            key: normalise("/a b").expect("a path"),
            at: NOON,
            visitor: Visitor::new("203.0.113.7", "Mozilla/5.0"),
            ignored: None,
        };
        let text = encode(&hit, "r1");
        insta::assert_snapshot!(text, @r#"{"hitctl-forwarded":1,"id":"r1","path":"/a%20b","at":1789898400000,"ip":"203.0.113.7","ua":"Mozilla/5.0"}"#);
        let InboundMessage { id, dedup_id, content } = parsed(&text);
        assert_eq!((id.as_str(), dedup_id.as_str()), ("r1", "r1"));
        let expected = IncomingHit {
            by: HitSource::Reader,
            path: "/a%20b".to_owned(),
            at: Some(NOON),
            n: 1,
            address: "203.0.113.7".into(),
            agent: "Mozilla/5.0".into(),
            ..IncomingHit::default()
        };
        assert_eq!(content, Ok(ParsedContent::Hits(vec![expected])));

        let ignored = ForwardedHit { visitor: None, ignored: Some(IgnoreReason::Origin), ..hit };
        let text = encode(&ignored, "r2");
        insta::assert_snapshot!(text, @r#"{"hitctl-forwarded":1,"id":"r2","path":"/a%20b","at":1789898400000,"why":"origin"}"#);
        let Ok(ParsedContent::Hits(hits)) = parsed(&text).content else { panic!("no hits") };
        assert_eq!(hits[0].ignored, Some(IgnoreReason::Origin));
    }

    #[test]
    fn incomplete_forwarded_hit_error_names_the_field() {
        let why = |event: &str| parsed(event).content.unwrap_err();
        let all = [
            why(r#"{"hitctl-forwarded":2,"path":"/","at":1}"#),
            why(r#"{"hitctl-forwarded":1,"at":1}"#),
            why(r#"{"hitctl-forwarded":1,"path":"/"}"#),
            why(r#"{"hitctl-forwarded":1,"path":"/","at":1,"why":"x"}"#),
        ];
        insta::assert_snapshot!(all.join("\n"), @r"
        expected version 1 of a forwarded hit, found 2
        `path` is missing
        `at` is missing
        `why`: expected a reason code, found `x`
        ");
    }
}
