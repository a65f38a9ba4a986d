//! The function URL: the function on an address of its own, without an API in front of it.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub(crate) mod operations;
pub(crate) mod spec;

use crate::irreversible::lost_url;
use crate::kind::{HomeRegion, Kind};
use crate::spec::Spec as _;

/// The kind in the registry.
pub(crate) const KIND: Kind = Kind {
    name: spec::FunctionUrlSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: lost_url,
    prices: &[],
    #[cfg(feature = "aws")]
    aws: crate::aws::Typed::<aws::FunctionUrls>::KIND,
};
