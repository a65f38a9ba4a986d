//! Reads the observed state of all resources at once, as plain data. It never writes.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::address::Address;
use crate::call::run_bounded;
use crate::context::DriverContext;
use crate::driver::{Driver, Drivers};
use crate::event::EventSink;
use crate::fault::{Fault, FaultKind};
use crate::graph::{Graph, Node};
use crate::observed_state::ObservedState;

/// The observed state of each resource by address; `None` for a resource that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Snapshot(BTreeMap<Address, Option<ObservedState>>);

impl Snapshot {
    /// Returns the result of the read at an address. The outer `None` means that the resource was not read, the inner `None` that
    /// it does not exist.
    pub fn get(&self, address: &Address) -> Option<Option<&ObservedState>> {
        self.0.get(address).map(Option::as_ref)
    }

    /// Returns the observed state at an address. Returns `None` when the resource does not exist or was not read.
    pub fn observed(&self, address: &Address) -> Option<&ObservedState> {
        self.get(address).flatten()
    }

    /// Sets the result of the read at an address.
    pub fn insert(&mut self, address: Address, observed: Option<ObservedState>) {
        self.0.insert(address, observed);
    }

    /// Returns all addresses with their observed states, in the order of the addresses.
    pub fn iter(&self) -> impl Iterator<Item = (&Address, Option<&ObservedState>)> {
        self.0.iter().map(|(address, observed)| (address, observed.as_ref()))
    }
}

impl FromIterator<(Address, Option<ObservedState>)> for Snapshot {
    fn from_iter<I: IntoIterator<Item = (Address, Option<ObservedState>)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

/// The error of an incomplete survey, from which no plan can be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}", self.message())]
pub struct SurveyError {
    /// All failed reads by address.
    pub faults: BTreeMap<Address, Fault>,
    /// Whether the user interrupted the survey.
    pub interrupted: bool,
}

impl SurveyError {
    fn message(&self) -> String {
        match self.faults.values().next() {
            None => "interrupted while reading the deployed resources".to_owned(),
            Some(first) if self.faults.len() == 1 => first.message.clone(),
            Some(first) => format!("{} (and {} more)", first.message, self.faults.len() - 1),
        }
    }
}

/// The maximum number of attempts to read a resource. An attempt fails if the resource is deleted during the read.
const MAX_READS: usize = 3;

/// Reads one resource. A read may take several API calls. If the resource is deleted between them, a second read finds it
/// absent.
async fn read_resource(
    driver: &dyn Driver,
    cx: &DriverContext,
    node: &Node,
) -> Result<Option<ObservedState>, Fault> {
    for _ in 1..MAX_READS {
        match driver.read(cx, node).await {
            Err(fault) if fault.kind == FaultKind::NotFound => {}
            result => return result,
        }
    }
    // The last attempt returns every fault.
    driver.read(cx, node).await
}

/// Reads every resource of the graph, present or absent, concurrently.
///
/// Returns immediately when `stop` is cancelled, because reads change nothing.
pub async fn survey(
    graph: &Graph,
    drivers: &Drivers,
    sink: &EventSink,
    stop: &CancellationToken,
) -> Result<Snapshot, SurveyError> {
    let reads = graph.nodes().iter().map(|node| async move {
        let cx = DriverContext::new(node.address.clone(), sink.clone(), stop.clone());
        let operation = format!("read {} {}", node.address.kind_words(), node.name);
        let read = async { read_resource(drivers.get(node.address.kind())?, &cx, node).await };
        (node.address.clone(), run_bounded(&operation, drivers.timeouts().read, read).await)
    });
    let Some(results) = stop.run_until_cancelled(join_all(reads)).await else {
        return Err(SurveyError { faults: BTreeMap::new(), interrupted: true });
    };

    let mut snapshot = Snapshot::default();
    let mut faults = BTreeMap::new();
    for (address, result) in results {
        match result {
            Ok(observed) => snapshot.insert(address, observed),
            Err(fault) => drop(faults.insert(address, fault)),
        }
    }
    if faults.is_empty() { Ok(snapshot) } else { Err(SurveyError { faults, interrupted: false }) }
}
