//! One session with AWS: the SDK's configuration from flags, the environment and the config files, and who is asking.
//!
//! The environment is the one that the program was given, not the process's: tests run the program in process.

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
use hitctl_resources::Place;
use hitctl_resources::aws::error_in_words;
use hitctl_resources::aws::fault::{ErrorClass, classify};

use super::connector::CallPolicy;
use super::credentials::{self, Profiles};
use super::insecure::{self, InsecureEndpoint};
use super::services::{ENDPOINT_VARIABLE, Services, set};
use super::web::{CONNECT, Web};
use crate::request::AwsOptions;
use crate::url::is_loopback;

/// Attempts of one call, the first included. Generous, so that a storm of throttling passes: an account's rates are
/// shared with everything else that runs in it.
const ATTEMPTS: u32 = 8;
/// Attempts to ask who is asking: where nothing answers, that is to be said soon.
const IDENTIFY_ATTEMPTS: u32 = 4;
/// How long one attempt may take; the upload of the function's zip is the longest.
const ATTEMPT: Duration = Duration::from_mins(1);
/// How long one call may take, with all its attempts.
const OPERATION: Duration = Duration::from_mins(5);
/// How long credentials may take: an assumed role is a call, a `credential_process` a program.
const CREDENTIALS: Duration = Duration::from_secs(30);
/// Clocks further apart than this, in seconds, make signatures invalid; AWS takes up to five minutes.
const SKEW_S: i64 = 240;

/// A session with AWS.
#[derive(Clone, Debug)]
pub(crate) struct AwsSession {
    /// What SDK clients are made of.
    pub(crate) config: SdkConfig,
    /// Where the resources live.
    pub(crate) place: Place,
    /// Who is asking.
    pub(crate) arn: String,
}

/// A session whose user is not known yet: nothing was sent.
pub(crate) struct UnverifiedSession {
    config: SdkConfig,
    profiles: Profiles,
    env: BTreeMap<String, String>,
    region: String,
}

impl AwsSession {
    /// Opens a session and asks AWS who is asking. Nothing else is sent, and nothing at all to another account than the
    /// configured one.
    pub(crate) async fn open(env: &BTreeMap<String, String>, options: AwsOptions<'_>) -> Result<Self, Fault> {
        let session = UnverifiedSession::new(env, options).await?.identify().await?;
        guard(&session, options.account)?;
        Ok(session)
    }
}

impl UnverifiedSession {
    /// Reads what there is to read: the environment, the config files.
    pub(crate) async fn new(env: &BTreeMap<String, String>, options: AwsOptions<'_>) -> Result<Self, Fault> {
        let profiles = Profiles::load(env, options.profile).await?;
        let region = options.region.or_else(|| profiles.get("region")).ok_or_else(no_region)?.to_owned();
        let ignored = set(env, &["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"])
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let configured = set(env, &[ENDPOINT_VARIABLE]).or_else(|| profiles.get("endpoint_url"));
        let ambient = configured.filter(|_| !ignored);
        let endpoint = options.endpoint.or(ambient).map(endpoint).transpose()?;
        // An emulator may have regions of its own.
        if endpoint.is_none() && Partition::of_region(&region).is_none() {
            return Err(unknown_region(&region));
        }
        let policy = CallPolicy { slow_calls: options.slow_calls.cloned(), insecure: options.insecure };
        let client = Web::new(env)?.client(policy);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(options.call_timeout.unwrap_or(OPERATION))
            .build();
        // Credentials are asked of AWS itself, by few and short calls.
        let provider_config = ProviderConfig::without_region()
            .with_region(Some(Region::new(region.clone())))
            .with_http_client(client.clone());
        let emulated = endpoint.as_deref().is_some_and(is_loopback);
        let provider = credentials::provider(env, &profiles, &provider_config, emulated);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region.clone()))
            .credentials_provider(provider)
            .identity_cache(IdentityCache::lazy().load_timeout(CREDENTIALS).build())
            .http_client(client)
            .retry_config(retries(ATTEMPTS))
            .timeout_config(timeouts)
            .profile_files(credentials::files(env))
            .profile_name(profiles.name.clone());
        if let Ok(name) = AppName::new("hitctl") {
            loader = loader.app_name(name);
        }
        if let Some(endpoint) = options.endpoint.and(endpoint.as_deref()) {
            // A flag wins over the variables of single services too.
            loader = loader.endpoint_url(endpoint);
        }
        let found = loader.load().await;
        let services = Services { env: env.clone(), loaded: found.clone(), ignored };
        credentials::check(env, &profiles)?;
        if !options.insecure {
            insecure::check(env, &profiles, options.endpoint, ambient, &services)
                .map_err(|exposed| exposed.failure())?;
        }
        let config = if options.endpoint.is_some() {
            found
        } else {
            let mut builder = found.into_builder().service_config(services);
            builder.set_endpoint_url(endpoint);
            builder.build()
        };
        Ok(Self { config, profiles, env: env.clone(), region })
    }

    /// Asks AWS who is asking.
    pub(crate) async fn identify(self) -> Result<AwsSession, Fault> {
        let retries = retries(IDENTIFY_ATTEMPTS);
        let config = aws_sdk_sts::config::Builder::from(&self.config).retry_config(retries).build();
        let answer = aws_sdk_sts::Client::from_conf(config).get_caller_identity().send().await;
        let identity = answer.map_err(|error| self.refused(&error))?;
        let arn = identity.arn().unwrap_or_default().to_owned();
        let partition = match arn.split(':').nth(1) {
            Some(partition) if !partition.is_empty() => partition.to_owned(),
            _ => hitctl_config::names::partition(&self.region).to_owned(),
        };
        let account = identity.account().unwrap_or_default().to_owned();
        let endpoint = self.config.endpoint_url().map(|url| url.trim_end_matches('/').to_owned());
        let place = Place { partition, region: self.region, account, has_versions: true, endpoint };
        Ok(AwsSession { config: self.config, place, arn })
    }

    /// Why AWS does not know who is asking, and what to do about it.
    fn refused(&self, error: &SdkError<GetCallerIdentityError>) -> Fault {
        if let Some(exposed) = source::<InsecureEndpoint>(error) {
            return exposed.failure();
        }
        if let Some(error) = source::<CredentialsError>(error) {
            return credentials::failed(error, &self.profiles, self.config.endpoint_url());
        }
        let SdkError::ServiceError(service) = error else {
            return self.unreachable(error);
        };
        let told = service.err();
        let code = told.code().unwrap_or("unknown");
        let skew = service.raw().headers().get("date").and_then(|date| skew(date, jiff::Timestamp::now()));
        let message = told.message().unwrap_or("it did not say why");
        let failure = match classify(code, message) {
            Some(ErrorClass::Expired) => {
                Fault::fatal(code.to_owned(), "the AWS credentials have expired")
                    .hinted(credentials::renewal(&self.env, &self.profiles))
            }
            Some(class @ (ErrorClass::Clock | ErrorClass::WrongSecret))
                if class == ErrorClass::Clock || skew.is_some() =>
            {
                let apart = skew.map_or_else(|| "wrong".to_owned(), spell_skew);
                Fault::fatal("clock_skew", format!("this machine's clock is {apart}"))
                    .hinted("set the clock, such as by `sudo timedatectl set-ntp true`, and run the command again")
            }
            Some(ErrorClass::WrongSecret) => {
                Fault::fatal(code.to_owned(), "the secret key does not belong to the access key")
                    .hinted("copy AWS_SECRET_ACCESS_KEY, or `aws_secret_access_key` of the profile, anew and whole")
            }
            Some(ErrorClass::UnknownKey) => {
                Fault::fatal(code.to_owned(), "AWS does not know these credentials").hinted(format!(
                    "`aws sts get-caller-identity` should work first; a region that the account has not enabled says so \
                     too, and {} is asked here",
                    self.region
                ))
            }
            _ => Fault::fatal(code.to_owned(), "AWS refuses to say who is asking").hinted(self.where_from()),
        };
        let mut failure = failure.of_kind(FaultKind::Credentials);
        failure.cause = Some(format!("{code} (sts:GetCallerIdentity): {message}").into());
        failure.request_id = told.request_id().map(str::to_owned);
        failure
    }

    fn where_from(&self) -> String {
        if credentials::from_environment(&self.env, &self.profiles) {
            "the credentials are those of the environment: AWS_ACCESS_KEY_ID and its like".to_owned()
        } else {
            format!("the credentials are those of profile {}", self.profiles.name)
        }
    }

    /// Nothing answered, or nothing that AWS would.
    fn unreachable(&self, error: &SdkError<GetCallerIdentityError>) -> Fault {
        let failure = match self.config.endpoint_url() {
            Some(endpoint) => Fault::fatal("unreachable", format!("{endpoint} does not answer as AWS would"))
                .hinted(
                    "start the emulator, or correct --endpoint-url, HITCTL_ENDPOINT_URL or AWS_ENDPOINT_URL",
                ),
            None => Fault::fatal("unreachable", format!("AWS in {} cannot be reached", self.region)).hinted(
                "check the network, the proxy (HTTPS_PROXY, NO_PROXY) and that the region is spelt right",
            ),
        };
        failure.caused_by(error_in_words(error))
    }
}

/// Refuses another account than the configured one.
fn guard(session: &AwsSession, account: Option<&str>) -> Result<(), Fault> {
    let (is, want) = (&session.place.account, account.unwrap_or(&session.place.account));
    if is == want {
        return Ok(());
    }
    Err(Fault::fatal(
        "wrong_account",
        format!("these credentials are for account {is}, and hitctl.toml allows only {want}"),
    )
    .caused_by(format!("they are those of {}", session.arn))
    .hinted(format!("use `--profile` with a profile of account {want}; nothing was changed"))
    .of_kind(FaultKind::Credentials))
}

/// The SDK's retries, sooner at first: an emulator is near, and AWS has jitter enough.
fn retries(attempts: u32) -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(attempts)
        .with_initial_backoff(Duration::from_millis(100))
        .with_max_backoff(Duration::from_secs(10))
}

fn no_region() -> Fault {
    Fault::fatal("no_region", "there is no AWS region")
        .hinted(
            "say which: `--region eu-central-1`, `export AWS_REGION=eu-central-1`, or `region = \"eu-central-1\"` in \
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

/// An endpoint that can be asked: `http://` or `https://` and a host.
fn endpoint(url: &str) -> Result<String, Fault> {
    let fits = url.parse::<hyper::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    if fits {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    Err(Fault::usage(format!("{url:?} is no endpoint")).hinted("give a URL such as http://127.0.0.1:4566"))
}

/// How far this machine's clock is ahead of AWS's, in seconds, if that is too far.
fn skew(date: &str, now: jiff::Timestamp) -> Option<i64> {
    let there = DateTime::from_str(date, Format::HttpDate).ok()?.secs();
    let ahead = now.as_second() - there;
    (ahead.abs() >= SKEW_S).then_some(ahead)
}

fn spell_skew(ahead: i64) -> String {
    let minutes = (ahead.abs() + 30) / 60;
    let unit = if minutes == 1 { "minute" } else { "minutes" };
    format!("{minutes} {unit} {}", if ahead > 0 { "fast" } else { "slow" })
}

/// The first cause of some type.
fn source<'a, T: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref::<T>())
}

#[cfg(test)]
#[path = "broken_tests.rs"]
mod broken_tests;
#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
