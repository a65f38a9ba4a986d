//! One planned change, as data: what is done to which resource, and why. It decides nothing.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::address::Address;
use crate::diff::FieldDiff;
use crate::graph::{Node, Want};
use crate::live::{Live, Outputs};

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

impl Action {
    /// The word that the contract uses for it.
    pub fn as_str(self) -> &'static str {
        self.forms()[0]
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
        self.forms()[1]
    }

    /// "created".
    pub fn done(self) -> &'static str {
        self.forms()[2]
    }

    /// The forms of its word: the infinitive and both participles.
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

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = |list: &[Address]| list.iter().map(Address::as_str).collect::<Vec<_>>().join(", ");
        match self {
            Self::AsWanted => f.write_str("as wanted"),
            Self::NotThere => f.write_str("not there yet"),
            Self::Differs(fields) => {
                write!(f, "{} {}", some_of(fields), if fields.len() == 1 { "differs" } else { "differ" })
            }
            Self::Fixed(fields) => write!(f, "{} cannot be changed in place", some_of(fields)),
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

/// The first few, and how many more.
fn some_of(fields: &[String]) -> String {
    const SHOWN: usize = 3;
    match fields {
        [first @ .., last] if (1..SHOWN).contains(&first.len()) => format!("{} and {last}", first.join(", ")),
        _ if fields.len() <= SHOWN => fields.join(", "),
        _ => format!("{} and {} more", fields[..SHOWN].join(", "), fields.len() - SHOWN),
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

    /// Whether it stands in the way of what is wanted, being somebody else's.
    pub fn is_conflict(&self) -> bool {
        matches!((&self.why, &self.node.want), (Why::NotOurs(_), Want::Present(_)))
    }

    /// What it offers to others now and after this change: nothing when it is not ours, goes or is made anew.
    pub fn outputs(&self) -> Option<&Outputs> {
        let stays =
            matches!(self.action, Action::Keep | Action::Update) && !matches!(self.why, Why::NotOurs(_));
        self.have.as_ref().filter(|_| stays).map(|live| &live.outputs)
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
