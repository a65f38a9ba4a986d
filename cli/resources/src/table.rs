//! A DynamoDB table: the table of counts or the table of recent visitors.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub mod cost;
#[cfg(feature = "aws")]
pub(crate) mod errors;
mod irreversible;
pub(crate) mod operations;
pub(crate) mod spec;

use crate::kind::{HomeRegion, ResourceKind};
use crate::spec::Spec as _;

/// The registry entry of the kind.
pub(crate) const KIND: ResourceKind = ResourceKind {
    name: spec::TableSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: irreversible::effect,
    prices: &[cost::WRITES, cost::READS],
    #[cfg(feature = "aws")]
    aws: crate::aws::ResourceDriver::<aws::TableDriver>::KIND,
};
