//! The wanted state: every resource that the app could own, each present or absent.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

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

/// The wanted state as a whole: acyclic, with no dangling reference. In topological order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Graph {
    nodes: Vec<Node>,
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
