//! What this cloud calls itself, and its services each other.

/// The account that this cloud says it is.
pub const ACCOUNT: &str = "000000000000";
/// The region that this cloud says it is.
pub const REGION: &str = "local";
/// The principal of `EventBridge`, which calls functions and sends to queues for rules.
pub(crate) const EVENTS_PRINCIPAL: &str = "events.amazonaws.com";
