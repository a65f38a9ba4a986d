//! What is counted in one piece: its hits, added up by page and for the site.

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
    /// How many.
    pub n: u64,
    /// By whom, if that is to be known.
    pub visitor: Option<Visitor>,
    /// The share of the budget that pays for the page if it is new; none for a sender that names no client.
    pub share: Option<Share>,
    /// How many visitors are new on the page.
    pub(super) uniques: u64,
    /// How many are new on the site.
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

/// What is counted in one piece, or not at all.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The place of its message.
    pub message: usize,
    /// Under what it is counted once.
    pub mark: Option<String>,
    /// The hits that it adds; none, where only its mark has to be written.
    pub parts: Vec<Part>,
}

/// What became of a piece: counted with so many hits (none if it was before), or not.
pub(super) type Fate = Result<u64, String>;

/// Paths that may not be counted, and how many views that cost.
#[derive(Debug, Default)]
pub(super) struct Refused {
    pub(super) keys: HashSet<Key>,
    pub(super) views: u64,
}

/// The sums of some pieces: a page each, and the visitors of the site.
pub(super) fn sums<'a>(
    pieces: impl Iterator<Item = &'a Piece>,
    refused: &Refused,
) -> BTreeMap<String, (Key, Sum)> {
    let mut sums: BTreeMap<String, (Key, Sum)> = BTreeMap::new();
    for part in pieces.flat_map(|piece| &piece.parts).filter(|part| !refused.keys.contains(&part.key)) {
        let name = part.key.as_str();
        let (_, sum) = match sums.get_mut(name) {
            Some(entry) => entry,
            None => {
                sums.entry(name.to_owned()).or_insert_with(|| (part.key.clone(), Sum::new(name.to_owned())))
            }
        };
        sum.add(part.at, part.n, part.uniques);
    }
    sums
}

/// Takes a new page in: on nobody's share if a sender vouches for it, else on the share of the first client that has one left.
pub(super) fn admit<'a, S: Store>(
    store: &mut S,
    pieces: impl Iterator<Item = &'a Piece>,
    key: &str,
    paths: Paths,
    now: Moment,
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
        if store.may_admit(paths, share, now.day()) && store.admit(paths, share, now)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The visitors of the site that some pieces bring.
pub(super) fn site<'a>(pieces: impl Iterator<Item = &'a Piece>, refused: &Refused) -> Option<Sum> {
    let mut sum = Sum::new(KEY_SITE.to_owned());
    let parts = pieces.flat_map(|piece| &piece.parts).filter(|part| part.of_site > 0);
    for part in parts.filter(|part| !refused.keys.contains(&part.key)) {
        sum.add(part.at, 0, part.of_site);
    }
    (!sum.days.is_empty()).then_some(sum)
}

/// The hits of a piece that may be counted; those that may not are counted as such.
pub(super) fn hits(piece: &Piece, refused: &mut Refused) -> u64 {
    let mut hits = 0_u64;
    for part in &piece.parts {
        if refused.keys.contains(&part.key) {
            refused.views += 1;
        } else {
            hits = hits.saturating_add(part.n);
        }
    }
    hits
}
