//! The account and region that drivers work in.

use std::time::Duration;

use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use hitctl_config::names;

use crate::code::CodePackage;
use crate::place::Place;
use crate::tags::Tags;

/// An account and a region of it, as one app and env of ours sees them.
#[derive(Clone, Debug)]
pub struct Aws {
    /// Credentials, region, endpoint, retries and timeouts.
    pub config: SdkConfig,
    /// The account and region.
    pub place: Place,
    /// The tags that our resources carry.
    pub tags: Tags,
    /// The code that the function should run; `None` where nothing is deployed.
    pub code: Option<CodePackage>,
    /// Whether resources of our names that are somebody else's are taken over.
    pub adopt: bool,
    /// Whether what is made anew is called through its alias before the run ends, until this code answers. That is the
    /// better proof that it is ready: Lambda's own word for it is not waited for then.
    pub called_at_the_end: bool,
    /// The time between removing the last route to an integration of an HTTP API and removing the integration:
    /// [`Aws::DRAIN`], or zero where no requests are sent.
    pub drain: Duration,
}

impl Aws {
    /// The usual [`Aws::drain`]. A stage deploys changed routes by itself, in seconds, and no call reports when every gateway has
    /// them. The old integration answers requests until then. Ten seconds are our own margin; AWS documents none.
    pub const DRAIN: Duration = Duration::from_secs(10);

    /// `{app}-{env}`: what the function, the role, the table and the HTTP API are called.
    pub fn base(&self) -> String {
        names::base(self.tag(names::TAG_APP), self.tag(names::TAG_ENV))
    }

    /// The name of the reader of the app and env that the tags name.
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
        let place = Place { region: region.to_owned(), ..self.place.clone() };
        Self { config, place, ..self.clone() }
    }

    /// The configuration of clients that send each call once, so that all retries are the driver's: before one, it looks at
    /// what the attempt that failed has done. The SDK also takes some limits of the account for throttles.
    pub(crate) fn without_retries(&self) -> SdkConfig {
        self.config.to_builder().retry_config(RetryConfig::disabled()).build()
    }

    /// The ARN of a resource of this account and region.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        self.place.location().arn(service, resource)
    }
}
