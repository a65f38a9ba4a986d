//! A transaction, and what became of it.

use super::error::StoreError;
use crate::hit::Sum;

/// Sums and the marks of the messages that they come from, in one piece. All items in it differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// The marks: each on condition that it is not there.
    pub marks: Vec<String>,
    /// The sums, each on condition that its item is there, if it says so.
    pub sums: Vec<(Sum, bool)>,
}

/// The result of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transacted {
    /// All of it is written.
    Done,
    /// Nothing of it is, for these reasons: first of the marks, then of the sums, in their order.
    Cancelled(Vec<Obstacle>),
    /// Nothing of it is, for now.
    Busy(String),
    /// It failed, or nobody knows.
    Failed(StoreError),
}

/// The reason that cancelled one part of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Nothing.
    Nothing,
    /// Its condition.
    Condition,
    /// Another writer, or the table's pace: another time it may go.
    Again,
    /// Something that stays.
    Fault(String),
}
