//! Spec values that refer to another resource. These references are the edges of the graph.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::address::Address;
use crate::observed_state::Outputs;
use crate::path;

/// A value in a spec: a literal, or a reference to another resource.
///
/// In JSON, a reference is an object with the single key `$ref`, which no spec uses for anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SpecValue<T> {
    /// A value that comes from another resource.
    Reference {
        /// The resource and the value or output.
        #[serde(rename = "$ref")]
        reference: Reference<T>,
    },
    /// A plain value.
    Literal(T),
}

/// A reference to a value of another resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reference<T> {
    /// A value that the cloud assigns, known when `resource` exists.
    Output {
        /// The resource with the output.
        #[serde(rename = "of")]
        resource: Address,
        /// The name of the output.
        output: String,
    },
    /// A value that is computed at plan time (an ARN, a name) but can be used only when `resource` exists.
    Known {
        /// The resource that the value identifies.
        #[serde(rename = "of")]
        resource: Address,
        /// The computed ARN, name or id.
        value: T,
    },
}

impl<T> SpecValue<T> {
    /// Creates a reference to a value that the cloud assigns when it creates `resource`.
    pub fn output(resource: Address, output: &str) -> Self {
        Self::Reference { reference: Reference::Output { resource, output: output.to_owned() } }
    }

    /// Creates a reference to `resource` whose value is known at plan time.
    pub fn known(resource: Address, value: T) -> Self {
        Self::Reference { reference: Reference::Known { resource, value } }
    }

    /// Returns the value if it is known. In the specs that drivers receive, all values are known.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Literal(value) | Self::Reference { reference: Reference::Known { value, .. } } => {
                Some(value)
            }
            Self::Reference { reference: Reference::Output { .. } } => None,
        }
    }
}

impl<T> From<T> for SpecValue<T> {
    fn from(value: T) -> Self {
        Self::Literal(value)
    }
}

/// The addresses of the resources that a spec refers to.
pub type Dependencies = BTreeSet<Address>;

/// Replaces the references in `spec` by plain values. `outputs` returns the outputs of another resource.
///
/// References to outputs that are not known yet are kept; a plan shows them as `(known after deploy)`.
pub fn resolve<'a>(spec: &Json, outputs: &dyn Fn(&Address) -> Option<&'a Outputs>) -> Json {
    match parse_reference(spec) {
        Some(Reference::Known { value, .. }) => return value,
        Some(Reference::Output { resource, output }) => {
            let value = outputs(&resource).and_then(|all| all.get(&output));
            return value.map_or_else(|| spec.clone(), |value| Json::String(value.clone()));
        }
        None => {}
    }
    match spec {
        Json::Object(map) => map.iter().map(|(key, value)| (key.clone(), resolve(value, outputs))).collect(),
        Json::Array(items) => items.iter().map(|item| resolve(item, outputs)).collect(),
        plain => plain.clone(),
    }
}

/// Returns the addresses of all resources that a spec refers to at any depth. They are the edges of the graph.
pub fn dependencies(spec: &Json) -> Dependencies {
    find_references(spec)
        .into_iter()
        .map(|(_, reference)| match reference {
            Reference::Output { resource, .. } | Reference::Known { resource, .. } => resource,
        })
        .collect()
}

/// Returns all references in a spec, with the paths of their fields.
pub(crate) fn find_references(spec: &Json) -> Vec<(String, Reference<Json>)> {
    let mut references = Vec::new();
    collect_references("", spec, &mut references);
    references
}

fn collect_references(path: &str, json: &Json, references: &mut Vec<(String, Reference<Json>)>) {
    if let Some(reference) = parse_reference(json) {
        references.push((path.to_owned(), reference));
        return;
    }
    match json {
        Json::Object(map) => {
            for (key, value) in map {
                collect_references(&path::join(path, key), value, references);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| collect_references(path, item, references)),
        _ => {}
    }
}

/// Parses `json` as a reference. Returns `None` when it is a plain value.
pub(crate) fn parse_reference(json: &Json) -> Option<Reference<Json>> {
    let map = json.as_object().filter(|map| map.len() == 1)?;
    Reference::deserialize(map.get("$ref")?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn api() -> Address {
        Address::new("api", "http")
    }

    fn spec() -> Json {
        json!({
            "id": SpecValue::<String>::output(api(), "id"),
            "role": SpecValue::known(Address::new("role", "f"), "arn:role"),
            "deep": {"list": [1, {"id": SpecValue::<String>::output(api(), "id")}]},
            "plain": {"$ref": "a variable that only looks like a reference"},
        })
    }

    #[test]
    fn dependencies_include_references_at_any_depth() {
        let references: Vec<_> = dependencies(&spec()).into_iter().collect();
        assert_eq!(references, [api(), Address::new("role", "f")]);
        let paths: Vec<_> = find_references(&spec()).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["deep.list.id", "id", "role"]);
    }

    #[test]
    fn resolve_replaces_known_values_and_keeps_unknown_references() {
        let resolved = resolve(&spec(), &|_| None);
        assert_eq!(resolved["role"], "arn:role");
        assert_eq!(resolved["id"], spec()["id"]);
        assert_eq!(resolved["plain"], spec()["plain"]);
        assert_eq!(dependencies(&resolved).into_iter().collect::<Vec<_>>(), [api()]);

        let outputs = Outputs::from([("id".to_owned(), "x7".to_owned())]);
        let resolved = resolve(&spec(), &|address| (*address == api()).then_some(&outputs));
        assert_eq!(resolved["id"], "x7");
        assert_eq!(resolved["deep"]["list"][1]["id"], "x7");
        assert!(dependencies(&resolved).is_empty());
    }

    #[test]
    fn resolve_keeps_reference_to_missing_output() {
        let outputs = Outputs::new();
        let resolved = resolve(&spec(), &|_| Some(&outputs));
        assert!(dependencies(&resolved).contains(&api()));
    }
}
