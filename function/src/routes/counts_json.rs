//! Writes counts as JSON, with the same names in all responses.

use crate::counter_config::CounterConfig;
use crate::hit::CountSummary;
use crate::json::JsonObject;
use crate::path::PageKey;

/// Adds the number of hits, and of visitors if they are distinguished.
pub(super) fn with_counts(object: JsonObject, hits: u64, uniques: Option<u64>) -> JsonObject {
    let object = object.number("hits", hits);
    match uniques {
        Some(uniques) => object.number("uniques", uniques),
        None => object,
    }
}

impl CounterConfig {
    /// Returns a number of visitors, or `None` if visitors are not distinguished.
    pub(super) fn visible_uniques(&self, uniques: u64) -> Option<u64> {
        self.visitors.then_some(uniques)
    }

    /// Adds the counts of a page or of the site.
    pub(super) fn counts(&self, object: JsonObject, counts: CountSummary) -> JsonObject {
        let today = with_counts(JsonObject::new(), counts.today, self.visible_uniques(counts.uniques_today));
        let object =
            with_counts(object, counts.hits, self.visible_uniques(counts.uniques)).raw("today", &today.end());
        if self.approximate { object.raw("approx", "true") } else { object }
    }

    /// Adds a page's path and its counts.
    pub(super) fn page(&self, object: JsonObject, key: &PageKey, counts: CountSummary) -> JsonObject {
        self.counts(object.text("path", key.as_str()), counts)
    }
}
