//! The kinds of resources that a hit counter consists of: one folder per kind, and one line per kind in the registry.
//!
//! A kind's spec is plain data, in AWS's own terms. What a driver reads back is the same type, normalised, so that drift is
//! a difference of data. Two sides read the specs: the deployer, which wants them, and the local cloud, which runs them.

mod alias;
#[cfg(feature = "aws")]
pub mod aws;
mod code;
mod cors;
#[cfg(feature = "aws")]
mod discovery;
#[cfg(feature = "aws")]
mod drivers;
mod event_invoke_config;
mod event_rule;
mod event_source_mapping;
#[cfg(feature = "aws")]
mod foreign;
mod function;
mod function_url;
mod http_api;
mod log_group;
mod permission;
mod place;
mod queue;
mod role;
mod spec;
mod table;
mod tags;

pub use alias::spec::AliasSpec;
#[cfg(feature = "aws")]
pub use alias::versions;
pub use code::CodePackage;
pub use cors::Cors;
#[cfg(feature = "aws")]
pub use discovery::{Deployment, deployments};
#[cfg(feature = "aws")]
pub use drivers::drivers;
pub use event_invoke_config::spec::EventInvokeConfigSpec;
pub use event_rule::spec::EventRuleSpec;
pub use event_source_mapping::spec::EventSourceMappingSpec;
#[cfg(feature = "aws")]
pub use foreign::foreign_access;
pub use function::spec::FunctionSpec;
pub use function_url::spec::FunctionUrlSpec;
pub use hitctl_config::Arch;
pub use http_api::spec::{HttpApiSpec, Ingest, Reader, Throttle};
pub use log_group::spec::{LogGroupSpec, OLDEST_MS};
pub use permission::spec::PermissionSpec;
pub use place::Place;
pub use queue::spec::{QueueSpec, Redrive, Sender};
pub use role::spec::{RoleSpec, Statement};
pub use spec::Spec;
pub use table::spec::TableSpec;
pub use tags::Tags;

/// Every kind there is, in the order in which people think of them.
pub const KINDS: &[&str] = &[
    TableSpec::KIND,
    RoleSpec::KIND,
    LogGroupSpec::KIND,
    FunctionSpec::KIND,
    AliasSpec::KIND,
    FunctionUrlSpec::KIND,
    HttpApiSpec::KIND,
    QueueSpec::KIND,
    EventSourceMappingSpec::KIND,
    EventRuleSpec::KIND,
    EventInvokeConfigSpec::KIND,
    PermissionSpec::KIND,
];
