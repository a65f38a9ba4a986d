//! The alias that traffic goes to: a name for one published version, switched in one step.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub(crate) mod operations;
#[cfg(feature = "aws")]
pub(crate) mod places;
pub(crate) mod spec;
#[cfg(feature = "aws")]
pub mod versions;

use crate::irreversible::no_effect;
use crate::kind::{HomeRegion, Kind};
use crate::spec::Spec as _;

/// The kind in the registry.
pub(crate) const KIND: Kind = Kind {
    name: spec::AliasSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: no_effect,
    prices: &[],
    #[cfg(feature = "aws")]
    aws: crate::aws::Typed::<aws::Alias>::KIND,
};
