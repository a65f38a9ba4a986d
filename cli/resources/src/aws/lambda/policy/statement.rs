//! Parses the statements in a function's policy.

use hitctl_engine::Fault;
use serde_json::{Map, Value as Json};

/// The permission that a statement grants, with the parameters of `AddPermission`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) sid: String,
    /// A service, or `*`.
    pub(crate) principal: String,
    pub(crate) action: String,
    pub(crate) source_arn: Option<String>,
    pub(crate) source_account: Option<String>,
    /// Restricts the grant to calls through a function URL with that authentication type.
    pub(crate) url_auth_type: Option<String>,
    /// Restricts the grant to calls through a function URL.
    pub(crate) via_url: bool,
}

/// An existing statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PolicyStatement {
    pub(crate) grant: Grant,
    /// Descriptions of the parts of the statement that our `AddPermission` calls never write.
    pub(crate) unexpected: Vec<String>,
    resource: String,
}

impl PolicyStatement {
    /// Parses the statements in the JSON text of a policy.
    pub(crate) fn parse_all(policy: &str) -> Result<Vec<Self>, Fault> {
        let policy: Json = serde_json::from_str(policy).map_err(|error| {
            Fault::fatal("policy", "the policy of the function is not valid JSON").caused_by(error)
        })?;
        Ok(match policy.get("Statement") {
            Some(Json::Array(statements)) => {
                statements.iter().filter_map(Json::as_object).map(Self::parse).collect()
            }
            Some(Json::Object(statement)) => vec![Self::parse(statement)],
            _ => Vec::new(),
        })
    }

    fn parse(json: &Map<String, Json>) -> Self {
        let text = |key: &str| json.get(key).map(single_text).unwrap_or_default();
        let mut statement = Self { resource: text("Resource"), ..Self::default() };
        statement.grant.sid = text("Sid");
        statement.grant.action = text("Action");
        statement.grant.principal = match json.get("Principal") {
            Some(Json::Object(principals)) => {
                match principals
                    .get("Service")
                    .or_else(|| principals.get("AWS").filter(|aws| single_text(aws) == "*"))
                {
                    Some(principal) if principals.len() == 1 => single_text(principal),
                    _ => Json::Object(principals.clone()).to_string(),
                }
            }
            Some(principal) => single_text(principal),
            None => String::new(),
        };
        let conditions = json.get("Condition").and_then(Json::as_object);
        for (operator, keys) in conditions.into_iter().flatten() {
            for (key, value) in keys.as_object().into_iter().flatten() {
                statement.add_condition(operator, key, value);
            }
        }
        for (key, value) in json {
            match key.as_str() {
                "Sid" | "Action" | "Principal" | "Resource" | "Condition" => {}
                "Effect" if value == "Allow" => {}
                // Moto keeps these fields as sent; Lambda writes a condition instead.
                "FunctionUrlAuthType" => statement.grant.url_auth_type = Some(single_text(value)),
                "InvokedViaFunctionUrl" => statement.grant.via_url = single_text(value) == "true",
                other => statement.unexpected.push(format!("{other} {}", single_text(value))),
            }
        }
        statement
    }

    fn add_condition(&mut self, operator: &str, key: &str, value: &Json) {
        let name = format!("{operator} {key}").to_ascii_lowercase();
        match name.as_str() {
            "arnlike aws:sourcearn" => self.grant.source_arn = Some(single_text(value)),
            "stringequals aws:sourceaccount" => self.grant.source_account = Some(single_text(value)),
            "stringequals lambda:functionurlauthtype" => self.grant.url_auth_type = Some(single_text(value)),
            "bool lambda:invokedviafunctionurl" if single_text(value) == "true" => self.grant.via_url = true,
            _ => self.unexpected.push(format!("{operator} {key} {}", single_text(value))),
        }
    }

    /// Whether the statement belongs to the policy of the given function or alias. Emulators return the statements
    /// of all aliases in one policy.
    pub(super) fn applies_to(&self, function: &str, qualifier: Option<&str>) -> bool {
        self.resource.ends_with(&format!(":{}", qualifier.unwrap_or(function)))
    }

    /// Whether the statement grants exactly this permission and nothing else.
    pub(crate) fn is_exactly(&self, grant: &Grant) -> bool {
        self.grant == *grant && self.unexpected.is_empty()
    }

    /// Returns `text`, with the unexpected parts of the statement in parentheses.
    pub(crate) fn with_unexpected(&self, text: &str) -> String {
        if self.unexpected.is_empty() {
            text.to_owned()
        } else {
            format!("{text} ({})", self.unexpected.join(", "))
        }
    }
}

/// Returns a JSON string, or the only string in a list, without quotes. Returns other values as JSON text.
pub(crate) fn single_text(json: &Json) -> String {
    match json {
        Json::String(text) => text.clone(),
        Json::Array(items) if items.len() == 1 => single_text(&items[0]),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(statement: &Json) -> PolicyStatement {
        let policy = json!({"Version": "2012-10-17", "Id": "default", "Statement": [statement]});
        PolicyStatement::parse_all(&policy.to_string()).unwrap().remove(0)
    }

    fn api_statement() -> Json {
        json!({"Sid": "hitctl-http-api", "Effect": "Allow",
            "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "lambda:InvokeFunction",
            "Resource": "arn:aws:lambda:eu-west-1:123456789012:function:hits-test:live",
            "Condition": {"StringEquals": {"AWS:SourceAccount": "123456789012"},
                "ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:eu-west-1:123456789012:a1b2/*/*"}}})
    }

    #[test]
    fn statement_matches_its_grant() {
        let grant = Grant {
            sid: "hitctl-http-api".to_owned(),
            principal: "apigateway.amazonaws.com".to_owned(),
            action: "lambda:InvokeFunction".to_owned(),
            source_arn: Some("arn:aws:execute-api:eu-west-1:123456789012:a1b2/*/*".to_owned()),
            source_account: Some("123456789012".to_owned()),
            ..Grant::default()
        };
        let statement = parsed(&api_statement());
        assert!(statement.is_exactly(&grant), "{statement:?}");
        assert!(statement.applies_to("hits-test", Some("live")));
        assert!(!statement.applies_to("hits-test", None));

        let mut with_lists = api_statement();
        with_lists["Action"] = json!(["lambda:InvokeFunction"]);
        with_lists["Condition"]["StringEquals"]["AWS:SourceAccount"] = json!(["123456789012"]);
        assert!(parsed(&with_lists).is_exactly(&grant));
    }

    #[test]
    fn url_statements_of_aws_and_moto_are_parsed() {
        let url = json!({"Sid": "u", "Effect": "Allow", "Principal": "*", "Action": "lambda:InvokeFunctionUrl",
            "Resource": "arn:aws:lambda:eu-west-1:1:function:f",
            "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}});
        let via = json!({"Sid": "i", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "lambda:InvokeFunction",
            "Resource": "arn:aws:lambda:eu-west-1:1:function:f",
            "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}});
        let moto = json!({"Sid": "i", "Effect": "Allow", "Principal": "*", "Action": "lambda:InvokeFunction",
            "Resource": "arn:aws:lambda:eu-west-1:1:function:f", "InvokedViaFunctionUrl": true});
        assert_eq!(parsed(&url).grant.url_auth_type.as_deref(), Some("NONE"));
        assert!(parsed(&url).applies_to("f", None));
        assert_eq!(parsed(&via), parsed(&moto));
        assert!(parsed(&via).grant.via_url);
    }

    #[test]
    fn unexpected_parts_are_reported() {
        let cases: &[(&str, Json, &str)] = &[
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
        for (key, value, expected) in cases {
            let mut statement = api_statement();
            statement[key] = value.clone();
            assert_eq!(parsed(&statement).with_unexpected("x"), *expected);
        }
        let mut several = api_statement();
        several["Principal"] = json!({"AWS": ["1", "2"]});
        assert_eq!(parsed(&several).grant.principal, r#"{"AWS":["1","2"]}"#);
        assert!(PolicyStatement::parse_all("<html>").is_err());
        assert_eq!(PolicyStatement::parse_all("{}").unwrap(), []);
    }
}
