//! Renders our IAM policies, and parses and normalises the policies that IAM returns. IAM returns URL-encoded documents
//! (RFC 3986). In a policy, a string and a list of one string are equivalent, and the order of statements, actions and
//! resources has no meaning.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::role::spec::RolePermission;

const VERSION: &str = "2012-10-17";
const ASSUME: &str = "sts:AssumeRole";

/// Returns the trust policy that lets the service assume the role.
pub(crate) fn trust_policy(service: &str) -> String {
    json!({
        "Version": VERSION,
        "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": ASSUME}],
    })
    .to_string()
}

/// Returns the policy document with the given statements.
pub(super) fn policy_document(statements: &[RolePermission]) -> String {
    let statements: Vec<Json> = statements
        .iter()
        .map(|RolePermission { sid, actions, resources }| {
            json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources})
        })
        .collect();
    json!({"Version": VERSION, "Statement": statements}).to_string()
}

/// Returns the service that a trust policy allows. If the policy allows anything else, returns the policy's text, which
/// differs from any service.
pub(crate) fn trusted_service(document: &str) -> String {
    let text = decode_url(document);
    let statements = parse_statements(&text);
    let service = match statements.as_deref() {
        Some([only]) => single_service(only),
        _ => None,
    };
    service.unwrap_or(text)
}

/// Parses the statements of a policy and sorts them. A statement that is not a plain permission becomes a permission
/// with the statement's text as id, so that it differs from any wanted permission.
pub(crate) fn statements(document: &str) -> Vec<RolePermission> {
    let text = decode_url(document);
    let opaque =
        |text: String| RolePermission { sid: text, actions: BTreeSet::new(), resources: BTreeSet::new() };
    let Some(found) = parse_statements(&text) else { return vec![opaque(text)] };
    let mut statements: Vec<_> =
        found.iter().map(|json| statement(json).unwrap_or_else(|| opaque(json.to_string()))).collect();
    statements.sort();
    statements
}

/// Returns the statements in a document, which may contain a single statement instead of a list.
fn parse_statements(document: &str) -> Option<Vec<Json>> {
    let mut policy: Json = serde_json::from_str(document).ok()?;
    match policy.get_mut("Statement")?.take() {
        Json::Array(statements) => Some(statements),
        one @ Json::Object(_) => Some(vec![one]),
        _ => None,
    }
}

fn single_service(statement: &Json) -> Option<String> {
    has_only_keys(statement, &["Sid", "Effect", "Principal", "Action"])?;
    has_only_keys(&statement["Principal"], &["Service"])?;
    let mut services = string_set(&statement["Principal"]["Service"])?;
    let is_plain = statement["Effect"] == "Allow"
        && services.len() == 1
        && string_set(&statement["Action"])? == BTreeSet::from([ASSUME.to_owned()]);
    services.pop_first().filter(|_| is_plain)
}

fn statement(json: &Json) -> Option<RolePermission> {
    has_only_keys(json, &["Sid", "Effect", "Action", "Resource"])?;
    if json["Effect"] != "Allow" {
        return None;
    }
    Some(RolePermission {
        sid: json["Sid"].as_str().unwrap_or_default().to_owned(),
        actions: string_set(&json["Action"])?,
        resources: string_set(&json["Resource"])?,
    })
}

fn has_only_keys(json: &Json, allowed: &[&str]) -> Option<()> {
    json.as_object()?.keys().all(|key| allowed.contains(&key.as_str())).then_some(())
}

/// Returns the strings in a string or a list of strings.
fn string_set(json: &Json) -> Option<BTreeSet<String>> {
    match json {
        Json::String(one) => Some(BTreeSet::from([one.clone()])),
        Json::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// Decodes URL-encoded text. Does not change invalid encodings and plain JSON.
fn decode_url(text: &str) -> String {
    // JSON starts with a brace; an encoded document starts with `%7B`.
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

    fn statement(sid: &str, actions: &[&str], resources: &[&str]) -> RolePermission {
        RolePermission { sid: sid.to_owned(), actions: set(actions), resources: set(resources) }
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
    fn policies_round_trip_plain_and_encoded() {
        let ours = [
            statement(
                "Logs",
                &["logs:CreateLogStream", "logs:PutLogEvents"],
                &["arn:aws:logs:r:a:log-group:/x:*"],
            ),
            statement("Table", &["dynamodb:UpdateItem"], &["arn:aws:dynamodb:r:a:table/hits+1%"]),
        ];
        let document = policy_document(&ours);
        assert_eq!(statements(&document), ours);
        assert_eq!(statements(&encoded(&document)), ours);
        let trust = trust_policy("lambda.amazonaws.com");
        assert_eq!(trusted_service(&trust), "lambda.amazonaws.com");
        assert_eq!(trusted_service(&encoded(&trust)), "lambda.amazonaws.com");
    }

    #[test]
    fn strings_lists_and_order_are_normalised() {
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
    fn changed_statement_is_drift() {
        for changed in [
            r#"{"Sid":"S","Effect":"Deny","Action":"a:X","Resource":"arn:1"}"#,
            r#"{"Sid":"S","Effect":"Allow","Action":"a:X","Resource":"arn:1","Condition":{"Bool":{"x":"true"}}}"#,
            r#"{"Sid":"S","Effect":"Allow","NotAction":"a:X","Resource":"arn:1"}"#,
            r#"{"Sid":"S","Effect":"Allow","Action":"a:X","NotResource":"arn:1"}"#,
            r#"{"Sid":"S","Effect":"Allow","Action":7,"Resource":"arn:1"}"#,
        ] {
            let found = statements(&format!(r#"{{"Statement":[{changed}]}}"#));
            assert_eq!(found.len(), 1, "{changed}");
            assert_ne!(found[0], statement("S", &["a:X"], &["arn:1"]), "{changed}");
        }
        assert_eq!(statements("{}")[0].sid, "{}");
        assert_eq!(statements("no JSON")[0].sid, "no JSON");
        assert_eq!(statements(r#"{"Statement":[]}"#), []);
    }

    #[test]
    fn changed_trust_policy_is_drift() {
        for changed in [
            r#"{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","ec2.amazonaws.com"]},"Action":"sts:AssumeRole"}"#,
            r#"{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com","AWS":"*"},"Action":"sts:AssumeRole"}"#,
            r#"{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}"#,
            r#"{"Effect":"Deny","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}"#,
            r#"{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{}}"#,
            r#"{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}"#,
        ] {
            assert_ne!(
                trusted_service(&format!(r#"{{"Statement":[{changed}]}}"#)),
                "lambda.amazonaws.com",
                "{changed}"
            );
        }
        let two = trust_policy("lambda.amazonaws.com").replace("}]", r#"},{"Effect":"Deny"}]"#);
        assert_ne!(trusted_service(&two), "lambda.amazonaws.com");
    }

    #[test]
    fn decode_url_keeps_invalid_encoding() {
        assert_eq!(decode_url("%7B%22a%22%3A%2B1%zz%4"), "{\"a\":+1%zz%4");
        assert_eq!(decode_url("a+b"), "a+b");
    }
}
