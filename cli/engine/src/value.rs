//! Values of a spec that come from another resource. The edges of the graph are read off them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::address::Address;
use crate::live::Outputs;
use crate::path;

/// A field of a spec: a plain value, or one that comes from another resource.
///
/// In JSON a literal is itself, and a reference is an object with the one key `$ref`, which no spec uses otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value<T> {
    /// Comes from another resource.
    From {
        /// Where it comes from.
        #[serde(rename = "$ref")]
        source: Source<T>,
    },
    /// Known, and nobody else's.
    Literal(T),
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Source<T> {
    /// Picked by the server: known once `of` is live.
    Output {
        /// The resource that has it.
        of: Address,
        /// The name among its outputs.
        output: String,
    },
    /// Computed by us (an ARN, a name), but of use only once `of` is live: known at plan time, and still an edge.
    Known {
        /// The resource that it names.
        of: Address,
        /// The value.
        value: T,
    },
}

impl<T> Value<T> {
    /// A value that the server picks when it makes `of`.
    pub fn output(of: Address, output: &str) -> Self {
        Self::From { source: Source::Output { of, output: output.to_owned() } }
    }

    /// A value that names `of` and is known beforehand.
    pub fn known(of: Address, value: T) -> Self {
        Self::From { source: Source::Known { of, value } }
    }

    /// The value, when it is known already. Drivers always get specs in which it is.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Literal(value) | Self::From { source: Source::Known { value, .. } } => Some(value),
            Self::From { source: Source::Output { .. } } => None,
        }
    }
}

impl<T> From<T> for Value<T> {
    fn from(value: T) -> Self {
        Self::Literal(value)
    }
}

/// The resources that a spec refers to.
pub type References = BTreeSet<Address>;

/// Replaces the references in `spec` by plain values, asking `outputs` for what other resources have.
///
/// References to outputs that are not known yet stay, and are shown as `(known after deploy)`.
pub fn resolve<'a>(spec: &Json, outputs: &dyn Fn(&Address) -> Option<&'a Outputs>) -> Json {
    match source(spec) {
        Some(Source::Known { value, .. }) => return value,
        Some(Source::Output { of, output }) => {
            let value = outputs(&of).and_then(|all| all.get(&output));
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

/// The resources that a spec refers to, wherever in it the references are: the edges of the graph.
pub fn references(spec: &Json) -> References {
    sources(spec)
        .into_iter()
        .map(|(_, source)| match source {
            Source::Output { of, .. } | Source::Known { of, .. } => of,
        })
        .collect()
}

/// Every reference in a spec, with the path of the field that it is in.
pub(crate) fn sources(spec: &Json) -> Vec<(String, Source<Json>)> {
    let mut found = Vec::new();
    collect_sources("", spec, &mut found);
    found
}

fn collect_sources(path: &str, json: &Json, found: &mut Vec<(String, Source<Json>)>) {
    if let Some(source) = source(json) {
        found.push((path.to_owned(), source));
        return;
    }
    match json {
        Json::Object(map) => {
            for (key, value) in map {
                collect_sources(&path::join(path, key), value, found);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| collect_sources(path, item, found)),
        _ => {}
    }
}

/// The source that this JSON is a reference to, if it is one.
pub(crate) fn source(json: &Json) -> Option<Source<Json>> {
    let map = json.as_object().filter(|map| map.len() == 1)?;
    Source::deserialize(map.get("$ref")?).ok()
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
            "id": Value::<String>::output(api(), "id"),
            "role": Value::known(Address::new("role", "f"), "arn:role"),
            "deep": {"list": [1, {"id": Value::<String>::output(api(), "id")}]},
            "plain": {"$ref": "a variable that only looks like one"},
        })
    }

    #[test]
    fn references_are_found_anywhere() {
        let found: Vec<_> = references(&spec()).into_iter().collect();
        assert_eq!(found, [api(), Address::new("role", "f")]);
        let paths: Vec<_> = sources(&spec()).into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["deep.list.id", "id", "role"]);
    }

    #[test]
    fn what_is_known_is_replaced_and_the_rest_is_named() {
        let resolved = resolve(&spec(), &|_| None);
        assert_eq!(resolved["role"], "arn:role");
        assert_eq!(resolved["id"], spec()["id"]);
        assert_eq!(resolved["plain"], spec()["plain"]);
        assert_eq!(references(&resolved).into_iter().collect::<Vec<_>>(), [api()]);

        let outputs = Outputs::from([("id".to_owned(), "x7".to_owned())]);
        let resolved = resolve(&spec(), &|of| (*of == api()).then_some(&outputs));
        assert_eq!(resolved["id"], "x7");
        assert_eq!(resolved["deep"]["list"][1]["id"], "x7");
        assert!(references(&resolved).is_empty());
    }

    #[test]
    fn an_output_that_the_resource_does_not_have_stays_unknown() {
        let outputs = Outputs::new();
        let resolved = resolve(&spec(), &|_| Some(&outputs));
        assert!(references(&resolved).contains(&api()));
    }
}
