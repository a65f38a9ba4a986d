//! Compares the observed spec of a resource with the desired one, as plain JSON. It has no code for a particular kind
//! of resource.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::mask::SecretMask;
use crate::path;
use crate::value::{find_references, parse_reference, resolve};

/// The text shown for a value that the cloud assigns during the deploy.
pub const UNKNOWN: &str = "(known after deploy)";

/// A field whose values differ, ready for display: secret values are masked.
///
/// Serializes as `{"field","old","new"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldDiff {
    /// The path of the field: `memory_mb`, `cors.allow_origins`, `environment["odd.key"]`.
    pub field: String,
    /// The observed value; null when the field is not set.
    pub old: Json,
    /// The desired value: null when the field will be unset, and [`UNKNOWN`] in place of each value that is not known yet.
    pub new: Json,
    /// Whether `new`, or a part of it, is known only after the deploy.
    #[serde(skip)]
    pub unknown: bool,
}

/// Returns the fields in which `desired` differs from `observed`, by path. Objects are compared field by field, lists as a whole.
/// A missing field equals a null field.
///
/// Values at paths for which `is_secret` is true are masked with `mask`. An unresolved reference to an output differs
/// from every value.
pub fn diff(
    observed: &Json,
    desired: &Json,
    is_secret: &dyn Fn(&str) -> bool,
    mask: &SecretMask,
) -> Vec<FieldDiff> {
    let desired = resolve(desired, &|_| None);
    let mut differences = Vec::new();
    compare("", observed, &desired, is_secret, mask, &mut differences);
    differences
}

fn compare(
    path: &str,
    observed: &Json,
    desired: &Json,
    is_secret: &dyn Fn(&str) -> bool,
    mask: &SecretMask,
    differences: &mut Vec<FieldDiff>,
) {
    match (observed, desired) {
        (Json::Object(old), Json::Object(new)) if parse_reference(desired).is_none() => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let value_of =
                    |map: &serde_json::Map<String, Json>| map.get(key).cloned().unwrap_or(Json::Null);
                compare(&path::join(path, key), &value_of(old), &value_of(new), is_secret, mask, differences);
            }
        }
        _ if observed == desired => {}
        _ => differences.push(FieldDiff {
            field: path.to_owned(),
            old: displayed_value(path, observed, is_secret, mask),
            new: displayed_value(path, desired, is_secret, mask),
            unknown: !find_references(desired).is_empty(),
        }),
    }
}

/// Returns the value as a plan may show it: with masked secrets, and [`UNKNOWN`] in place of references.
fn displayed_value(path: &str, json: &Json, is_secret: &dyn Fn(&str) -> bool, mask: &SecretMask) -> Json {
    if parse_reference(json).is_some() {
        return Json::from(UNKNOWN);
    }
    let hidden = is_secret(path);
    match json {
        Json::Object(map) => {
            let field = |(key, value): (&String, &Json)| {
                (key.clone(), displayed_value(&path::join(path, key), value, is_secret, mask))
            };
            map.iter().map(field).collect()
        }
        Json::Array(items) if !hidden => {
            items.iter().map(|item| displayed_value(path, item, is_secret, mask)).collect()
        }
        Json::String(text) if hidden => mask.apply(text).into(),
        plain if hidden && !plain.is_null() => mask.apply(&plain.to_string()).into(),
        plain => plain.clone(),
    }
}

impl fmt::Display for FieldDiff {
    /// Formats the field as one line: `memory_mb: 128 -> 256`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |json: &Json| match json {
            Json::String(text) if text == UNKNOWN && self.unknown => text.clone(),
            // A masked secret: `#` and eight hexadecimal digits.
            Json::String(text) if text.starts_with('#') && text.len() == 9 => text.clone(),
            Json::Null => "(not set)".to_owned(),
            other => other.to_string(),
        };
        write!(f, "{}: {} -> {}", self.field, value(&self.old), value(&self.new))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::address::Address;
    use crate::value::SpecValue;

    /// Masks a secret with its last letter or digit, which is enough to tell the secrets of these tests apart.
    fn mask() -> SecretMask {
        SecretMask::new(|secret| {
            format!("#{:0>8}", secret.chars().rfind(|c| c.is_alphanumeric()).unwrap_or('-'))
        })
    }

    fn lines(observed: &Json, desired: &Json, secret_fields: &[&str]) -> String {
        let is_secret = |path: &str| secret_fields.iter().any(|field| path::is_within(path, field));
        diff(observed, desired, &is_secret, &mask())
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn diff_compares_objects_by_field_and_lists_as_a_whole() {
        let observed =
            json!({"memory_mb": 128, "cors": {"allow_origins": ["*"], "max_age": 1}, "same": {"a": [1]}});
        let desired = json!({"memory_mb": 256, "cors": {"allow_origins": ["https://a"], "max_age": 1},
            "same": {"a": [1]}, "environment": {}, "tags": null});
        insta::assert_snapshot!(lines(&observed, &desired, &[]), @r#"
        cors.allow_origins: ["*"] -> ["https://a"]
        environment: (not set) -> {}
        memory_mb: 128 -> 256
        "#);
    }

    #[test]
    fn diff_quotes_special_keys_and_lists_unset_fields() {
        let observed = json!({"env": {"a.b": "1", "C": "x"}, "gone": 1});
        let desired = json!({"env": {"a.b": "2"}});
        insta::assert_snapshot!(lines(&observed, &desired, &[]), @r#"
        env.C: "x" -> (not set)
        env["a.b"]: "1" -> "2"
        gone: 1 -> (not set)
        "#);
    }

    #[test]
    fn diff_unknown_value_differs_from_every_value() {
        let id = SpecValue::<String>::output(Address::new("api", "http"), "id");
        let observed = json!({"api": "x7", "list": ["x7"], "role": "arn"});
        let role = SpecValue::known(Address::new("role", "f"), "arn");
        let desired = json!({"api": id, "list": [id, "y"], "role": role});
        insta::assert_snapshot!(lines(&observed, &desired, &[]), @r#"
        api: "x7" -> (known after deploy)
        list: ["x7"] -> ["(known after deploy)","y"]
        "#);
        assert!(diff(&observed, &desired, &|_| false, &mask()).iter().all(|field| field.unknown));
        let literal = diff(&json!({"a": 1}), &json!({"a": UNKNOWN}), &|_| false, &mask());
        assert!(!literal[0].unknown);
    }

    #[test]
    fn diff_masks_secrets_at_any_depth() {
        let observed = json!({"env": {"A": "hunter1", "N": 1}, "list": ["hunter2"], "deep": null});
        let desired = json!({"env": {"A": "hunter3", "B": "hunter4"}, "list": ["hunter5"],
            "deep": {"token": "hunter6", "open": "seen", "items": [{"token": "hunter7"}]}});
        let text = lines(&observed, &desired, &["env", "list", "deep.token", "deep.items.token"]);
        assert!(!text.contains("hunter"), "{text}");
        insta::assert_snapshot!(text, @r##"
        deep: (not set) -> {"items":[{"token":"#00000007"}],"open":"seen","token":"#00000006"}
        env.A: #00000001 -> #00000003
        env.B: (not set) -> #00000004
        env.N: #00000001 -> (not set)
        list: #00000002 -> #00000005
        "##);
    }

    #[test]
    fn field_diff_serializes_field_old_and_new() {
        let id = SpecValue::<String>::output(Address::new("api", "http"), "id");
        let differences = diff(&json!({}), &json!({"api": id}), &|_| false, &mask());
        insta::assert_snapshot!(
            serde_json::to_string(&differences).unwrap(),
            @r#"[{"field":"api","old":null,"new":"(known after deploy)"}]"#
        );
    }
}
