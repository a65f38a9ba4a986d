//! The alias that receives all requests: a name for one published version of the function. It can be switched to
//! another version in one step.

#[cfg(feature = "aws")]
pub(crate) mod aws;
#[cfg(feature = "aws")]
pub(crate) mod candidates;
pub(crate) mod operations;
pub(crate) mod spec;
#[cfg(feature = "aws")]
pub mod versions;

use crate::irreversible::no_effect;
use crate::kind::{HomeRegion, ResourceKind};
use crate::spec::Spec as _;

/// The registry entry of the kind.
pub(crate) const KIND: ResourceKind = ResourceKind {
    name: spec::AliasSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: no_effect,
    prices: &[],
    #[cfg(feature = "aws")]
    aws: crate::aws::ResourceDriver::<aws::AliasDriver>::KIND,
};
