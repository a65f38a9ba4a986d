//! The costs of a table.

use crate::price::Price;

const SOURCE: &str = "aws.amazon.com/dynamodb/pricing/on-demand";

/// The price of writes to an on-demand table.
pub const WRITES: Price = Price::new("million write request units", 0.625, SOURCE);
/// The price of reads from an on-demand table.
pub const READS: Price = Price::new("million read request units", 0.125, SOURCE);
/// The read request units for an eventually consistent read of one item that is smaller than 4 KB.
pub const READS_OF_ONE_ITEM: f64 = 0.5;
/// The read request units per item in an eventually consistent scan of items that are smaller than 1 KB: half a unit
/// for each 4 KB, that is, for four items.
pub const READS_OF_EACH_SCANNED_ITEM: f64 = 0.125;
