//! Applies a plan. It executes the decisions of the plan and makes none of its own.

mod order;
mod outcome;
mod run;

use tokio_util::sync::CancellationToken;

pub use self::outcome::{ApplyOutcome, CompletedChange, FailedChange, SkippedChange};
use self::run::PlanRun;
use crate::driver::Drivers;
use crate::event::EventSink;
use crate::plan::Plan;

/// Applies a plan: creates and updates resources in the order of their references, with all ready changes in flight at once,
/// then deletes in reverse order.
///
/// A failure skips exactly the changes that depend on it. All other changes are made, and all faults are in the outcome. When
/// `stop` is cancelled, no new change starts and calls in flight finish (a resource that was deleted for a replacement is
/// created again). Dropping the future abandons the calls in flight; the next run continues from the resulting state.
pub async fn apply(
    plan: &Plan,
    drivers: &Drivers,
    sink: &EventSink,
    stop: &CancellationToken,
) -> ApplyOutcome {
    PlanRun::new(&plan.changes, drivers, sink, stop).execute().await
}
