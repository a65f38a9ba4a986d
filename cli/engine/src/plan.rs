//! Decides what to do: a pure function from what is wanted and what is live. No clock, no environment, no await.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::{Address, FieldDiff, Graph, Live, Node, Outputs, Snapshot};

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing.
    Keep,
    /// It is made.
    Create,
    /// Fields of it are changed in place.
    Update,
    /// It is deleted and made anew, since names are fixed.
    Replace,
    /// It is removed.
    Delete,
}

/// Why a change is planned, for people. It explains and never decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Keep: it is as wanted.
    AsWanted,
    /// Create: it is not there.
    NotThere,
    /// Update: these fields differ.
    Differs(Vec<String>),
    /// Replace: these fields differ, and cannot be changed in place.
    Fixed(Vec<String>),
    /// Replace: it is made from these, which are replaced or made anew.
    MadeFrom(Vec<Address>),
    /// Delete: it is not wanted any more.
    NotWanted,
    /// Keep, although it is not wanted: it holds the user's data.
    DataKept,
    /// Keep, although it is not wanted: this one, which keeps its data, needs it.
    NeededBy(Address),
    /// Keep: it is somebody else's, who is named here.
    NotOurs(String),
}

/// What is to happen to one resource, and all that is needed to do it.
///
/// Serialises as `{"address","kind","name","action","fields","why"}`: never with its spec, which may hold secrets.
#[derive(Clone, PartialEq)]
pub struct Change {
    /// What is done.
    pub action: Action,
    /// Why, for people.
    pub why: Why,
    /// What differs. Everything wanted for a create; nothing for a delete.
    pub fields: Vec<FieldDiff>,
    /// The resource as it is wanted, references and all.
    pub node: Node,
    /// The resource as it is; `None` when there is none.
    pub have: Option<Live>,
}

/// Everything that is to happen, in topological order. Applying it needs nothing else, and decides nothing.
///
/// A resource that is not wanted and not there is not in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Plan {
    /// One entry a resource.
    pub changes: Vec<Change>,
}

/// How many resources get which treatment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Left as they are.
    pub keep: usize,
    /// Made.
    pub create: usize,
    /// Changed in place.
    pub update: usize,
    /// Deleted and made anew.
    pub replace: usize,
    /// Removed.
    pub delete: usize,
}

/// A plan that cannot be made. These are mistakes of ours, not of users.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The snapshot does not say whether this one is live.
    #[error("{0} was not surveyed")]
    NotSurveyed(Address),
    /// A live resource lacks an output that another one refers to.
    #[error("{from} refers to the output {output} of {of}, which has none of that name")]
    NoOutput {
        /// Who refers.
        from: Address,
        /// To whom.
        of: Address,
        /// To what.
        output: String,
    },
}

impl Action {
    /// The word that the contract uses for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
        }
    }

    /// The sign in front of it in a plan: a blank, `+`, `~`, `±`, `-`.
    pub fn sign(self) -> char {
        match self {
            Self::Keep => ' ',
            Self::Create => '+',
            Self::Update => '~',
            Self::Replace => '±',
            Self::Delete => '-',
        }
    }

    /// "creating".
    pub fn doing(self) -> &'static str {
        match self {
            Self::Keep => "keeping",
            Self::Create => "creating",
            Self::Update => "updating",
            Self::Replace => "replacing",
            Self::Delete => "deleting",
        }
    }

    /// "created".
    pub fn done(self) -> &'static str {
        match self {
            Self::Keep => "kept",
            Self::Create => "created",
            Self::Update => "updated",
            Self::Replace => "replaced",
            Self::Delete => "deleted",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = |list: &[Address]| list.iter().map(Address::as_str).collect::<Vec<_>>().join(", ");
        match self {
            Self::AsWanted => f.write_str("as wanted"),
            Self::NotThere => f.write_str("not there yet"),
            Self::Differs(fields) => {
                write!(f, "{} {}", fields.join(", "), if fields.len() == 1 { "differs" } else { "differ" })
            }
            Self::Fixed(fields) => write!(f, "{} cannot be changed in place", fields.join(", ")),
            Self::MadeFrom(of) => {
                write!(
                    f,
                    "made from {}, which {} made anew",
                    addresses(of),
                    if of.len() == 1 { "is" } else { "are" }
                )
            }
            Self::NotWanted => f.write_str("no longer wanted"),
            Self::DataKept => f.write_str("no longer wanted, but its data is kept"),
            Self::NeededBy(by) => write!(f, "no longer wanted, but {by} is kept and needs it"),
            Self::NotOurs(owner) => write!(f, "not ours: {owner}"),
        }
    }
}

impl Serialize for Why {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Change {
    /// The place of the resource in the graph.
    pub fn address(&self) -> &Address {
        &self.node.address
    }

    /// What kind of resource it is.
    pub fn kind(&self) -> &str {
        self.node.address.kind()
    }

    /// What it is called in the cloud.
    pub fn name(&self) -> &str {
        &self.node.name
    }

    /// What it offers to others now, unless this change takes that away.
    pub fn outputs(&self) -> Option<&Outputs> {
        match self.action {
            Action::Keep | Action::Update => self.have.as_ref().map(|live| &live.outputs),
            Action::Create | Action::Replace | Action::Delete => None,
        }
    }
}

impl fmt::Debug for Change {
    /// Shows what a plan shows: a spec may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("address", self.address())
            .field("name", &self.name())
            .field("action", &self.action)
            .field("fields", &self.fields)
            .field("why", &self.why)
            .finish_non_exhaustive()
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut out = serializer.serialize_struct("Change", 6)?;
        out.serialize_field("address", self.address())?;
        out.serialize_field("kind", self.kind())?;
        out.serialize_field("name", self.name())?;
        out.serialize_field("action", &self.action)?;
        out.serialize_field("fields", &self.fields)?;
        out.serialize_field("why", &self.why)?;
        out.end()
    }
}

impl Plan {
    /// The change of one resource.
    pub fn change(&self, address: &Address) -> Option<&Change> {
        self.changes.iter().find(|change| change.address() == address)
    }

    /// How many resources get which treatment.
    pub fn summary(&self) -> Summary {
        let mut sum = Summary::default();
        for change in &self.changes {
            *match change.action {
                Action::Keep => &mut sum.keep,
                Action::Create => &mut sum.create,
                Action::Update => &mut sum.update,
                Action::Replace => &mut sum.replace,
                Action::Delete => &mut sum.delete,
            } += 1;
        }
        sum
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.iter().all(|change| change.action == Action::Keep)
    }

    /// What the resources that stay offer now.
    pub fn outputs(&self) -> BTreeMap<Address, Outputs> {
        self.changes.iter().filter_map(|c| Some((c.address().clone(), c.outputs()?.clone()))).collect()
    }
}

/// Decides what to do to get from what is live to what is wanted.
pub fn plan(graph: &Graph, live: &Snapshot) -> Result<Plan, PlanError> {
    todo!("{graph:?} {live:?}")
}
