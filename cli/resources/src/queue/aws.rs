//! The driver of SQS queues. SQS blocks the name of a deleted queue for 60 seconds, and reads may be stale for up to
//! 60 seconds.

mod attributes;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use hitctl_config::names::TAG_DELETED;
use hitctl_engine::{CONTENTS_OUTPUT, Fault, Outputs, RetryPolicy};
use tokio::time::Instant;

use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::clock::now;
use crate::aws::fault::ErrorRule;
use crate::aws::owner::check_ours;
use crate::aws::resource::{ReadResult, ReadState, Resource, WriteResult};
use crate::aws::tags::{managed_tags, tags_to_apply};
use crate::queue::errors;
use crate::queue::spec::QueueSpec;
use crate::tags::Tags;
use attributes::Attributes;

/// SQS's codes for the name of a recently deleted queue.
const RECENTLY_DELETED: &[&str] = &["AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently"];
/// SQS's codes for an existing queue with other attributes.
const EXISTS: &[&str] = &["QueueAlreadyExists", "QueueNameExists"];

/// The time for which the name of a deleted queue is blocked (SQS's API reference, `CreateQueue`).
const NAME_COOLDOWN: Duration = Duration::from_mins(1);
/// The time during which a queue that is marked as deleted counts as being deleted. SQS takes "up to 60 seconds"
/// (`DeleteQueue`), and the clocks of two machines may differ. A queue that exists for longer was marked but never
/// deleted.
const DELETION_GRACE: Duration = Duration::from_mins(2);

/// The retries of a creation: long enough for the blocked name and a margin. The interval is short, so that the
/// progress shows a countdown.
const CREATE_WAIT: RetryPolicy = RetryPolicy::with_budget(Duration::from_secs(90))
    .every(Duration::from_secs(2))
    .with_attempt_timeout(Duration::from_mins(2));

/// The driver of queues.
#[derive(Clone, Debug)]
pub(crate) struct QueueDriver {
    aws: Arc<Aws>,
    client: Client,
}

/// A live queue, with its URL and attributes.
struct LiveQueue {
    url: String,
    attributes: Attributes,
    found: ReadState<QueueSpec>,
}

impl QueueDriver {
    fn arn(&self, name: &str) -> String {
        self.aws.arn("sqs", name)
    }

    /// Returns the outputs. An emulator returns URLs with the host of the request, which may change. For an emulator,
    /// the URL is therefore derived from the queue's name; the emulator accepts that URL too.
    fn outputs(&self, name: &str, returned_url: &str) -> Outputs {
        let url = match self.aws.config.endpoint_url() {
            Some(_) => self.aws.location.as_location().queue_url(name),
            None => returned_url.to_owned(),
        };
        Outputs::from([("arn".to_owned(), self.arn(name)), ("url".to_owned(), url)])
    }

    async fn url(&self, cx: &CallContext<'_>) -> Result<Option<String>, Fault> {
        let request = self.client.get_queue_url().queue_name(cx.name);
        let response = cx.call("find", "sqs:GetQueueUrl").find(|| request.clone().send()).await?;
        Ok(response.and_then(|response| response.queue_url))
    }

    /// Reads the queue. Returns `None` if the queue does not exist, even if SQS still returns its URL.
    async fn read_live(
        &self,
        cx: &CallContext<'_>,
        want: Option<&QueueSpec>,
    ) -> Result<Option<LiveQueue>, Fault> {
        let Some(url) = self.url(cx).await? else { return Ok(None) };
        let get = self.client.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::All);
        let attributes = cx.call("read", "sqs:GetQueueAttributes").find(|| get.clone().send());
        let list_tags = self.client.list_queue_tags().queue_url(&url);
        let tags = cx.call("read the tags of", "sqs:ListQueueTags").find(|| list_tags.clone().send());
        let (attributes, tags) = futures::future::try_join(attributes, tags).await?;
        let (Some(attributes), Some(tags)) = (attributes, tags) else { return Ok(None) };
        let attributes = attributes.attributes.unwrap_or_default();
        let tags = tags.tags.unwrap_or_default().into_iter().collect();
        // Keep the deletion mark in the spec, so that a queue that is being deleted always differs from the wanted
        // queue.
        let mut managed = managed_tags(&tags, want.map(|want| &want.tags));
        managed.extend(tags.get_key_value(TAG_DELETED).map(|(name, at)| (name.clone(), at.clone())));
        let spec = attributes::spec(&attributes, &self.arn(cx.name), managed)?;
        let outputs = self.outputs(cx.name, &url);
        Ok(Some(LiveQueue { url, attributes, found: ReadState { spec, outputs, tags: Some(tags) } }))
    }

    /// Sets the given attributes. Returns `false` if the queue no longer exists.
    async fn set_attributes(
        &self,
        cx: &CallContext<'_>,
        url: &str,
        attributes: Attributes,
    ) -> Result<bool, Fault> {
        for call_attributes in attributes::split_into_calls(attributes) {
            let request =
                self.client.set_queue_attributes().queue_url(url).set_attributes(Some(call_attributes));
            let call = cx.call("change", "sqs:SetQueueAttributes");
            if call.find(|| request.clone().send()).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sets tags. Returns `false` if the queue no longer exists.
    async fn tag(&self, cx: &CallContext<'_>, url: &str, tags: Tags) -> Result<bool, Fault> {
        let request = self.client.tag_queue().queue_url(url).set_tags(Some(tags.into_iter().collect()));
        Ok(cx.call("tag", "sqs:TagQueue").find(|| request.clone().send()).await?.is_some())
    }

    /// Reconciles an existing queue with the wanted spec. Returns `false` if the queue no longer exists.
    async fn reconcile(
        &self,
        cx: &CallContext<'_>,
        url: &str,
        have: &QueueSpec,
        want: &QueueSpec,
    ) -> Result<bool, Fault> {
        let missing_tags = tags_to_apply(&have.tags, &want.tags);
        if !missing_tags.is_empty() && !self.tag(cx, url, missing_tags).await? {
            return Ok(false);
        }
        if have.tags.contains_key(TAG_DELETED) {
            let request = self.client.untag_queue().queue_url(url).tag_keys(TAG_DELETED);
            if cx.call("untag", "sqs:UntagQueue").find(|| request.clone().send()).await?.is_none() {
                return Ok(false);
            }
        }
        let arn = self.arn(cx.name);
        let changes = attributes::changed_attributes(have, want, &arn);
        if changes.is_empty() {
            return Ok(true);
        }
        if !self.set_attributes(cx, url, changes).await? {
            return Ok(false);
        }
        // Verify once. Differences are written a second time but not verified again, because a change may take a
        // minute to become visible.
        let Some(live) = self.read_live(cx, Some(want)).await? else { return Ok(false) };
        self.set_attributes(cx, url, attributes::changed_attributes(&live.found.spec, want, &arn)).await
    }

    /// Deletes the queue, if it exists.
    async fn delete_queue(&self, cx: &CallContext<'_>, url: &str) -> Result<(), Fault> {
        let request = self.client.delete_queue().queue_url(url);
        cx.call("delete", "sqs:DeleteQueue").find(|| request.clone().send()).await.map(drop)
    }
}

impl Resource for QueueDriver {
    type Spec = QueueSpec;

    const RULES: &'static [ErrorRule] = errors::RULES;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.config), aws }
    }

    async fn read(&self, cx: &CallContext<'_>, want: Option<&QueueSpec>) -> ReadResult<QueueSpec> {
        let Some(LiveQueue { attributes, mut found, .. }) = self.read_live(cx, want).await? else {
            return Ok(None);
        };
        found.outputs.extend(
            attributes::describe_contents(&attributes).map(|text| (CONTENTS_OUTPUT.to_owned(), text)),
        );
        Ok(Some(found))
    }

    /// Creates the queue, or reconciles the existing one.
    async fn create(&self, cx: &CallContext<'_>, want: &QueueSpec) -> WriteResult {
        let request = &self
            .client
            .create_queue()
            .queue_name(cx.name)
            .set_attributes(Some(attributes::initial_attributes(want, &self.arn(cx.name))))
            .set_tags(Some(want.tags.clone().into_iter().collect()));
        let started = Instant::now();
        let attempt = || async move {
            let call = cx.call("create", "sqs:CreateQueue").once().none_on(EXISTS);
            call.find(|| request.clone().send()).await.map_err(|fault| {
                if RECENTLY_DELETED.contains(&fault.code.as_str()) {
                    Fault { cause: fault.cause, ..name_cooldown_error(cx.name, started.elapsed()) }
                } else {
                    fault
                }
            })?;
            // `CreateQueue` succeeds for a queue that is being deleted.
            let Some(live) = self.read_live(cx, Some(want)).await? else {
                return Err(being_deleted_error(cx.name));
            };
            check_ours(&self.aws, cx.name, &live.found)?;
            if is_being_deleted(&live.found.spec, now()) {
                // The run that marked the queue may have been interrupted before it deleted the queue.
                self.delete_queue(cx, &live.url).await?;
                return Err(being_deleted_error(cx.name));
            }
            if self.reconcile(cx, &live.url, &live.found.spec, want).await? {
                Ok(self.outputs(cx.name, &live.url))
            } else {
                Err(being_deleted_error(cx.name))
            }
        };
        cx.retry(&CREATE_WAIT, "creating the queue", attempt).await
    }

    async fn update(
        &self,
        cx: &CallContext<'_>,
        have: &ReadState<QueueSpec>,
        want: &QueueSpec,
    ) -> WriteResult {
        let known_url = have.outputs.get("url").filter(|_| !is_being_deleted(&have.spec, now()));
        if let Some(url) = known_url
            && self.reconcile(cx, url, &have.spec, want).await?
        {
            return Ok(self.outputs(cx.name, url));
        }
        // The queue was being deleted when it was read.
        self.create(cx, want).await
    }

    /// Marks the queue as deleted, then deletes it. SQS may return the queue for another minute; the mark tells a
    /// concurrent deploy that the queue is being deleted. Does not wait until the name is free; the next creation
    /// waits.
    async fn delete(&self, cx: &CallContext<'_>, have: &ReadState<QueueSpec>) -> Result<(), Fault> {
        let url = match have.outputs.get("url") {
            Some(url) => Some(url.clone()),
            None => self.url(cx).await?,
        };
        let Some(url) = url else { return Ok(()) };
        let at = now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let mark = Tags::from([(TAG_DELETED.to_owned(), at.to_string())]);
        if self.tag(cx, &url, mark).await? { self.delete_queue(cx, &url).await } else { Ok(()) }
    }
}

/// Whether a queue was marked as deleted recently.
fn is_being_deleted(found: &QueueSpec, now: SystemTime) -> bool {
    let seconds = found.tags.get(TAG_DELETED).and_then(|at| at.parse().ok());
    let at = seconds.and_then(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at)));
    // The mark is in the future if another machine with a fast clock set it.
    at.is_some_and(|at| now.duration_since(at).unwrap_or_else(|ahead| ahead.duration()) < DELETION_GRACE)
}

/// Returns the error for a blocked name. `since` is the time since the first attempt to create the queue.
fn name_cooldown_error(name: &str, since: Duration) -> Fault {
    let remaining = NAME_COOLDOWN.saturating_sub(since).as_secs();
    let when = if remaining == 0 { "shortly".to_owned() } else { format!("in {remaining} s") };
    let message = format!("queue {name} was deleted recently; SQS unblocks its name {when}");
    Fault::transient("QueueDeletedRecently", message)
        .hinted("run the same command again in a minute; it continues where it stopped")
}

fn being_deleted_error(name: &str) -> Fault {
    Fault::transient("queue_gone", format!("queue {name} is being deleted or is not visible yet"))
        .hinted("run the same command again in a minute; it continues where it stopped")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletion_mark_counts_for_two_minutes_in_both_directions() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let spec_with = |tags| attributes::spec(&Attributes::new(), "", tags).unwrap();
        let marked_spec = |mark: &str| spec_with(Tags::from([(TAG_DELETED.to_owned(), mark.to_owned())]));
        let is_deleted_at = |seconds| is_being_deleted(&marked_spec("1000"), at(seconds));
        assert!(is_deleted_at(1000) && is_deleted_at(1119) && is_deleted_at(881));
        assert!(!is_deleted_at(1120) && !is_deleted_at(880));
        assert!(
            !is_being_deleted(&marked_spec("soon"), at(1000))
                && !is_being_deleted(&marked_spec("18446744073709551615"), at(1000))
        );
        assert!(!is_being_deleted(&spec_with(Tags::new()), at(0)));
    }

    #[test]
    fn name_cooldown_error_counts_down() {
        let message_after =
            |seconds| name_cooldown_error("hits-test-hits", Duration::from_secs(seconds)).message;
        assert_eq!(
            message_after(17),
            "queue hits-test-hits was deleted recently; SQS unblocks its name in 43 s"
        );
        assert!(
            message_after(60).ends_with("its name shortly")
                && message_after(75).ends_with("its name shortly")
        );
    }
}
