//! The registry entry of a kind of resource.

#[cfg(feature = "aws")]
use crate::aws::driver::AwsKind;
use crate::irreversible::EffectFn;
use crate::operation::Operation;
use crate::price::Price;

/// The region of the resources of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HomeRegion {
    /// The region of the environment.
    #[default]
    OfEnvironment,
    /// One region for every environment, such as `us-east-1` for `CloudFront` and its certificates.
    Fixed(&'static str),
}

/// One kind of resource. Other code gets everything that depends on the kind from this entry.
#[derive(Clone, Copy, Debug)]
pub struct ResourceKind {
    /// The name in addresses: `table`.
    pub name: &'static str,
    /// The region of the resources.
    pub region: HomeRegion,
    /// The calls that the driver makes, sorted by name.
    pub operations: &'static [Operation],
    /// Returns the irreversible effect of a change, if it has one.
    pub irreversible: EffectFn,
    /// The prices of the kind's billed units.
    pub prices: &'static [Price],
    /// The kind's driver and error rules for AWS.
    #[cfg(feature = "aws")]
    pub aws: AwsKind,
}
