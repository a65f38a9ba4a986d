//! Where a resource stands in the graph: `kind.name`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The place of a resource in the graph, such as `table.hits` or `permission.http_api`.
///
/// Addresses are ordered, so that every list made from them is stable. They are never sent to a cloud: what a
/// resource is called there is [`Node::name`](crate::Node).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(String);

/// A text that is no `kind.name`.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an address of the form kind.name")]
pub struct AddressError(String);

impl Address {
    /// Makes an address from a kind and a name, both of `a-z`, `0-9` and `_`.
    ///
    /// # Panics
    ///
    /// On any other character: addresses are written by us, not by users.
    pub fn new(kind: &str, name: &str) -> Self {
        Self::try_from(format!("{kind}.{name}")).expect("addresses are written in the source")
    }

    /// The part before the dot: what kind of resource this is.
    pub fn kind(&self) -> &str {
        self.0.split_once('.').map_or("", |(kind, _)| kind)
    }

    /// The whole address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let word = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        match text.split_once('.') {
            Some((kind, name)) if word(kind) && word(name) => Ok(Self(text)),
            _ => Err(AddressError(text)),
        }
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
