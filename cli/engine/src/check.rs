//! Looks over a plan before it is applied: what must not be done, and what needs the user's word. Pure.

use serde::{Deserialize, Serialize};

use crate::{Address, Plan};

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
    /// A stable word for scripts: `data_loss`, `not_ours`, `left_alone`.
    pub code: String,
    /// About which resource.
    pub address: Address,
    /// What it is: a lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What there is to say about a plan, in its order.
pub fn check(plan: &Plan) -> Vec<Finding> {
    todo!("{plan:?}")
}
