//! The description of one kind of resource, which the registry consists of.

#[cfg(feature = "aws")]
use crate::aws::typed::AwsKind;
use crate::irreversible::EffectOf;
use crate::operation::Operation;
use crate::price::Price;

/// The region that the resources of a kind are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HomeRegion {
    /// The region of the environment.
    #[default]
    OfEnvironment,
    /// One region for every environment, as `us-east-1` for `CloudFront` and its certificates.
    Fixed(&'static str),
}

/// One kind of resource. Everything that depends on the kind is derived from here.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The name, as in addresses: `table`.
    pub name: &'static str,
    /// The region of its resources.
    pub region: HomeRegion,
    /// The calls that its driver makes, by name.
    pub operations: &'static [Operation],
    /// The irreversible effect of a change.
    pub irreversible: EffectOf,
    /// The prices of its parts.
    pub prices: &'static [Price],
    /// The kind in AWS.
    #[cfg(feature = "aws")]
    pub aws: AwsKind,
}
