//! The addresses of an app's resources in the resource graph.

use hitctl_engine::Address;
use hitctl_resources::{
    AliasSpec, EventRuleSpec, FunctionSpec, FunctionUrlSpec, HttpApiSpec, LogGroupSpec, QueueSpec, RoleSpec,
    Spec as _, TableSpec,
};

/// Returns the address of the table of counts.
pub fn hits_table() -> Address {
    TableSpec::address("hits")
}

/// Returns the address of the counter, the function that counts.
pub fn counter() -> Address {
    FunctionSpec::address("counter")
}

/// Returns the address of the reader, the function that only reads.
pub fn reader() -> Address {
    FunctionSpec::address("reader")
}

/// Returns the address of the counter's alias that receives all requests.
pub fn live_alias() -> Address {
    AliasSpec::address("live")
}

/// Returns the address of the HTTP API.
pub fn api() -> Address {
    HttpApiSpec::address("api")
}

/// Returns the address of the counter's function URL.
pub fn function_url() -> Address {
    FunctionUrlSpec::address("counter")
}

/// Returns the address of the counter's role.
pub fn function_role() -> Address {
    RoleSpec::address("function")
}

/// Returns the address of the queue of hits.
pub fn queue() -> Address {
    QueueSpec::address("hits")
}

/// Returns the address of the dead-letter queue.
pub fn dead_letter_queue() -> Address {
    QueueSpec::address("dlq")
}

/// Returns the address of the table of visitors.
pub fn seen_table() -> Address {
    TableSpec::address("seen")
}

/// Returns the address of the log group of both functions.
pub fn log_group() -> Address {
    LogGroupSpec::address("function")
}

/// Returns the address of the rule for the user's own events.
pub fn event_rule() -> Address {
    EventRuleSpec::address("events")
}

/// Returns the address of the role with which the HTTP API sends hits to the queue.
pub fn ingest_role() -> Address {
    RoleSpec::address("ingest")
}
