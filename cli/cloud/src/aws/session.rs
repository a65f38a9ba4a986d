//! A session with AWS: the SDK configuration from flags, the environment and the config files, and the
//! caller's identity.
//!
//! It reads environment variables from the `env` argument, not from the process, because tests run the program
//! inside the test process with different variables.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sts::operation::RequestId as _;
use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityError;
use aws_smithy_types::date_time::{DateTime, Format};
use hitctl_config::partitions::Partition;
use hitctl_engine::{Fault, FaultKind};
use hitctl_resources::CloudLocation;
use hitctl_resources::aws::describe_error;
use hitctl_resources::aws::fault::{ErrorClass, classify};

use super::connector::CallPolicy;
use super::credentials::{self, AwsProfiles};
use super::insecure::{self, InsecureEndpoint};
use super::services::{ENDPOINT_VARIABLE, ServiceEndpoints, env_value};
use super::web::{CONNECT_TIMEOUT, WebClient};
use crate::options::AwsOptions;
use crate::url::is_loopback;

/// The maximum number of attempts of one call, including the first. It is generous because an account's rate
/// limits are shared with everything else in the account.
const MAX_ATTEMPTS: u32 = 8;
/// The maximum number of attempts to identify the caller. It is small, so that an unreachable endpoint is
/// reported soon.
const MAX_IDENTIFY_ATTEMPTS: u32 = 4;
/// The time limit of one attempt. The upload of the function's zip takes longest.
const ATTEMPT_TIMEOUT: Duration = Duration::from_mins(1);
/// The time limit of one call with all its attempts.
const OPERATION_TIMEOUT: Duration = Duration::from_mins(5);
/// The time limit of loading credentials. An assumed role needs a call, a `credential_process` runs a
/// program.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(30);
/// The clock difference that counts as an error, in seconds. AWS rejects signatures that differ by more than
/// five minutes.
const MAX_SKEW_S: i64 = 240;

/// A session with AWS.
#[derive(Clone, Debug)]
pub(crate) struct AwsSession {
    /// The configuration of SDK clients.
    pub(crate) config: SdkConfig,
    /// The partition, region and account of the resources.
    pub(crate) location: CloudLocation,
    /// The ARN of the caller.
    pub(crate) arn: String,
}

/// A session whose caller is not identified yet. It has sent no request.
pub(crate) struct UnverifiedSession {
    config: SdkConfig,
    profiles: AwsProfiles,
    env: BTreeMap<String, String>,
    region: String,
}

impl AwsSession {
    /// Opens a session and identifies the caller with STS. It sends no other request.
    ///
    /// # Errors
    ///
    /// `wrong_account` if the credentials belong to another account than the configured one.
    pub(crate) async fn open(env: &BTreeMap<String, String>, options: AwsOptions<'_>) -> Result<Self, Fault> {
        let session = UnverifiedSession::new(env, options).await?.identify().await?;
        check_account(&session, options.account)?;
        Ok(session)
    }
}

impl UnverifiedSession {
    /// Reads the environment and the config files.
    pub(crate) async fn new(env: &BTreeMap<String, String>, options: AwsOptions<'_>) -> Result<Self, Fault> {
        let profiles = AwsProfiles::load(env, options.profile).await?;
        let region = options.region.or_else(|| profiles.get("region")).ok_or_else(no_region)?.to_owned();
        let are_endpoints_ignored = env_value(env, &["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"])
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let configured = env_value(env, &[ENDPOINT_VARIABLE]).or_else(|| profiles.get("endpoint_url"));
        let default_endpoint = configured.filter(|_| !are_endpoints_ignored);
        let endpoint = options.endpoint.or(default_endpoint).map(parse_endpoint).transpose()?;
        // An emulator may define its own regions.
        if endpoint.is_none() && Partition::of_region(&region).is_none() {
            return Err(unknown_region(&region));
        }
        let policy = CallPolicy { slow_calls: options.slow_calls.cloned(), insecure: options.insecure };
        let client = WebClient::new(env)?.client(policy);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(options.call_timeout.unwrap_or(OPERATION_TIMEOUT))
            .build();
        // Credentials are requested from AWS itself, with few attempts and short timeouts.
        let provider_config = ProviderConfig::without_region()
            .with_region(Some(Region::new(region.clone())))
            .with_http_client(client.clone());
        let is_emulator = endpoint.as_deref().is_some_and(is_loopback);
        let provider = credentials::provider(env, &profiles, &provider_config, is_emulator);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region.clone()))
            .credentials_provider(provider)
            .identity_cache(IdentityCache::lazy().load_timeout(CREDENTIALS_TIMEOUT).build())
            .http_client(client)
            .retry_config(retry_config(MAX_ATTEMPTS))
            .timeout_config(timeouts)
            .profile_files(credentials::profile_files(env))
            .profile_name(profiles.name.clone());
        if let Ok(name) = AppName::new("hitctl") {
            loader = loader.app_name(name);
        }
        if let Some(endpoint) = options.endpoint.and(endpoint.as_deref()) {
            // A flag also overrides the variables of individual services.
            loader = loader.endpoint_url(endpoint);
        }
        let sdk_config = loader.load().await;
        let services = ServiceEndpoints {
            env: env.clone(),
            loaded: sdk_config.clone(),
            are_ignored: are_endpoints_ignored,
        };
        credentials::check(env, &profiles)?;
        if !options.insecure {
            insecure::check_endpoints(env, &profiles, options.endpoint, default_endpoint, &services)
                .map_err(|insecure_endpoint| insecure_endpoint.to_fault())?;
        }
        let config = if options.endpoint.is_some() {
            sdk_config
        } else {
            let mut builder = sdk_config.into_builder().service_config(services);
            builder.set_endpoint_url(endpoint);
            builder.build()
        };
        Ok(Self { config, profiles, env: env.clone(), region })
    }

    /// Identifies the caller with STS.
    pub(crate) async fn identify(self) -> Result<AwsSession, Fault> {
        let retry_config = retry_config(MAX_IDENTIFY_ATTEMPTS);
        let config = aws_sdk_sts::config::Builder::from(&self.config).retry_config(retry_config).build();
        let response = aws_sdk_sts::Client::from_conf(config).get_caller_identity().send().await;
        let identity = response.map_err(|error| self.rejection_fault(&error))?;
        let arn = identity.arn().unwrap_or_default().to_owned();
        let partition = match arn.split(':').nth(1) {
            Some(partition) if !partition.is_empty() => partition.to_owned(),
            _ => hitctl_config::names::partition_name(&self.region).to_owned(),
        };
        let account = identity.account().unwrap_or_default().to_owned();
        let endpoint = self.config.endpoint_url().map(|url| url.trim_end_matches('/').to_owned());
        let location =
            CloudLocation { partition, region: self.region, account, has_versions: true, endpoint };
        Ok(AwsSession { config: self.config, location, arn })
    }

    /// Returns the fault for a failed `GetCallerIdentity`, with a hint.
    fn rejection_fault(&self, error: &SdkError<GetCallerIdentityError>) -> Fault {
        if let Some(insecure_endpoint) = find_source::<InsecureEndpoint>(error) {
            return insecure_endpoint.to_fault();
        }
        if let Some(error) = find_source::<CredentialsError>(error) {
            return credentials::load_fault(error, &self.profiles, self.config.endpoint_url());
        }
        let SdkError::ServiceError(service) = error else {
            return self.unreachable_fault(error);
        };
        let service_error = service.err();
        let code = service_error.code().unwrap_or("unknown");
        let skew =
            service.raw().headers().get("date").and_then(|date| clock_skew(date, jiff::Timestamp::now()));
        let message = service_error.message().unwrap_or("no reason given");
        let fault = match classify(code, message) {
            Some(ErrorClass::Expired) => {
                Fault::fatal(code.to_owned(), "the AWS credentials have expired")
                    .hinted(credentials::renewal_hint(&self.env, &self.profiles))
            }
            // A wrong clock makes signatures invalid, as a wrong secret does.
            Some(class @ (ErrorClass::Clock | ErrorClass::WrongSecret))
                if class == ErrorClass::Clock || skew.is_some() =>
            {
                let difference = skew.map_or_else(|| "wrong".to_owned(), format_skew);
                Fault::fatal("clock_skew", format!("the system clock is {difference}"))
                    .hinted("set the clock, for example with `sudo timedatectl set-ntp true`, then run the command again")
            }
            Some(ErrorClass::WrongSecret) => {
                Fault::fatal(code.to_owned(), "the secret key does not belong to the access key")
                    .hinted("set AWS_SECRET_ACCESS_KEY, or `aws_secret_access_key` of the profile, to the complete secret key")
            }
            Some(ErrorClass::UnknownKey) => {
                Fault::fatal(code.to_owned(), "AWS does not recognize these credentials").hinted(format!(
                    "run `aws sts get-caller-identity` to check them; the account must also have enabled the region {}",
                    self.region
                ))
            }
            _ => Fault::fatal(code.to_owned(), "failed to identify the AWS caller").hinted(self.credentials_hint()),
        };
        let mut fault = fault.of_kind(FaultKind::Credentials);
        fault.cause = Some(format!("{code} (sts:GetCallerIdentity): {message}").into());
        fault.request_id = service_error.request_id().map(str::to_owned);
        fault
    }

    /// Returns the hint to check the credentials.
    fn credentials_hint(&self) -> String {
        if credentials::uses_env_credentials(&self.env, &self.profiles) {
            "check the credentials in the environment, such as AWS_ACCESS_KEY_ID".to_owned()
        } else {
            format!("check the credentials of profile {}", self.profiles.name)
        }
    }

    /// Returns the fault for an endpoint that did not respond, or did not respond as AWS does.
    fn unreachable_fault(&self, error: &SdkError<GetCallerIdentityError>) -> Fault {
        let fault = match self.config.endpoint_url() {
            Some(endpoint) => Fault::fatal("unreachable", format!("failed to call AWS at {endpoint}"))
                .hinted(
                    "start the emulator, or correct `--endpoint-url`, HITCTL_ENDPOINT_URL or AWS_ENDPOINT_URL",
                ),
            None => Fault::fatal("unreachable", format!("failed to connect to AWS in {}", self.region)).hinted(
                "check the network, the proxy (HTTPS_PROXY, NO_PROXY) and the name of the region",
            ),
        };
        fault.caused_by(describe_error(error))
    }
}

/// Fails if the session belongs to another account than the configured one.
fn check_account(session: &AwsSession, account: Option<&str>) -> Result<(), Fault> {
    let (actual, expected) = (&session.location.account, account.unwrap_or(&session.location.account));
    if actual == expected {
        return Ok(());
    }
    Err(Fault::fatal(
        "wrong_account",
        format!("expected credentials of account {expected} (hitctl.toml), found account {actual}"),
    )
    .caused_by(format!("the credentials belong to {}", session.arn))
    .hinted(format!("pass `--profile` with a profile of account {expected}; nothing was changed"))
    .of_kind(FaultKind::Credentials))
}

/// Returns the retry configuration. The first retry comes sooner than by default, since emulators are local,
/// and the SDK adds enough jitter for AWS.
fn retry_config(attempts: u32) -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(attempts)
        .with_initial_backoff(Duration::from_millis(100))
        .with_max_backoff(Duration::from_secs(10))
}

fn no_region() -> Fault {
    Fault::fatal("no_region", "no AWS region is set")
        .hinted(
            "pass `--region eu-central-1`, run `export AWS_REGION=eu-central-1`, or set `region = \"eu-central-1\"` in \
             hitctl.toml",
        )
        .of_kind(FaultKind::Usage)
}

fn unknown_region(region: &str) -> Fault {
    Fault::fatal(
        "unknown_region",
        format!("expected the code of an AWS region, such as eu-central-1, found {region:?}"),
    )
    .hinted("correct `region` of the profile, or pass `--region`")
    .of_kind(FaultKind::Usage)
}

/// Validates an endpoint URL: `http://` or `https://`, with a host.
fn parse_endpoint(url: &str) -> Result<String, Fault> {
    let is_valid = url.parse::<hyper::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    if is_valid {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    Err(Fault::usage(format!("expected an endpoint URL, found {url:?}"))
        .hinted("pass a URL such as http://127.0.0.1:4566"))
}

/// Returns how many seconds the system clock is ahead of AWS's clock. `None` if the difference is below
/// [`MAX_SKEW_S`].
fn clock_skew(date: &str, now: jiff::Timestamp) -> Option<i64> {
    let server_time = DateTime::from_str(date, Format::HttpDate).ok()?.secs();
    let ahead = now.as_second() - server_time;
    (ahead.abs() >= MAX_SKEW_S).then_some(ahead)
}

fn format_skew(ahead: i64) -> String {
    let minutes = (ahead.abs() + 30) / 60;
    let unit = if minutes == 1 { "minute" } else { "minutes" };
    format!("{minutes} {unit} {}", if ahead > 0 { "fast" } else { "slow" })
}

/// Returns the first error of a type in the chain of sources.
fn find_source<'a, T: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a T> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref::<T>())
}

#[cfg(test)]
mod broken_tests;
#[cfg(test)]
mod tests;
