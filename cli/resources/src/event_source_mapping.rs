//! The event source mapping, by which Lambda receives the messages of a queue and invokes the function with them.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub mod cost;
pub(crate) mod operations;
pub(crate) mod spec;

use crate::irreversible::no_effect;
use crate::kind::{HomeRegion, ResourceKind};
use crate::spec::Spec as _;

/// The registry entry of the kind.
pub(crate) const KIND: ResourceKind = ResourceKind {
    name: spec::EventSourceMappingSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: no_effect,
    prices: &[],
    #[cfg(feature = "aws")]
    aws: crate::aws::ResourceDriver::<aws::MappingDriver>::KIND,
};
