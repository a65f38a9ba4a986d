//! The request to open a cloud.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use hitctl_config::Loaded;
use hitctl_local::Places;

use crate::cloud::Access;
use crate::slow_calls::SlowCalls;

/// A request to open the cloud of an environment.
pub struct Request<'a> {
    /// The configuration in force; it says which cloud.
    pub loaded: &'a Loaded,
    /// The access that is needed.
    pub access: Access,
    /// The environment variables.
    pub env: &'a BTreeMap<String, String>,
    /// The AWS profile that a flag names.
    pub profile: Option<&'a str>,
    /// The endpoint that a flag names, in place of AWS.
    pub endpoint_url: Option<&'a str>,
    /// Whether credentials may be sent unencrypted.
    pub insecure: bool,
    /// Reports hosts that take long to answer.
    pub slow_calls: SlowCalls,
    /// The cloud on this machine; `None` where the environment is on AWS.
    pub local: Option<LocalOptions<'a>>,
}

/// Options of the cloud on this machine.
pub struct LocalOptions<'a> {
    /// The places of its state.
    pub places: Places,
    /// This program, to start it with.
    pub exe: &'a Path,
    /// The build of this program. Only a daemon of the same build may change resources.
    pub build_id: &'a str,
    /// Shows a warning.
    pub warn: &'a (dyn Fn(&str) + Sync),
}

/// Options of a session with AWS, from flags and the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AwsOptions<'a> {
    /// The profile that a flag names.
    pub(crate) profile: Option<&'a str>,
    /// The region that a flag, the file or the environment names; else the profile says.
    pub(crate) region: Option<&'a str>,
    /// The endpoint that a flag names.
    pub(crate) endpoint: Option<&'a str>,
    /// The only account to work in.
    pub(crate) account: Option<&'a str>,
    /// Whether credentials may be sent unencrypted.
    pub(crate) insecure: bool,
    /// Reports a host that has not answered yet.
    pub(crate) slow_calls: Option<&'a SlowCalls>,
    /// The time limit of one call with all its attempts; five minutes if `None`.
    pub(crate) call_timeout: Option<Duration>,
}

impl Request<'_> {
    /// Returns the options of a session with AWS.
    pub(crate) fn aws_options(&self) -> AwsOptions<'_> {
        AwsOptions {
            profile: self.profile,
            region: self.loaded.app.region.as_deref(),
            endpoint: self.endpoint_url.filter(|url| !url.is_empty()),
            account: self.loaded.app.account.as_deref(),
            insecure: self.insecure,
            slow_calls: Some(&self.slow_calls),
            call_timeout: None,
        }
    }
}
