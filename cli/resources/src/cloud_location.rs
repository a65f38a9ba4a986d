//! The account and region of a deployment.

use hitctl_config::Location;

/// The account and region of a deployment, and the properties of the cloud there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudLocation {
    /// The partition: `aws` or another.
    pub partition: String,
    /// The region code.
    pub region: String,
    /// The account id: twelve digits.
    pub account: String,
    /// Whether functions have versions. The local cloud has none: it always runs the code that was deployed last.
    pub has_versions: bool,
    /// The endpoint of an AWS emulator, which the function uses too; `None` for AWS itself.
    pub endpoint: Option<String>,
}

impl CloudLocation {
    /// Returns the partition, region and account, for ARNs.
    pub fn as_location(&self) -> Location<'_> {
        Location { partition: &self.partition, region: &self.region, account: &self.account }
    }
}
