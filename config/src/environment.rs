//! Reads the function's extra environment variables. Their values are secrets: no message may contain one.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac as _};
use serde_json::json;
use sha2::Sha256;
use toml::Value;
use toml::de::DeValue;

use crate::check::{SpannedValue, check_text, sanitize, type_name, with_separators, wrong_type};
use crate::contract;
use crate::keys::ValueKind;
use crate::problem::ConfigProblem;
use crate::string_format;
use crate::variables::BUILD_ID_CHARS;
use crate::walk::ParsedValue;

/// Lambda's limit on all variables together, in bytes. It is compared with their size as JSON, because Lambda's own error
/// message shows the measured variables as JSON.
const MAX_BYTES: usize = 4096;
/// The assumed length of an IAM role's unique id. Current ids have 21 characters; the rest is a reserve.
const ROLE_ID_CHARS: usize = 32;
/// The maximum number of variables: more than fit into [`MAX_BYTES`].
const MAX_VARIABLES: usize = MAX_BYTES / 2;
/// The configuration key of the variables.
pub(crate) const ENVIRONMENT_KEY: &str = "function.environment";

/// Names that Lambda reserves.
const RESERVED: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];
/// The prefix of further names that Lambda reserves.
const RESERVED_PREFIX: &str = "AWS_LAMBDA_";
/// The prefix of most variables that hitctl itself sets.
const OWN_PREFIX: &str = "HITCTL_";

/// Reads the variables of the key `name`. Returns the valid ones by name, and the problems.
pub(crate) fn read_variables(
    name: &str,
    value_in_file: &SpannedValue<'_>,
) -> (Vec<(String, ParsedValue)>, Vec<ConfigProblem>) {
    let DeValue::Table(table) = value_in_file.get_ref() else {
        let problem = wrong_type(ValueKind::EnvVariables, name, value_in_file.get_ref());
        return (Vec::new(), vec![problem.with_span(value_in_file.span())]);
    };
    if table.len() > MAX_VARIABLES {
        let message = format!("`{name}`: expected at most {MAX_VARIABLES} variables, found {}", table.len());
        let problem = ConfigProblem::new("out_of_range", message);
        return (Vec::new(), vec![problem.with_span(value_in_file.span())]);
    }
    let mut valid = Vec::new();
    let mut problems = Vec::new();
    for (variable, value) in table {
        if let Err(problem) = check_name(variable.get_ref()) {
            problems.push(problem.with_span(variable.span()));
        }
        let shown_name = sanitize(variable.get_ref());
        match value.get_ref() {
            DeValue::String(text) if text.contains('\0') => {
                let message = format!(
                    "`{shown_name}`: expected a string without NUL characters, found a NUL character"
                );
                problems.push(ConfigProblem::new("bad_value", message).with_span(value.span()));
            }
            DeValue::String(text) => {
                let parsed = ParsedValue { value: Value::String(text.to_string()), span: value.span() };
                valid.push((variable.get_ref().to_string(), parsed));
            }
            found => {
                let message = format!("`{shown_name}`: expected a string, found {}", type_name(found));
                let problem = ConfigProblem::new("wrong_type", message).with_span(value.span());
                problems.push(problem.with_help("write the value in quotes"));
            }
        }
    }
    (valid, problems)
}

fn check_name(name: &str) -> Result<(), ConfigProblem> {
    if RESERVED.contains(&name) || name.starts_with(RESERVED_PREFIX) {
        return Err(ConfigProblem::new(
            "reserved_variable",
            format!("`{}`: Lambda reserves this name", sanitize(name)),
        ));
    }
    let help = match name {
        contract::ENV_TABLE | contract::ENV_SEEN_TABLE => {
            "remove it; the name of the table is computed from `app` and the environment"
        }
        contract::ENV_LOG_LEVEL => "set `log_level` in `[function]`",
        contract::ENV_BUILD => "remove it; its value is the ID of the build",
        contract::ENV_ROLE_ID => "remove it; its value is the ID of the function's role",
        contract::ENV_ALLOW_ORIGINS => "set `allow_origins` in `[http]`",
        contract::ENV_ORIGIN_SECRET => return Ok(()),
        name if name.starts_with(OWN_PREFIX) => {
            let message = format!("`{}`: hitctl reserves this name", sanitize(name));
            let help = format!(
                "use the keys in `[counter]`; of the reserved names, only `{}` can be set here",
                contract::ENV_ORIGIN_SECRET
            );
            return Err(ConfigProblem::new("reserved_variable", message).with_help(help));
        }
        _ => return check_text(&string_format::VARIABLE, "environment", name).map(drop),
    };
    Err(ConfigProblem::new("reserved_variable", format!("`{name}`: hitctl sets this variable"))
        .with_help(help))
}

/// Checks the total size of an env's variables: the user's and those that hitctl sets. If they are too large, returns the
/// problem and the key that takes up the most space.
pub(crate) fn check_size<'a>(
    user_variables: impl Iterator<Item = (&'a str, &'a str)>,
    own_variables: &BTreeMap<&'static str, String>,
) -> Option<(ConfigProblem, &'static str)> {
    // In the JSON of all variables, each one has a comma instead of its own two braces.
    let size = |name: &str, value: &str| json!({ name: value }).to_string().len() - 1;
    let user_variables: usize = user_variables.map(|(name, value)| size(name, value)).sum();
    let size_of_own = |(name, value): (&&'static str, &String)| size(name, value);
    let build = size(contract::ENV_BUILD, &"0".repeat(BUILD_ID_CHARS));
    let role = size(contract::ENV_ROLE_ID, &"0".repeat(ROLE_ID_CHARS));
    // The braces of the JSON object, minus the comma after the last variable.
    let braces = 1;
    let total = own_variables.iter().map(size_of_own).sum::<usize>() + build + role + user_variables + braces;
    if total <= MAX_BYTES {
        return None;
    }
    let origins = own_variables.get_key_value(contract::ENV_ALLOW_ORIGINS).map_or(0, size_of_own);
    let (total_text, limit_text) = (with_separators(total), with_separators(MAX_BYTES));
    let problem = |name: &str| {
        let message = format!(
            "`{name}`: expected at most {limit_text} bytes of function variables, found {total_text}"
        );
        ConfigProblem::new("out_of_range", message)
    };
    Some(if origins > user_variables {
        let help = format!(
            "list fewer origins, or allow any with `*`; the origins take {} bytes",
            with_separators(origins)
        );
        (problem("allow_origins").with_help(help), "http.allow_origins")
    } else {
        let help = format!(
            "shorten the variables in `[{ENVIRONMENT_KEY}]`; they take {} bytes",
            with_separators(user_variables)
        );
        (problem("environment").with_help(help), ENVIRONMENT_KEY)
    })
}

/// The key for the fingerprints of secrets. Only one user of one machine knows it, so nobody else can find a secret by
/// trying candidates against its fingerprint.
#[derive(Clone)]
pub struct FingerprintKey([u8; 32]);

impl FingerprintKey {
    /// Creates a key from random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the fingerprint that is shown in place of a secret, so that two secrets can be told apart: `#` and the first
    /// eight hex digits of the secret's HMAC-SHA-256.
    pub fn fingerprint(&self, secret: &str) -> String {
        // `new` expects a key of the size of a block. HMAC pads a shorter key with zeros, too.
        let mut block = [0; 64];
        block[..self.0.len()].copy_from_slice(&self.0);
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
        mac.update(secret.as_bytes());
        let digest = mac.finalize().into_bytes();
        format!("#{:08x}", u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]))
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FingerprintKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_is_prefix_of_keyed_hash() {
        // Test case 2 of RFC 4231. HMAC pads its four-byte key with zeros to the same block.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let key = FingerprintKey::new(key);
        assert_eq!(key.fingerprint("what do ya want for nothing?"), "#5bdcc146");
        assert_ne!(
            FingerprintKey::new([1; 32]).fingerprint("a"),
            FingerprintKey::new([2; 32]).fingerprint("a")
        );
        assert_eq!(format!("{key:?}"), "FingerprintKey { .. }");
    }
}
