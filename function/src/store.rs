//! Where counts live, as the routes see it. DynamoDB for real, memory for tests of the domain; neither knows of HTTP
//! requests, and the routes know of neither.

#[cfg(feature = "runtime")]
mod answer;
mod api;
#[cfg(feature = "runtime")]
mod client;
#[cfg(feature = "runtime")]
mod dynamodb;
mod error;
mod memory;
#[cfg(feature = "runtime")]
mod seen;
mod transaction;
#[cfg(feature = "runtime")]
mod wire;

pub use api::{Added, Met, Pages, Paths, Store};
#[cfg(feature = "runtime")]
pub use dynamodb::{DynamoDb, Tables};
pub use error::StoreError;
pub use memory::Memory;
#[cfg(feature = "runtime")]
pub use seen::Seen;
pub use transaction::{Obstacle, Transacted, Transaction};
