//! The wanted state: every resource that the app could own, each present or absent.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::value::references;
use crate::{Address, References};

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
        }
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
    /// Puts the nodes in order.
    pub fn new(nodes: Vec<Node>) -> Result<Self, GraphError> {
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
