//! A live function, read back into its spec.

use std::collections::BTreeMap;

use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::types::{
    ApplicationLogLevel, Architecture, Concurrency, FunctionConfiguration, LastUpdateStatus,
    LastUpdateStatusReasonCode, LoggingConfig, State, StateReasonCode, SystemLogLevel, TagsError,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hitctl_engine::{Fault, Outputs, Value};

use crate::aws::resource::Found;
use crate::aws::tags::managed_tags;
use crate::function::spec::FunctionSpec;
use crate::tags::Tags;
use hitctl_config::Arch;

/// The function in an answer of `GetFunction`; `None` when it is being deleted.
pub(super) fn found(
    answer: &GetFunctionOutput,
    want: Option<&FunctionSpec>,
) -> Result<Option<Found<FunctionSpec>>, Fault> {
    let Some(live) = answer.configuration() else {
        return Err(Fault::transient("no_configuration", "Lambda answered without the configuration"));
    };
    if live.state() == Some(&State::Deleting) {
        return Ok(None);
    }
    // Without its tags nobody can say whose it is.
    if let Some(error) = answer.tags_error() {
        return Err(unread(error));
    }
    let tags = tags(answer);
    let reserved = answer.concurrency().and_then(Concurrency::reserved_concurrent_executions);
    let Logging { format: log_format, group: log_group, app_level, system_level } = logging(live, want);
    let variables = live.environment().and_then(|environment| environment.variables());
    let spec = FunctionSpec {
        runtime: live.runtime().map_or_else(String::new, |runtime| runtime.as_str().to_owned()),
        arch: arch(live.architectures()),
        code_sha256: code(live),
        memory_mb: number(live.memory_size(), 128),
        timeout_s: number(live.timeout(), 3),
        reserved_concurrency: reserved.map(|reserved| number(Some(reserved), 0)),
        environment: variables
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), Value::from(value.clone())))
            .collect::<BTreeMap<_, _>>(),
        role_arn: Value::from(live.role().unwrap_or_default().to_owned()),
        log_format,
        app_log_level: app_level,
        system_log_level: system_level,
        log_group: Value::from(log_group),
        tags: managed_tags(&tags, want.map(|want| &want.tags)),
    };
    Ok(Some(Found { spec, outputs: Outputs::new(), tags: Some(tags) }))
}

/// Its tags, without those that AWS sets and nobody can change.
pub(super) fn tags(answer: &GetFunctionOutput) -> Tags {
    let all = answer.tags().into_iter().flatten();
    all.filter(|(name, _)| !name.starts_with("aws:"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn unread(error: &TagsError) -> Fault {
    Fault::fatal(error.error_code().to_owned(), "failed to read the tags of the function: lambda:ListTags is not allowed")
        .caused_by(format!("{} (lambda:ListTags): {}", error.error_code(), error.message()))
        .hinted("add lambda:ListTags to the policy of whoever deploys; `hitctl policy deployer` prints all that is needed")
}

/// A number as AWS has it, or its default.
fn number(given: Option<i32>, default: u32) -> u32 {
    given.and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
}

/// One instruction set a function; Lambda's default is `x86_64`.
fn arch(given: &[Architecture]) -> Arch {
    match given.first() {
        Some(Architecture::Arm64) => Arch::Arm64,
        _ => Arch::X86_64,
    }
}

/// SHA-256 of the code in hex. A function that Lambda could not make ready, or whose last update failed, runs no code that
/// can be told: it differs from any, so that the next deploy uploads it again.
fn code(live: &FunctionConfiguration) -> String {
    if live.state() == Some(&State::Failed) {
        return failed(live.state_reason_code().map(StateReasonCode::as_str));
    }
    if live.last_update_status() == Some(&LastUpdateStatus::Failed) {
        return failed(live.last_update_status_reason_code().map(LastUpdateStatusReasonCode::as_str));
    }
    from_base64(live.code_sha256().unwrap_or_default())
}

fn failed(code: Option<&str>) -> String {
    match code {
        Some(code) => format!("(failed: {code})"),
        None => "(failed)".to_owned(),
    }
}

/// A hash in base64, as Lambda has it, in hex, as we do.
fn from_base64(base64: &str) -> String {
    match STANDARD.decode(base64) {
        Ok(bytes) => hex::encode(bytes),
        Err(_) => base64.to_owned(),
    }
}

/// The logging settings of a live function.
struct Logging {
    format: String,
    group: String,
    app_level: Option<String>,
    system_level: Option<String>,
}

/// Reads the logging settings. Lambda always returns them, with its defaults filled in. A service that does not know a setting
/// leaves it out; the wanted value is taken then, because an update could not change it.
fn logging(live: &FunctionConfiguration, want: Option<&FunctionSpec>) -> Logging {
    let default = || format!("/aws/lambda/{}", live.function_name().unwrap_or_default());
    let config = live.logging_config();
    if let (None, Some(want)) = (config, want) {
        return Logging {
            format: want.log_format.clone(),
            group: want.log_group.get().cloned().unwrap_or_else(default),
            app_level: want.app_log_level.clone(),
            system_level: want.system_log_level.clone(),
        };
    }
    let format = config.and_then(LoggingConfig::log_format).map_or("Text", |format| format.as_str());
    // Only JSON has levels.
    let level = |live: Option<&str>, want: Option<&Option<String>>| match (format, live) {
        ("JSON", Some(level)) => Some(level.to_owned()),
        ("JSON", None) => want.cloned().unwrap_or_else(|| Some(DEFAULT_LEVEL.to_owned())),
        _ => None,
    };
    Logging {
        format: format.to_owned(),
        group: config.and_then(LoggingConfig::log_group).map_or_else(default, str::to_owned),
        app_level: level(
            config.and_then(LoggingConfig::application_log_level).map(ApplicationLogLevel::as_str),
            want.map(|want| &want.app_log_level),
        ),
        system_level: level(
            config.and_then(LoggingConfig::system_log_level).map(SystemLogLevel::as_str),
            want.map(|want| &want.system_log_level),
        ),
    }
}

/// Lambda's default for both levels.
const DEFAULT_LEVEL: &str = "INFO";

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
