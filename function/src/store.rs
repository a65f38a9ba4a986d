//! Stores of counts: DynamoDB in production, memory for tests of the domain. The stores know nothing of HTTP
//! requests, and the routes see only the trait.

mod api;
#[cfg(feature = "runtime")]
mod dynamodb;
mod error;
mod memory;
mod transaction;

pub use api::{AddResult, AllCounts, CounterStore, NewVisitor, PathAdmission};
#[cfg(feature = "runtime")]
pub use dynamodb::{DynamoDbStore, TableNames, VisitorTable};
pub use error::StoreError;
pub use memory::MemoryStore;
pub use transaction::{CancellationReason, Transaction, TransactionResult};
