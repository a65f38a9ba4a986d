//! A table item as it was read: its integers and strings. Attributes of other types are dropped, so a [`TableItem`]
//! must not be written back to the table.

use std::collections::BTreeMap;

/// A table item that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableItem {
    numbers: BTreeMap<String, u64>,
    texts: BTreeMap<String, String>,
}

impl TableItem {
    /// Adds a number attribute: the integer part, from 0 to [`u64::MAX`].
    #[must_use]
    pub fn with_number(mut self, name: &str, number: u64) -> Self {
        self.numbers.insert(name.to_owned(), number);
        self
    }

    /// Adds a string attribute.
    #[must_use]
    pub fn with_text(mut self, name: &str, text: &str) -> Self {
        self.texts.insert(name.to_owned(), text.to_owned());
        self
    }

    /// Returns a number attribute.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.numbers.get(name).copied()
    }

    /// Returns a string attribute.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// Returns all number attributes by name.
    pub fn numbers(&self) -> impl Iterator<Item = (&str, u64)> {
        self.numbers.iter().map(|(name, number)| (name.as_str(), *number))
    }
}
