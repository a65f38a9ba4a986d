//! Field paths such as `cors.allow_origins` and `environment["odd.key"]`. The items of a list have the path of the list.

use serde_json::Value as Json;

/// Returns the path of `key` in the object at `path`.
pub(crate) fn join(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    match (plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}[{}]", Json::from(key)),
    }
}

/// Whether `path` is `field` or nested in it.
pub(crate) fn is_within(path: &str, field: &str) -> bool {
    path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Whether the paths are equal or one is nested in the other, so that a change at one path changes the value at the
/// other.
pub(crate) fn overlap(a: &str, b: &str) -> bool {
    is_within(a, b) || is_within(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn join_quotes_keys_with_special_characters() {
        assert_eq!(join("", "memory_mb"), "memory_mb");
        assert_eq!(join("env", "LOG_LEVEL"), "env.LOG_LEVEL");
        assert_eq!(join("env", "a.b"), r#"env["a.b"]"#);
        assert_eq!(join("env", ""), r#"env[""]"#);
        assert_eq!(join("", "say \"x\""), r#"["say \"x\""]"#);
    }

    #[test]
    fn is_within_ignores_field_with_same_prefix() {
        assert!(is_within("env", "env"));
        assert!(is_within("env.A", "env"));
        assert!(is_within(r#"env["a.b"]"#, "env"));
        assert!(!is_within("environment", "env"));
        assert!(!is_within("env", "env.A"));
        assert!(overlap("env", "env.A"));
        assert!(!overlap("env.B", "env.A"));
    }
}
