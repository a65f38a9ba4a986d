//! A queue of SQS: of hits that wait to be counted, or of dead letters.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub mod cost;
#[cfg(feature = "aws")]
pub(crate) mod errors;
pub(crate) mod operations;
pub(crate) mod spec;

use crate::irreversible::no_effect;
use crate::kind::{HomeRegion, Kind};
use crate::spec::Spec as _;

/// The kind in the registry.
pub(crate) const KIND: Kind = Kind {
    name: spec::QueueSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: no_effect,
    prices: &[cost::REQUESTS],
    #[cfg(feature = "aws")]
    aws: crate::aws::Typed::<aws::Queues>::KIND,
};
