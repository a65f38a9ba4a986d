//! The deployment engine: compares a graph of desired resources with the observed ones, makes a plan, and applies it.
//!
//! The engine contains no code for a particular cloud: a [`Driver`] reads and writes one kind of resource, and the
//! engine compares, orders, runs, retries, skips and reports changes. Planning is a pure function without clock,
//! environment and await; only [`survey`] and [`apply`] call drivers, and [`survey`] only reads.
//!
//! ```no_run
//! # use hitctl_engine::{
//! #     ApplyOutcome, Drivers, EventSink, Graph, SecretMask, Severity, apply, check, plan, survey,
//! # };
//! # use tokio_util::sync::CancellationToken;
//! # async fn run(desired: &Graph, drivers: &Drivers, sink: &EventSink, destroy: bool, delete_data: bool)
//! #     -> Result<Option<ApplyOutcome>, Box<dyn std::error::Error>> {
//! let graph = if destroy { desired.all_absent() } else { desired.clone() };
//! let graph = if delete_data { graph.allow_data_deletion() } else { graph };
//! let stop = CancellationToken::new();
//! let plan = plan(&graph, &survey(&graph, drivers, sink, &stop).await?, &SecretMask::default())?;
//! let max_severity = if delete_data { Severity::Consent } else { Severity::Warning };
//! if check(&plan).iter().any(|finding| finding.severity > max_severity) {
//!     return Ok(None);
//! }
//! # Ok(Some(
//! apply(&plan, drivers, sink, &stop).await
//! # ))
//! # }
//! ```

mod address;
mod apply;
mod call;
mod change;
mod check;
mod context;
mod diff;
mod driver;
mod event;
mod fault;
mod graph;
mod mask;
mod observed_state;
mod path;
mod plan;
mod survey;
mod value;

pub use address::{Address, AddressError};
pub use apply::{ApplyOutcome, CompletedChange, FailedChange, SkippedChange, apply};
pub use call::{millis, plural};
pub use change::{Action, Change, ChangeReason};
pub use check::{DATA_LOSS, Finding, LEFT_ALONE, NOT_OURS, Severity, check};
pub use context::{DriverContext, RetryPolicy};
pub use diff::{FieldDiff, UNKNOWN, diff};
pub use driver::{Driver, DriverTimeouts, Drivers};
pub use event::{Event, EventSink, Phase};
pub use fault::{Fault, FaultCause, FaultCode, FaultKind};
pub use graph::{CONTENTS_OUTPUT, ConditionalOrder, DeletionPolicy, DesiredState, Graph, GraphError, Node};
pub use mask::SecretMask;
pub use observed_state::{ObservedState, Outputs, Owner};
pub use plan::{Plan, PlanError, PlanSummary, plan};
pub use survey::{Snapshot, SurveyError, survey};
pub use value::{Dependencies, Reference, SpecValue, dependencies, resolve};
