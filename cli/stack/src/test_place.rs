//! A place for unit tests.

use hitctl_resources::Place;

/// An account of AWS.
pub(crate) fn place() -> Place {
    Place {
        partition: "aws".to_owned(),
        region: "eu-central-1".to_owned(),
        account: "123456789012".to_owned(),
        has_versions: true,
        endpoint: None,
    }
}
