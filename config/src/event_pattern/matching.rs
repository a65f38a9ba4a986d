//! Matches events against patterns.
//!
//! An event is split into leaves: its scalar values, each with its dotted field name and the array elements that
//! contain it. Two leaves are compatible unless they are in different elements of the same array. The scalars of nested
//! arrays all have the field name of the outermost array.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Map, Number, Value};

use super::{Combination, ExcludedValues, NumberBound, StringMatcher, ValueMatcher};

/// The array elements that contain a leaf: maps the number of the array in the event to the index of the element.
type ArrayPositions = BTreeMap<usize, usize>;

/// A scalar value of the event, neither object nor array.
pub(super) struct Leaf<'a> {
    value: &'a Value,
    positions: ArrayPositions,
}

/// The leaves of the fields that the pattern uses, by dotted name.
pub(super) type Leaves<'a> = BTreeMap<String, Vec<Leaf<'a>>>;

/// Collects the leaves of an event that the combinations use.
pub(super) fn collect_leaves<'a>(event: &'a Map<String, Value>, wanted: &[Combination]) -> Leaves<'a> {
    let mut collector = LeafCollector {
        leaves: wanted
            .iter()
            .flat_map(|combination| combination.keys().cloned())
            .map(|name| (name, vec![]))
            .collect(),
        name: String::new(),
        positions: ArrayPositions::new(),
        arrays: 0,
    };
    collector.object(event);
    collector.leaves
}

struct LeafCollector<'a> {
    leaves: Leaves<'a>,
    name: String,
    positions: ArrayPositions,
    /// The number of arrays read so far, which is the number of the next array.
    arrays: usize,
}

impl<'a> LeafCollector<'a> {
    fn object(&mut self, object: &'a Map<String, Value>) {
        let length = self.name.len();
        for (name, value) in object {
            if length > 0 {
                self.name.push('.');
            }
            self.name.push_str(name);
            // Skips a value if no field of the pattern starts with its name.
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
                    // A scalar in an array has no position: fields beside the array may match any of its scalars.
                    if element.is_object() || element.is_array() {
                        self.positions.insert(array, index);
                    }
                    self.value(element);
                    self.positions.remove(&array);
                }
            }
            leaf => {
                if let Some(leaves) = self.leaves.get_mut(&self.name) {
                    leaves.push(Leaf { value: leaf, positions: self.positions.clone() });
                }
            }
        }
    }
}

/// Whether all fields match in compatible array elements.
pub(super) fn combination_matches(combination: &Combination, leaves: &Leaves<'_>) -> bool {
    let none = Vec::new();
    let mut positions_by_field: Vec<BTreeSet<ArrayPositions>> = Vec::with_capacity(combination.len());
    for (name, matchers) in combination {
        let leaves = leaves.get(name).unwrap_or(&none);
        let matched = |leaf: &&Leaf<'_>| matchers.iter().any(|matcher| matcher.matches(leaf.value));
        let mut positions: BTreeSet<ArrayPositions> =
            leaves.iter().filter(matched).map(|leaf| leaf.positions.clone()).collect();
        // A missing field matches `exists: false`, together with any array element.
        if leaves.is_empty() && matchers.iter().any(|matcher| matches!(matcher, ValueMatcher::Exists(false)))
        {
            positions.insert(ArrayPositions::new());
        }
        if positions.is_empty() {
            return false;
        }
        positions_by_field.push(positions);
    }
    // The merged positions of every compatible choice of one leaf per field, for the fields so far.
    let mut compatible = BTreeSet::from([ArrayPositions::new()]);
    for index in 0..positions_by_field.len() {
        // Only arrays that contain later fields can still make a difference.
        let later: BTreeSet<usize> = positions_by_field[index + 1..]
            .iter()
            .flatten()
            .flat_map(|positions| positions.keys().copied())
            .collect();
        let joined = compatible
            .iter()
            .flat_map(|one| positions_by_field[index].iter().filter_map(|other| merge_positions(one, other)));
        compatible = joined
            .map(|mut positions| {
                positions.retain(|array, _| later.contains(array));
                positions
            })
            .collect();
        if compatible.is_empty() {
            return false;
        }
    }
    true
}

/// Merges the positions of two leaves; `None` if they are in different elements of one array.
fn merge_positions(one: &ArrayPositions, other: &ArrayPositions) -> Option<ArrayPositions> {
    let mut merged = one.clone();
    for (array, index) in other {
        if merged.insert(*array, *index).is_some_and(|known| known != *index) {
            return None;
        }
    }
    Some(merged)
}

impl ValueMatcher {
    /// Whether a value that is present matches.
    fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Exactly(wanted) => wanted == value,
            Self::String(text) => value.as_str().is_some_and(|value| text.matches(value)),
            Self::AnythingBut(ExcludedValues::Strings(excluded)) => {
                !excluded.iter().any(|text| value.as_str() == Some(text))
            }
            Self::AnythingBut(ExcludedValues::Numbers(excluded)) => {
                !excluded.iter().any(|number| numbers_equal(number, value))
            }
            Self::AnythingBut(ExcludedValues::Matchers(excluded)) => {
                !value.as_str().is_some_and(|value| excluded.iter().any(|matcher| matcher.matches(value)))
            }
            Self::Numeric { from, to } => value.as_f64().is_some_and(|value| {
                let above =
                    |bound: &NumberBound| value > bound.value || (bound.inclusive && bound.value.eq(&value));
                let below =
                    |bound: &NumberBound| value < bound.value || (bound.inclusive && bound.value.eq(&value));
                from.as_ref().is_none_or(above) && to.as_ref().is_none_or(below)
            }),
            Self::Cidr { network, bits } => value
                .as_str()
                .and_then(|text| text.parse().ok())
                .is_some_and(|address: IpAddr| in_network(address, *network, *bits)),
            Self::Exists(exists) => *exists,
        }
    }
}

/// Compares two numbers by value, whatever their notation.
fn numbers_equal(number: &Number, value: &Value) -> bool {
    number.as_f64().is_some() && number.as_f64() == value.as_f64()
}

fn in_network(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let (left, right, width) = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (address.to_bits().into(), network.to_bits().into(), 32)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    let differs: u128 = left ^ right;
    // A shift by all 128 bits yields `None`: a network of 0 bits contains every address.
    differs.checked_shr(width - u32::from(bits)).unwrap_or_default() == 0
}

impl StringMatcher {
    fn matches(&self, value: &str) -> bool {
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
