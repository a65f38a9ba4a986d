//! The error type of the stores.

use std::fmt;

/// An error of a store. The text is meant for the log: it may name the table and the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The store is throttling; the call had no effect.
    Throttled(String),
    /// The store is unreachable, denies access, or returned an unexpected response.
    Unavailable(String),
    /// The table contains too many pages to sum up.
    TooLarge(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Throttled(why) | Self::Unavailable(why) | Self::TooLarge(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for StoreError {}
