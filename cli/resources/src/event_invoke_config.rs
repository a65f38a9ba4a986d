//! The settings of asynchronous invocations. Without them, an event is lost after three failed attempts.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub(crate) mod operations;
pub(crate) mod spec;

use crate::irreversible::no_effect;
use crate::kind::{HomeRegion, ResourceKind};
use crate::spec::Spec as _;

/// The registry entry of the kind.
pub(crate) const KIND: ResourceKind = ResourceKind {
    name: spec::EventInvokeConfigSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: no_effect,
    prices: &[],
    #[cfg(feature = "aws")]
    aws: crate::aws::ResourceDriver::<aws::EventInvokeConfigDriver>::KIND,
};
