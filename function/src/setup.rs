//! The settings of the counter, from the owner and from the deploy.

use crate::rules::Rules;
use crate::store::Paths;

/// The settings of the counter.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Setup {
    /// The rules for counting.
    pub rules: Rules,
    /// The paths that may be counted.
    pub paths: Paths,
    /// Whether visitors are told apart, so that there is a number of them.
    pub visitors: bool,
    /// For how many seconds a visitor's reload of a page does not count.
    pub repeat_s: u32,
    /// Whether lists of pages and of days are for everybody.
    pub public_stats: bool,
    /// Whether a page's hits are spread, so that a number just answered may miss some.
    pub approximate: bool,
    /// Whether `POST /v1/hit` goes onto a queue, so that its answer has no numbers for the widget.
    pub queued: bool,
    /// The secret of requests that came through the owner's distribution.
    pub origin_secret: Option<String>,
    /// Whether this is the reader: it writes nothing, and what counts is forwarded to the counter.
    pub forwards: bool,
    /// The id of the build, for `/healthz`.
    pub build: Option<String>,
}
