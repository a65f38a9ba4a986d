//! A CloudFront distribution, on AWS or on this machine: its state is read, and paths of it are invalidated.

use std::time::Duration;

use aws_sdk_cloudfront::Client;
use aws_sdk_cloudfront::config::Builder;
use aws_sdk_cloudfront::error::BuildError;
use aws_sdk_cloudfront::types::{DistributionConfig, InvalidationBatch, Paths};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use hitctl_engine::{Address, Cx, Fault, Wait};
use hitctl_resources::aws::fault::{Doing, ToFault as _};

use super::batch::settled;

/// The most paths of one distribution that may be in progress at once ("Quotas on invalidations" in the developer guide).
pub const MAX_INVALIDATION_PATHS: usize = 3_000;
/// The fault code for a distribution that the account does not have.
pub const NO_DISTRIBUTION: &str = "no_distribution";
/// The code of a partition without CloudFront.
pub const NO_CLOUDFRONT: &str = "no_cloudfront";

/// How long CloudFront is asked for the state of a distribution. A network that reaches only the services of one region does not
/// reach CloudFront, and a deploy must not hang on that.
const READ_WITHIN: Duration = Duration::from_secs(15);
const READ_ATTEMPTS: u32 = 3;
/// How long a batch is sent again while too many others are in progress.
const BUSY: Duration = Duration::from_mins(1);
/// The pause between two looks at an invalidation in progress.
const POLL: Duration = Duration::from_secs(2);

/// A distribution.
#[derive(Debug)]
pub struct Distribution {
    /// Sends what may take a while.
    client: Client,
    /// Reads, with few and short attempts.
    reader: Client,
    id: String,
}

/// A distribution as CloudFront describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DistributionState {
    /// Its ARN, which names the account.
    pub arn: String,
    /// The domain name that CloudFront chose, such as `d111111abcdef8.cloudfront.net`.
    pub domain: String,
    /// Its alternate domain names.
    pub aliases: Vec<String>,
    /// Whether it serves requests.
    pub enabled: bool,
}

/// An invalidation that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalidation {
    /// The id that CloudFront chose.
    pub id: String,
    /// `InProgress` or `Completed`.
    pub status: String,
}

impl Invalidation {
    /// Whether every edge location has dropped the paths.
    pub fn is_completed(&self) -> bool {
        self.status.eq_ignore_ascii_case("Completed")
    }
}

impl Distribution {
    /// The distribution with that id. CloudFront is signed for `region` whatever the region of the app.
    pub(super) fn new(config: &SdkConfig, region: &str, id: &str) -> Self {
        let builder = || Builder::from(config).region(Region::new(region.to_owned()));
        let timeouts = config.timeout_config().map(TimeoutConfig::to_builder).unwrap_or_default();
        let timeouts = timeouts.operation_timeout(READ_WITHIN).build();
        let retries = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
        let reader =
            builder().timeout_config(timeouts).retry_config(retries.with_max_attempts(READ_ATTEMPTS));
        Self {
            client: Client::from_conf(builder().build()),
            reader: Client::from_conf(reader.build()),
            id: id.to_owned(),
        }
    }

    /// Reads its state.
    ///
    /// # Errors
    ///
    /// [`NO_DISTRIBUTION`] where the account has none with that id.
    pub async fn read(&self) -> Result<DistributionState, Fault> {
        let answer = self.reader.get_distribution().id(&self.id).send().await.map_err(|error| {
            if error.is("NoSuchDistribution") {
                return self.missing();
            }
            settled(error.fault(&Doing::new("read", self.what(), "cloudfront:GetDistribution")))
        })?;
        let found = answer.distribution.ok_or_else(|| incomplete("distribution"))?;
        let config = found.distribution_config.as_ref();
        let aliases = config.and_then(|config| config.aliases()).map(|aliases| aliases.items().to_vec());
        Ok(DistributionState {
            arn: found.arn.clone(),
            domain: found.domain_name.clone(),
            aliases: aliases.unwrap_or_default(),
            enabled: config.is_some_and(DistributionConfig::enabled),
        })
    }

    /// Asks for an invalidation of these paths. The same reference with the same paths is the same invalidation, however often
    /// it is sent.
    pub async fn invalidate(
        &self,
        paths: &[String],
        reference: &str,
        cx: &Cx,
    ) -> Result<Invalidation, Fault> {
        let quantity = i32::try_from(paths.len()).unwrap_or(i32::MAX);
        let items = Paths::builder().quantity(quantity).set_items(Some(paths.to_vec())).build();
        let batch = InvalidationBatch::builder().paths(items.map_err(unbuilt)?).caller_reference(reference);
        let batch = batch.build().map_err(unbuilt)?;
        let doing = Doing::new("invalidate", self.what(), "cloudfront:CreateInvalidation");
        let answer = cx
            .wait(&Wait::up_to(BUSY), "waiting for other invalidations", || async {
                let call = self.client.create_invalidation().distribution_id(&self.id);
                call.invalidation_batch(batch.clone()).send().await.map_err(|error| {
                    if error.is("NoSuchDistribution") {
                        return self.missing();
                    }
                    if error.is("TooManyInvalidationsInProgress") {
                        let busy = "too many invalidations of the distribution are in progress";
                        let fault = error.fault(&doing);
                        return Fault { cause: fault.cause, ..Fault::transient(fault.code.clone(), busy) }.hinted(
                            "run the command again in some minutes, or invalidate `/*`, which is one path",
                        );
                    }
                    // The SDK has sent it again already.
                    settled(error.fault(&doing))
                })
            })
            .await?;
        let made = answer.invalidation.ok_or_else(|| incomplete("invalidation"))?;
        Ok(Invalidation { id: made.id, status: made.status })
    }

    /// Waits until an invalidation is completed, for at most that long.
    pub async fn completed(
        &self,
        made: Invalidation,
        within: Duration,
        cx: &Cx,
    ) -> Result<Invalidation, Fault> {
        if made.is_completed() {
            return Ok(made);
        }
        let doing = Doing::new("read", format!("the invalidation {}", made.id), "cloudfront:GetInvalidation");
        let hint = format!(
            "CloudFront continues by itself; `aws cloudfront get-invalidation --distribution-id {} --id {}` shows its status",
            self.id, made.id
        );
        cx.wait(&Wait::up_to(within).every(POLL), "waiting for the invalidation", || async {
            let call = self.client.get_invalidation().distribution_id(&self.id).id(&made.id);
            let answer = call.send().await.map_err(|error| settled(error.fault(&doing)))?;
            let found = answer.invalidation.ok_or_else(|| incomplete("invalidation"))?;
            let seen = Invalidation { id: found.id, status: found.status };
            if seen.is_completed() {
                return Ok(seen);
            }
            let message = format!("the invalidation {} is in progress", seen.id);
            Err(Fault::transient("invalidation_in_progress", message).hinted(hint.clone()))
        })
        .await
    }

    /// The resource that waits and messages are about.
    pub fn address() -> Address {
        Address::new("cloudfront", "distribution")
    }

    fn what(&self) -> String {
        format!("the CloudFront distribution {}", self.id)
    }

    fn missing(&self) -> Fault {
        Fault::fatal(NO_DISTRIBUTION, format!("this account has no CloudFront distribution {}", self.id))
            .hinted(
                "correct `distribution_id` in [cloudfront]; `aws cloudfront list-distributions --query \
             'DistributionList.Items[].[Id,DomainName,Comment]'` lists the distributions of the account",
            )
    }
}

fn unbuilt(error: BuildError) -> Fault {
    Fault::fatal("request", "failed to build a request").caused_by(error)
}

fn incomplete(what: &str) -> Fault {
    Fault::fatal("incomplete", format!("CloudFront's response has no {what}"))
}
