//! The function URL: a URL that invokes the function directly, without an API in front of the function.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub(crate) mod operations;
pub(crate) mod spec;

use crate::irreversible::url_loss;
use crate::kind::{HomeRegion, ResourceKind};
use crate::spec::Spec as _;

/// The registry entry of the kind.
pub(crate) const KIND: ResourceKind = ResourceKind {
    name: spec::FunctionUrlSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: url_loss,
    prices: &[],
    #[cfg(feature = "aws")]
    aws: crate::aws::ResourceDriver::<aws::FunctionUrlDriver>::KIND,
};
