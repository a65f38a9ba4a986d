//! A transaction and its result.

use super::error::StoreError;
use crate::hit::CounterDelta;

/// Deltas and the deduplication markers of their messages, which are written together. No item may occur
/// twice, because DynamoDB rejects such a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// The deduplication IDs. The transaction requires that none of them has a marker.
    pub dedup_ids: Vec<String>,
    /// The deltas. The flag says whether the item must already exist.
    pub deltas: Vec<(CounterDelta, bool)>,
}

/// The result of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionResult {
    /// Everything was written.
    Committed,
    /// Nothing was written. The reasons are in order: first of the markers, then of the deltas.
    Cancelled(Vec<CancellationReason>),
    /// Nothing was written because of throttling; a retry may succeed.
    Throttled(String),
    /// The transaction failed, or its outcome is unknown.
    Failed(StoreError),
}

/// The reason that DynamoDB gives for one action of a cancelled transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancellationReason {
    /// The action did not cause the cancellation.
    None,
    /// The condition of the action does not hold.
    ConditionFailed,
    /// A conflict with another writer, or throttling; a retry may succeed.
    Retryable,
    /// A permanent error.
    Permanent(String),
}
