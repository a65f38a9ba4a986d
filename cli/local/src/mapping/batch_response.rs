//! Reads the function's response, which lists the failed messages of a batch (`ReportBatchItemFailures`).

use serde_json::Value as Json;

/// Returns the ids of the failed messages. Returns `None` if the whole batch failed: the response has another format, an item has
/// no id, or an id is not in the batch.
///
/// An empty response, an empty object, and a missing or empty list mean success ("Reporting batch item failures" in Lambda's
/// guide).
pub(super) fn failed_ids(response: &[u8], is_in_batch: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    if response.is_empty() {
        return Some(Vec::new());
    }
    let failures = match serde_json::from_slice(response).ok()? {
        Json::Null => return Some(Vec::new()),
        Json::Object(mut response) => response.remove("batchItemFailures").unwrap_or_default(),
        _ => return None,
    };
    match failures {
        Json::Null => Some(Vec::new()),
        Json::Array(items) => items
            .into_iter()
            .map(|item| {
                let id = item.get("itemIdentifier")?.as_str()?;
                is_in_batch(id).then(|| id.to_owned())
            })
            .collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_ids_follow_lambdas_rules() {
        let failed = |response: &str| failed_ids(response.as_bytes(), |id| ["a", "b"].contains(&id));
        for success in
            ["", "null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#, r#"{"x":1}"#]
        {
            assert_eq!(failed(success), Some(Vec::new()), "{success}");
        }
        let one = r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#;
        assert_eq!(failed(one), Some(vec!["b".to_owned()]));
        for failure in [
            "{",
            "\"ok\"",
            "[]",
            r#"{"batchItemFailures":"a"}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"id":"a"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"c"}]}"#,
        ] {
            assert_eq!(failed(failure), None, "{failure}");
        }
    }
}
