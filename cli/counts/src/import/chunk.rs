//! Counts of a file in pieces that are written each in one transaction. Which items are in which chunk depends on the file alone, so
//! that a repeated import asks for the same ones.

use hitctl_config::contract::RESERVED_PREFIX;
use sha2::{Digest as _, Sha256};

use crate::codec::entries;
use crate::model::Numbers;
use crate::sum::Sum;

/// The items of a chunk. With its marker a chunk costs 50 write units: half of what a table takes in a second unless it is
/// configured otherwise, so that hits go on being counted.
const CHUNK: usize = 24;

/// The effect of an import on existing counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Adds to them.
    Add,
    /// Takes their place.
    Replace,
}

/// Items that are imported together.
#[derive(Clone, Debug)]
pub struct Chunk {
    number: usize,
    entries: Vec<(String, Sum)>,
}

impl Chunk {
    /// Splits numbers into chunks. Of days and months, an item keeps the latest.
    pub fn all(numbers: &Numbers) -> Vec<Self> {
        let entries = entries(numbers);
        let chunks = entries.chunks(CHUNK).enumerate();
        chunks.map(|(number, entries)| Self { number, entries: entries.to_vec() }).collect()
    }

    /// Its number, from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// The keys of its items and what they hold.
    pub fn entries(&self) -> &[(String, Sum)] {
        &self.entries
    }

    /// The number of paths in it.
    pub fn paths(&self) -> u64 {
        self.entries.iter().filter(|(key, _)| !key.starts_with(RESERVED_PREFIX)).count() as u64
    }

    /// The SHA-256 of its content and the mode, in hex.
    pub fn checksum(&self, mode: Mode) -> String {
        let mut digest = Sha256::new();
        digest.update(format!("{mode:?}"));
        for (key, Sum { numbers, first, last }) in &self.entries {
            digest.update(format!("\n{key:?} {numbers:?} {first:?} {last:?}"));
        }
        hex::encode(digest.finalize())
    }
}

/// The id of an import that was given none: it is the file's content, so that the same file counts once.
pub fn id_of(content: &[u8], mode: Mode) -> String {
    let id = hex::encode(Sha256::digest(content));
    match mode {
        Mode::Add => id,
        Mode::Replace => format!("{id}-replace"),
    }
}
