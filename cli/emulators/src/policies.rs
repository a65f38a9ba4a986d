//! Judges IAM policies by parliament and `policy_sentry`, which know AWS's service authorization reference.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use crate::install;

/// Returns what is wrong with policies, given as an object of documents by name: actions, resources and condition keys that
/// AWS does not know, and what is allowed on everything without need.
///
/// # Panics
///
/// When the validators cannot be installed or started.
pub fn policy_findings(documents: &Json) -> Vec<String> {
    asked(documents).unwrap_or_else(|why| panic!("failed to validate policies: {why}"))
}

fn asked(documents: &Json) -> Result<Vec<String>, String> {
    let said = |error: std::io::Error| error.to_string();
    let mut validator = Command::new(install::python(install::policy_validators()?))
        .args(["-I", "-c", include_str!("policies.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(said)?;
    let mut input = validator.stdin.take().ok_or("it has no input")?;
    input.write_all(documents.to_string().as_bytes()).map_err(said)?;
    drop(input);
    let answer = validator.wait_with_output().map_err(said)?;
    if !answer.status.success() {
        return Err(String::from_utf8_lossy(&answer.stderr).into_owned());
    }
    serde_json::from_slice(&answer.stdout).map_err(|error| error.to_string())
}
