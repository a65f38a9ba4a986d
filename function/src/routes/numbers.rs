//! Numbers as JSON: the same names wherever they are answered.

use crate::hit::Counts;
use crate::json::Object;
use crate::path::Key;
use crate::setup::Setup;

/// The number of hits, and of visitors where they are told apart.
pub(super) fn tally(object: Object, hits: u64, uniques: Option<u64>) -> Object {
    let object = object.number("hits", hits);
    match uniques {
        Some(uniques) => object.number("uniques", uniques),
        None => object,
    }
}

impl Setup {
    /// A number of visitors, if there is one.
    pub(super) fn told(&self, uniques: u64) -> Option<u64> {
        self.visitors.then_some(uniques)
    }

    /// The numbers of a page or of the site.
    pub(super) fn counts(&self, object: Object, counts: Counts) -> Object {
        let today = tally(Object::new(), counts.today, self.told(counts.uniques_today));
        let object = tally(object, counts.hits, self.told(counts.uniques)).raw("today", &today.end());
        if self.approximate { object.raw("approx", "true") } else { object }
    }

    /// The same with the page's path.
    pub(super) fn page(&self, object: Object, key: &Key, counts: Counts) -> Object {
        self.counts(object.text("path", key.as_str()), counts)
    }
}
