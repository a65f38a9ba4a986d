//! The environment variables that a function's process sees: Lambda's own, and those of its spec. Nothing is inherited.

use std::path::Path;

use hitctl_config::contract::{
    ENV_AWS_CLOUDFRONT_ENDPOINT, ENV_AWS_DYNAMODB_ENDPOINT, ENV_AWS_ENDPOINT, ENV_DYNAMODB_ENDPOINT,
};
use hitctl_resources::FunctionSpec;

/// Prefixes and names that Lambda refuses in a function's settings; here they simply lose.
const RESERVED: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// The environment of a function's processes: what is the same for every one of them.
pub fn common(
    name: &str,
    spec: &FunctionSpec,
    group: &str,
    code: &Path,
    region: &str,
    endpoint: &str,
) -> Vec<(String, String)> {
    let code = code.display().to_string();
    let memory = spec.memory_mb.to_string();
    let mut all: Vec<(String, String)> = spec
        .variables()
        .filter(|(name, _)| !RESERVED.contains(name) && !name.starts_with("AWS_LAMBDA_"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let has = |wanted: &str| spec.environment.contains_key(wanted);
    if !has(ENV_DYNAMODB_ENDPOINT) && !has(ENV_AWS_DYNAMODB_ENDPOINT) {
        all.push((ENV_DYNAMODB_ENDPOINT.to_owned(), endpoint.to_owned()));
    }
    // Whatever else a function calls stays on this machine, too.
    if !has(ENV_AWS_ENDPOINT) {
        all.push((ENV_AWS_ENDPOINT.to_owned(), endpoint.to_owned()));
        if !has(ENV_AWS_CLOUDFRONT_ENDPOINT) {
            all.push((ENV_AWS_CLOUDFRONT_ENDPOINT.to_owned(), endpoint.to_owned()));
        }
    }
    for (name, value) in
        [("TZ", ":UTC"), ("LANG", "en_US.UTF-8"), ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin")]
    {
        if !has(name) {
            all.push((name.to_owned(), value.to_owned()));
        }
    }
    let own = [
        ("_HANDLER", super::code::BOOTSTRAP),
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_SESSION_TOKEN", "local"),
        ("AWS_LAMBDA_FUNCTION_NAME", name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", group),
        ("AWS_LAMBDA_LOG_FORMAT", "Text"),
        ("LAMBDA_TASK_ROOT", &code),
        ("LAMBDA_RUNTIME_DIR", &code),
    ];
    all.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    all
}
