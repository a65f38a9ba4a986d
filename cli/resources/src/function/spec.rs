//! The Lambda function: a zip with a `bootstrap`, on the custom runtime `provided.al2023`.

use std::collections::BTreeMap;

use hitctl_engine::Value;
use serde::{Deserialize, Serialize};

use crate::spec::Spec;
use crate::tags::Tags;
use hitctl_config::Arch;
use hitctl_config::contract::ENV_ROLE_ID;

/// A function and its limits. Its code is named by hash; the bytes travel beside the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionSpec {
    /// Lambda's name of the runtime.
    pub runtime: String,
    /// The instruction set that the code is compiled for.
    pub arch: Arch,
    /// SHA-256 of the zip, in hex.
    pub code_sha256: String,
    /// Memory in MB; CPU is given in proportion.
    pub memory_mb: u32,
    /// The longest an invocation may take, in seconds.
    pub timeout_s: u32,
    /// How many invocations may run at once; `None` draws on the account's pool.
    pub reserved_concurrency: Option<u32>,
    /// The environment, without what Lambda sets itself. Values may name other resources, such as the table.
    pub environment: BTreeMap<String, Value<String>>,
    /// The role that it runs as.
    pub role_arn: Value<String>,
    /// How Lambda writes its own log lines: `JSON` or `Text`.
    #[serde(default = "json")]
    pub log_format: String,
    /// The least level of the function's own lines that Lambda lets through, where the format is `JSON`. Lines without a
    /// level count as `INFO`.
    #[serde(default)]
    pub app_log_level: Option<String>,
    /// The least level of Lambda's own lines, where the format is `JSON`.
    #[serde(default)]
    pub system_log_level: Option<String>,
    /// The log group that it writes to, by name.
    pub log_group: Value<String>,
    /// Its tags.
    pub tags: Tags,
}

impl FunctionSpec {
    /// The id of the role that it runs as, which its environment says in AWS.
    pub fn role_id(&self) -> Option<&str> {
        self.environment.get(ENV_ROLE_ID)?.get().map(String::as_str)
    }

    /// The environment as names and values, as far as these are known: all of it in a spec that a driver gets.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment.iter().filter_map(|(name, value)| Some((name.as_str(), value.get()?.as_str())))
    }
}

/// The log format of functions that were deployed before it was a setting.
fn json() -> String {
    "JSON".to_owned()
}

impl Spec for FunctionSpec {
    const KIND: &'static str = "function";
    const SECRET: &'static [&'static str] = &["environment"];
}
