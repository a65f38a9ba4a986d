//! Where counts live, as the routes see it. DynamoDB for real, memory for tests of the domain; neither knows of HTTP
//! requests, and the routes know of neither.

mod api;
#[cfg(feature = "runtime")]
mod dynamodb;
mod error;
mod memory;
mod transaction;

pub use api::{Added, Met, Pages, Paths, Store};
#[cfg(feature = "runtime")]
pub use dynamodb::{DynamoDb, Seen, Tables};
pub use error::StoreError;
pub use memory::Memory;
pub use transaction::{Obstacle, Transacted, Transaction};
