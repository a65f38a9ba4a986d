//! The additional cost of queues, events and invalidations.

use hitctl_config::{AppConfig, QueueIngest};
use hitctl_resources::prices::event_rule::EVENTS;
use hitctl_resources::prices::event_source_mapping::IDLE_RECEIVES;
use hitctl_resources::prices::queue::{self, CARRYING_A_MESSAGE, DELETING_A_MESSAGE};

use super::{MILLION, MONTH_S, usd};

/// The price of an invalidated path in `CloudFront`, in US dollars: aws.amazon.com/cloudfront/pricing.
const PATH_USD: f64 = 0.005;
/// The number of free paths per month, for all distributions of an account.
const FREE_PATHS: f64 = 1_000.0;

/// Returns the price of a million messages in US dollars. SQS bills each message as `billed` requests.
fn per_million_messages(billed: f64) -> f64 {
    queue::REQUESTS.cost_of(CARRYING_A_MESSAGE * billed + DELETING_A_MESSAGE)
}

/// Returns the price of the invalidated paths of a month, in US dollars.
fn price_of_paths(paths: f64) -> f64 {
    (paths - FREE_PATHS).max(0.0) * PATH_USD
}

/// The additional cost of an app's sources.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SourceCosts {
    /// The cost of a month without any hits, in US dollars.
    pub(super) idle_month_usd: f64,
    /// Whether web hits pass through the queue.
    through_queue: bool,
    /// The cost of a million messages or events before they are counted, in US dollars; `None` without a queue and events.
    pub(super) per_million_messages: Option<f64>,
    /// The maximum number of invalidations per month and the number of their paths; `None` without a distribution.
    invalidations: Option<(f64, f64)>,
}

impl SourceCosts {
    pub(super) fn for_app(app: &AppConfig) -> Self {
        let has_queue = app.queue.enabled;
        let message = if has_queue { per_million_messages(1.0) } else { 0.0 };
        let event = if app.events.enabled { EVENTS.usd } else { 0.0 };
        let cloudfront = &app.cloudfront;
        Self {
            idle_month_usd: if has_queue { queue::REQUESTS.cost_of(IDLE_RECEIVES / MILLION) } else { 0.0 },
            through_queue: has_queue && app.queue.ingest == QueueIngest::Http,
            per_million_messages: (has_queue || app.events.enabled).then_some(message + event),
            invalidations: cloudfront.distribution_id.as_ref().map(|_| {
                let times = (MONTH_S / f64::from(cloudfront.invalidate_after_s)).ceil();
                #[expect(clippy::cast_precision_loss, reason = "the configuration has at most 20 paths")]
                let paths = cloudfront.invalidate.len() as f64;
                (times, times * paths)
            }),
        }
    }

    /// Returns the additional cost of a million web hits whose messages SQS bills as `billed` requests each.
    pub(super) fn per_million_web_hits(self, billed: f64) -> f64 {
        if self.through_queue { per_million_messages(billed) } else { 0.0 }
    }

    /// Returns the maximum monthly cost of invalidations, in US dollars.
    pub(super) fn invalidations(self) -> Option<f64> {
        self.invalidations.map(|(_, paths)| price_of_paths(paths))
    }

    /// Returns the cost of the invalidations that `views` views in a month cause. Assumes that the views are
    /// independent of each other; a window without a view causes no invalidation.
    pub(super) fn invalidations_of(self, views: f64) -> f64 {
        // With independent views, `exp(-views / windows)` is the probability that a window has no view.
        self.invalidations
            .map_or(0.0, |(windows, paths)| price_of_paths(paths * (1.0 - (-views / windows).exp())))
    }

    /// Returns the sentences that explain these costs.
    pub(super) fn to_text(self) -> String {
        let pollers = (self.idle_month_usd > 0.0).then(|| {
            let idle_cost = usd(self.idle_month_usd);
            format!(
                " Polling the queue costs about {idle_cost} a month when idle, which the free million requests of SQS cover."
            )
        });
        let messages = self.per_million_messages.map(|million| {
            let cost = usd(million);
            // Only a queue has batches. A queue always has an idle cost, because it is polled.
            if self.idle_month_usd > 0.0 {
                let batched = usd(million - queue::REQUESTS.cost_of(CARRYING_A_MESSAGE));
                format!(
                    " A million messages or events cost at most {cost} before they are counted, and about {batched} in full batches."
                )
            } else {
                format!(" A million events cost at most {cost} before they are counted.")
            }
        });
        let parts = [pollers, messages, self.invalidations_text()];
        parts.into_iter().flatten().collect()
    }

    fn invalidations_text(self) -> Option<String> {
        let ((times, paths), max_cost) = self.invalidations.zip(self.invalidations())?;
        let cost = if max_cost > 0.0 { usd(max_cost) } else { "free".to_owned() };
        let free = (MONTH_S * paths / times / FREE_PATHS).ceil();
        let advice = if max_cost > 0.0 {
            format!(" With `invalidate_after_s = {free:.0}` or more, they are free.")
        } else {
            String::new()
        };
        Some(format!(
            " Views cause at most {times:.0} invalidations a month: {paths:.0} paths, {cost}. The first 1,000 paths are free, then 5 USD \
             per thousand.{advice}"
        ))
    }
}
