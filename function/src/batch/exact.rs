//! Each piece once, however often it is delivered: its mark is written in the same transaction as all that it adds, on
//! condition that it is not there. What DynamoDB cancels is told by its reasons: a mark that is there is a piece that
//! was counted, and the rest is added up anew.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::piece::{Counting, Fate, Piece};
use crate::hit::Sum;
use crate::path::Key;
use crate::store::{Obstacle, Paths, Store, Transacted, Transaction};

/// The most that a transaction takes.
const ACTIONS: usize = 100;

/// What a transaction writes.
struct Actions<'a> {
    /// The pieces whose marks are written.
    marks: Vec<usize>,
    /// The sums, and whether their items have to be there.
    sums: Vec<(Sum, bool)>,
    /// The page of each sum; none is the site.
    keys: Vec<Option<&'a Key>>,
}

/// What is known of the pieces, as it goes.
struct Run<'r, 'a, S> {
    counting: &'r mut Counting<'a, S>,
    fates: Vec<Option<Fate>>,
    /// Pages that need no item of their own yet.
    admitted: HashSet<&'a Key>,
}

/// Counts pieces. Those without a mark have none to be known by, and are counted as they are.
pub(super) fn count<S: Store>(counting: &mut Counting<'_, S>) -> Vec<Fate> {
    let pieces = counting.pieces;
    let mut first: HashMap<&str, usize> = HashMap::new();
    let mut twins: HashMap<usize, usize> = HashMap::new();
    for (place, piece) in pieces.iter().enumerate() {
        // The one that came first counts, and what becomes of it is true of both.
        let twin = piece.mark.as_deref().map(|mark| *first.entry(mark).or_insert(place));
        twins.extend(twin.filter(|twin| *twin != place).map(|twin| (place, twin)));
    }
    let fates = vec![None; pieces.len()];
    let mut run = Run { counting, fates, admitted: HashSet::new() };
    // Pieces of one page together: so most pages are written once.
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for place in (0..pieces.len()).filter(|place| !twins.contains_key(place)) {
        places.entry(page(&pieces[place])).or_default().push(place);
    }
    let places = places.into_values().flatten().collect();
    for pack in packs(pieces, places) {
        run.write(pack);
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

impl<'a, S: Store> Run<'_, 'a, S> {
    /// Writes a pack, until each of its pieces has its fate.
    fn write(&mut self, mut pack: Vec<usize>) {
        let pieces = self.counting.pieces;
        let mut tries = 0;
        loop {
            pack.retain(|place| self.fates[*place].is_none());
            if pack.is_empty() {
                return;
            }
            if !self.counting.store.has_time() {
                return self.fail(&pack, "there was no time left to write it");
            }
            let Actions { marks, sums, keys } = self.actions(&pack);
            let only_marks = pack.iter().any(|place| pieces[*place].parts.is_empty());
            if sums.is_empty() && !only_marks {
                // Nothing of it may be counted.
                return self.done(&pack);
            }
            let names = marks.iter().filter_map(|place| pieces[*place].mark.clone()).collect();
            let transaction = Transaction { marks: names, sums };
            match self.counting.store.transact(&transaction, self.counting.now) {
                Transacted::Done => return self.done(&pack),
                Transacted::Failed(error) => return self.fail(&pack, &error.to_string()),
                Transacted::Busy(why) => {
                    tries += 1;
                    if !self.counting.store.pause(tries) {
                        return self.fail(&pack, &why);
                    }
                }
                Transacted::Cancelled(obstacles) => {
                    let is_new = self.clear(&pack, &marks, &keys, &obstacles);
                    tries += u32::from(!is_new);
                    if !is_new && !self.counting.store.pause(tries) {
                        return self.fail(&pack, "other writers of the same pages were always sooner");
                    }
                }
            }
        }
    }

    /// What is to be written for a pack.
    fn actions(&self, pack: &[usize]) -> Actions<'a> {
        let all = self.counting.pieces;
        let pieces = || pack.iter().map(|place| &all[*place]);
        let marks = pack.iter().copied().filter(|place| all[*place].mark.is_some()).collect();
        let (mut sums, mut keys) = (Vec::new(), Vec::new());
        for (key, sum) in self.counting.sums(pieces()) {
            let known = self.counting.paths != Paths::Open && !self.admitted.contains(key);
            sums.push((sum, known));
            keys.push(Some(key));
        }
        if let Some(sum) = self.counting.site(pieces()) {
            sums.push((sum, false));
            keys.push(None);
        }
        Actions { marks, sums, keys }
    }

    /// Takes what was in the way out of it. False if all of that may go by itself.
    fn clear(
        &mut self,
        pack: &[usize],
        marks: &[usize],
        keys: &[Option<&'a Key>],
        obstacles: &[Obstacle],
    ) -> bool {
        let pieces = self.counting.pieces;
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
            let asks = |place: &usize| {
                key.is_none_or(|key| pieces[*place].parts.iter().any(|part| part.key == *key))
            };
            let open = pack.iter().copied().filter(|place| self.fates[*place].is_none());
            let left: Vec<usize> = open.filter(asks).collect();
            match (obstacle, key) {
                (Obstacle::Nothing | Obstacle::Again, _) => continue,
                // Who asked for it was counted before.
                _ if left.is_empty() => {}
                (Obstacle::Condition, Some(key)) => {
                    match self.counting.admit(left.iter().map(|place| &pieces[*place]), key.as_str()) {
                        Ok(true) => drop(self.admitted.insert(key)),
                        Ok(false) => drop(self.counting.refused.insert((*key).clone())),
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

    fn done(&mut self, pack: &[usize]) {
        for place in pack {
            self.fates[*place] = Some(Ok(self.counting.hits(&self.counting.pieces[*place])));
        }
    }

    fn fail(&mut self, places: &[usize], why: &str) {
        for place in places {
            self.fates[*place] = Some(Err(why.to_owned()));
        }
    }
}
