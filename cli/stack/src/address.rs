//! The addresses of the app's resources in its graph.

use hitctl_engine::Address;
use hitctl_resources::{
    AliasSpec, EventRuleSpec, FunctionSpec, FunctionUrlSpec, HttpApiSpec, LogGroupSpec, QueueSpec, RoleSpec,
    Spec as _, TableSpec,
};

/// The table of counts.
pub fn hits_table() -> Address {
    TableSpec::address("hits")
}

/// The function that counts.
pub fn counter() -> Address {
    FunctionSpec::address("counter")
}

/// The function that only reads.
pub fn reader() -> Address {
    FunctionSpec::address("reader")
}

/// The alias of the counter that requests go to.
pub fn live() -> Address {
    AliasSpec::address("live")
}

/// The HTTP API.
pub fn api() -> Address {
    HttpApiSpec::address("api")
}

/// The URL of the counter.
pub fn function_url() -> Address {
    FunctionUrlSpec::address("counter")
}

/// The role of the counter.
pub fn function_role() -> Address {
    RoleSpec::address("function")
}

/// The queue of hits.
pub fn queue() -> Address {
    QueueSpec::address("hits")
}

/// The queue of dead letters.
pub fn dead_letter_queue() -> Address {
    QueueSpec::address("dlq")
}

/// The table of visitors.
pub fn seen_table() -> Address {
    TableSpec::address("seen")
}

/// The log group of both functions.
pub fn log_group() -> Address {
    LogGroupSpec::address("function")
}

/// The rule of the user's own events.
pub fn event_rule() -> Address {
    EventRuleSpec::address("events")
}

/// The role as which the HTTP API puts hits on the queue.
pub fn ingest_role() -> Address {
    RoleSpec::address("ingest")
}
