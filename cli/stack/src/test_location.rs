//! The cloud location of the unit tests.

use hitctl_resources::CloudLocation;

/// Returns a location in an AWS account.
pub(crate) fn test_location() -> CloudLocation {
    CloudLocation {
        partition: "aws".to_owned(),
        region: "eu-central-1".to_owned(),
        account: "123456789012".to_owned(),
        has_versions: true,
        endpoint: None,
    }
}
