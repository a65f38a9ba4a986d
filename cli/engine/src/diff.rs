//! Compares what is live with what is wanted: generic, on plain data, with no opinion of any kind of resource.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::mask::Mask;
use crate::path;
use crate::value::{resolve, source, sources};

/// What stands for a value that the server picks during the deploy.
pub const UNKNOWN: &str = "(known after deploy)";

/// One field that differs, fit for being shown: secret values are masked here already.
///
/// Serialises as `{"field","old","new"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldDiff {
    /// The path of the field: `memory_mb`, `cors.allow_origins`, `environment["odd.key"]`.
    pub field: String,
    /// What it is; null when it is not set.
    pub old: Json,
    /// What it shall be; null when it is to be unset, [`UNKNOWN`] in the place of what is not known yet.
    pub new: Json,
    /// Whether `new` (or a part of it) is known only after the deploy.
    #[serde(skip)]
    pub unknown: bool,
}

/// The fields in which `want` differs from `have`, by path. Objects are compared field by field, lists as a whole;
/// a field that is missing and one that is null are the same.
///
/// `secret` names the fields (with all below them) whose values are replaced by what `mask` shows of them. A reference to an output
/// that is left in `want` differs from everything.
pub fn diff(have: &Json, want: &Json, secret: &[String], mask: &Mask) -> Vec<FieldDiff> {
    let want = resolve(want, &|_| None);
    let mut found = Vec::new();
    compare("", have, &want, secret, mask, &mut found);
    found
}

fn compare(path: &str, have: &Json, want: &Json, secret: &[String], mask: &Mask, found: &mut Vec<FieldDiff>) {
    match (have, want) {
        (Json::Object(old), Json::Object(new)) if source(want).is_none() => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let side = |map: &serde_json::Map<String, Json>| map.get(key).cloned().unwrap_or(Json::Null);
                compare(&path::join(path, key), &side(old), &side(new), secret, mask, found);
            }
        }
        _ if have == want => {}
        _ => found.push(FieldDiff {
            field: path.to_owned(),
            old: shown(path, have, secret, mask),
            new: shown(path, want, secret, mask),
            unknown: !sources(want).is_empty(),
        }),
    }
}

/// The value as a plan may hold it: no secrets, no references.
fn shown(path: &str, json: &Json, secret: &[String], mask: &Mask) -> Json {
    if source(json).is_some() {
        return Json::from(UNKNOWN);
    }
    let hidden = secret.iter().any(|field| path::is_within(path, field));
    match json {
        Json::Object(map) => {
            let field = |(key, value): (&String, &Json)| {
                (key.clone(), shown(&path::join(path, key), value, secret, mask))
            };
            map.iter().map(field).collect()
        }
        Json::Array(items) if !hidden => items.iter().map(|item| shown(path, item, secret, mask)).collect(),
        Json::String(text) if hidden => mask.of(text).into(),
        plain if hidden && !plain.is_null() => mask.of(&plain.to_string()).into(),
        plain => plain.clone(),
    }
}

impl fmt::Display for FieldDiff {
    /// One line for people: `memory_mb: 128 -> 256`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |json: &Json| match json {
            Json::String(text) if text == UNKNOWN && self.unknown => text.clone(),
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
    use crate::value::Value;

    /// Tells secrets apart by their last letter or digit: no hash is needed for that.
    fn mask() -> Mask {
        Mask::new(|secret| format!("#{:0>8}", secret.chars().rfind(|c| c.is_alphanumeric()).unwrap_or('-')))
    }

    fn lines(have: &Json, want: &Json, secret: &[&str]) -> String {
        let secret: Vec<String> = secret.iter().map(ToString::to_string).collect();
        diff(have, want, &secret, &mask()).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn objects_are_compared_by_field_and_lists_as_a_whole() {
        let have =
            json!({"memory_mb": 128, "cors": {"allow_origins": ["*"], "max_age": 1}, "same": {"a": [1]}});
        let want = json!({"memory_mb": 256, "cors": {"allow_origins": ["https://a"], "max_age": 1},
            "same": {"a": [1]}, "environment": {}, "tags": null});
        insta::assert_snapshot!(lines(&have, &want, &[]), @r#"
        cors.allow_origins: ["*"] -> ["https://a"]
        environment: (not set) -> {}
        memory_mb: 128 -> 256
        "#);
    }

    #[test]
    fn odd_keys_are_quoted_and_unset_fields_are_named() {
        let have = json!({"env": {"a.b": "1", "C": "x"}, "gone": 1});
        let want = json!({"env": {"a.b": "2"}});
        insta::assert_snapshot!(lines(&have, &want, &[]), @r#"
        env.C: "x" -> (not set)
        env["a.b"]: "1" -> "2"
        gone: 1 -> (not set)
        "#);
    }

    #[test]
    fn what_is_not_known_yet_differs_from_everything() {
        let id = Value::<String>::output(Address::new("api", "http"), "id");
        let have = json!({"api": "x7", "list": ["x7"], "role": "arn"});
        let role = Value::known(Address::new("role", "f"), "arn");
        let want = json!({"api": id, "list": [id, "y"], "role": role});
        insta::assert_snapshot!(lines(&have, &want, &[]), @r#"
        api: "x7" -> (known after deploy)
        list: ["x7"] -> ["(known after deploy)","y"]
        "#);
        assert!(diff(&have, &want, &[], &mask()).iter().all(|field| field.unknown));
        let literal = diff(&json!({"a": 1}), &json!({"a": UNKNOWN}), &[], &mask());
        assert!(!literal[0].unknown);
    }

    #[test]
    fn secrets_are_masked_wherever_they_are() {
        let have = json!({"env": {"A": "hunter1", "N": 1}, "list": ["hunter2"], "deep": null});
        let want = json!({"env": {"A": "hunter3", "B": "hunter4"}, "list": ["hunter5"],
            "deep": {"token": "hunter6", "open": "seen", "items": [{"token": "hunter7"}]}});
        let text = lines(&have, &want, &["env", "list", "deep.token", "deep.items.token"]);
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
    fn a_field_serialises_as_the_contract_says() {
        let id = Value::<String>::output(Address::new("api", "http"), "id");
        let found = diff(&json!({}), &json!({"api": id}), &[], &mask());
        insta::assert_snapshot!(
            serde_json::to_string(&found).unwrap(),
            @r#"[{"field":"api","old":null,"new":"(known after deploy)"}]"#
        );
    }
}
