//! One planned change as plain data: the resource, the action and the reason. All decisions are made in `plan`.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::address::Address;
use crate::diff::FieldDiff;
use crate::graph::{DesiredState, Node};
use crate::observed_state::{ObservedState, Outputs};

/// The action that a plan takes on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Leaves the resource as it is.
    Keep,
    /// Creates the resource.
    Create,
    /// Changes fields of the resource in place.
    Update,
    /// Deletes the resource and creates it again. The order is fixed because the new resource has the same name.
    Replace,
    /// Deletes the resource.
    Delete,
}

/// The reason for a planned change, for display only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeReason {
    /// Keep: the observed state equals the desired state.
    UpToDate,
    /// Create: the resource does not exist.
    Missing,
    /// Update: these fields differ.
    FieldsDiffer(Vec<String>),
    /// Replace: these fields differ and cannot be changed in place.
    ImmutableFieldsDiffer(Vec<String>),
    /// Replace: an immutable field refers to these resources, which are created or replaced.
    DependencyReplaced(Vec<Address>),
    /// Delete: the resource is no longer desired.
    NotDesired,
    /// Keep although no longer desired: the resource holds the user's data.
    DataKept,
    /// Keep although no longer desired: the resource named here depends on it and is kept.
    RequiredBy(Address),
    /// Keep: the resource belongs to another owner, who is named here.
    NotOurs(String),
}

/// A planned change of one resource, with all data that is needed to apply it.
///
/// Serializes as `{"address","kind","name","action","fields","why"}`. The spec is left out because it may hold secrets.
#[derive(Clone, PartialEq)]
pub struct Change {
    /// The action to take.
    pub action: Action,
    /// The reason, for display.
    pub why: ChangeReason,
    /// The fields that differ: every desired field for a create, none for a delete.
    pub fields: Vec<FieldDiff>,
    /// The node of the graph, with unresolved references.
    pub node: Node,
    /// The observed state; `None` when the resource does not exist.
    pub observed: Option<ObservedState>,
}

impl Action {
    /// Returns the name that is used in JSON.
    pub fn as_str(self) -> &'static str {
        self.forms()[0]
    }

    /// Returns the symbol of the action in a printed plan: a space, `+`, `~`, `±` or `-`.
    pub fn symbol(self) -> char {
        match self {
            Self::Keep => ' ',
            Self::Create => '+',
            Self::Update => '~',
            Self::Replace => '±',
            Self::Delete => '-',
        }
    }

    /// Returns the present participle, such as "creating".
    pub fn present_participle(self) -> &'static str {
        self.forms()[1]
    }

    /// Returns the past participle, such as "created".
    pub fn past_participle(self) -> &'static str {
        self.forms()[2]
    }

    /// Returns the infinitive, the present participle and the past participle.
    fn forms(self) -> [&'static str; 3] {
        match self {
            Self::Keep => ["keep", "keeping", "kept"],
            Self::Create => ["create", "creating", "created"],
            Self::Update => ["update", "updating", "updated"],
            Self::Replace => ["replace", "replacing", "replaced"],
            Self::Delete => ["delete", "deleting", "deleted"],
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for ChangeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses =
            |addresses: &[Address]| addresses.iter().map(Address::as_str).collect::<Vec<_>>().join(", ");
        match self {
            Self::UpToDate => f.write_str("unchanged"),
            Self::Missing => f.write_str("not deployed"),
            Self::FieldsDiffer(fields) => {
                write!(
                    f,
                    "{} {}",
                    summarize_fields(fields),
                    if fields.len() == 1 { "differs" } else { "differ" }
                )
            }
            Self::ImmutableFieldsDiffer(fields) => {
                write!(f, "{} cannot be changed in place", summarize_fields(fields))
            }
            Self::DependencyReplaced(dependencies) => {
                write!(
                    f,
                    "depends on {}, which {} recreated",
                    addresses(dependencies),
                    if dependencies.len() == 1 { "is" } else { "are" }
                )
            }
            Self::NotDesired => f.write_str("no longer needed"),
            Self::DataKept => f.write_str("kept: it holds your data"),
            Self::RequiredBy(dependent) => write!(f, "kept: {dependent} depends on it"),
            Self::NotOurs(owner) => write!(f, "not managed by this app: {owner}"),
        }
    }
}

/// Lists the first three fields and the number of further ones.
fn summarize_fields(fields: &[String]) -> String {
    const SHOWN: usize = 3;
    match fields {
        // Two or three fields.
        [first @ .., last] if (1..SHOWN).contains(&first.len()) => format!("{} and {last}", first.join(", ")),
        _ if fields.len() <= SHOWN => fields.join(", "),
        _ => format!("{} and {} more", fields[..SHOWN].join(", "), fields.len() - SHOWN),
    }
}

impl Serialize for ChangeReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Change {
    /// Returns the address of the resource in the graph.
    pub fn address(&self) -> &Address {
        &self.node.address
    }

    /// Returns the kind of the resource.
    pub fn kind(&self) -> &str {
        self.node.address.kind()
    }

    /// Returns the name of the resource in the cloud.
    pub fn name(&self) -> &str {
        &self.node.name
    }

    /// Whether the desired resource cannot be created because one of the same name belongs to another owner.
    pub fn is_conflict(&self) -> bool {
        matches!((&self.why, &self.node.desired), (ChangeReason::NotOurs(_), DesiredState::Present(_)))
    }

    /// Returns the outputs if this change does not affect them. Returns `None` if the resource belongs to another
    /// owner, or is created, replaced or deleted.
    pub fn outputs(&self) -> Option<&Outputs> {
        let outputs_stay_valid = matches!(self.action, Action::Keep | Action::Update)
            && !matches!(self.why, ChangeReason::NotOurs(_));
        self.observed.as_ref().filter(|_| outputs_stay_valid).map(|observed| &observed.outputs)
    }
}

impl fmt::Debug for Change {
    /// Formats the serialized fields only: a spec may hold secrets.
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
