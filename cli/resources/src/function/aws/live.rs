//! Converts Lambda's description of a live function to a spec.

use std::collections::BTreeMap;

use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::types::{
    ApplicationLogLevel, Architecture, Concurrency, FunctionConfiguration, LastUpdateStatus,
    LastUpdateStatusReasonCode, LoggingConfig, State, StateReasonCode, SystemLogLevel, TagsError,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hitctl_engine::{Fault, Outputs, SpecValue};

use crate::aws::resource::ReadState;
use crate::aws::tags::managed_tags;
use crate::function::spec::FunctionSpec;
use crate::tags::Tags;
use hitctl_config::Arch;

/// Converts a response of `GetFunction`. Returns `None` if the function is being deleted.
pub(super) fn read_function(
    response: &GetFunctionOutput,
    want: Option<&FunctionSpec>,
) -> Result<Option<ReadState<FunctionSpec>>, Fault> {
    let Some(configuration) = response.configuration() else {
        return Err(Fault::transient("no_configuration", "the response of Lambda has no configuration"));
    };
    if configuration.state() == Some(&State::Deleting) {
        return Ok(None);
    }
    // Without the tags, the owner of the function would be unknown.
    if let Some(error) = response.tags_error() {
        return Err(tags_error_fault(error));
    }
    let tags = tags(response);
    let reserved = response.concurrency().and_then(Concurrency::reserved_concurrent_executions);
    let Logging { format: log_format, group: log_group, app_level, system_level } =
        logging(configuration, want);
    let variables = configuration.environment().and_then(|environment| environment.variables());
    let spec = FunctionSpec {
        runtime: configuration.runtime().map_or_else(String::new, |runtime| runtime.as_str().to_owned()),
        arch: arch(configuration.architectures()),
        code_sha256: code(configuration),
        memory_mb: number(configuration.memory_size(), 128),
        timeout_s: number(configuration.timeout(), 3),
        reserved_concurrency: reserved.map(|reserved| number(Some(reserved), 0)),
        environment: variables
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), SpecValue::from(value.clone())))
            .collect::<BTreeMap<_, _>>(),
        role_arn: SpecValue::from(configuration.role().unwrap_or_default().to_owned()),
        log_format,
        app_log_level: app_level,
        system_log_level: system_level,
        log_group: SpecValue::from(log_group),
        tags: managed_tags(&tags, want.map(|want| &want.tags)),
    };
    Ok(Some(ReadState { spec, outputs: Outputs::new(), tags: Some(tags) }))
}

/// Returns the tags, without those that AWS sets and nobody can change.
pub(super) fn tags(response: &GetFunctionOutput) -> Tags {
    let all = response.tags().into_iter().flatten();
    all.filter(|(name, _)| !name.starts_with("aws:"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn tags_error_fault(error: &TagsError) -> Fault {
    Fault::fatal(error.error_code().to_owned(), "failed to read the tags of the function: lambda:ListTags is not allowed")
        .caused_by(format!("{} (lambda:ListTags): {}", error.error_code(), error.message()))
        .hinted("add lambda:ListTags to the policy of the deployer; `hitctl policy deployer` prints the complete policy")
}

/// Converts a number from Lambda; returns `default` if it is missing.
fn number(value: Option<i32>, default: u32) -> u32 {
    value.and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
}

/// Returns the instruction set. A function has one; Lambda's default is `x86_64`.
fn arch(architectures: &[Architecture]) -> Arch {
    match architectures.first() {
        Some(Architecture::Arm64) => Arch::Arm64,
        _ => Arch::X86_64,
    }
}

/// Returns the SHA-256 of the code in hex. If the activation or the last update of the function failed, its code is
/// unknown. The result is then a text that differs from any hash, so that the next deploy uploads the code again.
fn code(configuration: &FunctionConfiguration) -> String {
    if configuration.state() == Some(&State::Failed) {
        return failed_code_marker(configuration.state_reason_code().map(StateReasonCode::as_str));
    }
    if configuration.last_update_status() == Some(&LastUpdateStatus::Failed) {
        return failed_code_marker(
            configuration.last_update_status_reason_code().map(LastUpdateStatusReasonCode::as_str),
        );
    }
    from_base64(configuration.code_sha256().unwrap_or_default())
}

fn failed_code_marker(code: Option<&str>) -> String {
    match code {
        Some(code) => format!("(failed: {code})"),
        None => "(failed)".to_owned(),
    }
}

/// Converts a hash from base64, which Lambda uses, to hex.
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

/// Returns the logging settings. Lambda always returns all of them. An emulator omits a setting that it does not
/// store; the wanted value is then assumed, because an update could not change it.
fn logging(configuration: &FunctionConfiguration, want: Option<&FunctionSpec>) -> Logging {
    let default = || format!("/aws/lambda/{}", configuration.function_name().unwrap_or_default());
    let config = configuration.logging_config();
    if let (None, Some(want)) = (config, want) {
        return Logging {
            format: want.log_format.clone(),
            group: want.log_group.get().cloned().unwrap_or_else(default),
            app_level: want.app_log_level.clone(),
            system_level: want.system_log_level.clone(),
        };
    }
    let format = config.and_then(LoggingConfig::log_format).map_or("Text", |format| format.as_str());
    // Levels exist for JSON only.
    let level = |value: Option<&str>, want: Option<&Option<String>>| match (format, value) {
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
mod tests;
