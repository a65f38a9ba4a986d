//! The seam between the engine and a cloud: one driver reads and writes one kind of resource.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value as Json;

use crate::cx::Cx;
use crate::diff::FieldDiff;
use crate::fault::Fault;
use crate::graph::Node;
use crate::live::{Live, Outputs};

/// Reads and writes one kind of resource in one cloud. It does the I/O; the engine does the thinking.
///
/// Specs are JSON here, so that one driver can serve kinds it knows nothing about; those it gets have every reference
/// resolved. Each call may be made again after a lost answer: creating what is there already, as wanted, and deleting
/// what is gone are both `Ok`.
pub trait Driver: Send + Sync {
    /// Reads the resource of that node's name; `None` when there is none. Never writes.
    fn read<'a>(&'a self, cx: &'a Cx, node: &'a Node) -> BoxFuture<'a, Result<Option<Live>, Fault>>;

    /// Makes the resource and returns once it can be used.
    fn create<'a>(
        &'a self,
        cx: &'a Cx,
        node: &'a Node,
        want: &'a Json,
    ) -> BoxFuture<'a, Result<Outputs, Fault>>;

    /// Changes the named fields and returns once the change is in force.
    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        node: &'a Node,
        have: &'a Live,
        want: &'a Json,
        fields: &'a [FieldDiff],
    ) -> BoxFuture<'a, Result<Outputs, Fault>>;

    /// Removes the resource and returns once its name is free again.
    fn delete<'a>(&'a self, cx: &'a Cx, node: &'a Node, have: &'a Live) -> BoxFuture<'a, Result<(), Fault>>;
}

/// How long one call of a driver may take, its own waiting included. Generous: they are for calls that hang.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a read.
    pub read: Duration,
    /// For a create, an update or a delete.
    pub write: Duration,
}

impl Default for Limits {
    /// Two minutes to read, twenty to write: some of AWS's resources take ten.
    fn default() -> Self {
        Self { read: Duration::from_mins(2), write: Duration::from_mins(20) }
    }
}

/// The drivers of one cloud, by kind.
#[derive(Clone, Default)]
pub struct Drivers {
    by_kind: BTreeMap<String, Arc<dyn Driver>>,
    fallback: Option<Arc<dyn Driver>>,
    limits: Limits,
}

impl Drivers {
    /// One driver for every kind.
    pub fn all(driver: Arc<dyn Driver>) -> Self {
        Self { fallback: Some(driver), ..Self::default() }
    }

    /// Adds the driver of one kind.
    #[must_use]
    pub fn with(mut self, kind: &str, driver: Arc<dyn Driver>) -> Self {
        self.by_kind.insert(kind.to_owned(), driver);
        self
    }

    /// Bounds each call.
    #[must_use]
    pub fn within(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The bounds of each call.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The driver of a kind; a kind that nobody serves is a fault, not a panic.
    pub fn get(&self, kind: &str) -> Result<&dyn Driver, Fault> {
        self.by_kind
            .get(kind)
            .or(self.fallback.as_ref())
            .map(AsRef::as_ref)
            .ok_or_else(|| Fault::fatal("no_driver", format!("no driver for resources of kind {kind}")))
    }
}
