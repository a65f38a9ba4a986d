//! The result of applying a plan: the changes made, failed and skipped.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::address::Address;
use crate::change::Action;
use crate::fault::Fault;
use crate::live::Outputs;

/// A change that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The resource.
    pub address: Address,
    /// Its name in the cloud.
    pub name: String,
    /// The action that failed.
    pub action: Action,
    /// The reason.
    pub fault: Fault,
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Done {
    /// To what.
    pub address: Address,
    /// The action.
    pub action: Action,
    /// Milliseconds.
    pub took_ms: u64,
}

/// A change that was not made, or not to the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The resource.
    pub address: Address,
    /// The action that was skipped.
    pub action: Action,
    /// The resource whose failure is the cause; `None` when the run was interrupted.
    pub because: Option<Address>,
}

/// The result of applying a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The changes made, in the order in which they were finished.
    pub done: Vec<Done>,
    /// The changes that failed, in the order in which they did.
    pub failed: Vec<Failure>,
    /// The changes not made, in the order of the plan.
    pub skipped: Vec<Skipped>,
    /// Whether the user asked to stop before the end.
    pub interrupted: bool,
    /// The outputs of all resources that exist now.
    pub outputs: BTreeMap<Address, Outputs>,
}

impl Outcome {
    /// Whether the whole plan was carried out.
    pub fn is_ok(&self) -> bool {
        self.failed.is_empty() && self.skipped.is_empty() && !self.interrupted
    }
}
