//! A cloud in memory, with a driver that can be told to fail, hang, panic or lose an answer.
//!
//! Ids are new with every creation, and what is made inside of something (`parent`) goes down with it, as in real ones.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use hitctl_engine::{
    Cx, Driver, Drivers, Fault, FaultKind, FieldDiff, Limits, Live, Node, Outputs, Owner, Wait,
};
use serde_json::{Value as Json, json};
use tokio::time::timeout;

/// What goes wrong with each write to one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is refused.
    Fail,
    /// It is done, and the answer is lost.
    LoseAnswer,
    /// It never ends.
    Hang,
    /// The driver panics.
    Panic,
    /// It is refused twice, then done.
    Transient,
    /// It is refused for longer than anyone waits.
    TransientForever,
    /// Somebody deletes it while it is read.
    DeletedWhileRead,
}

impl Trouble {
    /// Whether the change fails for it in the end.
    pub(crate) fn is_fatal(self) -> bool {
        self != Self::Transient
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Create,
    Update,
    Delete,
}

/// A write, as it began.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) op: Op,
    pub(crate) name: String,
    /// What was live then.
    pub(crate) live: BTreeSet<String>,
    /// What other calls were working on then.
    pub(crate) busy: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct Item {
    spec: Json,
    id: String,
    owner: Owner,
}

#[derive(Default)]
struct State {
    items: BTreeMap<String, Item>,
    ids: u32,
    busy: BTreeSet<String>,
    calls: Vec<Call>,
    trouble: BTreeMap<String, Trouble>,
}

/// The cloud. Clones are the same cloud.
#[derive(Clone, Default)]
pub(crate) struct Cloud(Arc<Mutex<State>>);

impl Cloud {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn drivers(&self) -> Drivers {
        let limits = Limits { read: Duration::from_mins(1), write: Duration::from_mins(10) };
        Drivers::all(Arc::new(self.clone())).within(limits)
    }

    /// What goes wrong from now on, by name.
    pub(crate) fn trouble(&self, trouble: &BTreeMap<String, Trouble>) {
        self.state().trouble.clone_from(trouble);
    }

    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.state().items.keys().cloned().collect()
    }

    /// The writes since the last time.
    pub(crate) fn take_calls(&self) -> Vec<Call> {
        let mut state = self.state();
        state.busy.clear();
        std::mem::take(&mut state.calls)
    }

    /// Somebody deletes a resource behind our back.
    pub(crate) fn lose(&self, name: &str) {
        self.state().remove(name);
    }

    /// Somebody changes a resource behind our back.
    pub(crate) fn tamper(&self, name: &str, field: &str, value: Json) {
        if let Some(item) = self.state().items.get_mut(name) {
            item.spec[field] = value;
        }
    }

    /// Somebody else makes a resource.
    pub(crate) fn plant(&self, name: &str, owner: Owner) {
        let item = Item { spec: json!({}), id: "id-foreign".to_owned(), owner };
        self.state().items.insert(name.to_owned(), item);
    }

    /// The write itself: takes a while, does `change` half-way, and goes wrong as told.
    async fn write(
        &self,
        cx: &Cx,
        node: &Node,
        op: Op,
        change: impl Fn(&mut State) + Send + Sync,
    ) -> Result<Outputs, Fault> {
        let trouble = self.begin(op, &node.name);
        pass(Duration::from_millis(node.name.len() as u64 * 7)).await;
        let refused = || Fault::fatal("Refused", format!("failed to write toy {}", node.name));
        match trouble {
            Some(Trouble::Fail) => return self.end(node, Err(refused())),
            Some(Trouble::Hang) => pending().await,
            Some(Trouble::Panic) => {
                self.state().busy.remove(&node.name);
                panic!("told to");
            }
            Some(kind @ (Trouble::Transient | Trouble::TransientForever)) => {
                let policy = Wait::up_to(Duration::from_secs(30));
                let mut attempts = 0;
                let waited = cx.wait(&policy, "waiting for the toy", || {
                    attempts += 1;
                    let ready = kind == Trouble::Transient && attempts > 2;
                    async move { if ready { Ok(()) } else { Err(Fault::transient("NotYet", "not yet")) } }
                });
                if let Err(fault) = waited.await {
                    return self.end(node, Err(fault));
                }
            }
            Some(Trouble::LoseAnswer | Trouble::DeletedWhileRead) | None => {}
        }
        change(&mut self.state());
        pass(Duration::from_millis(3)).await;
        let id = self.state().items.get(&node.name).map(|item| ("id".to_owned(), item.id.clone()));
        let lost = trouble == Some(Trouble::LoseAnswer);
        self.end(node, if lost { Err(refused()) } else { Ok(id.into_iter().collect()) })
    }

    fn begin(&self, op: Op, name: &str) -> Option<Trouble> {
        let mut state = self.state();
        let (live, busy) = (state.items.keys().cloned().collect(), state.busy.clone());
        state.calls.push(Call { op, name: name.to_owned(), live, busy });
        assert!(state.busy.insert(name.to_owned()), "two calls at once on {name}");
        state.trouble.get(name).copied()
    }

    fn end(&self, node: &Node, result: Result<Outputs, Fault>) -> Result<Outputs, Fault> {
        self.state().busy.remove(&node.name);
        result
    }
}

impl State {
    /// Removes a resource with all that is inside of it.
    fn remove(&mut self, name: &str) {
        let Some(gone) = self.items.remove(name) else { return };
        let inside = |item: &Item| item.spec["parent"] == *name || item.spec["parent"] == *gone.id;
        let inside: Vec<String> =
            self.items.iter().filter(|(_, item)| inside(item)).map(|(name, _)| name.clone()).collect();
        for name in &inside {
            self.remove(name);
        }
    }
}

/// Lets (paused) time pass.
async fn pass(time: Duration) {
    assert!(timeout(time, pending::<()>()).await.is_err());
}

impl Driver for Cloud {
    fn read<'a>(&'a self, _: &'a Cx, node: &'a Node) -> BoxFuture<'a, Result<Option<Live>, Fault>> {
        async {
            pass(Duration::from_millis(5)).await;
            let mut state = self.state();
            if state.trouble.get(&node.name) == Some(&Trouble::DeletedWhileRead)
                && state.items.remove(&node.name).is_some()
            {
                return Err(Fault::fatal("gone", "there is no such toy").of_kind(FaultKind::NotFound));
            }
            Ok(state.items.get(&node.name).map(|item| Live {
                spec: item.spec.clone(),
                outputs: Outputs::from([("id".to_owned(), item.id.clone())]),
                owner: item.owner.clone(),
            }))
        }
        .boxed()
    }

    fn create<'a>(
        &'a self,
        cx: &'a Cx,
        node: &'a Node,
        want: &'a Json,
    ) -> BoxFuture<'a, Result<Outputs, Fault>> {
        self.write(cx, node, Op::Create, |state| {
            state.ids += 1;
            let item = Item { spec: want.clone(), id: format!("id-{}", state.ids), owner: Owner::Ours };
            state.items.insert(node.name.clone(), item);
        })
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
        self.write(cx, node, Op::Update, move |state| {
            // Only what is named is changed, so that a diff that misses a field is found out.
            let mut spec = have.spec.clone();
            for field in fields {
                let top = field.field.split(['.', '[']).next().unwrap_or_default();
                spec[top] = want[top].clone();
            }
            if let Some(item) = state.items.get_mut(&node.name) {
                item.spec = spec;
            }
        })
        .boxed()
    }

    fn delete<'a>(&'a self, cx: &'a Cx, node: &'a Node, _: &'a Live) -> BoxFuture<'a, Result<(), Fault>> {
        async { self.write(cx, node, Op::Delete, |state| state.remove(&node.name)).await.map(drop) }.boxed()
    }
}
