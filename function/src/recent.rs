//! Remembers recent views in the memory of this process, so that a reload within a time window does not count as
//! a new view. Stores hashes with a random key in a table of fixed size. Processes do not share this state.

use std::hash::{BuildHasher as _, RandomState};

use crate::bots;
use crate::moment::Moment;
use crate::path::PageKey;
use crate::visitor::Visitor;

/// The size of the table. A newer view replaces an older one in the same slot, so a flood of views does not
/// increase the memory usage.
const SLOTS: usize = 1024;
const EMPTY_SLOT: (u64, Moment) = (0, Moment::from_millis(0));

/// The views of the last seconds, which are used to detect reloads.
#[derive(Clone, Debug)]
pub struct RecentViews {
    window_ms: u64,
    key: RandomState,
    /// The hash and the time of each view; empty until the first view.
    slots: Vec<(u64, Moment)>,
}

impl RecentViews {
    /// Creates an empty table for a window of `window_s` seconds; 0 turns off the detection of reloads.
    pub fn new(window_s: u32) -> Self {
        Self { window_ms: u64::from(window_s) * 1000, key: RandomState::new(), slots: Vec::new() }
    }

    /// Returns whether the visitor viewed this page within the window. If not, records the view. Requests of an
    /// image proxy are never reloads, because the people behind it cannot be distinguished.
    pub fn check_and_record(&mut self, visitor: &Visitor, page: &PageKey, now: Moment) -> bool {
        if self.window_ms == 0 || bots::is_image_proxy(visitor.agent()) {
            return false;
        }
        if self.slots.is_empty() {
            self.slots = vec![EMPTY_SLOT; SLOTS];
        }
        let hash = self.hash(visitor, page);
        #[expect(clippy::cast_possible_truncation, reason = "the lower bits suffice to choose a slot")]
        let slot = &mut self.slots[hash as usize % SLOTS];
        if slot.0 == hash && now >= slot.1 && now.millis() - slot.1.millis() < self.window_ms {
            return true;
        }
        *slot = (hash, now);
        false
    }

    /// Removes a view that was not counted after all, so that the page may send it again.
    pub fn forget(&mut self, visitor: &Visitor, page: &PageKey) {
        let hash = self.hash(visitor, page);
        for slot in self.slots.iter_mut().filter(|slot| slot.0 == hash) {
            *slot = EMPTY_SLOT;
        }
    }

    fn hash(&self, visitor: &Visitor, page: &PageKey) -> u64 {
        self.key.hash_one((visitor.network(), visitor.agent(), page.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::normalise;

    const NOON: u64 = 1_789_898_400_000;

    fn visitor(address: &str, agent: &str) -> Visitor {
        Visitor::new(address, agent).expect("an address")
    }

    #[test]
    fn reload_within_the_window_is_a_repeat() {
        let (page, other) = (normalise("/a").expect("a path"), normalise("/b").expect("a path"));
        let first = visitor("203.0.113.7", "Mozilla/5.0");
        let mut recent = RecentViews::new(10);
        let mut at = |visitor: &Visitor, page: &PageKey, ms: u64| {
            recent.check_and_record(visitor, page, Moment::from_millis(NOON + ms))
        };
        assert!(!at(&first, &page, 0));
        assert!(at(&first, &page, 9_999));
        assert!(!at(&first, &other, 9_999), "another page");
        assert!(!at(&visitor("203.0.113.8", "Mozilla/5.0"), &page, 9_999), "another address");
        assert!(!at(&visitor("203.0.113.7", "Mozilla/6.0"), &page, 9_999), "another browser");
        assert!(!at(&first, &page, 10_000), "the window begins at the counted view");
        assert!(at(&first, &page, 19_999));
        assert!(!at(&first, &page, 5_000), "the clock was set back");
    }

    #[test]
    fn image_proxy_requests_are_never_repeats() {
        let page = normalise("/a").expect("a path");
        let mut recent = RecentViews::new(10);
        for agent in ["github-camo (c006e452)", "Camo Asset Proxy 2.3.0", "go-camo (v2.6)"] {
            let proxy = visitor("140.82.115.1", agent);
            for _ in 0..2 {
                assert!(!recent.check_and_record(&proxy, &page, Moment::from_millis(NOON)), "{agent}");
            }
        }
    }

    #[test]
    fn forgotten_view_is_not_a_repeat() {
        let page = normalise("/a").expect("a path");
        let first = visitor("203.0.113.7", "Mozilla/5.0");
        let now = Moment::from_millis(NOON);
        let mut recent = RecentViews::new(10);
        assert!(!recent.check_and_record(&first, &page, now));
        recent.forget(&first, &page);
        assert!(!recent.check_and_record(&first, &page, now));
        let mut disabled = RecentViews::new(0);
        assert!(
            !disabled.check_and_record(&first, &page, now) && !disabled.check_and_record(&first, &page, now)
        );
    }

    #[test]
    fn flood_does_not_grow_the_table() {
        let page = normalise("/a").expect("a path");
        let mut recent = RecentViews::new(10);
        for n in 0..100_000_u32 {
            let other = visitor(&std::net::Ipv4Addr::from_bits(n).to_string(), "x");
            recent.check_and_record(&other, &page, Moment::from_millis(NOON));
        }
        assert_eq!(recent.slots.len(), SLOTS);
    }
}
