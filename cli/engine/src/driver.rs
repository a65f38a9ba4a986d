//! The interface between the engine and a cloud: a driver reads and writes one kind of resource.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value as Json;

use crate::context::DriverContext;
use crate::diff::FieldDiff;
use crate::fault::Fault;
use crate::graph::Node;
use crate::observed_state::{ObservedState, Outputs};

/// Reads and writes one kind of resource in one cloud. A driver does the I/O; the engine makes the decisions.
///
/// Specs are JSON, so that one driver can serve kinds for which it has no types. All references in a `desired` spec are
/// resolved. Because a call may be repeated after a lost response, creating a resource that already exists with the
/// desired spec returns `Ok`, and so does deleting a resource that does not exist.
pub trait Driver: Send + Sync {
    /// Reads the resource that has the name of `node`. Returns `None` if it does not exist. Never writes.
    fn read<'a>(
        &'a self,
        cx: &'a DriverContext,
        node: &'a Node,
    ) -> BoxFuture<'a, Result<Option<ObservedState>, Fault>>;

    /// Creates the resource and returns when it can be used.
    fn create<'a>(
        &'a self,
        cx: &'a DriverContext,
        node: &'a Node,
        desired: &'a Json,
    ) -> BoxFuture<'a, Result<Outputs, Fault>>;

    /// Changes `fields` and returns when the change is in effect.
    fn update<'a>(
        &'a self,
        cx: &'a DriverContext,
        node: &'a Node,
        observed: &'a ObservedState,
        desired: &'a Json,
        fields: &'a [FieldDiff],
    ) -> BoxFuture<'a, Result<Outputs, Fault>>;

    /// Deletes the resource and returns when its name can be used again.
    fn delete<'a>(
        &'a self,
        cx: &'a DriverContext,
        node: &'a Node,
        observed: &'a ObservedState,
    ) -> BoxFuture<'a, Result<(), Fault>>;
}

/// The timeouts of driver calls, retries included. They are long, because they only have to end calls that hang.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriverTimeouts {
    /// The timeout of a read.
    pub read: Duration,
    /// The timeout of a create, an update or a delete.
    pub write: Duration,
}

impl Default for DriverTimeouts {
    /// Returns two minutes for reads and twenty for writes: some AWS resources take ten minutes.
    fn default() -> Self {
        Self { read: Duration::from_mins(2), write: Duration::from_mins(20) }
    }
}

/// The drivers of one cloud, by kind.
#[derive(Clone, Default)]
pub struct Drivers {
    by_kind: BTreeMap<String, Arc<dyn Driver>>,
    fallback: Option<Arc<dyn Driver>>,
    timeouts: DriverTimeouts,
}

impl Drivers {
    /// Uses one driver for every kind.
    pub fn for_all_kinds(driver: Arc<dyn Driver>) -> Self {
        Self { fallback: Some(driver), ..Self::default() }
    }

    /// Adds the driver of one kind.
    #[must_use]
    pub fn with(mut self, kind: &str, driver: Arc<dyn Driver>) -> Self {
        self.by_kind.insert(kind.to_owned(), driver);
        self
    }

    /// Sets the timeouts of driver calls.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: DriverTimeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Returns the timeouts of driver calls.
    pub fn timeouts(&self) -> DriverTimeouts {
        self.timeouts
    }

    /// Returns the driver of a kind, or the fault `no_driver`.
    pub fn get(&self, kind: &str) -> Result<&dyn Driver, Fault> {
        self.by_kind.get(kind).or(self.fallback.as_ref()).map(AsRef::as_ref).ok_or_else(|| {
            let message = format!("internal error: no driver for resources of kind {kind}; please report it");
            Fault::fatal("no_driver", message)
        })
    }
}
