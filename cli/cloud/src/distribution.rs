//! A CloudFront distribution, on AWS or in the local cloud: reads its state and invalidates paths.

use std::time::Duration;

use aws_sdk_cloudfront::Client;
use aws_sdk_cloudfront::config::Builder;
use aws_sdk_cloudfront::error::BuildError;
use aws_sdk_cloudfront::types::{DistributionConfig, InvalidationBatch, Paths};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use hitctl_engine::{Address, DriverContext, Fault, RetryPolicy};
use hitctl_resources::aws::fault::{ApiOperation, ToFault as _};

use super::batch::not_retryable;

/// The maximum number of paths whose invalidation may be in progress for one distribution, from "Quotas on
/// invalidations" in the CloudFront developer guide.
pub const MAX_INVALIDATION_PATHS: usize = 3_000;
/// The fault code for a distribution that the account does not have.
pub const NO_DISTRIBUTION: &str = "no_distribution";
/// The fault code for a partition without CloudFront.
pub const NO_CLOUDFRONT: &str = "no_cloudfront";

/// The time limit of reading the state of a distribution. A network that reaches only the services of one
/// region does not reach CloudFront, and a deploy must not wait long for that.
const READ_TIMEOUT: Duration = Duration::from_secs(15);
const MAX_READ_ATTEMPTS: u32 = 3;
/// How long an invalidation is retried while too many others are in progress.
const BUSY_RETRY_TIME: Duration = Duration::from_mins(1);
/// The pause between two reads of an invalidation in progress.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// A CloudFront distribution.
#[derive(Debug)]
pub struct Distribution {
    /// The client for calls that may take long.
    client: Client,
    /// The client for reads, with few attempts and a short time limit.
    reader: Client,
    id: String,
}

/// The state of a distribution as CloudFront reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DistributionState {
    /// The ARN, which contains the account.
    pub arn: String,
    /// The domain name that CloudFront chose, such as `d111111abcdef8.cloudfront.net`.
    pub domain: String,
    /// The alternate domain names.
    pub aliases: Vec<String>,
    /// Whether the distribution serves requests.
    pub enabled: bool,
}

/// An invalidation that CloudFront accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidationStatus {
    /// The id that CloudFront chose.
    pub id: String,
    /// `InProgress` or `Completed`.
    pub status: String,
}

impl InvalidationStatus {
    /// Whether every edge location has dropped the paths.
    pub fn is_completed(&self) -> bool {
        self.status.eq_ignore_ascii_case("Completed")
    }
}

impl Distribution {
    /// Creates a client for the distribution `id`, without sending a request. Requests are signed for `region`,
    /// not for the region of the app.
    pub(super) fn new(config: &SdkConfig, region: &str, id: &str) -> Self {
        let builder = || Builder::from(config).region(Region::new(region.to_owned()));
        let timeouts = config.timeout_config().map(TimeoutConfig::to_builder).unwrap_or_default();
        let timeouts = timeouts.operation_timeout(READ_TIMEOUT).build();
        let retries = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
        let reader =
            builder().timeout_config(timeouts).retry_config(retries.with_max_attempts(MAX_READ_ATTEMPTS));
        Self {
            client: Client::from_conf(builder().build()),
            reader: Client::from_conf(reader.build()),
            id: id.to_owned(),
        }
    }

    /// Reads the state of the distribution.
    ///
    /// # Errors
    ///
    /// [`NO_DISTRIBUTION`] if the account has no distribution with that ID.
    pub async fn read(&self) -> Result<DistributionState, Fault> {
        let response = self.reader.get_distribution().id(&self.id).send().await.map_err(|error| {
            if error.has_code("NoSuchDistribution") {
                return self.not_found();
            }
            not_retryable(error.to_fault(&ApiOperation::new(
                "read",
                self.description(),
                "cloudfront:GetDistribution",
            )))
        })?;
        let found = response.distribution.ok_or_else(|| incomplete("distribution"))?;
        let config = found.distribution_config.as_ref();
        let aliases = config.and_then(|config| config.aliases()).map(|aliases| aliases.items().to_vec());
        Ok(DistributionState {
            arn: found.arn.clone(),
            domain: found.domain_name.clone(),
            aliases: aliases.unwrap_or_default(),
            enabled: config.is_some_and(DistributionConfig::enabled),
        })
    }

    /// Creates an invalidation of the paths. Repeated calls with the same reference and paths create only one
    /// invalidation.
    pub async fn invalidate(
        &self,
        paths: &[String],
        reference: &str,
        cx: &DriverContext,
    ) -> Result<InvalidationStatus, Fault> {
        let quantity = i32::try_from(paths.len()).unwrap_or(i32::MAX);
        let items = Paths::builder().quantity(quantity).set_items(Some(paths.to_vec())).build();
        let batch =
            InvalidationBatch::builder().paths(items.map_err(build_fault)?).caller_reference(reference);
        let batch = batch.build().map_err(build_fault)?;
        let operation = ApiOperation::new("invalidate", self.description(), "cloudfront:CreateInvalidation");
        let response = cx
            .retry(&RetryPolicy::with_budget(BUSY_RETRY_TIME), "waiting for other invalidations", || async {
                let call = self.client.create_invalidation().distribution_id(&self.id);
                call.invalidation_batch(batch.clone()).send().await.map_err(|error| {
                    if error.has_code("NoSuchDistribution") {
                        return self.not_found();
                    }
                    if error.has_code("TooManyInvalidationsInProgress") {
                        let message = "too many invalidations of the distribution are in progress";
                        let fault = error.to_fault(&operation);
                        return Fault { cause: fault.cause, ..Fault::transient(fault.code.clone(), message) }.hinted(
                            "run the command again in a few minutes, or invalidate `/*`, which is one path",
                        );
                    }
                    // The SDK has already retried the call.
                    not_retryable(error.to_fault(&operation))
                })
            })
            .await?;
        let accepted = response.invalidation.ok_or_else(|| incomplete("invalidation"))?;
        Ok(InvalidationStatus { id: accepted.id, status: accepted.status })
    }

    /// Waits until an invalidation is completed, for at most `time_limit`.
    pub async fn wait_until_completed(
        &self,
        invalidation: InvalidationStatus,
        time_limit: Duration,
        cx: &DriverContext,
    ) -> Result<InvalidationStatus, Fault> {
        if invalidation.is_completed() {
            return Ok(invalidation);
        }
        let operation = ApiOperation::new(
            "read",
            format!("the invalidation {}", invalidation.id),
            "cloudfront:GetInvalidation",
        );
        let hint = format!(
            "CloudFront continues by itself; `aws cloudfront get-invalidation --distribution-id {} --id {}` shows its status",
            self.id, invalidation.id
        );
        cx.retry(
            &RetryPolicy::with_budget(time_limit).every(POLL_INTERVAL),
            "waiting for the invalidation",
            || async {
                let call = self.client.get_invalidation().distribution_id(&self.id).id(&invalidation.id);
                let response =
                    call.send().await.map_err(|error| not_retryable(error.to_fault(&operation)))?;
                let found = response.invalidation.ok_or_else(|| incomplete("invalidation"))?;
                let current = InvalidationStatus { id: found.id, status: found.status };
                if current.is_completed() {
                    return Ok(current);
                }
                let message = format!("the invalidation {} is in progress", current.id);
                Err(Fault::transient("invalidation_in_progress", message).hinted(hint.clone()))
            },
        )
        .await
    }

    /// Returns the address of the distribution in events.
    pub fn address() -> Address {
        Address::new("cloudfront", "distribution")
    }

    fn description(&self) -> String {
        format!("the CloudFront distribution {}", self.id)
    }

    fn not_found(&self) -> Fault {
        Fault::fatal(NO_DISTRIBUTION, format!("this account has no CloudFront distribution {}", self.id))
            .hinted(
                "correct `distribution_id` in [cloudfront]; `aws cloudfront list-distributions --query \
             'DistributionList.Items[].[Id,DomainName,Comment]'` lists the distributions of the account",
            )
    }
}

fn build_fault(error: BuildError) -> Fault {
    Fault::fatal("request", "internal error: failed to build a request to CloudFront; please report it")
        .caused_by(error)
}

fn incomplete(field: &str) -> Fault {
    Fault::fatal("incomplete", format!("CloudFront's response has no {field}"))
}
