//! Which events match.
//!
//! An event is taken apart into leaves: values by the names that lead to them, with the elements of arrays that they are in.
//! Two leaves go together if they are in no different elements of one array; arrays inside arrays count as one field.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Map, Number, Value};

use super::{Bound, Combination, Not, Test, Text};

/// Arrays, by a number in the event, and in which of their elements a leaf is.
type Elements = BTreeMap<usize, usize>;

/// A value of the event that is no object and no array.
pub(super) struct Leaf<'a> {
    value: &'a Value,
    within: Elements,
}

/// The leaves that the pattern asks for, by their joined names.
pub(super) type Leaves<'a> = BTreeMap<String, Vec<Leaf<'a>>>;

/// Takes an event apart.
pub(super) fn leaves<'a>(event: &'a Map<String, Value>, wanted: &[Combination]) -> Leaves<'a> {
    let mut taker = Taker {
        leaves: wanted.iter().flat_map(|fields| fields.keys().cloned()).map(|name| (name, vec![])).collect(),
        name: String::new(),
        within: Elements::new(),
        arrays: 0,
    };
    taker.object(event);
    taker.leaves
}

struct Taker<'a> {
    leaves: Leaves<'a>,
    name: String,
    within: Elements,
    arrays: usize,
}

impl<'a> Taker<'a> {
    fn object(&mut self, object: &'a Map<String, Value>) {
        let length = self.name.len();
        for (name, value) in object {
            if length > 0 {
                self.name.push('.');
            }
            self.name.push_str(name);
            // What no field of the pattern begins with is not looked into.
            if self
                .leaves
                .range(self.name.clone()..)
                .next()
                .is_some_and(|(wanted, _)| wanted.starts_with(&self.name))
            {
                self.value(value);
            }
            self.name.truncate(length);
        }
    }

    fn value(&mut self, value: &'a Value) {
        match value {
            Value::Object(object) => self.object(object),
            Value::Array(elements) => {
                let array = self.arrays;
                self.arrays += 1;
                for (index, element) in elements.iter().enumerate() {
                    // Plain values are in no element: fields beside the array may match any of them.
                    if element.is_object() || element.is_array() {
                        self.within.insert(array, index);
                    }
                    self.value(element);
                    self.within.remove(&array);
                }
            }
            leaf => {
                if let Some(leaves) = self.leaves.get_mut(&self.name) {
                    leaves.push(Leaf { value: leaf, within: self.within.clone() });
                }
            }
        }
    }
}

/// Whether all fields match, in elements of arrays that go together.
pub(super) fn holds(fields: &Combination, leaves: &Leaves<'_>) -> bool {
    let none = Vec::new();
    let mut places: Vec<BTreeSet<Elements>> = Vec::with_capacity(fields.len());
    for (name, tests) in fields {
        let leaves = leaves.get(name).unwrap_or(&none);
        let matched = |leaf: &&Leaf<'_>| tests.iter().any(|test| test.takes(leaf.value));
        let mut at: BTreeSet<Elements> =
            leaves.iter().filter(matched).map(|leaf| leaf.within.clone()).collect();
        if leaves.is_empty() && tests.iter().any(|test| matches!(test, Test::Exists(false))) {
            at.insert(Elements::new());
        }
        if at.is_empty() {
            return false;
        }
        places.push(at);
    }
    let mut together = BTreeSet::from([Elements::new()]);
    for index in 0..places.len() {
        // Only arrays that later fields are in can still make a difference.
        let later: BTreeSet<usize> =
            places[index + 1..].iter().flatten().flat_map(|at| at.keys().copied()).collect();
        let joined =
            together.iter().flat_map(|one| places[index].iter().filter_map(|other| join(one, other)));
        together = joined
            .map(|mut at| {
                at.retain(|array, _| later.contains(array));
                at
            })
            .collect();
        if together.is_empty() {
            return false;
        }
    }
    true
}

/// Two leaves as one, if they can go together.
fn join(one: &Elements, other: &Elements) -> Option<Elements> {
    let mut both = one.clone();
    for (array, index) in other {
        if both.insert(*array, *index).is_some_and(|known| known != *index) {
            return None;
        }
    }
    Some(both)
}

impl Test {
    /// Whether it takes a value that is there.
    fn takes(&self, value: &Value) -> bool {
        match self {
            Self::Exactly(wanted) => wanted == value,
            Self::Text(text) => value.as_str().is_some_and(|value| text.takes(value)),
            Self::AnythingBut(Not::Strings(not)) => !not.iter().any(|not| value.as_str() == Some(not)),
            Self::AnythingBut(Not::Numbers(not)) => !not.iter().any(|not| same(not, value)),
            Self::AnythingBut(Not::Texts(not)) => {
                !value.as_str().is_some_and(|value| not.iter().any(|not| not.takes(value)))
            }
            Self::Numeric { from, to } => value.as_f64().is_some_and(|value| {
                let above = |at: &Bound| value > at.value || (at.included && at.value.eq(&value));
                let below = |at: &Bound| value < at.value || (at.included && at.value.eq(&value));
                from.as_ref().is_none_or(above) && to.as_ref().is_none_or(below)
            }),
            Self::Cidr { network, bits } => value
                .as_str()
                .and_then(|text| text.parse().ok())
                .is_some_and(|address: IpAddr| within(address, *network, *bits)),
            Self::Exists(exists) => *exists,
        }
    }
}

/// Whether they are the same number, however it is written.
fn same(number: &Number, value: &Value) -> bool {
    number.as_f64().is_some() && number.as_f64() == value.as_f64()
}

fn within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let (left, right, width) = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (address.to_bits().into(), network.to_bits().into(), 32)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    let differs: u128 = left ^ right;
    differs.checked_shr(width - u32::from(bits)).unwrap_or_default() == 0
}

impl Text {
    fn takes(&self, value: &str) -> bool {
        match self {
            Self::Prefix(wanted) => value.starts_with(wanted.as_str()),
            Self::Suffix(wanted) => value.ends_with(wanted.as_str()),
            Self::PrefixIgnoreCase(wanted) => value.to_lowercase().starts_with(wanted.as_str()),
            Self::SuffixIgnoreCase(wanted) => value.to_lowercase().ends_with(wanted.as_str()),
            Self::EqualsIgnoreCase(wanted) => value.to_lowercase() == *wanted,
            Self::Wildcard(wanted) => wanted.is_match(value),
        }
    }
}
