//! What commands have found out, as plain data: it serialises to exactly the contract's JSON, and renders itself for
//! people. A view is built by a command and never does anything.

mod applied;
mod changes;
mod counts;
mod dead;
mod deployments;
mod distribution;
mod invoke;
mod logs;
mod page;
mod paths;
mod plan;
mod report;
mod send;
mod simple;
mod snippet;
mod status;
mod tune;
mod versions;

pub use applied::{DeployView, DestroyView, Left};
pub use changes::{ChangesView, ImportView, imported_lines};
pub use counts::CountsView;
pub use dead::{DeadLetterRow, DeadLettersView, PurgeView, RedriveView, Stuck};
pub use deployments::{DeploymentRow, DeploymentsView};
pub use distribution::{DistributionRow, InvalidateView};
pub use invoke::{EventView, InvokeView};
pub use logs::{LogLine, LogsView};
pub use paths::{PathListView, PathsView, Stray};
pub use plan::{Confirmation, Loss, PlanView};
pub use report::{AddressRow, Point, ReportView, Span};
pub use send::{EmitView, FailedEvent, RefusedLine, SendView};
pub use simple::{
    BuildView, Check, CheckStatus, ConfigView, DoctorView, EnvListView, EnvRow, ExplainView, InitView,
    InvalidationRow, InvalidationsView, LocalStatusView, PolicyView, PrivacyView,
};
pub use snippet::SnippetView;
pub use status::{LiveVersion, NewPaths, ResourceRow, StatusView};
pub use tune::TuneView;
pub use versions::{RollbackView, VersionRow, VersionsView};
