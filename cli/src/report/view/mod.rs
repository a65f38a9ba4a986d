//! What commands have found out, as plain data: it serialises to exactly the contract's JSON, and renders itself for
//! people. A view is built by a command and never does anything.

mod applied;
mod changes;
mod counts;
mod dead;
mod deployments;
mod distribution;
mod export;
mod invoke;
mod logs;
mod paths;
mod plan;
mod report;
mod send;
mod simple;
mod snippet;
mod status;
mod tune;
mod versions;

use serde::Serialize;

use super::style::Style;

pub use applied::{DeployView, DestroyView, Left};
pub use changes::{ChangesView, CountChange, ImportView, LeftOut};
pub use counts::{CountRow, CountsView, Tally};
pub use dead::{DeadLetterRow, DeadLettersView, PurgeView, RedriveView, Stuck};
pub use deployments::{DeploymentRow, DeploymentsView};
pub use distribution::{DistributionRow, InvalidateView};
pub use export::{Dropped, Numbers, csv, is_formula, ndjson};
pub use invoke::{EventView, InvokeView};
pub use logs::{LogLine, LogsView};
pub use paths::{PathListView, PathsView, Refused, Stray};
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

/// A view: its fields are its JSON, with `"v":1` in front.
pub trait View: Serialize {
    /// The text for people: whole lines.
    fn render(&self, style: Style) -> String;
}

/// A result that can be shown, of whatever kind.
pub trait Report {
    /// The text for people: whole lines.
    fn human(&self, style: Style) -> String;
    /// One JSON object on one line, without its end.
    fn json(&self) -> String;
}

impl<T: View> Report for T {
    fn human(&self, style: Style) -> String {
        let text = self.render(style);
        if style.tty { super::text::guard(&text).into_owned() } else { text }
    }

    fn json(&self) -> String {
        #[derive(Serialize)]
        struct Versioned<'a, T: Serialize> {
            v: u8,
            #[serde(flatten)]
            view: &'a T,
        }
        // Views have string keys and finite numbers: this cannot fail.
        serde_json::to_string(&Versioned { v: 1, view: self }).unwrap_or_default()
    }
}

/// The styles that views are tested with.
#[cfg(test)]
pub(crate) mod styles {
    use super::Style;

    pub(crate) const NARROW: Style = Style { color: false, tty: true, width: Some(40), unicode: true };
    pub(crate) const WIDE: Style = Style { color: false, tty: true, width: Some(100), unicode: true };
    pub(crate) const COLOUR: Style = Style { color: true, tty: true, width: Some(100), unicode: true };

    /// Colour codes made visible, for snapshots.
    pub(crate) fn visible(text: &str) -> String {
        text.replace("\u{1b}[0m", "</>").replace("\u{1b}[", "<")
    }

    /// No line is wider than the terminal.
    pub(crate) fn fits(text: &str, style: Style) -> bool {
        text.lines().all(|line| super::super::text::width(line) <= style.columns())
    }
}
