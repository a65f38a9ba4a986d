//! The CloudWatch log group of the function.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub mod cost;
mod irreversible;
pub(crate) mod operations;
pub(crate) mod spec;

use crate::kind::{HomeRegion, Kind};
use crate::spec::Spec as _;

/// The kind in the registry.
pub(crate) const KIND: Kind = Kind {
    name: spec::LogGroupSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: irreversible::effect,
    prices: &[cost::INGESTED],
    #[cfg(feature = "aws")]
    aws: crate::aws::Typed::<aws::LogGroup>::KIND,
};
