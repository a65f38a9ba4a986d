//! The resources of the app and what follows from them: their graph, its cost, the IAM policies, the privacy text. Pure functions of
//! the configuration.

pub mod address;
mod code;
pub mod cost;
mod design;
mod leftovers;
pub mod memory;
pub mod policy;
pub mod privacy;
#[cfg(test)]
mod test_place;

pub use code::Code;
pub use design::{design, needs_address, needs_agent, release};
pub use leftovers::{tuned_function, with_leftovers};
