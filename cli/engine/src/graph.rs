//! The wanted state: every resource that the app could own, each present or absent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::address::Address;
use crate::live::Live;
use crate::value::{References, references};

/// Whether a resource should be there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    /// With these settings (which may hold references).
    Present(Json),
    /// Not at all.
    Absent,
}

/// What deleting a resource would lose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// Nothing that a new deploy does not bring back.
    #[default]
    Never,
    /// The user's data: it goes only when the user says so, by name.
    AskBeforeLoss,
    /// The user's data as long as it holds some: what is live says so by the output [`HELD`].
    AskWhileHolding,
}

/// The output of a resource with [`Keep::AskWhileHolding`] that says what it holds; not there when that is nothing.
pub const HELD: &str = "held";

impl Keep {
    /// Whether what is live may go only when the user says so.
    pub fn asks(self, have: Option<&Live>) -> bool {
        match self {
            Self::Never => false,
            Self::AskBeforeLoss => true,
            Self::AskWhileHolding => have.is_some_and(|have| have.outputs.contains_key(HELD)),
        }
    }
}

/// The order of two changes, where it depends on the direction of one of them: a rise of a field is made before another
/// resource is changed, and a fall after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lead {
    /// A field that is a number.
    pub field: String,
    /// The other resource.
    pub over: Address,
}

/// One resource that the app could own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its place in the graph.
    pub address: Address,
    /// What it is called in the cloud.
    pub name: String,
    /// What it should be.
    pub want: Want,
    /// What deleting it would lose.
    pub keep: Keep,
    /// The fields whose change cannot be made in place.
    pub replace_on: Vec<String>,
    /// The fields whose values must not be shown.
    pub secret: Vec<String>,
    /// What it needs to be there first: read off the spec, and kept when it is absent, for the order of deletes.
    pub needs: References,
    /// Which of its fields rise before another resource is changed, and fall after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead: Option<Lead>,
    /// A resource that it needs, whose update has to wait for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_update_of: Option<Address>,
}

impl Node {
    /// A wanted resource. What it needs is read off its spec.
    pub fn present(address: Address, name: impl Into<String>, spec: Json) -> Self {
        Self {
            address,
            name: name.into(),
            needs: references(&spec),
            want: Want::Present(spec),
            keep: Keep::Never,
            replace_on: Vec::new(),
            secret: Vec::new(),
            lead: None,
            before_update_of: None,
        }
    }

    /// Says that a rise of that number is made before the other resource is changed, and a fall after it. The two must not
    /// need each other, nor must anything that both have between them.
    #[must_use]
    pub fn leading(mut self, field: &str, over: Address) -> Self {
        self.lead = Some(Lead { field: field.to_owned(), over });
        self
    }

    /// Says that this resource, which needs the other one, is created before that is updated: the other one offers what is
    /// needed already, and will use this one after its update. Nothing else that this one needs may need the other.
    #[must_use]
    pub fn before_update_of(mut self, other: Address) -> Self {
        self.before_update_of = Some(other);
        self
    }

    /// Names the fields whose change cannot be made in place: the resource is made anew for it.
    #[must_use]
    pub fn replaced_on(mut self, fields: &[&str]) -> Self {
        self.replace_on = fields.iter().map(ToString::to_string).collect();
        self
    }

    /// Names the fields whose values must not be shown.
    #[must_use]
    pub fn hiding(mut self, fields: &[&str]) -> Self {
        self.secret = fields.iter().map(ToString::to_string).collect();
        self
    }

    /// Says what deleting it would lose.
    #[must_use]
    pub fn keeping(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// The same resource, unwanted. What it needs stays, for the order of deletes.
    #[must_use]
    pub fn absent(mut self) -> Self {
        self.want = Want::Absent;
        self
    }

    /// The same resource, unwanted unless `wanted`.
    #[must_use]
    pub fn present_if(self, wanted: bool) -> Self {
        if wanted { self } else { self.absent() }
    }

    /// What it shall be, references and all; `None` when it shall not be.
    pub fn spec(&self) -> Option<&Json> {
        match &self.want {
            Want::Present(spec) => Some(spec),
            Want::Absent => None,
        }
    }
}

/// The wanted state as a whole: acyclic, with no dangling reference. In topological order, ties by address.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Graph {
    nodes: Vec<Node>,
    /// Whether the user agreed to lose what [`Keep::AskBeforeLoss`] holds.
    deleting_data: bool,
}

impl Graph {
    /// Puts the nodes in order, if there is one.
    pub fn new(nodes: Vec<Node>) -> Result<Self, GraphError> {
        let mut waiting: BTreeMap<Address, Node> = BTreeMap::new();
        for node in nodes {
            if let Some(twice) = waiting.insert(node.address.clone(), node) {
                return Err(GraphError::Twice(twice.address));
            }
        }
        for node in waiting.values() {
            for to in &node.needs {
                let (from, to) = (node.address.clone(), to.clone());
                match waiting.get(&to).map(|needed| &needed.want) {
                    None => return Err(GraphError::Dangling { from, to }),
                    Some(Want::Absent) if node.want != Want::Absent => {
                        return Err(GraphError::Absent { from, to });
                    }
                    Some(_) => {}
                }
            }
        }
        let mut nodes: Vec<Node> = Vec::with_capacity(waiting.len());
        let mut placed = References::new();
        while !waiting.is_empty() {
            let ready =
                waiting.values().find(|node| node.needs.is_subset(&placed)).map(|n| n.address.clone());
            let Some(node) = ready.and_then(|address| waiting.remove(&address)) else {
                return Err(GraphError::Cycle(circle(&waiting)));
            };
            placed.insert(node.address.clone());
            nodes.push(node);
        }
        Ok(Self { nodes, deleting_data: false })
    }

    /// Every resource, what is needed before what needs it.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// One resource.
    pub fn node(&self, address: &Address) -> Option<&Node> {
        self.nodes.iter().find(|node| node.address == *address)
    }

    /// The same resources, none of them wanted: what `destroy` plans for.
    #[must_use]
    pub fn all_absent(&self) -> Self {
        Self { nodes: self.nodes.iter().cloned().map(Node::absent).collect(), ..*self }
    }

    /// Lets a plan delete what holds the user's data ([`Keep::AskBeforeLoss`]) where it is unwanted.
    ///
    /// Otherwise a plan keeps it, and says so. Even then [`check`](crate::check) asks for the user's consent.
    #[must_use]
    pub fn deleting_data(mut self) -> Self {
        self.deleting_data = true;
        self
    }

    /// Whether a plan may delete what holds the user's data.
    pub fn deletes_data(&self) -> bool {
        self.deleting_data
    }
}

/// A circle among nodes each of which needs another of them.
fn circle(stuck: &BTreeMap<Address, Node>) -> Vec<Address> {
    let mut path: Vec<Address> = Vec::new();
    let mut at = stuck.keys().next();
    while let Some(address) = at {
        if let Some(start) = path.iter().position(|seen| seen == address) {
            path.drain(..start);
            path.push(address.clone());
            break;
        }
        path.push(address.clone());
        at = stuck[address].needs.iter().find(|need| stuck.contains_key(*need));
    }
    path
}

/// A graph that cannot be. These are mistakes of ours, not of users.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Two nodes with one address.
    #[error("{0} is in the graph twice")]
    Twice(Address),
    /// A reference to nothing.
    #[error("{from} refers to {to}, which is not in the graph")]
    Dangling {
        /// Who refers.
        from: Address,
        /// To what.
        to: Address,
    },
    /// A wanted resource that refers to an unwanted one.
    #[error("{from} refers to {to}, which is to be absent")]
    Absent {
        /// Who refers.
        from: Address,
        /// To what.
        to: Address,
    },
    /// A circle of references, in order.
    #[error("the references go in a circle: {}", .0.iter().map(Address::as_str).collect::<Vec<_>>().join(" -> "))]
    Cycle(Vec<Address>),
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::value::Value;

    fn at(name: &str) -> Address {
        Address::new("toy", name)
    }

    fn node(name: &str, needs: &[&str]) -> Node {
        let refs: Vec<_> = needs.iter().map(|need| Value::<String>::output(at(need), "id")).collect();
        Node::present(at(name), name, json!({ "refs": refs }))
    }

    fn error(nodes: Vec<Node>) -> String {
        Graph::new(nodes).unwrap_err().to_string()
    }

    #[test]
    fn order_is_topological_and_ties_go_by_address() {
        let nodes =
            vec![node("b", &["d"]), node("e", &[]), node("d", &[]), node("a", &["b"]), node("c", &[])];
        let graph = Graph::new(nodes).unwrap();
        let order: Vec<&str> = graph.nodes().iter().map(|node| node.name.as_str()).collect();
        assert_eq!(order, ["c", "d", "b", "a", "e"]);
        assert_eq!(graph.all_absent().nodes()[2].needs, References::from([at("d")]));
        assert_eq!(graph.node(&at("b")).unwrap().name, "b");
    }

    #[test]
    fn impossible_graphs_are_refused_with_the_reason() {
        assert_eq!(error(vec![node("a", &[]), node("a", &[])]), "toy.a is in the graph twice");
        assert_eq!(error(vec![node("a", &["x"])]), "toy.a refers to toy.x, which is not in the graph");
        assert_eq!(
            error(vec![node("a", &["b"]), node("b", &[]).absent()]),
            "toy.a refers to toy.b, which is to be absent"
        );
        assert_eq!(
            error(vec![node("a", &["b"]), node("b", &["c"]), node("c", &["b"]), node("d", &[])]),
            "the references go in a circle: toy.b -> toy.c -> toy.b"
        );
        assert_eq!(error(vec![node("a", &["a"])]), "the references go in a circle: toy.a -> toy.a");
    }

    #[test]
    fn an_unwanted_node_may_need_a_wanted_one() {
        let graph =
            Graph::new(vec![node("a", &["b"]).present_if(false), node("b", &[]).present_if(true)]).unwrap();
        assert_eq!(graph.node(&at("a")).unwrap().spec(), None);
        assert!(graph.node(&at("b")).unwrap().spec().is_some());
    }
}
