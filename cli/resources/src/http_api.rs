//! The HTTP API in front of the function: api, integration, routes and stage as one resource.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub mod cost;
pub(crate) mod operations;
pub(crate) mod spec;

use crate::irreversible::lost_url;
use crate::kind::{HomeRegion, Kind};
use crate::spec::Spec as _;

/// The kind in the registry.
pub(crate) const KIND: Kind = Kind {
    name: spec::HttpApiSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: lost_url,
    prices: &[cost::REQUESTS],
    #[cfg(feature = "aws")]
    aws: crate::aws::Typed::<aws::HttpApis>::KIND,
};
