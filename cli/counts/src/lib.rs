//! The counts of a counter in three forms: as data, as table items and as the contents of files. This crate does not
//! access tables, files or the network.

pub mod codec;
mod export;
pub mod fields;
pub mod import;
mod item_totals;
mod model;
pub mod pages;
mod table_item;

pub use export::{is_formula, to_csv, to_ndjson};
pub use item_totals::ItemTotals;
pub use model::{CountChange, CountRow, CounterData, DroppedViews, SkippedViews, Tally};
pub use table_item::TableItem;
