//! The settings of a Lambda function.

use std::collections::BTreeMap;

use hitctl_engine::SpecValue;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;
use crate::tags::Tags;
use hitctl_config::Arch;
use hitctl_config::contract::{ENV_ROLE_ID, OWN_VARIABLES};

/// A function and its limits. The spec contains the hash of the code, not the code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionSpec {
    /// The runtime's name in Lambda.
    pub runtime: String,
    /// The instruction set for which the code is compiled.
    pub arch: Arch,
    /// The SHA-256 of the zip, in hex.
    pub code_sha256: String,
    /// The memory in MB. Lambda allocates CPU in proportion.
    pub memory_mb: u32,
    /// The maximum duration of an invocation, in seconds.
    pub timeout_s: u32,
    /// The maximum number of concurrent invocations; `None` uses the account's unreserved concurrency.
    pub reserved_concurrency: Option<u32>,
    /// The environment variables, without those that Lambda sets. Values may refer to other resources, such
    /// as the table.
    pub environment: BTreeMap<String, SpecValue<String>>,
    /// The ARN of the execution role.
    pub role_arn: SpecValue<String>,
    /// The format of Lambda's own log lines: `JSON` or `Text`.
    #[serde(default = "json")]
    pub log_format: String,
    /// The lowest level of the function's own log lines that Lambda forwards, if the format is `JSON`. Lines
    /// without a level count as `INFO`.
    #[serde(default)]
    pub app_log_level: Option<String>,
    /// The lowest level of Lambda's own log lines, if the format is `JSON`.
    #[serde(default)]
    pub system_log_level: Option<String>,
    /// The name of the log group.
    pub log_group: SpecValue<String>,
    /// The tags of the function.
    pub tags: Tags,
}

impl FunctionSpec {
    /// Returns the id of the execution role, which the function's environment variables contain.
    pub fn role_id(&self) -> Option<&str> {
        self.environment.get(ENV_ROLE_ID)?.get().map(String::as_str)
    }

    /// Returns the environment variables whose values are known. A spec that is passed to a driver has only known
    /// values.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment.iter().filter_map(|(name, value)| Some((name.as_str(), value.get()?.as_str())))
    }
}

/// Returns the log format of functions that were deployed before the setting existed.
fn json() -> String {
    "JSON".to_owned()
}

impl Spec for FunctionSpec {
    const KIND: &'static str = "function";
    const SECRET_FIELDS: &'static [&'static str] = &["environment"];

    fn public_fields() -> Vec<String> {
        OWN_VARIABLES.iter().map(|name| format!("environment.{name}")).collect()
    }
}
