//! The desired state: a graph of all resources that the app could own, each present or absent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::address::Address;
use crate::observed_state::ObservedState;
use crate::path;
use crate::value::{Dependencies, dependencies};

/// The desired state of a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DesiredState {
    /// The resource exists with this spec, which may refer to other resources.
    Present(Json),
    /// The resource does not exist.
    Absent,
}

/// The condition under which a plan may delete a resource. It depends on the data that a deletion would lose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletionPolicy {
    /// Delete without asking: the next deployment recreates the resource completely.
    #[default]
    Delete,
    /// Delete only with the user's consent: the resource holds the user's data.
    Confirm,
    /// Delete an empty resource without asking, and a resource with contents only with the user's consent. The output
    /// [`CONTENTS_OUTPUT`] tells them apart.
    ConfirmIfNonEmpty,
}

/// The output in which a resource with [`DeletionPolicy::ConfirmIfNonEmpty`] describes its contents. An empty resource does not
/// have this output. The daemon of the local cloud reports it under the same name.
pub const CONTENTS_OUTPUT: &str = "held";

impl DeletionPolicy {
    /// Whether the observed resource may be deleted only with the user's consent.
    pub fn requires_confirmation(self, observed: Option<&ObservedState>) -> bool {
        match self {
            Self::Delete => false,
            Self::Confirm => true,
            Self::ConfirmIfNonEmpty => {
                observed.is_some_and(|observed| observed.outputs.contains_key(CONTENTS_OUTPUT))
            }
        }
    }
}

/// Orders the change of a numeric field and the change of another resource: an increase is applied before the other
/// change, a decrease after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionalOrder {
    /// The numeric field.
    pub field: String,
    /// The other resource.
    pub other: Address,
}

/// A resource that the app could own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// The address in the graph.
    pub address: Address,
    /// The name in the cloud.
    pub name: String,
    /// The desired state.
    pub desired: DesiredState,
    /// The condition under which a plan may delete the resource.
    pub deletion_policy: DeletionPolicy,
    /// The fields that cannot be changed in place.
    pub immutable_fields: Vec<String>,
    /// The fields whose values must not be shown.
    pub secret_fields: Vec<String>,
    /// The fields within secret fields whose values may be shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_fields: Vec<String>,
    /// The resources that must exist before this one, because its spec refers to them. An absent node keeps its
    /// dependencies, which determine the order of deletions.
    pub dependencies: Dependencies,
    /// Whether this resource changes before or after another one, depending on the direction of the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditional_order: Option<ConditionalOrder>,
    /// The dependency that must not be updated before this resource exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_before_update_of: Option<Address>,
}

impl Node {
    /// Creates a desired resource. Its dependencies are the references in its spec.
    pub fn present(address: Address, name: impl Into<String>, spec: Json) -> Self {
        Self {
            address,
            name: name.into(),
            dependencies: dependencies(&spec),
            desired: DesiredState::Present(spec),
            deletion_policy: DeletionPolicy::Delete,
            immutable_fields: Vec::new(),
            secret_fields: Vec::new(),
            public_fields: Vec::new(),
            conditional_order: None,
            create_before_update_of: None,
        }
    }

    /// Applies an increase of `field` before the other resource changes, and a decrease after it. Neither resource may
    /// depend on the other, directly or indirectly.
    #[must_use]
    pub fn with_conditional_order(mut self, field: &str, other: Address) -> Self {
        self.conditional_order = Some(ConditionalOrder { field: field.to_owned(), other });
        self
    }

    /// Creates this resource before `other`, on which it depends, is updated. This is for a resource that needs only
    /// the existing outputs of `other`, and that `other` uses after its update. No other dependency of this resource
    /// may depend on `other`.
    #[must_use]
    pub fn create_before_update_of(mut self, other: Address) -> Self {
        self.create_before_update_of = Some(other);
        self
    }

    /// Sets the fields that cannot be changed in place. A change of one of them replaces the resource.
    #[must_use]
    pub fn with_immutable_fields(mut self, fields: &[&str]) -> Self {
        self.immutable_fields = fields.iter().map(ToString::to_string).collect();
        self
    }

    /// Sets the fields whose values must not be shown.
    #[must_use]
    pub fn with_secret_fields(mut self, fields: &[&str]) -> Self {
        self.secret_fields = fields.iter().map(ToString::to_string).collect();
        self
    }

    /// Sets the fields within secret fields whose values may be shown.
    #[must_use]
    pub fn with_public_fields(mut self, fields: Vec<String>) -> Self {
        self.public_fields = fields;
        self
    }

    /// Whether the value at `path` must not be shown.
    pub(crate) fn is_secret(&self, path: &str) -> bool {
        let is_in = |fields: &[String]| fields.iter().any(|field| path::is_within(path, field));
        is_in(&self.secret_fields) && !is_in(&self.public_fields)
    }

    /// Sets the condition under which a plan may delete the resource.
    #[must_use]
    pub fn with_deletion_policy(mut self, policy: DeletionPolicy) -> Self {
        self.deletion_policy = policy;
        self
    }

    /// Sets the desired state to absent. The node keeps its dependencies, which determine the order of deletions.
    #[must_use]
    pub fn absent(mut self) -> Self {
        self.desired = DesiredState::Absent;
        self
    }

    /// Sets the desired state to absent unless `is_desired`.
    #[must_use]
    pub fn present_if(self, is_desired: bool) -> Self {
        if is_desired { self } else { self.absent() }
    }

    /// Returns the desired spec with unresolved references, or `None` if the desired state is absent.
    pub fn spec(&self) -> Option<&Json> {
        match &self.desired {
            DesiredState::Present(spec) => Some(spec),
            DesiredState::Absent => None,
        }
    }
}

/// The desired state of all resources, without cycles and without references to missing nodes. Every node comes after
/// its dependencies; otherwise the nodes are sorted by address.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Graph {
    nodes: Vec<Node>,
    /// Whether a plan may delete resources that hold the user's data.
    allows_data_deletion: bool,
}

impl Graph {
    /// Sorts the nodes topologically. Fails on duplicate addresses, dangling references and cycles.
    pub fn new(nodes: Vec<Node>) -> Result<Self, GraphError> {
        let mut unsorted: BTreeMap<Address, Node> = BTreeMap::new();
        for node in nodes {
            if let Some(duplicate) = unsorted.insert(node.address.clone(), node) {
                return Err(GraphError::Duplicate(duplicate.address));
            }
        }
        for node in unsorted.values() {
            for to in &node.dependencies {
                let (from, to) = (node.address.clone(), to.clone());
                match unsorted.get(&to).map(|target| &target.desired) {
                    None => return Err(GraphError::Dangling { from, to }),
                    Some(DesiredState::Absent) if node.desired != DesiredState::Absent => {
                        return Err(GraphError::Absent { from, to });
                    }
                    Some(_) => {}
                }
            }
        }
        let mut nodes: Vec<Node> = Vec::with_capacity(unsorted.len());
        let mut sorted = Dependencies::new();
        while !unsorted.is_empty() {
            let ready = unsorted
                .values()
                .find(|node| node.dependencies.is_subset(&sorted))
                .map(|n| n.address.clone());
            let Some(node) = ready.and_then(|address| unsorted.remove(&address)) else {
                return Err(GraphError::Cycle(find_cycle(&unsorted)));
            };
            sorted.insert(node.address.clone());
            nodes.push(node);
        }
        Ok(Self { nodes, allows_data_deletion: false })
    }

    /// Returns all resources, dependencies before dependents.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns the resource with this address.
    pub fn node(&self, address: &Address) -> Option<&Node> {
        self.nodes.iter().find(|node| node.address == *address)
    }

    /// Returns the graph with every resource absent, from which `destroy` makes its plan.
    #[must_use]
    pub fn all_absent(&self) -> Self {
        Self { nodes: self.nodes.iter().cloned().map(Node::absent).collect(), ..*self }
    }

    /// Allows a plan to delete absent resources that hold the user's data (see [`DeletionPolicy`]).
    ///
    /// By default, a plan keeps such resources and reports them. Even if deletions are allowed, [`check`](crate::check)
    /// requires the user's consent.
    #[must_use]
    pub fn allow_data_deletion(mut self) -> Self {
        self.allows_data_deletion = true;
        self
    }

    /// Whether a plan may delete resources that hold the user's data.
    pub fn allows_data_deletion(&self) -> bool {
        self.allows_data_deletion
    }
}

/// Returns a cycle among the nodes in `stuck`. Every node in `stuck` depends on a node in `stuck`, possibly on itself.
fn find_cycle(stuck: &BTreeMap<Address, Node>) -> Vec<Address> {
    let mut path: Vec<Address> = Vec::new();
    let mut next = stuck.keys().next();
    while let Some(address) = next {
        if let Some(start) = path.iter().position(|visited| visited == address) {
            path.drain(..start);
            path.push(address.clone());
            break;
        }
        path.push(address.clone());
        next = stuck[address].dependencies.iter().find(|dependency| stuck.contains_key(*dependency));
    }
    path
}

/// An invalid graph. This is a bug in hitctl, not a user error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Two nodes have the same address.
    #[error("{0} is in the graph twice")]
    Duplicate(Address),
    /// A reference to a resource that is not in the graph.
    #[error("{from} refers to {to}, which is not in the graph")]
    Dangling {
        /// The node with the reference.
        from: Address,
        /// The address that it refers to.
        to: Address,
    },
    /// A present node refers to an absent one.
    #[error("{from} refers to {to}, which is absent")]
    Absent {
        /// The node with the reference.
        from: Address,
        /// The address that it refers to.
        to: Address,
    },
    /// A cycle of references, in order.
    #[error("the references form a cycle: {}", .0.iter().map(Address::as_str).collect::<Vec<_>>().join(" -> "))]
    Cycle(Vec<Address>),
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::value::SpecValue;

    fn address(name: &str) -> Address {
        Address::new("toy", name)
    }

    fn node(name: &str, dependencies: &[&str]) -> Node {
        let refs: Vec<_> = dependencies
            .iter()
            .map(|dependency| SpecValue::<String>::output(address(dependency), "id"))
            .collect();
        Node::present(address(name), name, json!({ "refs": refs }))
    }

    fn error(nodes: Vec<Node>) -> String {
        Graph::new(nodes).unwrap_err().to_string()
    }

    #[test]
    fn graph_order_is_topological_then_by_address() {
        let nodes =
            vec![node("b", &["d"]), node("e", &[]), node("d", &[]), node("a", &["b"]), node("c", &[])];
        let graph = Graph::new(nodes).unwrap();
        let order: Vec<&str> = graph.nodes().iter().map(|node| node.name.as_str()).collect();
        assert_eq!(order, ["c", "d", "b", "a", "e"]);
        assert_eq!(graph.all_absent().nodes()[2].dependencies, Dependencies::from([address("d")]));
        assert_eq!(graph.node(&address("b")).unwrap().name, "b");
    }

    #[test]
    fn invalid_graph_returns_error_with_reason() {
        assert_eq!(error(vec![node("a", &[]), node("a", &[])]), "toy.a is in the graph twice");
        assert_eq!(error(vec![node("a", &["x"])]), "toy.a refers to toy.x, which is not in the graph");
        assert_eq!(
            error(vec![node("a", &["b"]), node("b", &[]).absent()]),
            "toy.a refers to toy.b, which is absent"
        );
        assert_eq!(
            error(vec![node("a", &["b"]), node("b", &["c"]), node("c", &["b"]), node("d", &[])]),
            "the references form a cycle: toy.b -> toy.c -> toy.b"
        );
        assert_eq!(error(vec![node("a", &["a"])]), "the references form a cycle: toy.a -> toy.a");
    }

    #[test]
    fn absent_node_may_depend_on_present_node() {
        let graph =
            Graph::new(vec![node("a", &["b"]).present_if(false), node("b", &[]).present_if(true)]).unwrap();
        assert_eq!(graph.node(&address("a")).unwrap().spec(), None);
        assert!(graph.node(&address("b")).unwrap().spec().is_some());
    }
}
