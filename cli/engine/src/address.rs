//! Resource addresses of the form `kind.name`, which identify the resources of a graph.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The identifier of a resource in the graph, such as `table.hits` or `permission.http_api`.
///
/// Addresses are ordered, so lists of resources have a stable order. An address is never sent to a cloud: the name of the
/// resource there is [`Node::name`](crate::Node).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(String);

/// The error for a string that is not of the form `kind.name`.
#[derive(Debug, thiserror::Error)]
#[error("expected an address of the form kind.name, found {0:?}")]
pub struct AddressError(String);

impl Address {
    /// Creates an address from a kind and a name, which consist of `a-z`, `0-9` and `_`.
    ///
    /// # Panics
    ///
    /// Panics on any other character. Addresses are constants in the source, not user input.
    pub fn new(kind: &str, name: &str) -> Self {
        Self::try_from(format!("{kind}.{name}")).expect("address constants are valid")
    }

    /// Returns the part before the dot: the kind of the resource.
    pub fn kind(&self) -> &str {
        self.0.split_once('.').map_or("", |(kind, _)| kind)
    }

    /// Returns the kind as words for messages, such as `log group`.
    pub fn kind_words(&self) -> String {
        self.kind().replace('_', " ")
    }

    /// Returns the whole address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_valid = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        match text.split_once('.') {
            Some((kind, name)) if is_valid(kind) && is_valid(name) => Ok(Self(text)),
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
