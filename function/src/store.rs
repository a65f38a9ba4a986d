//! Stores of counts: in DynamoDB for production, in memory for tests. The stores must not depend on HTTP
//! requests, and the routes use them only through the trait.

mod api;
#[cfg(feature = "runtime")]
mod dynamodb;
mod error;
mod memory;
mod transaction;

pub use api::{AddResult, AllCounts, CounterStore, NewVisitor, PathAdmission};
#[cfg(feature = "runtime")]
pub use dynamodb::{DynamoDbStore, TableConfig, VisitorTable};
pub use error::StoreError;
pub use memory::MemoryStore;
pub use transaction::{CancellationReason, Transaction, TransactionResult};
