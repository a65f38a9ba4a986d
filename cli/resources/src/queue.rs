//! An SQS queue: the queue of hits that are not counted yet, or the dead-letter queue.

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
    name: spec::QueueSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: no_effect,
    prices: &[cost::REQUESTS],
    #[cfg(feature = "aws")]
    aws: crate::aws::ResourceDriver::<aws::QueueDriver>::KIND,
};
