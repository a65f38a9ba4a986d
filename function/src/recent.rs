//! Who looked at what a moment ago, in this process's memory and nowhere else: a reload within the window is no new view.
//! Only hashes with a key of this process are kept, in a table of fixed size; a newer view takes the place of an older
//! one, so a flood can make it forget and never make it grow. Several processes know nothing of each other.

use std::hash::{BuildHasher as _, RandomState};

use crate::bots;
use crate::moment::Moment;
use crate::path::Key;
use crate::visitor::Visitor;

const SLOTS: usize = 1024;
const NONE: (u64, Moment) = (0, Moment::from_millis(0));

/// The views of the last moments.
#[derive(Clone, Debug)]
pub struct Recent {
    window_ms: u64,
    key: RandomState,
    /// Hash and time of a view; empty until the first.
    slots: Vec<(u64, Moment)>,
}

impl Recent {
    /// Remembers views for `window_s` seconds; 0 remembers nothing.
    pub fn new(window_s: u32) -> Self {
        Self { window_ms: u64::from(window_s) * 1000, key: RandomState::new(), slots: Vec::new() }
    }

    /// Whether this visitor looked at this page within the window; if not, this is the look to remember. Whom an image proxy
    /// fetches for is not known, so none of its requests repeats another.
    pub fn repeats(&mut self, visitor: &Visitor, page: &Key, now: Moment) -> bool {
        if self.window_ms == 0 || bots::is_image_proxy(visitor.agent()) {
            return false;
        }
        if self.slots.is_empty() {
            self.slots = vec![NONE; SLOTS];
        }
        let hash = self.hash(visitor, page);
        #[expect(clippy::cast_possible_truncation, reason = "any of its bits choose a slot")]
        let slot = &mut self.slots[hash as usize % SLOTS];
        if slot.0 == hash && now >= slot.1 && now.millis() - slot.1.millis() < self.window_ms {
            return true;
        }
        *slot = (hash, now);
        false
    }

    /// Forgets a look that was not counted after all, so that the page may ask again.
    pub fn forget(&mut self, visitor: &Visitor, page: &Key) {
        let hash = self.hash(visitor, page);
        for slot in self.slots.iter_mut().filter(|slot| slot.0 == hash) {
            *slot = NONE;
        }
    }

    fn hash(&self, visitor: &Visitor, page: &Key) -> u64 {
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
    fn a_reload_within_the_window_repeats() {
        let (page, other) = (normalise("/a").expect("a path"), normalise("/b").expect("a path"));
        let who = visitor("203.0.113.7", "Mozilla/5.0");
        let mut recent = Recent::new(10);
        let mut at =
            |who: &Visitor, page: &Key, ms: u64| recent.repeats(who, page, Moment::from_millis(NOON + ms));
        assert!(!at(&who, &page, 0));
        assert!(at(&who, &page, 9_999));
        assert!(!at(&who, &other, 9_999), "another page");
        assert!(!at(&visitor("203.0.113.8", "Mozilla/5.0"), &page, 9_999), "another address");
        assert!(!at(&visitor("203.0.113.7", "Mozilla/6.0"), &page, 9_999), "another browser");
        assert!(!at(&who, &page, 10_000), "the window counts from the look that counted");
        assert!(at(&who, &page, 19_999));
        assert!(!at(&who, &page, 5_000), "a clock that is set back");
    }

    #[test]
    fn requests_of_an_image_proxy_never_repeat() {
        let page = normalise("/a").expect("a path");
        let mut recent = Recent::new(10);
        for agent in ["github-camo (c006e452)", "Camo Asset Proxy 2.3.0", "go-camo (v2.6)"] {
            let proxy = visitor("140.82.115.1", agent);
            for _ in 0..2 {
                assert!(!recent.repeats(&proxy, &page, Moment::from_millis(NOON)), "{agent}");
            }
        }
    }

    #[test]
    fn what_was_forgotten_may_come_again() {
        let page = normalise("/a").expect("a path");
        let who = visitor("203.0.113.7", "Mozilla/5.0");
        let now = Moment::from_millis(NOON);
        let mut recent = Recent::new(10);
        assert!(!recent.repeats(&who, &page, now));
        recent.forget(&who, &page);
        assert!(!recent.repeats(&who, &page, now));
        let mut off = Recent::new(0);
        assert!(!off.repeats(&who, &page, now) && !off.repeats(&who, &page, now));
    }

    #[test]
    fn a_flood_does_not_make_it_grow() {
        let page = normalise("/a").expect("a path");
        let mut recent = Recent::new(10);
        for n in 0..100_000_u32 {
            let who = visitor(&std::net::Ipv4Addr::from_bits(n).to_string(), "x");
            recent.repeats(&who, &page, Moment::from_millis(NOON));
        }
        assert_eq!(recent.slots.len(), SLOTS);
    }
}
