//! The Lambda function: a zip with an executable named `bootstrap`, on the custom runtime `provided.al2023`.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub mod cost;
#[cfg(feature = "aws")]
pub(crate) mod errors;
pub(crate) mod operations;
pub(crate) mod spec;

use crate::irreversible::no_effect;
use crate::kind::{HomeRegion, ResourceKind};
use crate::spec::Spec as _;

/// The registry entry of the kind.
pub(crate) const KIND: ResourceKind = ResourceKind {
    name: spec::FunctionSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: no_effect,
    prices: &[cost::REQUESTS, cost::GB_SECONDS_ARM64, cost::GB_SECONDS_X86_64],
    #[cfg(feature = "aws")]
    aws: crate::aws::ResourceDriver::<aws::FunctionDriver>::KIND,
};
