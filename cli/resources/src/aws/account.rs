//! The AWS account and region that drivers use.

use std::time::Duration;

use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use hitctl_config::names;

use crate::cloud_location::CloudLocation;
use crate::code::CodePackage;
use crate::tags::Tags;

/// An account and region, with the tags of one app and environment.
#[derive(Clone, Debug)]
pub struct Aws {
    /// Credentials, region, endpoint, retries and timeouts.
    pub config: SdkConfig,
    /// The account and region.
    pub location: CloudLocation,
    /// The tags of our resources.
    pub tags: Tags,
    /// The code that the function should run; `None` if the command deploys no code.
    pub code: Option<CodePackage>,
    /// Whether to take over resources that have our names but belong to another owner.
    pub adopt: bool,
    /// Whether the command ends with a smoke test, which invokes each created function through its alias until
    /// the new code responds. If so, drivers do not wait until Lambda reports the function as active: the
    /// smoke test proves more.
    pub smoke_tested: bool,
    /// The delay between removing the last route to an integration of an HTTP API and removing the
    /// integration: [`Aws::DRAIN`], or zero if nobody sends requests.
    pub drain: Duration,
}

impl Aws {
    /// The usual value of [`Aws::drain`]. A stage deploys changed routes automatically within seconds, but no
    /// AWS call reports when every gateway uses them. Until then the old integration receives requests. AWS
    /// documents no duration; ten seconds is our own margin.
    pub const DRAIN: Duration = Duration::from_secs(10);

    /// Returns `{app}-{env}`, which is the name of the function, the role, the table and the HTTP API.
    pub fn base(&self) -> String {
        names::base_name(self.tag(names::TAG_APP), self.tag(names::TAG_ENV))
    }

    /// Returns the name of the reader function of the app and environment.
    pub fn reader(&self) -> String {
        names::reader(self.tag(names::TAG_APP), self.tag(names::TAG_ENV))
    }

    fn tag(&self, name: &str) -> &str {
        self.tags.get(name).map_or("", String::as_str)
    }

    /// Returns the same account in another region.
    #[must_use]
    pub fn in_region(&self, region: &'static str) -> Self {
        let config = self.config.to_builder().region(Region::new(region)).build();
        let location = CloudLocation { region: region.to_owned(), ..self.location.clone() };
        Self { config, location, ..self.clone() }
    }

    /// Returns a configuration for clients that send each call once. Only the driver retries: it first checks
    /// whether the failed attempt changed something. The SDK would also treat some errors about account quotas
    /// as throttling, and retry them.
    pub(crate) fn without_retries(&self) -> SdkConfig {
        self.config.to_builder().retry_config(RetryConfig::disabled()).build()
    }

    /// Returns the ARN of a resource in this account and region.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        self.location.as_location().arn(service, resource)
    }
}
