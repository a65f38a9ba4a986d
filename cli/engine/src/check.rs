//! Looks over a plan before it is applied: what must not be done, and what needs the user's word. Pure.

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::change::{Action, Change, Why};
use crate::fault::Code;
use crate::plan::Plan;

/// How much a [`Finding`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth saying; the plan may be applied.
    Warning,
    /// The plan may be applied only after the user agreed to exactly this (`-y` does not cover it).
    Consent,
    /// The plan must not be applied.
    Error,
}

/// One thing about a plan that the user should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// A stable word for scripts, such as [`NOT_OURS`].
    pub code: Code,
    /// About which resource.
    pub address: Address,
    /// What it is: a lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The code of a resource that is wanted and belongs to somebody else.
pub const NOT_OURS: Code = Code::new("not_ours");
/// The code of a resource that is not wanted and belongs to somebody else.
pub const LEFT_ALONE: Code = Code::new("left_alone");
/// The code of a change that loses data.
pub const DATA_LOSS: Code = Code::new("data_loss");

/// Checks a plan, and returns the findings in the order of its changes. They have no hints: only the caller knows the commands.
pub fn check(plan: &Plan) -> Vec<Finding> {
    let about = |change| ownership(change).or_else(|| data_loss(change)).or_else(|| under_kept(plan, change));
    plan.changes.iter().filter_map(about).collect()
}

fn finding(severity: Severity, code: Code, about: &Change, message: String) -> Finding {
    Finding { severity, code, address: about.address().clone(), message, hint: None }
}

fn ownership(change: &Change) -> Option<Finding> {
    let Why::NotOurs(owner) = &change.why else { return None };
    let (kind, name) = (change.kind(), change.name());
    Some(if change.is_conflict() {
        let message = format!("{kind} {name} is there already and is not this app's ({owner})");
        finding(Severity::Error, NOT_OURS, change, message)
    } else {
        let message = format!("{kind} {name} is not this app's ({owner}) and is left alone");
        finding(Severity::Warning, LEFT_ALONE, change, message)
    })
}

fn data_loss(change: &Change) -> Option<Finding> {
    if !matches!(change.action, Action::Delete | Action::Replace)
        || !change.node.keep.asks(change.have.as_ref())
    {
        return None;
    }
    let (how, kind, name) = (change.action.doing(), change.kind(), change.name());
    let message = format!("{how} {kind} {name} loses its data: {}", change.why);
    Some(finding(Severity::Consent, DATA_LOSS, change, message))
}

/// What holds data and is kept although it is not wanted has no say in the plan: it may go down with its whole.
fn under_kept(plan: &Plan, change: &Change) -> Option<Finding> {
    let is_kept = |other: &&Change| {
        matches!(other.why, Why::DataKept | Why::NeededBy(_)) && other.node.needs.contains(change.address())
    };
    let kept = (change.action == Action::Replace).then(|| plan.changes.iter().find(is_kept)).flatten()?;
    let (kind, name, of, needs_it) = (change.kind(), change.name(), kept.kind(), kept.name());
    let message = format!("replacing {kind} {name} may lose the data of {of} {needs_it}, which needs it");
    Some(finding(Severity::Consent, DATA_LOSS, kept, message))
}
