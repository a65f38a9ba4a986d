//! The resources of an app and what is derived from them: their graph, costs, IAM policies and the privacy text. Pure functions of
//! the configuration.

pub mod address;
pub mod cost;
mod function_artifact;
mod graph;
mod leftovers;
pub mod memory;
pub mod policy;
pub mod privacy;
#[cfg(test)]
mod test_location;

pub use function_artifact::FunctionArtifact;
pub use graph::{needs_user_agent, needs_visitor_ip, release_hash, resource_graph};
pub use leftovers::{tuned_function, with_leftovers};
