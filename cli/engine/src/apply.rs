//! Carries out a plan. It never chooses: what it would have to decide belongs in the plan.

mod order;
mod outcome;
mod run;

use tokio_util::sync::CancellationToken;

pub use self::outcome::{Done, Failure, Outcome, Skipped};
use self::run::Run;
use crate::driver::Drivers;
use crate::event::Sink;
use crate::plan::Plan;

/// Carries out a plan: creates and updates in the order of their references, with every ready one in flight at once,
/// then deletes in reverse.
///
/// A failure skips exactly what depends on it; the rest is done, and every fault is in the outcome. When `stop` is
/// cancelled nothing new starts, and running calls finish (a resource that was removed to be replaced is made again).
/// Dropping the future abandons the calls in flight; the next run carries on from there.
pub async fn apply(plan: &Plan, drivers: &Drivers, sink: &Sink, stop: &CancellationToken) -> Outcome {
    Run::new(&plan.changes, drivers, sink, stop).carry_out().await
}
