//! A DynamoDB table: of the counts, or of who was seen.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub mod cost;
#[cfg(feature = "aws")]
pub(crate) mod errors;
mod irreversible;
pub(crate) mod operations;
pub(crate) mod spec;

use crate::kind::{HomeRegion, Kind};
use crate::spec::Spec as _;

/// The kind in the registry.
pub(crate) const KIND: Kind = Kind {
    name: spec::TableSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: irreversible::effect,
    prices: &[cost::WRITES, cost::READS],
    #[cfg(feature = "aws")]
    aws: crate::aws::Typed::<aws::Table>::KIND,
};
