//! A statement in the function's own policy that lets the HTTP API, or a rule, call it.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub(crate) mod operations;
pub(crate) mod spec;

use crate::irreversible::no_effect;
use crate::kind::{HomeRegion, Kind};
use crate::spec::Spec as _;

/// The kind in the registry.
pub(crate) const KIND: Kind = Kind {
    name: spec::PermissionSpec::KIND,
    region: HomeRegion::OfEnvironment,
    operations: operations::OPERATIONS,
    irreversible: no_effect,
    prices: &[],
    #[cfg(feature = "aws")]
    aws: crate::aws::Typed::<aws::Permissions>::KIND,
};
