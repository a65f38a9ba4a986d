//! Hits that the reader forwards to the counter, by asynchronous invocation: written and read here, so that both sides agree.

use std::borrow::Cow;

use super::message::{By, Content, Read, Said, usable_id};
use crate::fields::{Fields, number};
use crate::json::Object;
use crate::moment::Moment;
use crate::path::Key;
use crate::rules::Ignored;
use crate::visitor::Visitor;

/// The field that marks such an event, and the version of its shape.
const MARK: &str = "hitctl-forwarded";
const VERSION: u64 = 1;

/// A hit that the reader has judged by the rules of the web. Whether it repeats another one and whether its path may be
/// counted is the counter's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The page.
    pub key: Key,
    /// When the request came.
    pub at: Moment,
    /// The visitor, if that may be known.
    pub visitor: Option<Visitor>,
    /// Why it does not count, if it does not.
    pub ignored: Option<Ignored>,
}

/// The event of a hit; `id` is that of the request that brought it.
pub fn event(hit: &Forwarded, id: &str) -> String {
    let mut event = Object::new()
        .number(MARK, VERSION)
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

/// Whether an event is a forwarded hit.
pub(super) fn is_one(event: &Fields<'_>) -> bool {
    event.has(MARK)
}

/// Reads the event.
pub(super) fn read(event: &Fields<'_>) -> Read {
    (usable_id(event.string("id").ok().flatten()), content(event))
}

fn content(event: &Fields<'_>) -> Result<Content, String> {
    let version = number(event.get(MARK), MARK)?.unwrap_or_default();
    if version != VERSION {
        return Err(format!("expected version {VERSION} of a forwarded hit, found {version}"));
    }
    let missing = |name: &str| format!("`{name}` is missing");
    let reason = |code: Cow<'_, str>| {
        Ignored::of_code(&code).ok_or_else(|| format!("`why` is `{code}`, which is no reason"))
    };
    let ignored = event.text("why")?.map(reason).transpose()?;
    Ok(Content::Hits(vec![Said {
        by: By::Reader,
        path: event.string("path")?.ok_or_else(|| missing("path"))?,
        at: Some(Moment::from_millis(number(event.get("at"), "at")?.ok_or_else(|| missing("at"))?)),
        n: 1,
        address: event.string("ip")?.into(),
        agent: event.string("ua")?.into(),
        ignored,
        ..Said::default()
    }]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::normalise;
    use crate::trigger::{Event, Message, Reply, Sources};

    const NOON: Moment = Moment::from_millis(1_789_898_400_000);

    fn parsed(event: &str) -> Message {
        match Event::parse(event.as_bytes(), &Sources::default(), NOON) {
            Ok(Event::Single(message, Reply::Counted)) => message,
            other => panic!("not a single message: {other:?}"),
        }
    }

    #[test]
    fn forwarded_hit_is_read_back_as_it_was_written() {
        let hit = Forwarded {
            key: normalise("/a b").expect("a path"),
            at: NOON,
            visitor: Visitor::new("203.0.113.7", "Mozilla/5.0"),
            ignored: None,
        };
        let text = event(&hit, "r1");
        insta::assert_snapshot!(text, @r#"{"hitctl-forwarded":1,"id":"r1","path":"/a%20b","at":1789898400000,"ip":"203.0.113.7","ua":"Mozilla/5.0"}"#);
        let Message { id, mark, content } = parsed(&text);
        assert_eq!((id.as_str(), mark.as_str()), ("r1", "r1"));
        let expected = Said {
            by: By::Reader,
            path: "/a%20b".to_owned(),
            at: Some(NOON),
            n: 1,
            address: "203.0.113.7".into(),
            agent: "Mozilla/5.0".into(),
            ..Said::default()
        };
        assert_eq!(content, Ok(Content::Hits(vec![expected])));

        let ignored = Forwarded { visitor: None, ignored: Some(Ignored::Origin), ..hit };
        let text = event(&ignored, "r2");
        insta::assert_snapshot!(text, @r#"{"hitctl-forwarded":1,"id":"r2","path":"/a%20b","at":1789898400000,"why":"origin"}"#);
        let Ok(Content::Hits(hits)) = parsed(&text).content else { panic!("no hits") };
        assert_eq!(hits[0].ignored, Some(Ignored::Origin));
    }

    #[test]
    fn incomplete_forwarded_hit_is_malformed_by_name() {
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
        `why` is `x`, which is no reason
        ");
    }
}
