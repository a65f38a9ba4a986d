//! The event source mapping: Lambda's pollers that take messages off a queue and give them to the function.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub mod cost;
pub(crate) mod operations;
pub(crate) mod spec;

use crate::irreversible::no_effect;
use crate::kind::{HomeRegion, Kind};
use crate::spec::Spec as _;

/// The kind in the registry.
pub(crate) const KIND: Kind = Kind {
    name: spec::EventSourceMappingSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: no_effect,
    prices: &[],
    #[cfg(feature = "aws")]
    aws: crate::aws::Typed::<aws::Mappings>::KIND,
};
