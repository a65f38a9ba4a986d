//! An EventBridge rule with its only target: the function, or the queue in front of the function.

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
    name: spec::EventRuleSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: no_effect,
    prices: &[cost::EVENTS],
    #[cfg(feature = "aws")]
    aws: crate::aws::ResourceDriver::<aws::EventRuleDriver>::KIND,
};
