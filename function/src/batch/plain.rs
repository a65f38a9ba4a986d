//! One write a page. A message whose writes did not all succeed is told as failed, comes again, and counts again what
//! had been counted of it: exact is another way.

use std::collections::HashMap;

use super::piece::{Fate, Piece, Refused, admit, hits, site, sums};
use crate::hit::Sum;
use crate::moment::Moment;
use crate::path::Key;
use crate::store::{Paths, Store, StoreError};

/// How often a write is tried that the store refuses because it has too much to do.
const TRIES: u32 = 4;

/// Counts pieces.
pub(super) fn count<S: Store>(
    store: &mut S,
    pieces: &[Piece],
    paths: Paths,
    now: Moment,
    refused: &mut Refused,
    notes: &mut Vec<String>,
) -> Vec<Fate> {
    let mut failed: HashMap<Key, String> = HashMap::new();
    for (key, sum) in sums(pieces.iter(), refused).into_values() {
        match add_in_time(store, pieces, &sum, paths, now) {
            Ok(true) => {}
            Ok(false) => drop(refused.keys.insert(key)),
            Err(error) => drop(failed.insert(key, error.to_string())),
        }
    }
    if let Some(sum) = site(pieces.iter(), refused)
        && let Err(error) = store.sum(&sum, false, now)
    {
        notes.push(format!("visitors of the site were not counted: {error}"));
    }
    let fate = |piece: &Piece| match piece.parts.iter().find_map(|part| failed.get(&part.key)) {
        Some(why) => Err(why.clone()),
        None => Ok(hits(piece, refused)),
    };
    pieces.iter().map(fate).collect()
}

/// Adds a sum, with patience for a store that has too much to do. False if its path may not be counted.
fn add_in_time<S: Store>(
    store: &mut S,
    pieces: &[Piece],
    sum: &Sum,
    paths: Paths,
    now: Moment,
) -> Result<bool, StoreError> {
    let mut admitted = paths == Paths::Open;
    let mut tries = 0;
    loop {
        if !store.has_time() {
            return Err(StoreError::Unavailable("there was no time left to write it".to_owned()));
        }
        match add(store, pieces, sum, paths, &mut admitted, now) {
            Err(StoreError::Busy(why)) => {
                tries += 1;
                if tries == TRIES || !store.pause(tries) {
                    return Err(StoreError::Busy(why));
                }
            }
            other => return other,
        }
    }
}

fn add<S: Store>(
    store: &mut S,
    pieces: &[Piece],
    sum: &Sum,
    paths: Paths,
    admitted: &mut bool,
    now: Moment,
) -> Result<bool, StoreError> {
    if !*admitted {
        if store.sum(sum, true, now)? {
            return Ok(true);
        }
        *admitted = admit(store, pieces.iter(), &sum.key, paths, now)?;
        if !*admitted {
            return Ok(false);
        }
    }
    store.sum(sum, false, now)
}
