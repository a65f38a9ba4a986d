//! The request to open a cloud.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use hitctl_config::LoadedConfig;
use hitctl_local::StatePaths;

use crate::cloud::AccessMode;
use crate::slow_calls::SlowCallReporter;

/// A request to open the cloud of an environment.
pub struct CloudOptions<'a> {
    /// The loaded configuration, which selects the cloud.
    pub loaded: &'a LoadedConfig,
    /// The required access.
    pub access: AccessMode,
    /// The environment variables.
    pub env: &'a BTreeMap<String, String>,
    /// The AWS profile that a flag names.
    pub profile: Option<&'a str>,
    /// The endpoint that a flag names, in place of AWS.
    pub endpoint_url: Option<&'a str>,
    /// Whether credentials may be sent unencrypted.
    pub insecure: bool,
    /// Reports hosts that respond slowly.
    pub slow_calls: SlowCallReporter,
    /// The options of the local cloud. `None` if the environment is on AWS.
    pub local: Option<LocalOptions<'a>>,
}

/// Options of the local cloud.
pub struct LocalOptions<'a> {
    /// The directories of the local cloud's state.
    pub state_paths: StatePaths,
    /// The path of this program, which starts the daemon.
    pub exe: &'a Path,
    /// The build of this program. Only a daemon of the same build may change resources.
    pub build_id: &'a str,
    /// Shows a warning.
    pub warn: &'a (dyn Fn(&str) + Sync),
}

/// Options of an AWS session, from flags and the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AwsOptions<'a> {
    /// The profile that a flag names.
    pub(crate) profile: Option<&'a str>,
    /// The region from a flag, the config file or the environment. `None` uses the region of the profile.
    pub(crate) region: Option<&'a str>,
    /// The endpoint that a flag names.
    pub(crate) endpoint: Option<&'a str>,
    /// The only account that may be used.
    pub(crate) account: Option<&'a str>,
    /// Whether credentials may be sent unencrypted.
    pub(crate) insecure: bool,
    /// Reports hosts that respond slowly.
    pub(crate) slow_calls: Option<&'a SlowCallReporter>,
    /// The time limit of one call with all its attempts; five minutes if `None`.
    pub(crate) call_timeout: Option<Duration>,
}

impl CloudOptions<'_> {
    /// Returns the options of an AWS session.
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
