//! Visitors of pieces: whether they are new. One who is seen twice in the same pieces is asked for once.

use std::collections::HashSet;

use super::{Piece, is_recent};
use crate::moment::{Day, Moment};
use crate::path::Key;
use crate::store::Store;
use crate::visitor::Visitor;

/// Meets the visitors of all pieces, day by day, for the salt changes with the day. Whom the store cannot meet is no
/// visitor, and the view counts all the same.
pub(super) fn meet<S: Store>(store: &mut S, pieces: &mut [Piece], now: Moment, notes: &mut Vec<String>) {
    let mut days: Vec<Day> = Vec::new();
    for part in pieces.iter().flat_map(|piece| &piece.parts) {
        let day = part.at.day();
        if part.visitor.is_some() && is_recent(day, now) && !days.contains(&day) {
            days.push(day);
        }
    }
    days.sort_unstable();
    let mut trouble = 0;
    for day in days {
        let mut met: HashSet<(Visitor, Key)> = HashSet::new();
        let parts = pieces.iter_mut().flat_map(|piece| &mut piece.parts).filter(|part| part.at.day() == day);
        for part in parts {
            let Some(visitor) = &part.visitor else { continue };
            if !met.insert((visitor.clone(), part.key.clone())) && !store.keeps_addresses() {
                continue;
            }
            match store.recognise(visitor, &part.key, part.at) {
                Ok(new) => {
                    part.uniques = u64::from(new.page);
                    part.of_site = u64::from(new.site);
                }
                Err(error) => {
                    trouble += 1;
                    if trouble == 1 {
                        notes.push(format!("visitors were not told apart: {error}"));
                    }
                    // What does not answer will hardly do so for the next one, and the hits want the time.
                    if trouble == 3 {
                        return;
                    }
                }
            }
        }
    }
}
