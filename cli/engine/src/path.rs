//! Paths of fields: `cors.allow_origins`, `environment["odd.key"]`. The items of a list share the path of the list.

use serde_json::Value as Json;

/// The path of `key` in the object at `path`.
pub(crate) fn join(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    match (plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}[{}]", Json::from(key)),
    }
}

/// Whether `path` is `field`, or something in it.
pub(crate) fn is_within(path: &str, field: &str) -> bool {
    path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Whether one of them is in the other, so that a change of one is a change of the other.
pub(crate) fn overlap(one: &str, other: &str) -> bool {
    is_within(one, other) || is_within(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_keys_stay_readable_and_cannot_be_mistaken_for_paths() {
        assert_eq!(join("", "memory_mb"), "memory_mb");
        assert_eq!(join("env", "LOG_LEVEL"), "env.LOG_LEVEL");
        assert_eq!(join("env", "a.b"), r#"env["a.b"]"#);
        assert_eq!(join("env", ""), r#"env[""]"#);
        assert_eq!(join("", "say \"x\""), r#"["say \"x\""]"#);
    }

    #[test]
    fn a_field_is_not_within_one_whose_name_it_begins_with() {
        assert!(is_within("env", "env"));
        assert!(is_within("env.A", "env"));
        assert!(is_within(r#"env["a.b"]"#, "env"));
        assert!(!is_within("environment", "env"));
        assert!(!is_within("env", "env.A"));
        assert!(overlap("env", "env.A"));
        assert!(!overlap("env.B", "env.A"));
    }
}
