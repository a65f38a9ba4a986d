//! The engine: from a graph of wanted resources and what is live, to a plan; from a plan to a changed cloud.
//!
//! It knows no cloud. Drivers (see [`Driver`]) read and write one kind of resource; everything between (diff, order,
//! concurrency, waiting, skipping, reporting) is here, once. Planning is synchronous and pure: no clock, no environment,
//! no await. Only [`survey`] and [`apply`] touch a driver; the first only reads.
//!
//! ```no_run
//! # use hitctl_engine::{Drivers, Graph, Mask, Outcome, Severity, Sink, apply, check, plan, survey};
//! # use tokio_util::sync::CancellationToken;
//! # async fn run(wanted: &Graph, drivers: &Drivers, sink: &Sink, destroy: bool, delete_data: bool)
//! #     -> Result<Option<Outcome>, Box<dyn std::error::Error>> {
//! let graph = if destroy { wanted.all_absent() } else { wanted.clone() };
//! let graph = if delete_data { graph.deleting_data() } else { graph };
//! let stop = CancellationToken::new();
//! let plan = plan(&graph, &survey(&graph, drivers, sink, &stop).await?, &Mask::default())?;
//! let allowed = if delete_data { Severity::Consent } else { Severity::Warning };
//! if check(&plan).iter().any(|finding| finding.severity > allowed) {
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
mod cx;
mod diff;
mod driver;
mod event;
mod fault;
mod graph;
mod live;
mod mask;
mod path;
mod plan;
mod survey;
mod value;

pub use address::{Address, AddressError};
pub use apply::{Done, Failure, Outcome, Skipped, apply};
pub use call::millis;
pub use change::{Action, Change, Why};
pub use check::{DATA_LOSS, Finding, LEFT_ALONE, NOT_OURS, Severity, check};
pub use cx::{Cx, Wait};
pub use diff::{FieldDiff, UNKNOWN, diff};
pub use driver::{Driver, Drivers, Limits};
pub use event::{Event, Phase, Sink};
pub use fault::{Cause, Code, Fault, FaultKind};
pub use graph::{Graph, GraphError, HELD, Keep, Lead, Node, Want};
pub use live::{Live, Outputs, Owner};
pub use mask::Mask;
pub use plan::{Plan, PlanError, Summary, plan};
pub use survey::{Snapshot, SurveyError, survey};
pub use value::{References, Source, Value, references, resolve};
