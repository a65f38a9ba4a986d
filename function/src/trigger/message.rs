//! What any source but the web hands over: messages, each with what it says, or why it says nothing that can be understood.

use crate::http::Private;
use crate::moment::Moment;
use crate::rules::Ignored;

/// The longest id under which a message is remembered, in bytes.
pub(super) const MOST_ID_BYTES: usize = 256;

/// An id, if a message can be remembered under it.
pub(super) fn usable_id(id: Option<String>) -> Option<String> {
    id.filter(|id| (1..=MOST_ID_BYTES).contains(&id.len()))
}

/// How far ahead a sender's clock may be.
const AHEAD_MS: u64 = 5 * 60_000;
/// How long a hit may have been on its way.
const OLDEST_MS: u64 = 60 * 86_400_000;

/// What the sources need to be told by the function's environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// What an event counts under: a name, or a JSON pointer into it if it begins with `/`. Else `/detail/path`.
    pub event_key: Option<String>,
    /// A JSON pointer into an event, to how many hits it is; else it is one.
    pub event_amount: Option<String>,
    /// The bucket whose changed objects are invalidated.
    pub site_bucket: Option<String>,
    /// The bucket whose objects are access logs.
    pub log_bucket: Option<String>,
}

/// One message, event or record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What its source calls it: reported where it failed, and named in the log.
    pub id: String,
    /// Under what it is counted once, where that is wanted.
    pub mark: String,
    /// What it says, or why it is refused: a sentence without anything of its body but names.
    pub content: Result<Content, String>,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Hits.
    Hits(Vec<Said>),
    /// Objects that were made in a bucket.
    Objects(Vec<Object>),
    /// A hit of the web that its own route would have answered with an error; and with which.
    Wrong(String),
    /// Nothing that counts: a test, a request that views nothing.
    Nothing,
}

/// What a body says, and the id that it gives itself.
pub(super) type Read = (Option<String>, Result<Content, String>);

/// Who says that there was a hit, and with it by which rules it is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// A program of the owner: nothing is asked but what it says.
    #[default]
    Sender,
    /// A page, by way of the HTTP API and its queue: the rules of the web.
    Page,
    /// A viewer of a distribution: a robot names itself, and the page is the owner's.
    Viewer,
    /// A page, by way of the reader, which has applied the rules of the web already.
    Reader,
}

/// A hit, as it was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Who says so.
    pub by: By,
    /// What the sender calls the page.
    pub path: String,
    /// When it was; `None` is now.
    pub at: Option<Moment>,
    /// How many hits it is.
    pub n: u64,
    /// The visitor's address, if anything is known of a visitor.
    pub address: Private,
    /// The user agent.
    pub agent: Private,
    /// The origin of the page that asked.
    pub origin: Option<String>,
    /// A program drives the browser, by its own word.
    pub automated: bool,
    /// The page was fetched ahead.
    pub prefetched: bool,
    /// The visitor asked not to be followed.
    pub opted_out: bool,
    /// Why it does not count, by the rules that the reader has applied.
    pub ignored: Option<Ignored>,
}

/// An object that was made in a bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// The bucket.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: String,
    /// What tells this object from earlier ones of the same key: its sequencer, or its tag.
    pub version: String,
}

/// Reads the time of a hit: RFC 3339, at most five minutes ahead and at most sixty days ago.
pub(super) fn time(text: &str, now: Moment) -> Result<Moment, &'static str> {
    let at = Moment::from_rfc3339(text).ok_or("is no time in RFC 3339, such as 2026-09-20T10:00:00Z")?;
    if is_near(at, now) { Ok(at) } else { Err("is more than five minutes ahead or more than sixty days ago") }
}

/// Whether a hit of that time may still be counted.
pub fn is_near(at: Moment, now: Moment) -> bool {
    at.millis() <= now.millis() + AHEAD_MS && now.since(at).as_millis() <= u128::from(OLDEST_MS)
}
