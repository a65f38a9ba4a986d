//! The result of applying a plan: the completed, failed and skipped changes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::address::Address;
use crate::change::Action;
use crate::fault::Fault;
use crate::observed_state::Outputs;

/// A change that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedChange {
    /// The resource whose change failed.
    pub address: Address,
    /// The name of the resource in the cloud.
    pub name: String,
    /// The action that failed.
    pub action: Action,
    /// The error.
    pub fault: Fault,
}

/// A change that was completed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CompletedChange {
    /// The changed resource.
    pub address: Address,
    /// The action that was taken.
    pub action: Action,
    /// The duration in milliseconds.
    pub took_ms: u64,
}

/// A change that was not started, or not completed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedChange {
    /// The resource whose change was skipped.
    pub address: Address,
    /// The action that was skipped.
    pub action: Action,
    /// The resource whose failure is the cause; `None` when the run was interrupted.
    pub because: Option<Address>,
}

/// The result of applying a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ApplyOutcome {
    /// The completed changes, in the order in which they ended.
    pub done: Vec<CompletedChange>,
    /// The failed changes, in the order in which they ended.
    pub failed: Vec<FailedChange>,
    /// The skipped changes, in the order of the plan.
    pub skipped: Vec<SkippedChange>,
    /// Whether the user interrupted the run before its end.
    pub interrupted: bool,
    /// The outputs of all resources that exist after the run.
    pub outputs: BTreeMap<Address, Outputs>,
}

impl ApplyOutcome {
    /// Whether all changes of the plan were completed.
    pub fn is_ok(&self) -> bool {
        self.failed.is_empty() && self.skipped.is_empty() && !self.interrupted
    }
}
