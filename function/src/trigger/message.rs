//! Messages from all sources except HTTP. Each contains its parsed content, or the reason why it cannot be
//! parsed.

use crate::http::Redacted;
use crate::moment::Moment;
use crate::rules::IgnoreReason;

/// The maximum length of a deduplication ID, in bytes.
pub(super) const MAX_ID_BYTES: usize = 256;

/// Returns an ID if it can be used for deduplication.
pub(super) fn usable_id(id: Option<String>) -> Option<String> {
    id.filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()))
}

/// The maximum time by which a sender's clock may be ahead, in milliseconds.
const MAX_CLOCK_AHEAD_MS: u64 = 5 * 60_000;
/// The maximum age of a hit, in milliseconds.
const MAX_AGE_MS: u64 = 60 * 86_400_000;

/// Options for reading events, from the function's environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventOptions {
    /// The key under which events are counted or, if it begins with `/`, a JSON pointer to the key in the event.
    /// The default is `/detail/path`.
    pub event_key: Option<String>,
    /// A JSON pointer to the number of hits of an event; without it, an event is one hit.
    pub event_amount: Option<String>,
    /// The bucket whose changed objects are invalidated in CloudFront.
    pub site_bucket: Option<String>,
    /// The bucket whose objects are access logs.
    pub log_bucket: Option<String>,
}

/// A message, event or record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundMessage {
    /// The ID that the source assigned. It is logged, and reported to the source if the message fails.
    pub id: String,
    /// The deduplication ID: messages with the same ID count once. Empty if there is none.
    pub dedup_id: String,
    /// The content, or the reason why the message is rejected. The reason is a sentence that quotes nothing from
    /// the body except names.
    pub content: Result<ParsedContent, String>,
}

/// The content of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParsedContent {
    /// Hits to count.
    Hits(Vec<IncomingHit>),
    /// Objects that were created in a bucket.
    Objects(Vec<S3Object>),
    /// An invalid hit from a page, with the error that the web route would have returned.
    Invalid(String),
    /// Nothing to count: a test event, or a request that views no page.
    Nothing,
}

/// The deduplication ID that a body contains, and its content.
pub(super) type ParsedMessage = (Option<String>, Result<ParsedContent, String>);

/// The source of a hit, which decides the rules that apply to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HitSource {
    /// A program of the owner, which is trusted.
    #[default]
    Sender,
    /// A page, through the HTTP API and its queue: the web rules apply.
    Page,
    /// A viewer of the owner's CloudFront distribution: bots are recognized by their user agent.
    Viewer,
    /// A page, through the reader, which has already applied the web rules.
    Reader,
}

/// A hit as it was received, before any rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncomingHit {
    /// The source of the hit.
    pub by: HitSource,
    /// The page as the sender named it: a path, a URL or a plain string.
    pub path: String,
    /// The time of the hit; `None` means now.
    pub at: Option<Moment>,
    /// The number of hits.
    pub n: u64,
    /// The visitor's address, if known.
    pub address: Redacted,
    /// The visitor's user agent.
    pub agent: Redacted,
    /// The origin of the requesting page.
    pub origin: Option<String>,
    /// Whether a program controls the browser, as reported by the browser.
    pub automated: bool,
    /// Whether the page was prefetched.
    pub prefetched: bool,
    /// Whether the visitor opted out of tracking.
    pub opted_out: bool,
    /// The reason why the view does not count, according to the reader.
    pub ignored: Option<IgnoreReason>,
}

/// An object that was created in a bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct S3Object {
    /// The name of the bucket.
    pub bucket: String,
    /// The decoded key of the object.
    pub key: String,
    /// The value that distinguishes this object from earlier ones with the same key: its sequencer or its
    /// `ETag`.
    pub version: String,
}

/// Parses the time of a hit: RFC 3339, between sixty days ago and five minutes from now.
pub(super) fn time(text: &str, now: Moment) -> Result<Moment, &'static str> {
    let at = Moment::from_rfc3339(text).ok_or("expected an RFC 3339 time such as 2026-09-20T10:00:00Z")?;
    if is_countable_time(at, now) {
        Ok(at)
    } else {
        Err("expected a time between sixty days ago and five minutes from now")
    }
}

/// Returns whether a hit at the time `at` may be counted: it is neither too old nor too far in the future.
pub fn is_countable_time(at: Moment, now: Moment) -> bool {
    at.millis() <= now.millis() + MAX_CLOCK_AHEAD_MS && now.since(at).as_millis() <= u128::from(MAX_AGE_MS)
}
