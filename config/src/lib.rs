//! The configuration file `hitctl.toml`, and the names that the deployer and the function share.
//!
//! [`load`] turns the text of the file into the [`AppConfig`] of one environment (*env*), or returns all errors of the
//! file, each with its location and a suggestion. Without the feature `load` the crate has no dependencies and contains
//! only [`contract`], [`partitions`] and [`is_unsafe_to_show`].

pub mod contract;
mod display;
pub mod partitions;

#[cfg(feature = "load")]
mod arn;
#[cfg(feature = "load")]
mod check;
#[cfg(feature = "load")]
mod environment;
#[cfg(feature = "load")]
pub mod event_pattern;
#[cfg(feature = "load")]
mod json_schema;
#[cfg(feature = "load")]
mod keys;
#[cfg(feature = "load")]
pub mod limits;
#[cfg(feature = "load")]
mod load;
#[cfg(feature = "load")]
mod local_environment;
#[cfg(feature = "load")]
pub mod names;
#[cfg(feature = "load")]
mod pattern;
#[cfg(feature = "load")]
mod problem;
#[cfg(feature = "load")]
mod resolve;
#[cfg(feature = "load")]
mod rules;
#[cfg(feature = "load")]
mod schema;
#[cfg(feature = "load")]
mod secrets;
#[cfg(feature = "load")]
mod setting_enums;
#[cfg(feature = "load")]
mod show;
#[cfg(feature = "load")]
mod starter;
#[cfg(feature = "load")]
mod string_format;
#[cfg(feature = "load")]
mod suggest;
#[cfg(feature = "load")]
mod template;
#[cfg(feature = "load")]
mod variables;
#[cfg(feature = "load")]
mod walk;

pub use display::is_unsafe_to_show;
#[cfg(feature = "load")]
pub use {
    arn::Location,
    environment::FingerprintKey,
    json_schema::json_schema,
    load::{
        CONFIG_FILE, EnvChoice, EnvSummary, LOCAL_ENV, LoadedConfig, MAX_FILE_BYTES, Overrides, TEST_ENV,
        load, read_config_file,
    },
    local_environment::{LocalVariableError, check_local_variable, is_loopback},
    problem::{ConfigErrors, ConfigProblem, Lint, SourceLocation},
    resolve::SettingOrigin,
    schema::{
        AppConfig, CloudFrontSection, CounterSection, EventsSection, FunctionSection, HttpSection,
        QueueSection, TableSection,
    },
    setting_enums::{
        Arch, BotPolicy, DeployTarget, ExposeMode, GpcPolicy, LogLevel, PathPolicy, QueueIngest, VisitorMode,
    },
    starter::StarterConfig,
    string_format::check_invalidation_path,
    template::full_template,
    variables::{BUILD_ID_CHARS, function_variables, reader_variables},
};
