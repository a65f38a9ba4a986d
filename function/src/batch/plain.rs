//! One write a page. A message whose writes did not all succeed is told as failed, comes again, and counts again what
//! had been counted of it: exact is another way.

use std::collections::HashMap;

use super::piece::{Counting, Fate, Piece};
use crate::hit::Sum;
use crate::path::Key;
use crate::store::{Paths, Store, StoreError};

/// How often a write is tried that the store refuses because it has too much to do.
const TRIES: u32 = 4;

/// Counts pieces.
pub(super) fn count<S: Store>(counting: &mut Counting<'_, S>, notes: &mut Vec<String>) -> Vec<Fate> {
    let pieces = counting.pieces;
    let mut failed: HashMap<&Key, String> = HashMap::new();
    for (key, sum) in counting.sums(pieces.iter()) {
        match add_in_time(counting, &sum) {
            Ok(true) => {}
            Ok(false) => drop(counting.refused.insert(key.clone())),
            Err(error) => drop(failed.insert(key, error.to_string())),
        }
    }
    if let Some(sum) = counting.site(pieces.iter())
        && let Err(error) = counting.store.sum(&sum, false, counting.now)
    {
        notes.push(format!("visitors of the site were not counted: {error}"));
    }
    let fate = |piece: &Piece| match piece.parts.iter().find_map(|part| failed.get(&part.key)) {
        Some(why) => Err(why.clone()),
        None => Ok(counting.hits(piece)),
    };
    pieces.iter().map(fate).collect()
}

/// Adds a sum, with patience for a store that has too much to do. False if its path may not be counted.
fn add_in_time<S: Store>(counting: &mut Counting<'_, S>, sum: &Sum) -> Result<bool, StoreError> {
    let mut admitted = counting.paths == Paths::Open;
    let mut tries = 0;
    loop {
        if !counting.store.has_time() {
            return Err(StoreError::Unavailable("there was no time left to write it".to_owned()));
        }
        match add(counting, sum, &mut admitted) {
            Err(StoreError::Busy(why)) => {
                tries += 1;
                if tries == TRIES || !counting.store.pause(tries) {
                    return Err(StoreError::Busy(why));
                }
            }
            other => return other,
        }
    }
}

fn add<S: Store>(counting: &mut Counting<'_, S>, sum: &Sum, admitted: &mut bool) -> Result<bool, StoreError> {
    if !*admitted {
        if counting.store.sum(sum, true, counting.now)? {
            return Ok(true);
        }
        *admitted = counting.admit(counting.pieces.iter(), &sum.key)?;
        if !*admitted {
            return Ok(false);
        }
    }
    counting.store.sum(sum, false, counting.now)
}
