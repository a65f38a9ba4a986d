//! What queues, events and invalidations add to the bill.

use hitctl_config::{App, Ingest};
use hitctl_resources::prices::event_rule::EVENTS;
use hitctl_resources::prices::event_source_mapping::IDLE_RECEIVES;
use hitctl_resources::prices::queue::{self, CARRYING_A_MESSAGE, DELETING_A_MESSAGE};

use super::{MILLION, MONTH_S, usd};

/// `CloudFront`, an invalidated path: aws.amazon.com/cloudfront/pricing.
const PATH: f64 = 0.005;
/// So many paths a month are free, for all distributions of an account.
const FREE_PATHS: f64 = 1_000.0;

/// A million messages that are billed as so many each.
fn million_of_messages(billed: f64) -> f64 {
    queue::REQUESTS.of(CARRYING_A_MESSAGE * billed + DELETING_A_MESSAGE)
}

/// So many invalidated paths in a month, in US dollars.
fn price_of_paths(paths: f64) -> f64 {
    (paths - FREE_PATHS).max(0.0) * PATH
}

/// What the sources of an app add.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sources {
    /// What a month costs in which nothing happens.
    pub(super) at_rest: f64,
    /// Whether the hits of the web go through the queue.
    through_queue: bool,
    /// What a million hits that were sent to the queue, or came as events, cost before they are counted.
    pub(super) million_of_messages: Option<f64>,
    /// How often the distribution is invalidated in a month at most, and how many paths that is.
    invalidations: Option<(f64, f64)>,
}

impl Sources {
    pub(super) fn of(app: &App) -> Self {
        let has_queue = app.queue.enabled;
        let message = if has_queue { million_of_messages(1.0) } else { 0.0 };
        let event = if app.events.enabled { EVENTS.usd } else { 0.0 };
        let cloudfront = &app.cloudfront;
        Self {
            at_rest: if has_queue { queue::REQUESTS.of(IDLE_RECEIVES / MILLION) } else { 0.0 },
            through_queue: has_queue && app.queue.ingest == Ingest::Http,
            million_of_messages: (has_queue || app.events.enabled).then_some(message + event),
            invalidations: cloudfront.distribution_id.as_ref().map(|_| {
                let times = (MONTH_S / f64::from(cloudfront.invalidate_after_s)).ceil();
                #[expect(clippy::cast_precision_loss, reason = "twenty at most")]
                let paths = cloudfront.invalidate.len() as f64;
                (times, times * paths)
            }),
        }
    }

    /// The additional cost of a million hits of the web that go through the queue, in messages that are billed as so many each.
    pub(super) fn million_of_web(self, billed: f64) -> f64 {
        if self.through_queue { million_of_messages(billed) } else { 0.0 }
    }

    /// What the invalidations of a month cost at most, in US dollars.
    pub(super) fn invalidations(self) -> Option<f64> {
        self.invalidations.map(|(_, paths)| price_of_paths(paths))
    }

    /// The cost of the invalidations after so many views in a month, when the views come independently of each other: a window without
    /// a view is not invalidated.
    pub(super) fn invalidations_of(self, views: f64) -> f64 {
        self.invalidations
            .map_or(0.0, |(windows, paths)| price_of_paths(paths * (1.0 - (-views / windows).exp())))
    }

    /// What is said of them, sentence by sentence.
    pub(super) fn in_words(self) -> String {
        let pollers = (self.at_rest > 0.0).then(|| {
            let rest = usd(self.at_rest);
            format!(
                " The queue's pollers ask all day: about {rest} a month at rest, which the free million requests of SQS cover."
            )
        });
        let messages = self.million_of_messages.map(|million| {
            let million = usd(million);
            format!(
                " A million messages or events cost at most {million} before they are counted; in full batches a third of that."
            )
        });
        let parts = [pollers, messages, self.invalidations_in_words()];
        parts.into_iter().flatten().collect()
    }

    fn invalidations_in_words(self) -> Option<String> {
        let ((times, paths), most) = self.invalidations.zip(self.invalidations())?;
        let cost = if most > 0.0 { format!("{} a month", usd(most)) } else { "nothing".to_owned() };
        let free = (MONTH_S * paths / times / FREE_PATHS).ceil();
        let how = if most > 0.0 {
            format!(" With `invalidate_after_s = {free:.0}` or more they are free.")
        } else {
            String::new()
        };
        Some(format!(
            " Hits invalidate at most {times:.0} times a month, which is {paths:.0} paths and {cost}: 1,000 paths are free, then 5 USD \
             a thousand.{how}"
        ))
    }
}
