//! The kinds of resources that a hit counter is made of: one file each, and two lines here.
//!
//! A kind's spec is plain data, in AWS's own terms. What a cloud reads back is the same type, normalised, so that drift is
//! a difference of data. This crate stands apart because two sides read the specs: the deployer, which wants them, and
//! the cloud on this machine, which brings them to life.

mod alias;
#[cfg(feature = "aws")]
pub mod aws;
mod code;
mod cors;
#[cfg(feature = "aws")]
mod drivers;
mod event_invoke_config;
mod event_rule;
mod event_source_mapping;
mod function;
mod function_url;
mod http_api;
mod log_group;
mod permission;
mod place;
mod queue;
mod role;
mod table;

use std::collections::BTreeMap;

use hitctl_engine::{Address, Keep, Node};
use serde::{Serialize, de::DeserializeOwned};

pub use alias::AliasSpec;
pub use code::CodePackage;
pub use cors::Cors;
#[cfg(feature = "aws")]
pub use drivers::drivers;
pub use event_invoke_config::EventInvokeConfigSpec;
pub use event_rule::EventRuleSpec;
pub use event_source_mapping::EventSourceMappingSpec;
pub use function::{Arch, FunctionSpec};
pub use function_url::FunctionUrlSpec;
pub use http_api::{HttpApiSpec, Ingest, Reader, Throttle};
pub use log_group::{LogGroupSpec, OLDEST_MS};
pub use permission::PermissionSpec;
pub use place::Place;
pub use queue::{QueueSpec, Redrive, Sender};
pub use role::{RoleSpec, Statement};
pub use table::TableSpec;

/// Tags of a resource, as AWS has them.
pub type Tags = BTreeMap<String, String>;

/// The settings of one kind of resource.
pub trait Spec: Serialize + DeserializeOwned + Clone + PartialEq + Send + Sync + 'static {
    /// The kind, as in addresses: `table`.
    const KIND: &'static str;
    /// The fields whose change needs a new resource.
    const REPLACE_ON: &'static [&'static str] = &[];
    /// The fields whose values are never shown.
    const SECRET: &'static [&'static str] = &[];
    /// What deleting one would lose.
    const KEEP: Keep = Keep::Never;

    /// The address of the resource of this kind with that role in the app.
    fn address(role: &str) -> Address {
        Address::new(Self::KIND, role)
    }

    /// The node of a wanted resource.
    ///
    /// # Panics
    ///
    /// When the spec has no JSON form, which no plain data lacks.
    fn node(&self, role: &str, name: &str) -> Node {
        let spec = serde_json::to_value(self).expect("specs are plain data");
        Node::present(Self::address(role), name, spec)
            .replaced_on(Self::REPLACE_ON)
            .hiding(Self::SECRET)
            .keeping(Self::KEEP)
    }
}

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
