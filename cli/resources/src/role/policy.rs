//! Policies of IAM: ours as text, and what comes back of them, normalised.
//!
//! IAM gives documents back URL-encoded (RFC 3986), in which one string and a list of it are the same, and the order of
//! statements, actions and resources says nothing.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::role::spec::Statement;

const VERSION: &str = "2012-10-17";
const ASSUME: &str = "sts:AssumeRole";

/// The policy that lets that service assume the role.
pub(crate) fn trust(service: &str) -> String {
    json!({
        "Version": VERSION,
        "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": ASSUME}],
    })
    .to_string()
}

/// The policy of these statements.
pub(super) fn document(statements: &[Statement]) -> String {
    let statements: Vec<Json> = statements
        .iter()
        .map(|Statement { sid, actions, resources }| {
            json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources})
        })
        .collect();
    json!({"Version": VERSION, "Statement": statements}).to_string()
}

/// The service in a trust policy that came back, when it is all that the policy says; else the policy's text, which
/// differs from any service.
pub(crate) fn trusted_service(document: &str) -> String {
    let text = decoded(document);
    let statements = parsed(&text);
    let service = match statements.as_deref() {
        Some([only]) => only_service(only),
        _ => None,
    };
    service.unwrap_or(text)
}

/// The statements of a policy that came back, in the order of their names. One that is more than a plain permission
/// stands there as its text, and so differs from any that is wanted.
pub(crate) fn statements(document: &str) -> Vec<Statement> {
    let text = decoded(document);
    let odd = |text: String| Statement { sid: text, actions: BTreeSet::new(), resources: BTreeSet::new() };
    let Some(found) = parsed(&text) else { return vec![odd(text)] };
    let mut statements: Vec<_> =
        found.iter().map(|json| statement(json).unwrap_or_else(|| odd(json.to_string()))).collect();
    statements.sort();
    statements
}

/// The statements in a document; one may stand there without a list around it.
fn parsed(document: &str) -> Option<Vec<Json>> {
    let mut policy: Json = serde_json::from_str(document).ok()?;
    match policy.get_mut("Statement")?.take() {
        Json::Array(statements) => Some(statements),
        one @ Json::Object(_) => Some(vec![one]),
        _ => None,
    }
}

fn only_service(statement: &Json) -> Option<String> {
    only_keys(statement, &["Sid", "Effect", "Principal", "Action"])?;
    only_keys(&statement["Principal"], &["Service"])?;
    let mut services = words(&statement["Principal"]["Service"])?;
    let plain = statement["Effect"] == "Allow"
        && services.len() == 1
        && words(&statement["Action"])? == BTreeSet::from([ASSUME.to_owned()]);
    services.pop_first().filter(|_| plain)
}

fn statement(json: &Json) -> Option<Statement> {
    only_keys(json, &["Sid", "Effect", "Action", "Resource"])?;
    if json["Effect"] != "Allow" {
        return None;
    }
    Some(Statement {
        sid: json["Sid"].as_str().unwrap_or_default().to_owned(),
        actions: words(&json["Action"])?,
        resources: words(&json["Resource"])?,
    })
}

fn only_keys(json: &Json, known: &[&str]) -> Option<()> {
    json.as_object()?.keys().all(|key| known.contains(&key.as_str())).then_some(())
}

/// A string, or a list of them.
fn words(json: &Json) -> Option<BTreeSet<String>> {
    match json {
        Json::String(one) => Some(BTreeSet::from([one.clone()])),
        Json::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// Text without its URL-encoding; what is no encoding is left as it stands, so that plain JSON stays itself.
fn decoded(text: &str) -> String {
    // JSON itself begins with a brace; an encoded document with `%7B`.
    if text.trim_start().starts_with('{') {
        return text.to_owned();
    }
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(items: &[&str]) -> BTreeSet<String> {
        items.iter().map(ToString::to_string).collect()
    }

    fn statement(sid: &str, actions: &[&str], resources: &[&str]) -> Statement {
        Statement { sid: sid.to_owned(), actions: set(actions), resources: set(resources) }
    }

    fn encoded(text: &str) -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    char::from(byte).to_string()
                }
                _ => format!("%{byte:02X}"),
            })
            .collect()
    }

    #[test]
    fn what_is_sent_comes_back_the_same_encoded_or_not() {
        let ours = [
            statement(
                "Logs",
                &["logs:CreateLogStream", "logs:PutLogEvents"],
                &["arn:aws:logs:r:a:log-group:/x:*"],
            ),
            statement("Table", &["dynamodb:UpdateItem"], &["arn:aws:dynamodb:r:a:table/hits+1%"]),
        ];
        let document = document(&ours);
        assert_eq!(statements(&document), ours);
        assert_eq!(statements(&encoded(&document)), ours);
        let trust = trust("lambda.amazonaws.com");
        assert_eq!(trusted_service(&trust), "lambda.amazonaws.com");
        assert_eq!(trusted_service(&encoded(&trust)), "lambda.amazonaws.com");
    }

    #[test]
    fn strings_and_lists_and_any_order_are_the_same() {
        let lists = r#"{"Statement": [
            {"Sid": "Table", "Effect": "Allow", "Action": ["b:Y", "b:X"], "Resource": ["arn:2", "arn:1"]},
            {"Sid": "Logs", "Effect": "Allow", "Action": ["a:X"], "Resource": ["arn:1"]}]}"#;
        assert_eq!(
            statements(lists),
            [
                statement("Logs", &["a:X"], &["arn:1"]),
                statement("Table", &["b:X", "b:Y"], &["arn:1", "arn:2"])
            ]
        );
        let one =
            r#"{"Statement": {"Sid": "Logs", "Effect": "Allow", "Action": "a:X", "Resource": "arn:1"}}"#;
        assert_eq!(statements(one), [statement("Logs", &["a:X"], &["arn:1"])]);
        let trust = r#"{"Version": "2012-10-17", "Statement": {"Sid": "", "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com"]}, "Action": ["sts:AssumeRole"]}}"#;
        assert_eq!(trusted_service(trust), "lambda.amazonaws.com");
    }

    #[test]
    fn what_grants_more_or_less_than_a_plain_statement_is_drift() {
        for odd in [
            r#"{"Sid":"S","Effect":"Deny","Action":"a:X","Resource":"arn:1"}"#,
            r#"{"Sid":"S","Effect":"Allow","Action":"a:X","Resource":"arn:1","Condition":{"Bool":{"x":"true"}}}"#,
            r#"{"Sid":"S","Effect":"Allow","NotAction":"a:X","Resource":"arn:1"}"#,
            r#"{"Sid":"S","Effect":"Allow","Action":"a:X","NotResource":"arn:1"}"#,
            r#"{"Sid":"S","Effect":"Allow","Action":7,"Resource":"arn:1"}"#,
        ] {
            let found = statements(&format!(r#"{{"Statement":[{odd}]}}"#));
            assert_eq!(found.len(), 1, "{odd}");
            assert_ne!(found[0], statement("S", &["a:X"], &["arn:1"]), "{odd}");
        }
        assert_eq!(statements("{}")[0].sid, "{}");
        assert_eq!(statements("no JSON")[0].sid, "no JSON");
        assert_eq!(statements(r#"{"Statement":[]}"#), []);
    }

    #[test]
    fn a_trust_that_says_more_or_less_is_drift() {
        for odd in [
            r#"{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","ec2.amazonaws.com"]},"Action":"sts:AssumeRole"}"#,
            r#"{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com","AWS":"*"},"Action":"sts:AssumeRole"}"#,
            r#"{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}"#,
            r#"{"Effect":"Deny","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}"#,
            r#"{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{}}"#,
            r#"{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}"#,
        ] {
            assert_ne!(
                trusted_service(&format!(r#"{{"Statement":[{odd}]}}"#)),
                "lambda.amazonaws.com",
                "{odd}"
            );
        }
        let two = trust("lambda.amazonaws.com").replace("}]", r#"},{"Effect":"Deny"}]"#);
        assert_ne!(trusted_service(&two), "lambda.amazonaws.com");
    }

    #[test]
    fn what_only_looks_encoded_stays() {
        assert_eq!(decoded("%7B%22a%22%3A%2B1%zz%4"), "{\"a\":+1%zz%4");
        assert_eq!(decoded("a+b"), "a+b");
    }
}
