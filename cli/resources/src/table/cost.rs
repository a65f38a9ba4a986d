//! The costs of a table.

use crate::price::Price;

const SOURCE: &str = "aws.amazon.com/dynamodb/pricing/on-demand";

/// The writes of an on-demand table.
pub const WRITES: Price = Price::new("million write request units", 0.625, SOURCE);
/// The reads of an on-demand table.
pub const READS: Price = Price::new("million read request units", 0.125, SOURCE);
/// The read request units of an item of less than 4 KB that is read by its key, eventually consistent.
pub const READS_OF_ONE_ITEM: f64 = 0.5;
/// The read request units of each item of less than 1 KB that is read with all others: four to a unit of 4 KB.
pub const READS_OF_EACH_SCANNED_ITEM: f64 = 0.125;
