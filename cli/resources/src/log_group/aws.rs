//! The driver of `CloudWatch` log groups. A log group is found by listing all groups whose names begin with its name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::LogGroup as Description;
use hitctl_engine::{Fault, Outputs, RetryPolicy};

use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::number;
use crate::aws::owner::check_ours;
use crate::aws::resource::{ReadResult, ReadState, Resource, WriteResult};
use crate::aws::tags::{managed_tags, read_tags, tags_to_apply};
use crate::log_group::spec::{LogGroupSpec, OLDEST_MS};
use crate::tags::Tags;

/// The number of consecutive checks that must find a deleted group absent. If the function's role allows it, Lambda
/// creates a missing group again when it writes the last log lines. Our roles do not allow it, but other roles may.
const ABSENCE_CHECKS: u32 = 2;
const CHECK_INTERVAL: Duration = Duration::from_millis(150);
const CHECK_BUDGET: Duration = Duration::from_secs(5);

/// The time limit for an existing group to become visible.
const VISIBILITY_BUDGET: Duration = Duration::from_secs(30);

/// The driver of log groups.
pub(crate) struct LogGroupDriver {
    aws: Arc<Aws>,
    client: Client,
}

impl LogGroupDriver {
    /// Returns the ARN in the form for tagging calls, without `:*`.
    fn arn(&self, name: &str) -> String {
        self.aws.arn("logs", &format!("log-group:{name}"))
    }

    fn outputs(&self, name: &str) -> Outputs {
        Outputs::from([("arn".to_owned(), self.arn(name))])
    }

    /// Returns the group with exactly this name.
    async fn describe(&self, cx: &CallContext<'_>) -> Result<Option<Description>, Fault> {
        let request = &self.client.describe_log_groups().log_group_name_prefix(cx.name);
        let find_group = || async move {
            let mut groups = request.clone().into_paginator().items().send();
            while let Some(group) = groups.try_next().await? {
                if group.log_group_name() == Some(cx.name) {
                    return Ok(Some(group));
                }
            }
            Ok(None)
        };
        cx.call("read", "logs:DescribeLogGroups").send(find_group).await
    }

    async fn tags(&self, cx: &CallContext<'_>, group: &Description) -> Result<Tags, Fault> {
        let created = group.creation_time().and_then(|ms| u64::try_from(ms).ok());
        let created = created.map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        let request = &self.client.list_tags_for_resource().resource_arn(self.arn(cx.name));
        read_tags(cx, &format!("log group {}", cx.name), created, || async move {
            let call = cx.call("read the tags of", "logs:ListTagsForResource");
            let response = call.find(|| request.clone().send()).await?;
            Ok(response.and_then(|response| response.tags).unwrap_or_default().into_iter().collect())
        })
        .await
    }

    async fn set_retention(&self, cx: &CallContext<'_>, days: u32) -> Result<(), Fault> {
        let request = self.client.put_retention_policy().log_group_name(cx.name);
        let request = request.retention_in_days(number(days));
        let call = cx.call("set the retention of", "logs:PutRetentionPolicy");
        call.send(|| request.clone().send()).await.map(drop)
    }

    async fn delete_group(&self, cx: &CallContext<'_>) -> Result<(), Fault> {
        let request = self.client.delete_log_group().log_group_name(cx.name);
        cx.call("delete", "logs:DeleteLogGroup").find(|| request.clone().send()).await.map(drop)
    }
}

impl Resource for LogGroupDriver {
    type Spec = LogGroupSpec;

    const NOUN: &'static str = "log group";

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.without_retries()), aws }
    }

    async fn read(&self, cx: &CallContext<'_>, want: Option<&LogGroupSpec>) -> ReadResult<LogGroupSpec> {
        let Some(group) = self.describe(cx).await? else { return Ok(None) };
        let tags = self.tags(cx, &group).await?;
        let spec = spec(&group, managed_tags(&tags, want.map(|want| &want.tags)));
        let mut outputs = self.outputs(cx.name);
        outputs.extend(group.creation_time().map(|ms| (OLDEST_MS.to_owned(), ms.to_string())));
        Ok(Some(ReadState { spec, outputs, tags: Some(tags) }))
    }

    async fn create(&self, cx: &CallContext<'_>, want: &LogGroupSpec) -> WriteResult {
        let tags = want.tags.clone().into_iter().collect();
        let request = self.client.create_log_group().log_group_name(cx.name).set_tags(Some(tags));
        let call = cx.call("create", "logs:CreateLogGroup").none_on(&["ResourceAlreadyExistsException"]);
        if call.find(|| request.clone().send()).await?.is_some() {
            self.set_retention(cx, want.retention_days).await?;
            return Ok(self.outputs(cx.name));
        }
        // The group exists but may not be visible yet, if a call of ours whose response was lost has just created it.
        let read_visible = move || async move {
            let not_visible =
                || Fault::transient("not_visible", format!("log group {} is not visible yet", cx.name));
            self.read(cx, Some(want)).await?.ok_or_else(not_visible)
        };
        let policy = RetryPolicy::with_budget(VISIBILITY_BUDGET).with_attempt_timeout(Duration::from_mins(2));
        let found = cx.retry(&policy, &format!("waiting for log group {}", cx.name), read_visible).await?;
        check_ours(&self.aws, cx.name, &found)?;
        self.update(cx, &found, want).await
    }

    async fn update(
        &self,
        cx: &CallContext<'_>,
        have: &ReadState<LogGroupSpec>,
        want: &LogGroupSpec,
    ) -> WriteResult {
        if have.spec.retention_days != want.retention_days {
            self.set_retention(cx, want.retention_days).await?;
        }
        let tags = tags_to_apply(&have.spec.tags, &want.tags);
        if !tags.is_empty() {
            let tags = tags.into_iter().collect();
            let request = self.client.tag_resource().resource_arn(self.arn(cx.name)).set_tags(Some(tags));
            cx.call("tag", "logs:TagResource").send(|| request.clone().send()).await?;
        }
        Ok(self.outputs(cx.name))
    }

    /// Deletes the group, checks that it stays absent, and deletes it again if it reappears.
    async fn delete(&self, cx: &CallContext<'_>, _: &ReadState<LogGroupSpec>) -> Result<(), Fault> {
        self.delete_group(cx).await?;
        let absences = &AtomicU32::new(0);
        let check_absent = move || async move {
            if self.describe(cx).await?.is_some() {
                absences.store(0, Ordering::Relaxed);
                self.delete_group(cx).await?;
            } else if absences.fetch_add(1, Ordering::Relaxed) + 1 >= ABSENCE_CHECKS {
                return Ok(());
            }
            Err(Fault::transient("late_flush", format!("checking that log group {} stays deleted", cx.name)))
        };
        match cx
            .retry(
                &RetryPolicy::with_budget(CHECK_BUDGET).every(CHECK_INTERVAL),
                "waiting for the last logs",
                check_absent,
            )
            .await
        {
            // The group was absent at the last check.
            Err(_) if absences.load(Ordering::Relaxed) > 0 => Ok(()),
            result => result,
        }
    }
}

/// Converts a group to a spec. A group without a retention keeps its log lines forever; the spec then has 0 days.
fn spec(group: &Description, tags: Tags) -> LogGroupSpec {
    let days = group.retention_in_days().and_then(|days| u32::try_from(days).ok());
    LogGroupSpec { retention_days: days.unwrap_or(0), tags }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_without_retention_has_retention_of_zero() {
        let group = Description::builder().log_group_name("/g").retention_in_days(14).build();
        assert_eq!(spec(&group, Tags::new()).retention_days, 14);
        assert_eq!(spec(&Description::builder().build(), Tags::new()).retention_days, 0);
    }
}
