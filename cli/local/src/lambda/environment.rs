//! The environment variables of a function's process: Lambda's own and those of its spec. Nothing is
//! inherited.
//!
//! Variables that would make the process run other code, or send visitors' data away from this machine, are
//! dropped, even if the spec sets them.

use std::collections::BTreeMap;
use std::path::Path;

use hitctl_config::check_local_variable;
use hitctl_config::contract::{
    ENV_AWS_CLOUDFRONT_ENDPOINT, ENV_AWS_DYNAMODB_ENDPOINT, ENV_AWS_ENDPOINT, ENV_DYNAMODB_ENDPOINT,
};
use hitctl_resources::FunctionSpec;

/// Names that Lambda refuses in a function's settings. The local cloud ignores them.
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

/// Returns the variables that are the same for every process of a function.
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
    let mut all: BTreeMap<String, String> = spec
        .variables()
        .filter(|(name, _)| !RESERVED.contains(name) && !name.starts_with("AWS_LAMBDA_"))
        .filter(|(name, value)| check_local_variable(name, value).is_ok())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let (has_endpoint, has_dynamodb) =
        (all.contains_key(ENV_AWS_ENDPOINT), all.contains_key(ENV_AWS_DYNAMODB_ENDPOINT));
    let mut add = |name: &str, value: &str| {
        all.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    };
    if !has_dynamodb {
        add(ENV_DYNAMODB_ENDPOINT, endpoint);
    }
    // Calls to other services also stay on this machine. The variable of CloudFront repeats the general one for functions
    // that read only it.
    if !has_endpoint {
        add(ENV_AWS_ENDPOINT, endpoint);
        add(ENV_AWS_CLOUDFRONT_ENDPOINT, endpoint);
    }
    let others = [
        ("TZ", ":UTC"),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"),
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
        ("AWS_LAMBDA_LOG_FORMAT", spec.log_format.as_str()),
        ("LAMBDA_TASK_ROOT", &code),
        ("LAMBDA_RUNTIME_DIR", &code),
    ];
    for (name, value) in others {
        add(name, value);
    }
    if let Some(level) = &spec.app_log_level {
        add("AWS_LAMBDA_LOG_LEVEL", level);
    }
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hitctl_engine::SpecValue;
    use hitctl_resources::Arch;

    use super::*;

    fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        let literal =
            |(name, value): &(&str, &str)| ((*name).to_owned(), SpecValue::Literal((*value).to_owned()));
        let spec = FunctionSpec {
            runtime: "provided.al2023".to_owned(),
            arch: Arch::X86_64,
            code_sha256: String::new(),
            memory_mb: 128,
            timeout_s: 10,
            reserved_concurrency: None,
            environment: variables.iter().map(literal).collect(),
            role_arn: SpecValue::Literal(String::new()),
            log_format: "JSON".to_owned(),
            app_log_level: Some("INFO".to_owned()),
            system_log_level: Some("INFO".to_owned()),
            log_group: SpecValue::Literal("g".to_owned()),
            tags: BTreeMap::new(),
        };
        common("f", &spec, "g", Path::new("/code"), "local", "http://127.0.0.1:9").into_iter().collect()
    }

    #[test]
    fn variable_that_loads_code_is_dropped() {
        let found = environment(&[("LD_PRELOAD", "/tmp/evil.so"), ("PATH", "/tmp/evil"), ("TOKEN", "t")]);
        assert_eq!(found.get("LD_PRELOAD"), None);
        assert_eq!(found["PATH"], "/usr/local/bin:/usr/bin:/bin:/opt/bin");
        assert_eq!(found["TOKEN"], "t");
    }

    #[test]
    fn endpoint_of_other_host_is_replaced_by_local_endpoint() {
        let elsewhere = "https://evil.example";
        let found = environment(&[
            ("DYNAMODB_ENDPOINT", elsewhere),
            ("AWS_ENDPOINT_URL", elsewhere),
            ("AWS_ENDPOINT_URL_DYNAMODB", elsewhere),
            ("AWS_ENDPOINT_URL_CLOUDFRONT", elsewhere),
            ("AWS_ENDPOINT_URL_S3", elsewhere),
        ]);
        assert!(found.values().all(|value| value != elsewhere), "{found:?}");
        for name in ["DYNAMODB_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_CLOUDFRONT"] {
            assert_eq!(found[name], "http://127.0.0.1:9", "{name}");
        }
        let own = environment(&[("DYNAMODB_ENDPOINT", "http://127.0.0.1:1")]);
        assert_eq!(own["DYNAMODB_ENDPOINT"], "http://127.0.0.1:1");
    }
}
