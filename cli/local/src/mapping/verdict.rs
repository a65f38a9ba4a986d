//! Which messages of a batch failed, by the function's answer: `ReportBatchItemFailures`.

use serde_json::Value as Json;

/// The ids that the answer names; `None` when all of them failed: the answer is no answer, or names none or a strange one.
///
/// No list, an empty one, an empty object and nothing at all are good ("Reporting batch item failures" in Lambda's guide).
pub(super) fn failed(answer: &[u8], known: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    if answer.is_empty() {
        return Some(Vec::new());
    }
    let named = match serde_json::from_slice(answer).ok()? {
        Json::Null => return Some(Vec::new()),
        Json::Object(mut answer) => answer.remove("batchItemFailures").unwrap_or_default(),
        _ => return None,
    };
    match named {
        Json::Null => Some(Vec::new()),
        Json::Array(items) => items
            .into_iter()
            .map(|item| {
                let id = item.get("itemIdentifier")?.as_str()?;
                known(id).then(|| id.to_owned())
            })
            .collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_lambda_reads_it() {
        let failed = |answer: &str| failed(answer.as_bytes(), |id| ["a", "b"].contains(&id));
        for good in
            ["", "null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#, r#"{"x":1}"#]
        {
            assert_eq!(failed(good), Some(Vec::new()), "{good}");
        }
        let one = r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#;
        assert_eq!(failed(one), Some(vec!["b".to_owned()]));
        for bad in [
            "{",
            "\"ok\"",
            "[]",
            r#"{"batchItemFailures":"a"}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"id":"a"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"c"}]}"#,
        ] {
            assert_eq!(failed(bad), None, "{bad}");
        }
    }
}
