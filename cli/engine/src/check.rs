//! Checks a plan before it is applied: finds changes that are not allowed and changes that need the user's consent. This is
//! a pure function of the plan.

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::change::{Action, Change, ChangeReason};
use crate::fault::FaultCode;
use crate::plan::Plan;

/// The severity of a [`Finding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth showing; the plan may be applied.
    Warning,
    /// The plan may be applied only after the user has agreed to exactly this change (`-y` does not cover it).
    Consent,
    /// The plan must not be applied.
    Error,
}

/// A fact about a plan that the user should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The severity, which decides whether the plan may be applied.
    pub severity: Severity,
    /// A stable code for scripts, such as [`NOT_OURS`].
    pub code: FaultCode,
    /// The resource that the finding is about.
    pub address: Address,
    /// A description in lower case, without a full stop.
    pub message: String,
    /// The next step for the user.
    pub hint: Option<String>,
}

/// The code for a desired resource that belongs to another owner.
pub const NOT_OURS: FaultCode = FaultCode::new("not_ours");
/// The code for a resource that is not desired and belongs to another owner.
pub const LEFT_ALONE: FaultCode = FaultCode::new("left_alone");
/// The code for a change that loses data.
pub const DATA_LOSS: FaultCode = FaultCode::new("data_loss");

/// Checks a plan and returns the findings in the order of its changes. Findings have no hints, because only the caller knows
/// the commands of the program.
pub fn check(plan: &Plan) -> Vec<Finding> {
    let check_change = |change| {
        check_owner(change)
            .or_else(|| check_data_loss(change))
            .or_else(|| check_kept_dependents(plan, change))
    };
    plan.changes.iter().filter_map(check_change).collect()
}

fn finding(severity: Severity, code: FaultCode, change: &Change, message: String) -> Finding {
    Finding { severity, code, address: change.address().clone(), message, hint: None }
}

fn check_owner(change: &Change) -> Option<Finding> {
    let ChangeReason::NotOurs(owner) = &change.why else { return None };
    let (kind, name) = (change.address().kind_words(), change.name());
    Some(if change.is_conflict() {
        let message = format!("{kind} {name} already exists and is not managed by this app ({owner})");
        finding(Severity::Error, NOT_OURS, change, message)
    } else {
        let message = format!("{kind} {name} is not managed by this app ({owner}) and stays unchanged");
        finding(Severity::Warning, LEFT_ALONE, change, message)
    })
}

fn check_data_loss(change: &Change) -> Option<Finding> {
    if !matches!(change.action, Action::Delete | Action::Replace)
        || !change.node.deletion_policy.requires_confirmation(change.observed.as_ref())
    {
        return None;
    }
    let (participle, kind, name) =
        (change.action.present_participle(), change.address().kind_words(), change.name());
    let message = format!("{participle} {kind} {name} loses its data ({})", change.why);
    Some(finding(Severity::Consent, DATA_LOSS, change, message))
}

/// Reports a resource that is kept for its data while a resource it depends on is replaced. A cloud may delete the kept
/// resource together with the replaced one, and the plan cannot prevent it.
fn check_kept_dependents(plan: &Plan, change: &Change) -> Option<Finding> {
    let is_kept = |other: &&Change| {
        matches!(other.why, ChangeReason::DataKept | ChangeReason::RequiredBy(_))
            && other.node.dependencies.contains(change.address())
    };
    let kept = (change.action == Action::Replace).then(|| plan.changes.iter().find(is_kept)).flatten()?;
    let (kind, name) = (change.address().kind_words(), change.name());
    let message = format!(
        "replacing {kind} {name} may lose the data of {} {}, which depends on it",
        kept.address().kind_words(),
        kept.name()
    );
    Some(finding(Severity::Consent, DATA_LOSS, kept, message))
}
