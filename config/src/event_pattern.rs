//! `EventBridge` event patterns: which patterns the service rejects, and which events match. Pure functions.
//!
//! Follows the documentation ("Event pattern syntax" and "Comparison operators for use in event patterns" in the
//! `EventBridge` user guide) and, where that says nothing, `aws/event-ruler`, the library that AWS published. In short:
//!
//! - All fields of one object must match.
//! - The values of one list are alternatives.
//! - Names are joined by dots, so that `{"a":{"b":..}}` and `{"a.b":..}` are the same field.
//! - An array in the event matches if one of its elements does. Two fields never match in different elements of one
//!   array.

mod matching;
mod parse;
#[cfg(test)]
mod tests;
mod wildcard;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use regex_lite::Regex;
use serde_json::{Number, Value};

/// The maximum length of a pattern, in characters of its JSON (service model of `PutRule`).
pub const MAX_LENGTH: usize = 4096;
/// The maximum number of combinations that the `$or`s of a pattern may produce (user guide, on `$or`).
pub const MAX_COMBINATIONS: usize = 1000;

/// A pattern that `EventBridge` accepts.
#[derive(Clone, Debug)]
pub struct EventPattern {
    /// The combinations that `$or` expands to. The pattern matches if one of them does.
    combinations: Vec<Combination>,
}

/// The accepted values of each field, by dotted field name. All fields must match.
type Combination = BTreeMap<String, Arc<[ValueMatcher]>>;

/// One of the alternatives that a field's value may match.
#[derive(Clone, Debug)]
enum ValueMatcher {
    /// A JSON value. "For numbers, EventBridge uses string representation. For example, 300, 300.0, and 3.0e2 are not
    /// considered equal" (user guide, "Considerations when creating event patterns"). Here, too, an integer differs from a
    /// float; but two spellings of one float are equal once they are parsed.
    Exactly(Value),
    String(StringMatcher),
    AnythingBut(ExcludedValues),
    Numeric {
        from: Option<NumberBound>,
        to: Option<NumberBound>,
    },
    Cidr {
        network: IpAddr,
        bits: u8,
    },
    Exists(bool),
}

/// A condition on a string.
#[derive(Clone, Debug)]
enum StringMatcher {
    Prefix(String),
    PrefixIgnoreCase(String),
    Suffix(String),
    SuffixIgnoreCase(String),
    EqualsIgnoreCase(String),
    Wildcard(Regex),
}

/// The values of `anything-but`. Any other value matches, whatever its type.
#[derive(Clone, Debug)]
enum ExcludedValues {
    Strings(Vec<String>),
    Numbers(Vec<Number>),
    Matchers(Vec<StringMatcher>),
}

/// One end of a numeric range.
#[derive(Clone, Copy, Debug)]
struct NumberBound {
    value: f64,
    inclusive: bool,
}

/// One step of a path into a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternStep {
    /// A field of an object, by name.
    Field(String),
    /// An element of an array, by its index from 0.
    Index(usize),
}

/// The reason why `EventBridge` would reject a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    /// The path to the error from the top of the pattern; empty if the whole pattern is meant.
    pub path: Vec<PatternStep>,
    /// The message: a lower-case fragment.
    pub message: String,
}

impl PatternError {
    fn new(path: &[PatternStep], message: impl Into<String>) -> Self {
        Self { path: path.to_vec(), message: message.into() }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.path.iter().enumerate() {
            match step {
                PatternStep::Field(name) if index == 0 => write!(f, "{name}")?,
                PatternStep::Field(name) => write!(f, ".{name}")?,
                PatternStep::Index(index) => write!(f, "[{index}]")?,
            }
        }
        if !self.path.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for PatternError {}

impl EventPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// Returns the first part of the pattern that `EventBridge` rejects.
    pub fn parse(pattern: &Value) -> Result<Self, PatternError> {
        let length = pattern.to_string().chars().count();
        if length > MAX_LENGTH {
            let message = format!("expected at most {MAX_LENGTH} characters of JSON, found {length}");
            return Err(PatternError::new(&[], message));
        }
        Ok(Self { combinations: parse::combinations(pattern)? })
    }

    /// Whether an event matches. An event that is not an object matches nothing.
    pub fn matches(&self, event: &Value) -> bool {
        let Value::Object(event) = event else { return false };
        let leaves = matching::collect_leaves(event, &self.combinations);
        self.combinations.iter().any(|combination| matching::combination_matches(combination, &leaves))
    }
}
