//! The errors of a store.

use std::fmt;

/// An error of a store. The text is for the log: it may name the table and the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// It has too much to do; the call had no effect.
    Busy(String),
    /// It is not reachable, refuses us, or answers what it should not.
    Unavailable(String),
    /// It holds more pages than can be added up.
    TooLarge(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy(why) | Self::Unavailable(why) | Self::TooLarge(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for StoreError {}
