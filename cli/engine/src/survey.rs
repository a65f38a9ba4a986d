//! Reads what is live: everything at once, and only reading. Its result is plain data.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::address::Address;
use crate::call::bounded;
use crate::cx::Cx;
use crate::driver::{Driver, Drivers};
use crate::event::Sink;
use crate::fault::{Fault, FaultKind};
use crate::graph::{Graph, Node};
use crate::live::Live;

/// What is live, by address; `None` for what is not there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Snapshot(BTreeMap<Address, Option<Live>>);

impl Snapshot {
    /// What was found at an address; `None` when nobody looked.
    pub fn get(&self, address: &Address) -> Option<Option<&Live>> {
        self.0.get(address).map(Option::as_ref)
    }

    /// The live resource at an address.
    pub fn live(&self, address: &Address) -> Option<&Live> {
        self.get(address).flatten()
    }

    /// Notes what was found at an address.
    pub fn insert(&mut self, address: Address, found: Option<Live>) {
        self.0.insert(address, found);
    }

    /// Every address with what was found there, by address.
    pub fn iter(&self) -> impl Iterator<Item = (&Address, Option<&Live>)> {
        self.0.iter().map(|(address, found)| (address, found.as_ref()))
    }
}

impl FromIterator<(Address, Option<Live>)> for Snapshot {
    fn from_iter<I: IntoIterator<Item = (Address, Option<Live>)>>(found: I) -> Self {
        Self(found.into_iter().collect())
    }
}

/// A survey that is not complete, and so is of no use for a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}", self.text())]
pub struct SurveyError {
    /// What could not be read, and why. Every fault is here.
    pub faults: BTreeMap<Address, Fault>,
    /// Whether the user stopped it.
    pub interrupted: bool,
}

impl SurveyError {
    fn text(&self) -> String {
        match self.faults.values().next() {
            None => "interrupted while reading what is live".to_owned(),
            Some(first) if self.faults.len() == 1 => first.message.clone(),
            Some(first) => format!("{} (and {} more)", first.message, self.faults.len() - 1),
        }
    }
}

/// The most reads of a resource that is deleted, and perhaps created again, while it is read.
const READS: usize = 3;

/// Reads one resource. A read takes several calls. If somebody deletes the resource in between, a second read finds it absent.
async fn read(driver: &dyn Driver, cx: &Cx, node: &Node) -> Result<Option<Live>, Fault> {
    for _ in 1..READS {
        match driver.read(cx, node).await {
            Err(fault) if fault.kind == FaultKind::NotFound => {}
            answer => return answer,
        }
    }
    driver.read(cx, node).await
}

/// Reads every resource of the graph, present or absent, at once.
///
/// Stops at once when `stop` is cancelled: reads change nothing.
pub async fn survey(
    graph: &Graph,
    drivers: &Drivers,
    sink: &Sink,
    stop: &CancellationToken,
) -> Result<Snapshot, SurveyError> {
    let reads = graph.nodes().iter().map(|node| async move {
        let cx = Cx::new(node.address.clone(), sink.clone(), stop.clone());
        let tried = format!("read {} {}", node.address.kind(), node.name);
        let read = async { read(drivers.get(node.address.kind())?, &cx, node).await };
        (node.address.clone(), bounded(&tried, drivers.limits().read, read).await)
    });
    let Some(answers) = stop.run_until_cancelled(join_all(reads)).await else {
        return Err(SurveyError { faults: BTreeMap::new(), interrupted: true });
    };

    let mut snapshot = Snapshot::default();
    let mut faults = BTreeMap::new();
    for (address, answer) in answers {
        match answer {
            Ok(found) => snapshot.insert(address, found),
            Err(fault) => drop(faults.insert(address, fault)),
        }
    }
    if faults.is_empty() { Ok(snapshot) } else { Err(SurveyError { faults, interrupted: false }) }
}
