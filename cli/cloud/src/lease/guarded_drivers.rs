//! The lease of a first deploy, which can be taken only after the deploy has created the table.
//!
//! Deploys that run at the same time cannot create a resource with a unique name twice, but each creation of an
//! HTTP API makes another API. The API is therefore created only after the lease is taken; a second deploy then
//! finds the API of the first one by its tags.

use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hitctl_engine::{Driver, DriverContext, Drivers, Fault, FieldDiff, Node, ObservedState, Outputs};
use hitctl_resources::{HttpApiSpec, Spec as _, TableSpec};
use hitctl_stack::address;
use serde_json::Value as Json;
use tokio::sync::{OnceCell, watch};

use super::{Lease, LeaseRequest};

/// Takes the lease during a first deploy, before the HTTP API is created.
pub struct LeaseGuardedDrivers {
    request: LeaseRequest,
    /// The lease, until [`LeaseGuardedDrivers::take_lease`] removes it.
    lease: OnceCell<Mutex<Option<Lease>>>,
    /// The result of creating the table. `None` until it is known.
    table_created: watch::Sender<Option<Result<(), Fault>>>,
}

impl LeaseGuardedDrivers {
    /// Returns a guard that takes the requested lease after the table was created.
    pub fn new(request: LeaseRequest) -> Arc<Self> {
        Arc::new(Self { request, lease: OnceCell::new(), table_created: watch::Sender::new(None) })
    }

    /// Wraps drivers so that an HTTP API is created only after the lease is taken.
    pub fn wrap(self: &Arc<Self>, drivers: &Drivers) -> Drivers {
        let guarded = Arc::new(GuardedDriver { lease_guard: Arc::clone(self), drivers: drivers.clone() });
        drivers
            .clone()
            .with(TableSpec::KIND, Arc::clone(&guarded) as Arc<dyn Driver>)
            .with(HttpApiSpec::KIND, guarded)
    }

    /// Waits until the table is created, then takes the lease. The wait for the table has no time limit; the
    /// wait for the lease has the limit of the request.
    pub async fn acquire(&self) -> Result<(), Fault> {
        let mut table_receiver = self.table_created.subscribe();
        match self.request.stop.run_until_cancelled(table_receiver.wait_for(Option::is_some)).await {
            Some(Ok(created)) => created.clone().unwrap_or(Ok(()))?,
            // `self` owns the sender, so the channel stays open.
            Some(Err(_)) => {}
            None => {
                return Err(Fault::fatal("interrupted", "interrupted while waiting for the table")
                    .hinted("run the same command again; it continues where it stopped"));
            }
        }
        let take = || async { Ok(Mutex::new(Some(Lease::take(&self.request).await?.0))) };
        self.lease.get_or_try_init(take).await.map(drop)
    }

    /// Removes and returns the lease, so that it can be released. `None` if it was never taken.
    pub fn take_lease(&self) -> Option<Lease> {
        self.lease.get()?.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The wrapped drivers of one cloud.
struct GuardedDriver {
    lease_guard: Arc<LeaseGuardedDrivers>,
    drivers: Drivers,
}

impl Driver for GuardedDriver {
    fn read<'a>(
        &'a self,
        cx: &'a DriverContext,
        node: &'a Node,
    ) -> BoxFuture<'a, Result<Option<ObservedState>, Fault>> {
        async move { self.drivers.get(node.address.kind())?.read(cx, node).await }.boxed()
    }

    fn create<'a>(
        &'a self,
        cx: &'a DriverContext,
        node: &'a Node,
        desired: &'a Json,
    ) -> BoxFuture<'a, Result<Outputs, Fault>> {
        async move {
            let driver = self.drivers.get(node.address.kind())?;
            if node.address.kind() == HttpApiSpec::KIND {
                self.lease_guard.acquire().await?;
                return driver.create(cx, node, desired).await;
            }
            let created = driver.create(cx, node, desired).await;
            // Only the table of counts holds the lease.
            if node.address != address::hits_table() {
                return created;
            }
            let result = created.as_ref().map(drop).map_err(|fault| {
                Fault::fatal(
                    fault.code.clone(),
                    format!("failed to create the table of the lease: {}", fault.message),
                )
            });
            self.lease_guard.table_created.send_replace(Some(result));
            created
        }
        .boxed()
    }

    fn update<'a>(
        &'a self,
        cx: &'a DriverContext,
        node: &'a Node,
        observed: &'a ObservedState,
        desired: &'a Json,
        fields: &'a [FieldDiff],
    ) -> BoxFuture<'a, Result<Outputs, Fault>> {
        async move { self.drivers.get(node.address.kind())?.update(cx, node, observed, desired, fields).await }
            .boxed()
    }

    fn delete<'a>(
        &'a self,
        cx: &'a DriverContext,
        node: &'a Node,
        observed: &'a ObservedState,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        async move { self.drivers.get(node.address.kind())?.delete(cx, node, observed).await }.boxed()
    }
}
