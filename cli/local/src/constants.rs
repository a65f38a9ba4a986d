//! Names that the local cloud uses for itself and its services.

use hitctl_resources::CloudLocation;

/// The account id of the local cloud.
pub const ACCOUNT: &str = "000000000000";
/// The region name of the local cloud.
pub const REGION: &str = "local";
/// The service principal of `EventBridge`, which invokes functions and sends messages to queues on behalf of
/// rules.
pub(crate) const EVENTS_PRINCIPAL: &str = "events.amazonaws.com";

/// Returns the location that deployments to the local cloud target.
pub fn location() -> CloudLocation {
    CloudLocation {
        partition: "aws".to_owned(),
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        has_versions: false,
        endpoint: None,
    }
}
