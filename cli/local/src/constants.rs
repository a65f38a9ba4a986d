//! Names of this cloud and of its services.

use hitctl_resources::Place;

/// The account that this cloud says it is.
pub const ACCOUNT: &str = "000000000000";
/// The region that this cloud says it is.
pub const REGION: &str = "local";
/// The principal of `EventBridge`, which calls functions and sends to queues for rules.
pub(crate) const EVENTS_PRINCIPAL: &str = "events.amazonaws.com";

/// Returns the target of deployments to this cloud.
pub fn place() -> Place {
    Place {
        partition: "aws".to_owned(),
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        has_versions: false,
        endpoint: None,
    }
}
