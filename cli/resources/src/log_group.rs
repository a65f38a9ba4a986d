//! The CloudWatch log group of a function.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub mod cost;
mod irreversible;
pub(crate) mod operations;
pub(crate) mod spec;

use crate::kind::{HomeRegion, ResourceKind};
use crate::spec::Spec as _;

/// The registry entry of the kind.
pub(crate) const KIND: ResourceKind = ResourceKind {
    name: spec::LogGroupSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: irreversible::effect,
    prices: &[cost::INGESTED],
    #[cfg(feature = "aws")]
    aws: crate::aws::ResourceDriver::<aws::LogGroupDriver>::KIND,
};
