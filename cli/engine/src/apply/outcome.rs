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
    /// Of what.
    pub address: Address,
    /// What it is called in the cloud.
    pub name: String,
    /// What was tried.
    pub action: Action,
    /// Why it failed.
    pub fault: Fault,
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Done {
    /// To what.
    pub address: Address,
    /// What was done.
    pub action: Action,
    /// Milliseconds.
    pub took_ms: u64,
}

/// A change that was not made, or not to the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Of what.
    pub address: Address,
    /// What was to be done.
    pub action: Action,
    /// The resource whose failure is the cause; `None` when the run was interrupted.
    pub because: Option<Address>,
}

/// What became of a plan.
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
    /// What the resources that are there now offer.
    pub outputs: BTreeMap<Address, Outputs>,
}

impl Outcome {
    /// Whether the whole plan was carried out.
    pub fn is_ok(&self) -> bool {
        self.failed.is_empty() && self.skipped.is_empty() && !self.interrupted
    }
}
