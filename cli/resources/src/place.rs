//! The target of a deployment: an account and a region, with the differences between targets.

use hitctl_config::Location;

/// The target of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `aws`, or another partition.
    pub partition: String,
    /// The region's code.
    pub region: String,
    /// The account: twelve digits.
    pub account: String,
    /// Whether functions have versions there. The cloud on this machine runs what was deployed last.
    pub has_versions: bool,
    /// The endpoint of the AWS services, where that is not AWS itself: an emulator. The function uses it too.
    pub endpoint: Option<String>,
}

impl Place {
    /// The part of it that ARNs are made of.
    pub fn location(&self) -> Location<'_> {
        Location { partition: &self.partition, region: &self.region, account: &self.account }
    }
}
