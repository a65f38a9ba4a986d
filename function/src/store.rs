//! Where counts live, as the routes see it. DynamoDB for real, memory for tests of the domain; neither knows of HTTP
//! requests, and the routes know of neither.

use std::fmt;

use crate::hit::{Counts, Hit};
use crate::moment::Day;
use crate::path::Key;

#[cfg(feature = "runtime")]
mod dynamodb;
mod memory;
#[cfg(feature = "runtime")]
mod wire;

#[cfg(feature = "runtime")]
pub use dynamodb::DynamoDb;
pub use memory::Memory;

/// A table of counts.
pub trait Store {
    /// Counts a hit and returns the numbers after it. An error means that the hit was not counted, or, if the answer
    /// was lost, that nobody knows: it is never counted twice.
    fn add(&mut self, hit: &Hit) -> Result<Counts, StoreError>;

    /// Reads the counts of `keys`, in their order; a key that was never hit reads as zero. The keys differ.
    fn read(&mut self, keys: &[Key], today: Day) -> Result<Vec<Counts>, StoreError>;

    /// Reads the sum over all pages.
    fn total(&mut self, today: Day) -> Result<Counts, StoreError>;
}

/// Why a store did not answer. The text is for the log: it may name the table and the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// It has too much to do; the call had no effect.
    Busy(String),
    /// It is not reachable, refuses us, or answers what it should not.
    Unavailable(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy(why) | Self::Unavailable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for StoreError {}
