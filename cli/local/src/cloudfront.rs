//! `CloudFront` on this machine, as far as the counter needs it: records invalidation requests and does nothing else.
//!
//! It has neither distributions nor caches, and accepts every well-formed distribution id. An invalidation completes at once,
//! unless [`CloudFront::set_invalidation_time`] sets a duration; then requests can reach the limits on invalidations in progress,
//! as on AWS.

mod batch;
mod service;

use std::collections::BTreeSet;
use std::sync::Arc;

use hitctl_engine::Fault;
use serde::{Deserialize, Serialize};

use crate::clock::now_ms;
use crate::ids::random_string;
use crate::protocol::InvalidationRecord;
use crate::state::document::JsonDocument;
use crate::state::version::STATE_VERSION;
use crate::state::{self, StateDir};
use batch::{InvalidationBatch, MAX_PATHS};
pub(crate) use service::PREFIX;

/// The maximum number of wildcard paths in progress in a distribution ("Quotas on invalidations" in the developer guide).
const MAX_WILDCARDS: usize = 15;
/// The number of invalidations that are kept; older ones are deleted.
const MAX_STORED: usize = 1_000;

/// The content of the state file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct InvalidationLog {
    v: u32,
    /// The duration of an invalidation, in seconds.
    in_progress_s: u32,
    /// The invalidations, oldest first. The file calls them `asked`.
    #[serde(rename = "asked")]
    invalidations: Vec<StoredInvalidation>,
}

/// A requested invalidation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredInvalidation {
    id: String,
    distribution: String,
    caller_reference: String,
    paths: Vec<String>,
    /// The time of the request, in milliseconds since the Unix epoch.
    created_ms: u64,
    /// The time at which the invalidation completes, in milliseconds since the Unix epoch.
    done_ms: u64,
}

impl StoredInvalidation {
    fn status(&self, now_ms: u64) -> &'static str {
        if now_ms < self.done_ms { "InProgress" } else { "Completed" }
    }

    fn has_same_paths(&self, batch: &InvalidationBatch) -> bool {
        self.paths.iter().collect::<BTreeSet<_>>() == batch.paths.iter().collect()
    }
}

/// The recorder of invalidations. Clones share their state.
#[derive(Clone)]
pub(crate) struct CloudFront {
    log: Arc<JsonDocument<InvalidationLog>>,
}

/// The reason for rejecting an invalidation.
#[derive(Debug, thiserror::Error)]
enum InvalidationError {
    #[error("Cannot process this invalidation: its caller reference was used for other paths.")]
    AlreadyExists,
    #[error(
        "Processing your request will cause you to exceed the maximum number of in-progress invalidations."
    )]
    TooManyInProgress,
    #[error(transparent)]
    StateFile(#[from] Fault),
}

impl CloudFront {
    /// Opens the state file and reads earlier invalidations.
    pub(crate) fn open(dir: &StateDir) -> Result<Self, Fault> {
        let empty = InvalidationLog { v: STATE_VERSION, in_progress_s: 0, invalidations: Vec::new() };
        JsonDocument::open(dir, state::INVALIDATIONS, empty).map(|log| Self { log: Arc::new(log) })
    }

    /// Returns all invalidations, oldest first.
    pub(crate) fn all(&self) -> Vec<InvalidationRecord> {
        let now = now_ms();
        self.log.with(|log| {
            let invalidations = log.invalidations.iter().map(|invalidation| InvalidationRecord {
                id: invalidation.id.clone(),
                distribution: invalidation.distribution.clone(),
                caller_reference: invalidation.caller_reference.clone(),
                paths: invalidation.paths.clone(),
                created_ms: invalidation.created_ms,
                status: invalidation.status(now).to_owned(),
            });
            invalidations.collect()
        })
    }

    /// Sets the duration of new invalidations, in seconds. Invalidations in progress complete within
    /// that time at the latest.
    pub(crate) fn set_invalidation_time(&self, in_progress_s: u32) -> Result<(), Fault> {
        let latest = now_ms().saturating_add(u64::from(in_progress_s) * 1_000);
        self.log.update(|log| {
            log.in_progress_s = in_progress_s;
            for invalidation in &mut log.invalidations {
                invalidation.done_ms = invalidation.done_ms.min(latest);
            }
            Ok(())
        })
    }

    /// Records an invalidation, or returns the earlier one with the same reference and paths. It is on disk when this returns.
    fn create_invalidation(
        &self,
        distribution: &str,
        batch: &InvalidationBatch,
    ) -> Result<StoredInvalidation, InvalidationError> {
        let now = now_ms();
        self.log.update(|log| {
            let of_distribution =
                || log.invalidations.iter().filter(|invalidation| invalidation.distribution == distribution);
            let mut existing = of_distribution()
                .filter(|invalidation| invalidation.caller_reference == batch.caller_reference);
            if let Some(existing) = existing.next() {
                return if existing.has_same_paths(batch) {
                    Ok(existing.clone())
                } else {
                    Err(InvalidationError::AlreadyExists)
                };
            }
            let in_progress = of_distribution()
                .filter(|invalidation| now < invalidation.done_ms)
                .flat_map(|invalidation| &invalidation.paths);
            let in_progress: Vec<&String> = in_progress.chain(&batch.paths).collect();
            let wildcards = in_progress.iter().filter(|path| path.ends_with('*')).count();
            if in_progress.len() > MAX_PATHS || wildcards > MAX_WILDCARDS {
                return Err(InvalidationError::TooManyInProgress);
            }
            let invalidation = StoredInvalidation {
                // The format of `CloudFront`'s ids.
                id: format!("I{}", random_string::<13>(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")?),
                distribution: distribution.to_owned(),
                caller_reference: batch.caller_reference.clone(),
                paths: batch.paths.clone(),
                created_ms: now,
                done_ms: now.saturating_add(u64::from(log.in_progress_s) * 1_000),
            };
            log.invalidations.push(invalidation.clone());
            let excess = log.invalidations.len().saturating_sub(MAX_STORED);
            log.invalidations.drain(..excess);
            Ok(invalidation)
        })
    }
}

#[cfg(test)]
mod tests;
