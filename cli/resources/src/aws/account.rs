//! The AWS account and region that drivers work in.

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
    /// The code that the function should run; `None` where nothing is deployed.
    pub code: Option<CodePackage>,
    /// Whether to take over resources that have our names but belong to somebody else.
    pub adopt: bool,
    /// Whether created functions are smoke-tested through their alias before the run ends, until this code
    /// responds. Drivers then do not wait until Lambda reports the function as active, because the smoke test
    /// is the better proof.
    pub smoke_tested: bool,
    /// The time between removing the last route to an integration of an HTTP API and removing the
    /// integration: [`Aws::DRAIN`], or zero if no requests are sent.
    pub drain: Duration,
}

impl Aws {
    /// The usual [`Aws::drain`]. A stage deploys changed routes automatically within seconds, but no call
    /// reports when every gateway has them. Until then the old integration still receives requests. Ten
    /// seconds are our own margin; AWS documents none.
    pub const DRAIN: Duration = Duration::from_secs(10);

    /// Returns `{app}-{env}`, the name of the function, the role, the table and the HTTP API.
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

    /// Returns the configuration of clients that send each call once. All retries are then the driver's,
    /// which first checks what the failed attempt did. The SDK's retries would also take some account limits
    /// for throttling.
    pub(crate) fn without_retries(&self) -> SdkConfig {
        self.config.to_builder().retry_config(RetryConfig::disabled()).build()
    }

    /// Returns the ARN of a resource in this account and region.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        self.location.as_location().arn(service, resource)
    }
}
