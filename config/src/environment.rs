//! Reads the function's extra environment variables. Their values are secrets: no message here may carry one.

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac as _};
use serde_json::json;
use sha2::Sha256;
use toml::Value;
use toml::de::DeValue;

use crate::check::{Written, grouped, sanitize, text_of, type_of, wrong_type};
use crate::contract;
use crate::keys::Kind;
use crate::problem::Problem;
use crate::shape;
use crate::variables::BUILD_ID_CHARS;
use crate::walk::Entry;

/// Lambda's limit on all variables together, in bytes. It is held against them as JSON, which is how Lambda's own message
/// shows what it has measured.
const MAX_BYTES: usize = 4096;
/// The length of an IAM role's unique id, with some room: those of today have 21 characters.
const ROLE_ID_CHARS: usize = 32;
/// More variables than fit into that.
const MOST: usize = MAX_BYTES / 2;
/// The key that holds the variables.
pub(crate) const KEY: &str = "function.environment";

/// Names that Lambda keeps for itself.
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
/// What other names that Lambda keeps for itself begin with.
const RESERVED_PREFIX: &str = "AWS_LAMBDA_";
/// What the names of the function's own variables begin with, most of them.
const OWN_PREFIX: &str = "HITCTL_";

/// Reads the variables that `name` holds: the good ones by name, and what is wrong.
pub(crate) fn read(name: &str, written: &Written<'_>) -> (Vec<(String, Entry)>, Vec<Problem>) {
    let DeValue::Table(table) = written.get_ref() else {
        let problem = wrong_type(Kind::Variables, name, written.get_ref());
        return (Vec::new(), vec![problem.of(written.span())]);
    };
    if table.len() > MOST {
        let problem = Problem::new("out_of_range", format!("`{name}` takes at most {MOST} variables"));
        return (Vec::new(), vec![problem.of(written.span())]);
    }
    let mut good = Vec::new();
    let mut wrong = Vec::new();
    for (variable, value) in table {
        if let Err(problem) = check_name(variable.get_ref()) {
            wrong.push(problem.of(variable.span()));
        }
        let shown = sanitize(variable.get_ref());
        match value.get_ref() {
            DeValue::String(text) if text.contains('\0') => {
                let message = format!("`{shown}` holds a NUL character");
                wrong.push(Problem::new("bad_value", message).of(value.span()));
            }
            DeValue::String(text) => {
                let entry = Entry { value: Value::String(text.to_string()), span: value.span() };
                good.push((variable.get_ref().to_string(), entry));
            }
            found => {
                let message = format!("`{shown}`: expected a string, found {}", type_of(found));
                let problem = Problem::new("wrong_type", message).of(value.span());
                wrong.push(problem.help("values of variables are strings: write it in quotes"));
            }
        }
    }
    (good, wrong)
}

fn check_name(name: &str) -> Result<(), Problem> {
    if RESERVED.contains(&name) || name.starts_with(RESERVED_PREFIX) {
        return Err(Problem::new(
            "reserved_variable",
            format!("Lambda keeps `{}` for itself", sanitize(name)),
        ));
    }
    let set = match name {
        contract::ENV_TABLE | contract::ENV_SEEN_TABLE => {
            "it is the name of a table, which follows from `app` and the env"
        }
        contract::ENV_LOG_LEVEL => "set `log_level` in `[function]`",
        contract::ENV_BUILD => "it is the id of the build",
        contract::ENV_ROLE_ID => "it is the id of the function's role",
        contract::ENV_ALLOW_ORIGINS => "set `allow_origins` in `[http]`",
        contract::ENV_ORIGIN_SECRET => return Ok(()),
        name if name.starts_with(OWN_PREFIX) => {
            let message = format!("hitctl keeps `{}` for itself", sanitize(name));
            let help = format!(
                "what counts is set in `[counter]`; of these names only `{}` is for here",
                contract::ENV_ORIGIN_SECRET
            );
            return Err(Problem::new("reserved_variable", message).help(help));
        }
        _ => return text_of(&shape::VARIABLE, "environment", name).map(drop),
    };
    Err(Problem::new("reserved_variable", format!("hitctl sets `{name}` itself")).help(set))
}

/// Checks the size of all variables of an env together: the user's and, by name, the function's own. Returns the problem, if they are
/// too large, and the key that takes the most room.
pub(crate) fn check_size<'a>(
    users: impl Iterator<Item = (&'a str, &'a str)>,
    own: &BTreeMap<&'static str, String>,
) -> Option<(Problem, &'static str)> {
    let size = |name: &str, value: &str| json!({ name: value }).to_string().len() - 1;
    let users: usize = users.map(|(name, value)| size(name, value)).sum();
    let of_own = |(name, value): (&&'static str, &String)| size(name, value);
    let build = size(contract::ENV_BUILD, &"0".repeat(BUILD_ID_CHARS));
    let role = size(contract::ENV_ROLE_ID, &"0".repeat(ROLE_ID_CHARS));
    let all = own.iter().map(of_own).sum::<usize>() + build + role + users + 1;
    if all <= MAX_BYTES {
        return None;
    }
    let origins = own.get_key_value(contract::ENV_ALLOW_ORIGINS).map_or(0, of_own);
    let (taken, most) = (grouped(all), grouped(MAX_BYTES));
    let message = format!("the function's variables take {taken} bytes, and Lambda takes {most}");
    let problem = Problem::new("out_of_range", message);
    Some(if origins > users {
        let help = "the function checks the origins and so has to be told them all: list fewer, or `*`";
        let help = format!("{} bytes are `allow_origins`; {help}", grouped(origins));
        (problem.help(help), "http.allow_origins")
    } else {
        (problem.help(format!("{} bytes are those under `[{KEY}]`", grouped(users))), KEY)
    })
}

/// The key that secrets are fingerprinted with. It is known to one user of one machine only, so that nobody else can find
/// out by trial which secret a fingerprint stands for.
#[derive(Clone)]
pub struct FingerprintKey([u8; 32]);

impl FingerprintKey {
    /// A key of random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns a secret as it may be shown: `#` and the first eight hex digits of its HMAC-SHA-256, so that two can be told
    /// apart.
    pub fn fingerprint(&self, secret: &str) -> String {
        // A key is filled up with zeros to a block.
        let mut block = [0; 64];
        block[..self.0.len()].copy_from_slice(&self.0);
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
        mac.update(secret.as_bytes());
        let code = mac.finalize().into_bytes();
        format!("#{:08x}", u32::from_be_bytes([code[0], code[1], code[2], code[3]]))
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
    fn fingerprint_is_the_beginning_of_the_keyed_hash() {
        // Test case 2 of RFC 4231, whose key is shorter: it is filled up with zeros all the same.
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
