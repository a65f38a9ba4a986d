//! An IAM role with one inline policy: the role of a function, or the HTTP API's role for sending hits to the queue.

#[cfg(feature = "aws")]
pub(crate) mod aws;
#[cfg(feature = "aws")]
pub(crate) mod errors;
pub(crate) mod operations;
#[cfg(feature = "aws")]
pub(crate) mod policy;
pub(crate) mod spec;

use crate::irreversible::no_effect;
use crate::kind::{HomeRegion, ResourceKind};
use crate::spec::Spec as _;

/// The registry entry of the kind.
pub(crate) const KIND: ResourceKind = ResourceKind {
    name: spec::RoleSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: no_effect,
    prices: &[],
    #[cfg(feature = "aws")]
    aws: crate::aws::ResourceDriver::<aws::RoleDriver>::KIND,
};
