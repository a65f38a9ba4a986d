//! Each piece once, however often it is delivered: its mark is written in the same transaction as all that it adds, on
//! condition that it is not there. What DynamoDB cancels is told by its reasons: a mark that is there is a piece that
//! was counted, and the rest is added up anew.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::piece::{Fate, Piece, Refused, admit, hits, site, sums};
use crate::hit::Sum;
use crate::moment::Moment;
use crate::path::Key;
use crate::store::{Obstacle, Paths, Store, Transacted, Transaction};

/// The most that a transaction takes.
const ACTIONS: usize = 100;

/// What a transaction writes.
struct Actions {
    /// The pieces whose marks are written.
    marks: Vec<usize>,
    /// The sums, and whether their items have to be there.
    sums: Vec<(Sum, bool)>,
    /// The page of each sum; none is the site.
    keys: Vec<Option<Key>>,
}

/// What is known of the pieces, as it goes.
struct Run<'a> {
    pieces: &'a [Piece],
    fates: Vec<Option<Fate>>,
    /// Pages that need no item of their own yet.
    admitted: HashSet<Key>,
    paths: Paths,
    now: Moment,
}

/// Counts pieces. Those without a mark have none to be known by, and are counted as they are.
pub(super) fn count<S: Store>(
    store: &mut S,
    pieces: &[Piece],
    paths: Paths,
    now: Moment,
    refused: &mut Refused,
) -> Vec<Fate> {
    let mut first: HashMap<&str, usize> = HashMap::new();
    let mut twins: HashMap<usize, usize> = HashMap::new();
    for (place, piece) in pieces.iter().enumerate() {
        if let Some(mark) = &piece.mark
            && let Some(twin) = first.insert(mark, place)
        {
            // The one that came first counts, and what becomes of it is true of both.
            first.insert(mark, twin);
            twins.insert(place, twin);
        }
    }
    let fates = vec![None; pieces.len()];
    let mut run = Run { pieces, fates, admitted: HashSet::new(), paths, now };
    // Pieces of one page together: so most pages are written once.
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for place in (0..pieces.len()).filter(|place| !twins.contains_key(place)) {
        places.entry(page(&pieces[place])).or_default().push(place);
    }
    let places = places.into_values().flatten().collect();
    for pack in packs(pieces, places) {
        run.write(store, pack, refused);
    }
    for (place, twin) in twins {
        run.fates[place] = match &run.fates[twin] {
            Some(Err(why)) => Some(Err(why.clone())),
            _ => Some(Ok(0)),
        };
    }
    let missing = || Err("it was not written".to_owned());
    run.fates.into_iter().map(|fate| fate.unwrap_or_else(missing)).collect()
}

fn page(piece: &Piece) -> &str {
    piece.parts.first().map_or("", |part| part.key.as_str())
}

/// The places of pieces, in packs that a transaction has room for.
fn packs(pieces: &[Piece], places: Vec<usize>) -> Vec<Vec<usize>> {
    let mut packs = Vec::new();
    let (mut pack, mut keys, mut marks) = (Vec::new(), HashSet::new(), 0);
    for place in places {
        let of_piece = || pieces[place].parts.iter().map(|part| part.key.as_str());
        let new = of_piece().filter(|key| !keys.contains(key)).collect::<HashSet<_>>().len();
        // One is for the visitors of the site.
        if !pack.is_empty() && marks + 1 + keys.len() + new + 1 > ACTIONS {
            packs.push(std::mem::take(&mut pack));
            keys.clear();
            marks = 0;
        }
        keys.extend(of_piece());
        marks += 1;
        pack.push(place);
    }
    if !pack.is_empty() {
        packs.push(pack);
    }
    packs
}

impl Run<'_> {
    /// Writes a pack, until each of its pieces has its fate.
    fn write<S: Store>(&mut self, store: &mut S, mut pack: Vec<usize>, refused: &mut Refused) {
        let mut tries = 0;
        loop {
            pack.retain(|place| self.fates[*place].is_none());
            if pack.is_empty() {
                return;
            }
            if !store.has_time() {
                return self.fail(&pack, "there was no time left to write it");
            }
            let Actions { marks, sums, keys } = self.actions(&pack, refused);
            let only_marks = pack.iter().any(|place| self.pieces[*place].parts.is_empty());
            if sums.is_empty() && !only_marks {
                // Nothing of it may be counted.
                return self.done(&pack, refused);
            }
            let names = marks.iter().filter_map(|place| self.pieces[*place].mark.clone()).collect();
            let transaction = Transaction { marks: names, sums };
            match store.transact(&transaction, self.now) {
                Transacted::Done => return self.done(&pack, refused),
                Transacted::Failed(error) => return self.fail(&pack, &error.to_string()),
                Transacted::Busy(why) => {
                    tries += 1;
                    if !store.pause(tries) {
                        return self.fail(&pack, &why);
                    }
                }
                Transacted::Cancelled(obstacles) => {
                    let is_new = self.clear(store, &pack, &marks, &keys, &obstacles, refused);
                    tries += u32::from(!is_new);
                    if !is_new && !store.pause(tries) {
                        return self.fail(&pack, "other writers of the same pages were always sooner");
                    }
                }
            }
        }
    }

    /// What is to be written for a pack.
    fn actions(&self, pack: &[usize], refused: &Refused) -> Actions {
        let pieces = || pack.iter().map(|place| &self.pieces[*place]);
        let marks = pack.iter().copied().filter(|place| self.pieces[*place].mark.is_some()).collect();
        let (mut all, mut keys) = (Vec::new(), Vec::new());
        for (key, sum) in sums(pieces(), refused).into_values() {
            let known = self.paths != Paths::Open && !self.admitted.contains(&key);
            all.push((sum, known));
            keys.push(Some(key));
        }
        if let Some(sum) = site(pieces(), refused) {
            all.push((sum, false));
            keys.push(None);
        }
        Actions { marks, sums: all, keys }
    }

    /// Takes what was in the way out of it. False if all of that may go by itself.
    fn clear<S: Store>(
        &mut self,
        store: &mut S,
        pack: &[usize],
        marks: &[usize],
        keys: &[Option<Key>],
        obstacles: &[Obstacle],
        refused: &mut Refused,
    ) -> bool {
        let mut is_new = false;
        let (of_marks, of_sums) = obstacles.split_at(marks.len().min(obstacles.len()));
        for (place, obstacle) in marks.iter().zip(of_marks) {
            let fate = match obstacle {
                Obstacle::Nothing | Obstacle::Again => continue,
                Obstacle::Condition => Ok(0),
                Obstacle::Fault(why) => Err(why.clone()),
            };
            self.fates[*place] = Some(fate);
            is_new = true;
        }
        for (key, obstacle) in keys.iter().zip(of_sums) {
            let left: Vec<usize> = pack
                .iter()
                .copied()
                .filter(|place| self.fates[*place].is_none())
                .filter(|place| {
                    key.is_none()
                        || self.pieces[*place].parts.iter().any(|part| Some(&part.key) == key.as_ref())
                })
                .collect();
            match (obstacle, key) {
                (Obstacle::Nothing | Obstacle::Again, _) => continue,
                // Who asked for it was counted before.
                _ if left.is_empty() => {}
                (Obstacle::Condition, Some(key)) => {
                    let asking = left.iter().map(|place| &self.pieces[*place]);
                    match admit(store, asking, key.as_str(), self.paths, self.now) {
                        Ok(true) => drop(self.admitted.insert(key.clone())),
                        Ok(false) => drop(refused.keys.insert(key.clone())),
                        Err(error) => self.fail(&left, &error.to_string()),
                    }
                }
                (Obstacle::Condition, None) => self.fail(&left, "the item of the site refused a change"),
                (Obstacle::Fault(why), _) => self.fail(&left, why),
            }
            is_new = true;
        }
        is_new
    }

    fn done(&mut self, pack: &[usize], refused: &mut Refused) {
        for place in pack {
            self.fates[*place] = Some(Ok(hits(&self.pieces[*place], refused)));
        }
    }

    fn fail(&mut self, places: &[usize], why: &str) {
        for place in places {
            self.fates[*place] = Some(Err(why.to_owned()));
        }
    }
}
