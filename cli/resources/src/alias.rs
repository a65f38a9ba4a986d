//! The alias that traffic goes to: a name for one published version, switched in one step.

#[cfg(feature = "aws")]
pub(crate) mod aws;
#[cfg(feature = "aws")]
pub(crate) mod places;
pub(crate) mod spec;
#[cfg(feature = "aws")]
pub mod versions;
