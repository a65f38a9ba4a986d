//! An in-memory cloud whose driver can fail, hang, panic or lose a response.
//!
//! As in a real cloud, each creation assigns a new id, and the deletion of a resource deletes its children, the resources whose spec names it as `parent`.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use hitctl_engine::{
    Driver, DriverContext, DriverTimeouts, Drivers, Fault, FaultKind, FieldDiff, Node, ObservedState,
    Outputs, Owner, RetryPolicy,
};
use serde_json::{Value as Json, json};
use tokio::time::timeout;

/// A fault that the cloud injects into the calls for one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InjectedFault {
    /// The write fails.
    Fail,
    /// The write is applied, but the response is lost.
    LoseResponse,
    /// The write never ends.
    Hang,
    /// The driver panics.
    Panic,
    /// The write fails twice with a transient fault, then succeeds.
    Transient,
    /// The write always fails with a transient fault.
    TransientForever,
    /// The resource is deleted while it is read.
    DeletedWhileRead,
}

impl InjectedFault {
    /// Whether the change fails in the end.
    pub(crate) fn is_fatal(self) -> bool {
        self != Self::Transient
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteOp {
    Create,
    Update,
    Delete,
}

/// A write, with the state of the cloud at its start.
#[derive(Clone, Debug)]
pub(crate) struct WriteCall {
    pub(crate) op: WriteOp,
    pub(crate) name: String,
    /// The existing resources.
    pub(crate) existing: BTreeSet<String>,
    /// The resources that other writes were changing.
    pub(crate) busy: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct StoredResource {
    spec: Json,
    id: String,
    owner: Owner,
}

#[derive(Default)]
struct CloudState {
    items: BTreeMap<String, StoredResource>,
    last_id: u32,
    busy: BTreeSet<String>,
    calls: Vec<WriteCall>,
    faults: BTreeMap<String, InjectedFault>,
}

/// The in-memory cloud. Clones share the same state.
#[derive(Clone, Default)]
pub(crate) struct ToyCloud(Arc<Mutex<CloudState>>);

impl ToyCloud {
    fn state(&self) -> MutexGuard<'_, CloudState> {
        self.0.lock().unwrap()
    }

    pub(crate) fn drivers(&self) -> Drivers {
        let limits = DriverTimeouts { read: Duration::from_mins(1), write: Duration::from_mins(10) };
        Drivers::for_all_kinds(Arc::new(self.clone())).with_timeouts(limits)
    }

    /// Sets the faults of later calls, by resource name.
    pub(crate) fn set_faults(&self, faults: &BTreeMap<String, InjectedFault>) {
        self.state().faults.clone_from(faults);
    }

    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.state().items.keys().cloned().collect()
    }

    /// Removes and returns the recorded writes. Also forgets writes that hung.
    pub(crate) fn take_calls(&self) -> Vec<WriteCall> {
        let mut state = self.state();
        state.busy.clear();
        std::mem::take(&mut state.calls)
    }

    /// Deletes a resource outside of hitctl.
    pub(crate) fn delete_externally(&self, name: &str) {
        self.state().remove(name);
    }

    /// Changes a resource outside of hitctl.
    pub(crate) fn change_externally(&self, name: &str, field: &str, value: Json) {
        if let Some(item) = self.state().items.get_mut(name) {
            item.spec[field] = value;
        }
    }

    /// Creates a resource outside of hitctl, with the given owner.
    pub(crate) fn create_externally(&self, name: &str, owner: Owner) {
        let item = StoredResource { spec: json!({}), id: "id-foreign".to_owned(), owner };
        self.state().items.insert(name.to_owned(), item);
    }

    /// Performs a write with the fault that is set for the resource. Shortly before its end, it applies `change` to the
    /// state.
    async fn write(
        &self,
        cx: &DriverContext,
        node: &Node,
        op: WriteOp,
        change: impl Fn(&mut CloudState) + Send + Sync,
    ) -> Result<Outputs, Fault> {
        let fault = self.begin(op, &node.name);
        advance_time(Duration::from_millis(node.name.len() as u64 * 7)).await;
        let refused = || Fault::fatal("Refused", format!("failed to write toy {}", node.name));
        match fault {
            Some(InjectedFault::Fail) => return self.end(node, Err(refused())),
            Some(InjectedFault::Hang) => pending().await,
            Some(InjectedFault::Panic) => {
                self.state().busy.remove(&node.name);
                panic!("injected panic");
            }
            Some(kind @ (InjectedFault::Transient | InjectedFault::TransientForever)) => {
                let policy = RetryPolicy::with_budget(Duration::from_secs(30));
                let mut attempts = 0;
                let waited = cx.retry(&policy, "waiting for the toy", || {
                    attempts += 1;
                    let ready = kind == InjectedFault::Transient && attempts > 2;
                    async move { if ready { Ok(()) } else { Err(Fault::transient("NotYet", "not yet")) } }
                });
                if let Err(fault) = waited.await {
                    return self.end(node, Err(fault));
                }
            }
            Some(InjectedFault::LoseResponse | InjectedFault::DeletedWhileRead) | None => {}
        }
        change(&mut self.state());
        advance_time(Duration::from_millis(3)).await;
        let id = self.state().items.get(&node.name).map(|item| ("id".to_owned(), item.id.clone()));
        let response_lost = fault == Some(InjectedFault::LoseResponse);
        self.end(node, if response_lost { Err(refused()) } else { Ok(id.into_iter().collect()) })
    }

    fn begin(&self, op: WriteOp, name: &str) -> Option<InjectedFault> {
        let mut state = self.state();
        let (existing, busy) = (state.items.keys().cloned().collect(), state.busy.clone());
        state.calls.push(WriteCall { op, name: name.to_owned(), existing, busy });
        assert!(state.busy.insert(name.to_owned()), "two calls at once on {name}");
        state.faults.get(name).copied()
    }

    fn end(&self, node: &Node, result: Result<Outputs, Fault>) -> Result<Outputs, Fault> {
        self.state().busy.remove(&node.name);
        result
    }
}

impl CloudState {
    /// Removes a resource with its children.
    fn remove(&mut self, name: &str) {
        let Some(removed) = self.items.remove(name) else { return };
        let is_child =
            |item: &StoredResource| item.spec["parent"] == *name || item.spec["parent"] == *removed.id;
        let children: Vec<String> =
            self.items.iter().filter(|(_, item)| is_child(item)).map(|(name, _)| name.clone()).collect();
        for name in &children {
            self.remove(name);
        }
    }
}

/// Advances the paused time.
async fn advance_time(time: Duration) {
    assert!(timeout(time, pending::<()>()).await.is_err());
}

impl Driver for ToyCloud {
    fn read<'a>(
        &'a self,
        _: &'a DriverContext,
        node: &'a Node,
    ) -> BoxFuture<'a, Result<Option<ObservedState>, Fault>> {
        async {
            advance_time(Duration::from_millis(5)).await;
            let mut state = self.state();
            if state.faults.get(&node.name) == Some(&InjectedFault::DeletedWhileRead)
                && state.items.remove(&node.name).is_some()
            {
                return Err(Fault::fatal("gone", "there is no such toy").of_kind(FaultKind::NotFound));
            }
            Ok(state.items.get(&node.name).map(|item| ObservedState {
                spec: item.spec.clone(),
                outputs: Outputs::from([("id".to_owned(), item.id.clone())]),
                owner: item.owner.clone(),
            }))
        }
        .boxed()
    }

    fn create<'a>(
        &'a self,
        cx: &'a DriverContext,
        node: &'a Node,
        desired: &'a Json,
    ) -> BoxFuture<'a, Result<Outputs, Fault>> {
        self.write(cx, node, WriteOp::Create, |state| {
            state.last_id += 1;
            let item = StoredResource {
                spec: desired.clone(),
                id: format!("id-{}", state.last_id),
                owner: Owner::Ours,
            };
            state.items.insert(node.name.clone(), item);
        })
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
        self.write(cx, node, WriteOp::Update, move |state| {
            // Only the given fields are changed, so that a test detects a diff that misses a field.
            let mut spec = observed.spec.clone();
            for field in fields {
                let top = field.field.split(['.', '[']).next().unwrap_or_default();
                spec[top] = desired[top].clone();
            }
            if let Some(item) = state.items.get_mut(&node.name) {
                item.spec = spec;
            }
        })
        .boxed()
    }

    fn delete<'a>(
        &'a self,
        cx: &'a DriverContext,
        node: &'a Node,
        _: &'a ObservedState,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        async { self.write(cx, node, WriteOp::Delete, |state| state.remove(&node.name)).await.map(drop) }
            .boxed()
    }
}
