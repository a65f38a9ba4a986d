//! The configuration of the counter, set by the owner and by the deployment.

use crate::rules::CountingRules;
use crate::store::PathAdmission;

/// The configuration of the counter.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the flags are independent of each other")]
pub struct CounterConfig {
    /// The rules that decide whether a view counts.
    pub rules: CountingRules,
    /// The paths that may be counted.
    pub paths: PathAdmission,
    /// Whether visitors are distinguished, so that their number is known.
    pub visitors: bool,
    /// The time in seconds for which a visitor's reload of a page does not count.
    pub repeat_s: u32,
    /// Whether everybody may read the lists of pages, days and months.
    pub public_stats: bool,
    /// Whether a page's hits are spread over shards, so that a count may be slightly out of date.
    pub approximate: bool,
    /// Whether `POST /v1/hit` is queued, so that its response contains no counts for the widget.
    pub queued: bool,
    /// The secret header value that CloudFront adds to requests through the owner's distribution.
    pub origin_secret: Option<String>,
    /// Whether this is the reader function, which writes nothing and forwards hits to the counter function.
    pub forwards: bool,
    /// The ID of the build, shown by `/healthz`.
    pub build: Option<String>,
}
