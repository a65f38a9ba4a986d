//! The HTTP API in front of the function. An API, its integrations, routes and stage are one resource.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub mod cost;
pub(crate) mod operations;
pub(crate) mod spec;

use crate::irreversible::url_loss;
use crate::kind::{HomeRegion, ResourceKind};
use crate::spec::Spec as _;

/// The registry entry of the kind.
pub(crate) const KIND: ResourceKind = ResourceKind {
    name: spec::HttpApiSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: url_loss,
    prices: &[cost::REQUESTS],
    #[cfg(feature = "aws")]
    aws: crate::aws::ResourceDriver::<aws::HttpApiDriver>::KIND,
};
