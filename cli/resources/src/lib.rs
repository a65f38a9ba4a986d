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
mod event_invoke_config;
mod event_rule;
mod event_source_mapping;
#[cfg(feature = "aws")]
mod foreign;
mod function;
mod function_url;
mod http_api;
mod irreversible;
mod kind;
mod log_group;
mod operation;
mod permission;
mod place;
mod price;
mod queue;
mod registry;
mod role;
mod spec;
mod table;
mod tags;

pub use alias::spec::AliasSpec;
pub use code::CodePackage;
pub use cors::Cors;
pub use event_invoke_config::spec::EventInvokeConfigSpec;
pub use event_rule::spec::EventRuleSpec;
pub use event_source_mapping::spec::EventSourceMappingSpec;
pub use function::spec::FunctionSpec;
pub use function_url::spec::FunctionUrlSpec;
pub use hitctl_config::Arch;
pub use http_api::spec::{HttpApiSpec, Ingest, Reader, Throttle};
pub use irreversible::{EffectContext, EffectOf, IrreversibleEffect, RequiredConfirmation};
pub use kind::{HomeRegion, Kind};
pub use log_group::spec::{LogGroupSpec, OLDEST_MS};
pub use operation::{Naming, Need, Operation, Scope};
pub use permission::spec::PermissionSpec;
pub use place::Place;
pub use price::{Beyond, Price, Usage};
pub use queue::spec::{QueueSpec, Redrive, Sender};
pub use registry::{KINDS, OperationNeeds, REGISTRY, Registry};
pub use role::spec::{RoleSpec, Statement};
pub use spec::Spec;
pub use table::spec::TableSpec;
pub use tags::Tags;
#[cfg(feature = "aws")]
pub use {alias::versions, discovery::Deployment, discovery::deployments, foreign::foreign_access};

/// The scopes of the kinds, for calls that are not made by a driver.
pub mod scopes {
    pub use crate::event_rule::operations::RULES;
    pub use crate::function::operations::FUNCTION;
    pub use crate::log_group::operations::LOG_GROUP;
    pub use crate::operation::ACCOUNT;
    pub use crate::queue::operations::QUEUES;
}

/// The prices of the kinds, and the quantities that AWS bills for them.
pub mod prices {
    pub use crate::event_rule::cost as event_rule;
    pub use crate::event_source_mapping::cost as event_source_mapping;
    pub use crate::function::cost as function;
    pub use crate::http_api::cost as http_api;
    pub use crate::log_group::cost as log_group;
    pub use crate::queue::cost as queue;
    pub use crate::table::cost as table;
}
