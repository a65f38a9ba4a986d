//! The numbers of a counter: as data, as items of the table, and as files. Pure: nothing here reads a table, a file or the network.

pub mod codec;
mod export;
pub mod fields;
pub mod import;
mod model;
pub mod pages;
mod record;
mod sum;

pub use export::{csv, is_formula, ndjson};
pub use model::{CountChange, CountRow, Dropped, LeftOut, Numbers, Tally};
pub use record::Record;
pub use sum::Sum;
