//! Splits the counts of a file into chunks. Each chunk is written in one transaction. The chunks depend only on the
//! file, so that a repeated import produces the same chunks.

use hitctl_config::contract::RESERVED_PREFIX;
use sha2::{Digest as _, Sha256};

use crate::codec::encode_items;
use crate::item_totals::ItemTotals;
use crate::model::CounterData;

/// The number of items in a chunk. A transaction costs two write units per item, so a chunk with its marker item costs
/// 50. That is half of the units that a table accepts per second by default, so that hits are still counted during an
/// import.
const ITEMS_PER_CHUNK: usize = 24;

/// The effect of an import on existing counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportMode {
    /// Adds to the existing counts.
    Add,
    /// Replaces the existing counts.
    Replace,
}

/// Items that are imported together.
#[derive(Clone, Debug)]
pub struct ImportChunk {
    number: usize,
    entries: Vec<(String, ItemTotals)>,
}

impl ImportChunk {
    /// Splits counts into chunks. Each item keeps only the latest days and months.
    pub fn split(numbers: &CounterData) -> Vec<Self> {
        let entries = encode_items(numbers);
        let chunks = entries.chunks(ITEMS_PER_CHUNK).enumerate();
        chunks.map(|(number, entries)| Self { number, entries: entries.to_vec() }).collect()
    }

    /// Returns the number of the chunk, from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Returns the keys and contents of the items.
    pub fn entries(&self) -> &[(String, ItemTotals)] {
        &self.entries
    }

    /// Returns the number of paths in the chunk.
    pub fn paths(&self) -> u64 {
        self.entries.iter().filter(|(key, _)| !key.starts_with(RESERVED_PREFIX)).count() as u64
    }

    /// Returns the SHA-256 of the content and the mode, in hex.
    pub fn checksum(&self, mode: ImportMode) -> String {
        let mut digest = Sha256::new();
        digest.update(format!("{mode:?}"));
        for (key, ItemTotals { numbers, first, last }) in &self.entries {
            digest.update(format!("\n{key:?} {numbers:?} {first:?} {last:?}"));
        }
        hex::encode(digest.finalize())
    }
}

/// Returns the default id of an import. It is a hash of the content, so that the same file counts once.
pub fn import_id(content: &[u8], mode: ImportMode) -> String {
    let id = hex::encode(Sha256::digest(content));
    match mode {
        ImportMode::Add => id,
        ImportMode::Replace => format!("{id}-replace"),
    }
}
