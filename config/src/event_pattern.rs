//! Event patterns of `EventBridge`: what it refuses, and which events match.
//!
//! Pure, and after the documentation ("Event pattern syntax" and "Comparison operators for use in event patterns" of the
//! `EventBridge` user guide) and, where that is silent, after `aws/event-ruler`, the library that AWS published. In short:
//! fields of one object must all match; values of one list are alternatives; names are joined by dots, so that
//! `{"a":{"b":..}}` and `{"a.b":..}` are the same field; an array in the event matches if one of its elements does, and
//! two fields never match in different elements of one array.

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

/// The longest pattern, in characters of its JSON (the service model of `PutRule`).
pub const MAX_LENGTH: usize = 4096;
/// The most combinations that the `$or` of a pattern may make (the user guide, on `$or`).
pub const MAX_COMBINATIONS: usize = 1000;

/// A pattern that `EventBridge` takes.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// What `$or` makes of it: it matches if one of these does.
    combinations: Vec<Combination>,
}

/// Fields by their names, joined by dots; all must match.
type Combination = BTreeMap<String, Arc<[Test]>>;

/// One of the alternatives of a field.
#[derive(Clone, Debug)]
enum Test {
    /// A value of JSON. "For numbers, EventBridge uses string representation. For example, 300, 300.0, and 3.0e2 are not
    /// considered equal" (user guide, "Considerations when creating event patterns"). An integer differs from a float here
    /// too; but two spellings of one float are the same once they are read.
    Exactly(Value),
    Text(Text),
    AnythingBut(Not),
    Numeric {
        from: Option<Bound>,
        to: Option<Bound>,
    },
    Cidr {
        network: IpAddr,
        bits: u8,
    },
    Exists(bool),
}

/// A test of a string.
#[derive(Clone, Debug)]
enum Text {
    Prefix(String),
    PrefixIgnoreCase(String),
    Suffix(String),
    SuffixIgnoreCase(String),
    EqualsIgnoreCase(String),
    Wildcard(Regex),
}

/// What a value must not be. Any other matches, of any type.
#[derive(Clone, Debug)]
enum Not {
    Strings(Vec<String>),
    Numbers(Vec<Number>),
    Texts(Vec<Text>),
}

/// One end of a range.
#[derive(Clone, Copy, Debug)]
struct Bound {
    value: f64,
    included: bool,
}

/// A way into a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into a field of an object.
    Field(String),
    /// Into an element of an array, from 0.
    Index(usize),
}

/// Why `EventBridge` would not take a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where, from the top of the pattern; empty if all of it is meant.
    pub at: Vec<Step>,
    /// What is wrong: a lower-case fragment.
    pub message: String,
}

impl Refusal {
    fn new(at: &[Step], message: impl Into<String>) -> Self {
        Self { at: at.to_vec(), message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.at.iter().enumerate() {
            match step {
                Step::Field(name) if index == 0 => write!(f, "{name}")?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        if !self.at.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// The first thing in it that `EventBridge` refuses.
    pub fn parse(pattern: &Value) -> Result<Self, Refusal> {
        let length = pattern.to_string().chars().count();
        if length > MAX_LENGTH {
            let message =
                format!("the pattern is {length} characters of JSON; EventBridge takes {MAX_LENGTH}");
            return Err(Refusal::new(&[], message));
        }
        Ok(Self { combinations: parse::combinations(pattern)? })
    }

    /// Whether an event matches. Anything that is not an object matches nothing.
    pub fn matches(&self, event: &Value) -> bool {
        let Value::Object(event) = event else { return false };
        let leaves = matching::leaves(event, &self.combinations);
        self.combinations.iter().any(|combination| matching::holds(combination, &leaves))
    }
}
