//! `CloudFront` on this machine, as far as the counter needs it: what is asked to be invalidated is written down, and nothing else.
//!
//! It has no distributions and no caches: every id that looks like one is one. An invalidation is done at once, unless it was told
//! that they take a while ([`CloudFront::hold`]): then the limit on those in progress can be met as on AWS.

mod batch;
mod service;

use std::collections::BTreeSet;
use std::sync::Arc;

use hitctl_engine::Fault;
use serde::{Deserialize, Serialize};

use crate::clock::now_ms;
use crate::ids::letters;
use crate::protocol::Invalidation;
use crate::state::document::Document;
use crate::state::version::STATE_VERSION;
use crate::state::{self, StateDir};
use batch::{Batch, MOST_PATHS};
pub(crate) use service::PREFIX;

/// The most paths with a wildcard in progress in a distribution ("Quotas on invalidations" in the developer guide).
const MOST_WILDCARDS: usize = 15;
/// How many invalidations are remembered; each is answered for as long as it is.
const REMEMBERED: usize = 1_000;

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Data {
    v: u32,
    /// How long an invalidation takes, in seconds.
    in_progress_s: u32,
    /// The oldest first.
    asked: Vec<Asked>,
}

/// An invalidation that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    id: String,
    distribution: String,
    caller_reference: String,
    paths: Vec<String>,
    /// When it was asked for, and when it is done, in milliseconds since the Unix epoch.
    created_ms: u64,
    done_ms: u64,
}

impl Asked {
    fn status(&self, now_ms: u64) -> &'static str {
        if now_ms < self.done_ms { "InProgress" } else { "Completed" }
    }

    fn same_paths(&self, batch: &Batch) -> bool {
        self.paths.iter().collect::<BTreeSet<_>>() == batch.paths.iter().collect()
    }
}

/// The recorder. Clones are the same.
#[derive(Clone)]
pub(crate) struct CloudFront {
    data: Arc<Document<Data>>,
}

/// Why nothing was invalidated.
#[derive(Debug, thiserror::Error)]
enum NotAsked {
    #[error("Cannot process this invalidation: its caller reference was used for other paths.")]
    AlreadyExists,
    #[error(
        "Processing your request will cause you to exceed the maximum number of in-progress invalidations."
    )]
    TooMany,
    #[error(transparent)]
    Broken(#[from] Fault),
}

impl CloudFront {
    /// Reads what was asked before.
    pub(crate) fn open(dir: &StateDir) -> Result<Self, Fault> {
        let empty = Data { v: STATE_VERSION, in_progress_s: 0, asked: Vec::new() };
        Document::open(dir, state::INVALIDATIONS, empty).map(|data| Self { data: Arc::new(data) })
    }

    /// Everything that was asked, the oldest first.
    pub(crate) fn all(&self) -> Vec<Invalidation> {
        let now = now_ms();
        self.data.look(|data| {
            let asked = data.asked.iter().map(|asked| Invalidation {
                id: asked.id.clone(),
                distribution: asked.distribution.clone(),
                caller_reference: asked.caller_reference.clone(),
                paths: asked.paths.clone(),
                created_ms: asked.created_ms,
                status: asked.status(now).to_owned(),
            });
            asked.collect()
        })
    }

    /// Says how long invalidations take from now on, in seconds. Those in progress are done by then at the latest.
    pub(crate) fn hold(&self, in_progress_s: u32) -> Result<(), Fault> {
        let latest = now_ms().saturating_add(u64::from(in_progress_s) * 1_000);
        self.data.change(|data| {
            data.in_progress_s = in_progress_s;
            for asked in &mut data.asked {
                asked.done_ms = asked.done_ms.min(latest);
            }
            Ok(())
        })
    }

    /// Writes down a batch, unless it is there. It is safe when this returns.
    fn ask(&self, distribution: &str, batch: &Batch) -> Result<Asked, NotAsked> {
        let now = now_ms();
        self.data.change(|data| {
            let of_distribution = || data.asked.iter().filter(|asked| asked.distribution == distribution);
            let mut before =
                of_distribution().filter(|asked| asked.caller_reference == batch.caller_reference);
            if let Some(before) = before.next() {
                return if before.same_paths(batch) {
                    Ok(before.clone())
                } else {
                    Err(NotAsked::AlreadyExists)
                };
            }
            let running =
                of_distribution().filter(|asked| now < asked.done_ms).flat_map(|asked| &asked.paths);
            let running: Vec<&String> = running.chain(&batch.paths).collect();
            let wildcards = running.iter().filter(|path| path.ends_with('*')).count();
            if running.len() > MOST_PATHS || wildcards > MOST_WILDCARDS {
                return Err(NotAsked::TooMany);
            }
            let asked = Asked {
                // As `CloudFront` picks them.
                id: format!("I{}", letters::<13>(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")?),
                distribution: distribution.to_owned(),
                caller_reference: batch.caller_reference.clone(),
                paths: batch.paths.clone(),
                created_ms: now,
                done_ms: now.saturating_add(u64::from(data.in_progress_s) * 1_000),
            };
            data.asked.push(asked.clone());
            let old = data.asked.len().saturating_sub(REMEMBERED);
            data.asked.drain(..old);
            Ok(asked)
        })
    }
}

#[cfg(test)]
mod tests;
