//! The queue in AWS: SQS, where a name rests for a minute after its queue was deleted, and reads may be behind by as much.

mod attributes;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use hitctl_config::names::TAG_DELETED;
use hitctl_engine::{Fault, HELD, Outputs, Wait};
use tokio::time::Instant;

use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::clock::now;
use crate::aws::fault::ErrorRule;
use crate::aws::owner::check_ours;
use crate::aws::resource::{Found, Read, Resource, Written};
use crate::aws::tags::{managed_tags, tags_to_apply};
use crate::queue::errors;
use crate::queue::spec::QueueSpec;
use crate::tags::Tags;
use attributes::Attributes;

/// What SQS says of a name that rests.
const RECENTLY_DELETED: &[&str] = &["AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently"];
/// What it says of a queue that is there and is another one.
const EXISTS: &[&str] = &["QueueAlreadyExists", "QueueNameExists"];

/// A name can be used again this long after its queue was deleted (SQS's API reference, `CreateQueue`).
const NAME_COOLDOWN: Duration = Duration::from_mins(1);
/// For so long after its deletion what is still to be seen of a queue passes for one that is going: SQS takes "up to 60
/// seconds" (`DeleteQueue`), and two clocks may differ. Afterwards it is one that was never deleted, only marked.
const DELETION_GRACE: Duration = Duration::from_mins(2);

/// For a new queue: the rest of its name, and some more. Looked at often, so that the countdown counts.
const CREATE_WAIT: Wait =
    Wait::up_to(Duration::from_secs(90)).every(Duration::from_secs(2)).each_within(Duration::from_mins(2));

/// Queues of one account and region.
#[derive(Clone, Debug)]
pub(crate) struct Queues {
    aws: Arc<Aws>,
    client: Client,
}

/// What is live of a queue.
struct Live {
    url: String,
    attributes: Attributes,
    found: Found<QueueSpec>,
}

impl Queues {
    fn arn(&self, name: &str) -> String {
        self.aws.arn("sqs", name)
    }

    /// An emulator names the host that it was asked by, which may be another one tomorrow: it gets the URL that the queue would
    /// have, and knows that as well.
    fn outputs(&self, name: &str, said: &str) -> Outputs {
        let url = match self.aws.config.endpoint_url() {
            Some(_) => self.aws.place.location().queue_url(name),
            None => said.to_owned(),
        };
        Outputs::from([("arn".to_owned(), self.arn(name)), ("url".to_owned(), url)])
    }

    async fn url(&self, cx: &CallContext<'_>) -> Result<Option<String>, Fault> {
        let request = self.client.get_queue_url().queue_name(cx.name);
        let found = cx.call("find", "sqs:GetQueueUrl").find(|| request.clone().send()).await?;
        Ok(found.and_then(|found| found.queue_url))
    }

    /// The queue; `None` also for one that is being deleted, whose URL is still known.
    async fn live(&self, cx: &CallContext<'_>, want: Option<&QueueSpec>) -> Result<Option<Live>, Fault> {
        let Some(url) = self.url(cx).await? else { return Ok(None) };
        let look =
            self.client.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::All);
        let attributes = cx.call("read", "sqs:GetQueueAttributes").find(|| look.clone().send());
        let list = self.client.list_queue_tags().queue_url(&url);
        let tags = cx.call("read the tags of", "sqs:ListQueueTags").find(|| list.clone().send());
        let (attributes, tags) = futures::future::try_join(attributes, tags).await?;
        let (Some(attributes), Some(tags)) = (attributes, tags) else { return Ok(None) };
        let attributes = attributes.attributes.unwrap_or_default();
        let tags = tags.tags.unwrap_or_default().into_iter().collect();
        // What is going is never as it should be: its mark makes it differ from what is wanted.
        let mut ours = managed_tags(&tags, want.map(|want| &want.tags));
        ours.extend(tags.get_key_value(TAG_DELETED).map(|(name, at)| (name.clone(), at.clone())));
        let spec = attributes::spec(&attributes, &self.arn(cx.name), ours)?;
        let outputs = self.outputs(cx.name, &url);
        Ok(Some(Live { url, attributes, found: Found { spec, outputs, tags: Some(tags) } }))
    }

    /// Sets what differs, and nothing else. `false` when the queue is no longer there.
    async fn set(&self, cx: &CallContext<'_>, url: &str, set: Attributes) -> Result<bool, Fault> {
        for set in attributes::in_calls(set) {
            let request = self.client.set_queue_attributes().queue_url(url).set_attributes(Some(set));
            let call = cx.call("change", "sqs:SetQueueAttributes");
            if call.find(|| request.clone().send()).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sets tags. `false` when the queue is no longer there.
    async fn tag(&self, cx: &CallContext<'_>, url: &str, tags: Tags) -> Result<bool, Fault> {
        let request = self.client.tag_queue().queue_url(url).set_tags(Some(tags.into_iter().collect()));
        Ok(cx.call("tag", "sqs:TagQueue").find(|| request.clone().send()).await?.is_some())
    }

    /// Makes a queue be as wanted, where it is not. `false` when it is no longer there.
    async fn reconcile(
        &self,
        cx: &CallContext<'_>,
        url: &str,
        have: &QueueSpec,
        want: &QueueSpec,
    ) -> Result<bool, Fault> {
        let add = tags_to_apply(&have.tags, &want.tags);
        if !add.is_empty() && !self.tag(cx, url, add).await? {
            return Ok(false);
        }
        if have.tags.contains_key(TAG_DELETED) {
            let request = self.client.untag_queue().queue_url(url).tag_keys(TAG_DELETED);
            if cx.call("untag", "sqs:UntagQueue").find(|| request.clone().send()).await?.is_none() {
                return Ok(false);
            }
        }
        let arn = self.arn(cx.name);
        let set = attributes::delta(have, want, &arn);
        if set.is_empty() {
            return Ok(true);
        }
        if !self.set(cx, url, set).await? {
            return Ok(false);
        }
        // Looked at once. It may take a minute until all of SQS sees a change, so that what still differs is said once more
        // and then believed.
        let Some(live) = self.live(cx, Some(want)).await? else { return Ok(false) };
        self.set(cx, url, attributes::delta(&live.found.spec, want, &arn)).await
    }

    /// Deletes the queue, if it is there.
    async fn end(&self, cx: &CallContext<'_>, url: &str) -> Result<(), Fault> {
        let request = self.client.delete_queue().queue_url(url);
        cx.call("delete", "sqs:DeleteQueue").find(|| request.clone().send()).await.map(drop)
    }
}

impl Resource for Queues {
    type Spec = QueueSpec;

    const RULES: &'static [ErrorRule] = errors::RULES;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.config), aws }
    }

    async fn read(&self, cx: &CallContext<'_>, want: Option<&QueueSpec>) -> Read<QueueSpec> {
        let Some(Live { attributes, mut found, .. }) = self.live(cx, want).await? else { return Ok(None) };
        found.outputs.extend(attributes::held(&attributes).map(|held| (HELD.to_owned(), held)));
        Ok(Some(found))
    }

    /// Makes the queue, or brings the one that is there to what is wanted.
    async fn create(&self, cx: &CallContext<'_>, want: &QueueSpec) -> Written {
        let request = &self
            .client
            .create_queue()
            .queue_name(cx.name)
            .set_attributes(Some(attributes::all(want, &self.arn(cx.name))))
            .set_tags(Some(want.tags.clone().into_iter().collect()));
        let begun = Instant::now();
        let attempt = || async move {
            let call = cx.call("create", "sqs:CreateQueue").once().none_on(EXISTS);
            call.find(|| request.clone().send()).await.map_err(|fault| {
                if RECENTLY_DELETED.contains(&fault.code.as_str()) {
                    Fault { cause: fault.cause, ..name_cooldown_error(cx.name, begun.elapsed()) }
                } else {
                    fault
                }
            })?;
            // One that was being deleted was answered as if it were there.
            let Some(live) = self.live(cx, Some(want)).await? else {
                return Err(being_deleted_error(cx.name));
            };
            check_ours(&self.aws, cx.name, &live.found)?;
            if is_being_deleted(&live.found.spec, now()) {
                // Whoever marked it may not have come to it.
                self.end(cx, &live.url).await?;
                return Err(being_deleted_error(cx.name));
            }
            if self.reconcile(cx, &live.url, &live.found.spec, want).await? {
                Ok(self.outputs(cx.name, &live.url))
            } else {
                Err(being_deleted_error(cx.name))
            }
        };
        cx.wait(&CREATE_WAIT, "creating the queue", attempt).await
    }

    async fn update(&self, cx: &CallContext<'_>, have: &Found<QueueSpec>, want: &QueueSpec) -> Written {
        let known = have.outputs.get("url").filter(|_| !is_being_deleted(&have.spec, now()));
        if let Some(url) = known
            && self.reconcile(cx, url, &have.spec, want).await?
        {
            return Ok(self.outputs(cx.name, url));
        }
        // It was being deleted when it was read.
        self.create(cx, want).await
    }

    /// Marks it first, since SQS may show it for another minute, and who deploys then must not take it for one that stays. Does
    /// not wait until the name is free again: who makes the next one does.
    async fn delete(&self, cx: &CallContext<'_>, have: &Found<QueueSpec>) -> Result<(), Fault> {
        let url = match have.outputs.get("url") {
            Some(url) => Some(url.clone()),
            None => self.url(cx).await?,
        };
        let Some(url) = url else { return Ok(()) };
        let at = now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let mark = Tags::from([(TAG_DELETED.to_owned(), at.to_string())]);
        if self.tag(cx, &url, mark).await? { self.end(cx, &url).await } else { Ok(()) }
    }
}

/// Whether a queue was deleted just now, by the mark on it.
fn is_being_deleted(found: &QueueSpec, now: SystemTime) -> bool {
    let seconds = found.tags.get(TAG_DELETED).and_then(|at| at.parse().ok());
    let at = seconds.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at)));
    // A clock that is ahead of ours has marked it in our future.
    at.is_some_and(|at| now.duration_since(at).unwrap_or_else(|ahead| ahead.duration()) < DELETION_GRACE)
}

/// A name that cannot be used yet, so long after that was said first.
fn name_cooldown_error(name: &str, since: Duration) -> Fault {
    let left = NAME_COOLDOWN.saturating_sub(since).as_secs();
    let when = if left == 0 { "any moment now".to_owned() } else { format!("in {left} s") };
    let why = format!("a queue {name} was deleted just now; the name can be used again {when}");
    Fault::transient("QueueDeletedRecently", why)
        .hinted("run the same command again in a minute: it continues where it stopped")
}

fn being_deleted_error(name: &str) -> Fault {
    Fault::transient("queue_gone", format!("queue {name} is being deleted, or is not to be seen yet"))
        .hinted("run the same command again in a minute: it continues where it stopped")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_counts_for_two_minutes_on_either_side() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let with = |tags| attributes::spec(&Attributes::new(), "", tags).unwrap();
        let marked = |mark: &str| with(Tags::from([(TAG_DELETED.to_owned(), mark.to_owned())]));
        let is_going_at = |seconds| is_being_deleted(&marked("1000"), at(seconds));
        assert!(is_going_at(1000) && is_going_at(1119) && is_going_at(881));
        assert!(!is_going_at(1120) && !is_going_at(880));
        assert!(
            !is_being_deleted(&marked("soon"), at(1000))
                && !is_being_deleted(&marked("18446744073709551615"), at(1000))
        );
        assert!(!is_being_deleted(&with(Tags::new()), at(0)));
    }

    #[test]
    fn the_rest_of_a_name_is_counted_down() {
        let said = |seconds| name_cooldown_error("hits-test-hits", Duration::from_secs(seconds)).message;
        assert_eq!(
            said(17),
            "a queue hits-test-hits was deleted just now; the name can be used again in 43 s"
        );
        assert!(said(60).ends_with("again any moment now") && said(75).ends_with("any moment now"));
    }
}
