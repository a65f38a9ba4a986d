//! Visitors of pieces: whether they are new. One who is seen twice in the same pieces is asked for once.

use std::collections::HashSet;

use super::piece::Piece;
use crate::moment::{Day, Moment};
use crate::path::Key;
use crate::store::Store;
use crate::visitor::Visitor;

/// Meets the visitors of all pieces, day by day, for the salt changes with the day. Whom the store cannot meet is no
/// visitor, and the view counts all the same.
pub(super) fn meet<S: Store>(store: &mut S, pieces: &mut [Piece], now: Moment, notes: &mut Vec<String>) {
    let mut trouble = 0;
    // Older days' salts are gone.
    let today = now.day().number();
    for day in [today.saturating_sub(1), today].map(Day::from_number) {
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
