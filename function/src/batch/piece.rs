//! A unit of counting: hits that are added up by page and for the site, and counted together.

use std::collections::{BTreeMap, HashSet};

use hitctl_config::contract::KEY_SITE;

use crate::hit::Sum;
use crate::moment::Moment;
use crate::path::Key;
use crate::share::Share;
use crate::store::{Paths, Store, StoreError};
use crate::visitor::Visitor;

/// Hits on a page that one piece brings.
#[derive(Clone, Debug)]
pub struct Part {
    /// The page.
    pub key: Key,
    /// When.
    pub at: Moment,
    /// The number of hits.
    pub n: u64,
    /// By whom, if that is to be known.
    pub visitor: Option<Visitor>,
    /// The share of the budget that pays for the page if it is new; none for a sender that names no client.
    pub share: Option<Share>,
    /// The number of visitors that are new on the page.
    pub(super) uniques: u64,
    /// The number of visitors that are new on the site.
    pub(super) of_site: u64,
    /// Whether it was looked up among the views of the last moments.
    pub(super) remembered: bool,
}

impl Part {
    /// Hits by somebody, or by nobody known.
    pub fn new(key: Key, at: Moment, n: u64, visitor: Option<Visitor>) -> Self {
        let share = visitor.as_ref().map(Share::of);
        Self { key, at, n, visitor, share, uniques: 0, of_site: 0, remembered: false }
    }
}

/// Hits that are counted together, or not at all.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The place of its message.
    pub message: usize,
    /// Under what it is counted once.
    pub mark: Option<String>,
    /// The hits that it adds; none, where only its mark has to be written.
    pub parts: Vec<Part>,
}

/// The result of counting a piece: counted with so many hits (none if it was before), or not.
pub(super) type Fate = Result<u64, String>;

/// Pieces while they are counted.
pub(super) struct Counting<'a, S> {
    pub(super) store: &'a mut S,
    pub(super) pieces: &'a [Piece],
    pub(super) paths: Paths,
    pub(super) now: Moment,
    /// Paths that may not be counted.
    pub(super) refused: HashSet<Key>,
    /// The number of views of these paths.
    pub(super) refused_views: u64,
}

impl<'a, S: Store> Counting<'a, S> {
    /// The sums of some pieces, a page each.
    pub(super) fn sums(&self, pieces: impl Iterator<Item = &'a Piece>) -> BTreeMap<&'a Key, Sum> {
        let mut sums = BTreeMap::new();
        for part in self.parts(pieces) {
            let sum = sums.entry(&part.key).or_insert_with(|| Sum::new(part.key.as_str().to_owned()));
            sum.add(part.at, part.n, part.uniques);
        }
        sums
    }

    /// The visitors of the site that some pieces bring.
    pub(super) fn site(&self, pieces: impl Iterator<Item = &'a Piece>) -> Option<Sum> {
        let mut sum = Sum::new(KEY_SITE.to_owned());
        for part in self.parts(pieces).filter(|part| part.of_site > 0) {
            sum.add(part.at, 0, part.of_site);
        }
        (!sum.days.is_empty()).then_some(sum)
    }

    /// The parts of some pieces that may be counted.
    fn parts(&self, pieces: impl Iterator<Item = &'a Piece>) -> impl Iterator<Item = &'a Part> {
        pieces.flat_map(|piece| &piece.parts).filter(|part| !self.refused.contains(&part.key))
    }

    /// Takes a new page in: on nobody's share if a sender vouches for it, else on the share of the first client that has one left.
    pub(super) fn admit(
        &mut self,
        pieces: impl Iterator<Item = &'a Piece>,
        key: &str,
    ) -> Result<bool, StoreError> {
        let mut shares: Vec<Option<Share>> = Vec::new();
        for part in pieces.flat_map(|piece| &piece.parts).filter(|part| part.key.as_str() == key) {
            if !shares.contains(&part.share) {
                shares.push(part.share);
            }
        }
        if shares.contains(&None) {
            shares = vec![None];
        }
        for share in shares {
            if self.store.may_admit(self.paths, share, self.now.day())
                && self.store.admit(self.paths, share, self.now)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The hits of a piece that may be counted; those that may not are counted as such.
    pub(super) fn hits(&mut self, piece: &Piece) -> u64 {
        let mut hits = 0_u64;
        for part in &piece.parts {
            if self.refused.contains(&part.key) {
                self.refused_views += 1;
            } else {
                hits = hits.saturating_add(part.n);
            }
        }
        hits
    }
}
