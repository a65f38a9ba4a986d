//! One statement of a function's policy, as Lambda writes it.

use hitctl_engine::Fault;
use serde_json::{Map, Value as Json};

/// What a statement allows, in the terms of `AddPermission`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) sid: String,
    /// A service, or `*`.
    pub(crate) principal: String,
    pub(crate) action: String,
    pub(crate) source_arn: Option<String>,
    pub(crate) source_account: Option<String>,
    /// Only for calls through a function URL of that kind.
    pub(crate) url_auth_type: Option<String>,
    /// Only for calls through a function URL.
    pub(crate) via_url: bool,
}

/// A statement that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) grant: Grant,
    /// What else is in it, which `AddPermission` as we use it never writes.
    pub(crate) odd: Vec<String>,
    resource: String,
}

impl Statement {
    /// The statements of a policy in JSON.
    pub(crate) fn all(policy: &str) -> Result<Vec<Self>, Fault> {
        let json: Json = serde_json::from_str(policy)
            .map_err(|error| Fault::fatal("policy", "the function's policy is no JSON").caused_by(error))?;
        Ok(match json.get("Statement") {
            Some(Json::Array(all)) => all.iter().filter_map(Json::as_object).map(Self::of).collect(),
            Some(Json::Object(one)) => vec![Self::of(one)],
            _ => Vec::new(),
        })
    }

    fn of(json: &Map<String, Json>) -> Self {
        let text = |key: &str| json.get(key).map(sole_text).unwrap_or_default();
        let mut it = Self { resource: text("Resource"), ..Self::default() };
        it.grant.sid = text("Sid");
        it.grant.action = text("Action");
        it.grant.principal = match json.get("Principal") {
            Some(Json::Object(of)) => {
                match of.get("Service").or_else(|| of.get("AWS").filter(|aws| sole_text(aws) == "*")) {
                    Some(who) if of.len() == 1 => sole_text(who),
                    _ => Json::Object(of.clone()).to_string(),
                }
            }
            Some(who) => sole_text(who),
            None => String::new(),
        };
        let conditions = json.get("Condition").and_then(Json::as_object);
        for (operator, keys) in conditions.into_iter().flatten() {
            for (key, value) in keys.as_object().into_iter().flatten() {
                it.condition(operator, key, value);
            }
        }
        for (key, value) in json {
            match key.as_str() {
                "Sid" | "Action" | "Principal" | "Resource" | "Condition" => {}
                "Effect" if value == "Allow" => {}
                // Moto leaves these as they were sent, where Lambda writes a condition.
                "FunctionUrlAuthType" => it.grant.url_auth_type = Some(sole_text(value)),
                "InvokedViaFunctionUrl" => it.grant.via_url = sole_text(value) == "true",
                other => it.odd.push(format!("{other} {}", sole_text(value))),
            }
        }
        it
    }

    fn condition(&mut self, operator: &str, key: &str, value: &Json) {
        let named = format!("{operator} {key}").to_ascii_lowercase();
        match named.as_str() {
            "arnlike aws:sourcearn" => self.grant.source_arn = Some(sole_text(value)),
            "stringequals aws:sourceaccount" => self.grant.source_account = Some(sole_text(value)),
            "stringequals lambda:functionurlauthtype" => self.grant.url_auth_type = Some(sole_text(value)),
            "bool lambda:invokedviafunctionurl" if sole_text(value) == "true" => self.grant.via_url = true,
            _ => self.odd.push(format!("{operator} {key} {}", sole_text(value))),
        }
    }

    /// Whether it is in the policy of that function, or of that alias of it: emulators answer those of all at once.
    pub(super) fn is_of(&self, function: &str, qualifier: Option<&str>) -> bool {
        self.resource.ends_with(&format!(":{}", qualifier.unwrap_or(function)))
    }

    /// Whether it allows that, and nothing but that.
    pub(crate) fn is_exactly(&self, grant: &Grant) -> bool {
        self.grant == *grant && self.odd.is_empty()
    }

    /// A text, and what is odd about the statement behind it.
    pub(crate) fn marked(&self, text: &str) -> String {
        if self.odd.is_empty() { text.to_owned() } else { format!("{text} ({})", self.odd.join(", ")) }
    }
}

/// The one text of what may be a text, or a list of one.
pub(crate) fn sole_text(json: &Json) -> String {
    match json {
        Json::String(text) => text.clone(),
        Json::Array(items) if items.len() == 1 => sole_text(&items[0]),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(statement: &Json) -> Statement {
        let policy = json!({"Version": "2012-10-17", "Id": "default", "Statement": [statement]});
        Statement::all(&policy.to_string()).unwrap().remove(0)
    }

    fn api() -> Json {
        json!({"Sid": "hitctl-http-api", "Effect": "Allow",
            "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "lambda:InvokeFunction",
            "Resource": "arn:aws:lambda:eu-west-1:123456789012:function:hits-test:live",
            "Condition": {"StringEquals": {"AWS:SourceAccount": "123456789012"},
                "ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:eu-west-1:123456789012:a1b2/*/*"}}})
    }

    #[test]
    fn a_statement_is_read_back_as_it_was_asked_for() {
        let grant = Grant {
            sid: "hitctl-http-api".to_owned(),
            principal: "apigateway.amazonaws.com".to_owned(),
            action: "lambda:InvokeFunction".to_owned(),
            source_arn: Some("arn:aws:execute-api:eu-west-1:123456789012:a1b2/*/*".to_owned()),
            source_account: Some("123456789012".to_owned()),
            ..Grant::default()
        };
        let statement = parsed(&api());
        assert!(statement.is_exactly(&grant), "{statement:?}");
        assert!(statement.is_of("hits-test", Some("live")));
        assert!(!statement.is_of("hits-test", None));

        let mut lists = api();
        lists["Action"] = json!(["lambda:InvokeFunction"]);
        lists["Condition"]["StringEquals"]["AWS:SourceAccount"] = json!(["123456789012"]);
        assert!(parsed(&lists).is_exactly(&grant));
    }

    #[test]
    fn both_statements_of_a_url_are_read_from_aws_and_from_moto() {
        let url = json!({"Sid": "u", "Effect": "Allow", "Principal": "*", "Action": "lambda:InvokeFunctionUrl",
            "Resource": "arn:aws:lambda:eu-west-1:1:function:f",
            "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}});
        let via = json!({"Sid": "i", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "lambda:InvokeFunction",
            "Resource": "arn:aws:lambda:eu-west-1:1:function:f",
            "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}});
        let moto = json!({"Sid": "i", "Effect": "Allow", "Principal": "*", "Action": "lambda:InvokeFunction",
            "Resource": "arn:aws:lambda:eu-west-1:1:function:f", "InvokedViaFunctionUrl": true});
        assert_eq!(parsed(&url).grant.url_auth_type.as_deref(), Some("NONE"));
        assert!(parsed(&url).is_of("f", None));
        assert_eq!(parsed(&via), parsed(&moto));
        assert!(parsed(&via).grant.via_url);
    }

    #[test]
    fn what_we_never_write_shows() {
        let table: &[(&str, Json, &str)] = &[
            ("Effect", json!("Deny"), "x (Effect Deny)"),
            (
                "Condition",
                json!({"Bool": {"lambda:InvokedViaFunctionUrl": "false"}}),
                "x (Bool lambda:InvokedViaFunctionUrl false)",
            ),
            (
                "Condition",
                json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
                "x (IpAddress aws:SourceIp 10.0.0.0/8)",
            ),
            ("NotAction", json!("lambda:*"), "x (NotAction lambda:*)"),
        ];
        for (key, value, expected) in table {
            let mut statement = api();
            statement[key] = value.clone();
            assert_eq!(parsed(&statement).marked("x"), *expected);
        }
        let mut several = api();
        several["Principal"] = json!({"AWS": ["1", "2"]});
        assert_eq!(parsed(&several).grant.principal, r#"{"AWS":["1","2"]}"#);
        assert!(Statement::all("<html>").is_err());
        assert_eq!(Statement::all("{}").unwrap(), []);
    }
}
