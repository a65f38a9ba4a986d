//! The kinds of resources of a hit counter. A kind's spec describes a resource with AWS's settings; a driver
//! reads the live resource into the same type, so that drift is a difference between two specs. The local cloud
//! uses the specs without the drivers.

mod alias;
#[cfg(feature = "aws")]
pub mod aws;
mod cloud_location;
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
mod price;
mod queue;
mod registry;
mod role;
mod spec;
mod table;
mod tags;

pub use alias::spec::AliasSpec;
pub use cloud_location::CloudLocation;
pub use code::CodePackage;
pub use cors::Cors;
pub use event_invoke_config::spec::EventInvokeConfigSpec;
pub use event_rule::spec::EventRuleSpec;
pub use event_source_mapping::spec::EventSourceMappingSpec;
pub use function::spec::FunctionSpec;
pub use function_url::spec::FunctionUrlSpec;
pub use hitctl_config::Arch;
pub use http_api::spec::{HttpApiSpec, IngestRoute, ReaderRoutes, Throttle};
pub use irreversible::{EffectContext, EffectFn, IrreversibleEffect, RequiredConfirmation};
pub use kind::{HomeRegion, ResourceKind};
pub use log_group::spec::{LogGroupSpec, OLDEST_MS};
pub use operation::{ArnParts, Operation, PolicyScope, RequiredAction};
pub use permission::spec::PermissionSpec;
pub use price::{Price, SecondTier, Usage};
pub use queue::spec::{AllowedSender, QueueSpec, RedrivePolicy};
pub use registry::{KINDS, KindRegistry, OperationNeeds, REGISTRY};
pub use role::spec::{RolePermission, RoleSpec};
pub use spec::Spec;
pub use table::spec::TableSpec;
pub use tags::Tags;
#[cfg(feature = "aws")]
pub use {alias::versions, discovery::Deployment, discovery::deployments, foreign::foreign_access};

/// The policy scopes of the kinds, for the permissions of calls that no driver makes.
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
