//! The lease of a first deploy: there is no table to hold it in until the deploy has made one.
//!
//! What has a name of its own can be made by several deploys at once, and is there once. An HTTP API is another one each
//! time it is made: so none is made before the table is there and the lease in it is taken. Who comes second finds the
//! API of the first, by its tags.

use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hitctl_engine::{Cx, Driver, Drivers, Fault, FieldDiff, Live, Node, Outputs};
use hitctl_resources::{HttpApiSpec, Spec as _, TableSpec};
use hitctl_stack::address;
use serde_json::Value as Json;
use tokio::sync::{OnceCell, watch};

use super::{Lease, LeaseRequest};

/// A lease that is taken when it is first needed.
pub struct Gate {
    taking: LeaseRequest,
    /// The lease, until [`Gate::take_lease`] takes it out.
    lease: OnceCell<Mutex<Option<Lease>>>,
    /// What became of the table.
    table: watch::Sender<Option<Result<(), Fault>>>,
}

impl Gate {
    /// A lease to be taken that way, once the table is there.
    pub fn new(taking: LeaseRequest) -> Arc<Self> {
        Arc::new(Self { taking, lease: OnceCell::new(), table: watch::Sender::new(None) })
    }

    /// Drivers that make no HTTP API before the lease is taken.
    pub fn guard(self: &Arc<Self>, drivers: &Drivers) -> Drivers {
        let guarded = Arc::new(Guarded { gate: Arc::clone(self), drivers: drivers.clone() });
        drivers
            .clone()
            .with(TableSpec::KIND, Arc::clone(&guarded) as Arc<dyn Driver>)
            .with(HttpApiSpec::KIND, guarded)
    }

    /// Returns once the lease is taken. The table is waited for as long as it takes to make it, and the lease as long as
    /// the user said.
    pub async fn pass(&self) -> Result<(), Fault> {
        let mut table = self.table.subscribe();
        match self.taking.stop.run_until_cancelled(table.wait_for(Option::is_some)).await {
            Some(Ok(made)) => made.clone().unwrap_or(Ok(()))?,
            // The gate holds the other end.
            Some(Err(_)) => {}
            None => {
                return Err(Fault::fatal("interrupted", "interrupted while waiting for the table")
                    .hinted("run the same command again; it continues where it stopped"));
            }
        }
        let take = || async { Ok(Mutex::new(Some(Lease::take(&self.taking).await?.0))) };
        self.lease.get_or_try_init(take).await.map(drop)
    }

    /// Takes the lease out, so that it can be released; `None` if the gate never took it.
    pub fn take_lease(&self) -> Option<Lease> {
        self.lease.get()?.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The drivers of one cloud, behind the gate.
struct Guarded {
    gate: Arc<Gate>,
    drivers: Drivers,
}

impl Driver for Guarded {
    fn read<'a>(&'a self, cx: &'a Cx, node: &'a Node) -> BoxFuture<'a, Result<Option<Live>, Fault>> {
        async move { self.drivers.get(node.address.kind())?.read(cx, node).await }.boxed()
    }

    fn create<'a>(
        &'a self,
        cx: &'a Cx,
        node: &'a Node,
        want: &'a Json,
    ) -> BoxFuture<'a, Result<Outputs, Fault>> {
        async move {
            let driver = self.drivers.get(node.address.kind())?;
            if node.address.kind() == HttpApiSpec::KIND {
                self.gate.pass().await?;
                return driver.create(cx, node, want).await;
            }
            let made = driver.create(cx, node, want).await;
            // The lease is in the table of counts, and in no other.
            if node.address != address::hits_table() {
                return made;
            }
            let said = made.as_ref().map(drop).map_err(|fault| {
                Fault::fatal(
                    fault.code.clone(),
                    format!("there is no table to hold the lease in: {}", fault.message),
                )
            });
            self.gate.table.send_replace(Some(said));
            made
        }
        .boxed()
    }

    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        node: &'a Node,
        have: &'a Live,
        want: &'a Json,
        fields: &'a [FieldDiff],
    ) -> BoxFuture<'a, Result<Outputs, Fault>> {
        async move { self.drivers.get(node.address.kind())?.update(cx, node, have, want, fields).await }
            .boxed()
    }

    fn delete<'a>(&'a self, cx: &'a Cx, node: &'a Node, have: &'a Live) -> BoxFuture<'a, Result<(), Fault>> {
        async move { self.drivers.get(node.address.kind())?.delete(cx, node, have).await }.boxed()
    }
}
