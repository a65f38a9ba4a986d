//! What the user writes, and what the deployer and the function agree on.

pub mod contract;

#[cfg(feature = "load")]
mod schema;
#[cfg(feature = "load")]
pub use schema::Arch;
