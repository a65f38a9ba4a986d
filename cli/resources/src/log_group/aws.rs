//! The log group in AWS: `CloudWatch` Logs, where a name is looked up among those that begin with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::LogGroup as Description;
use hitctl_engine::{Fault, Outputs, Wait};

use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::number;
use crate::aws::owner::check_ours;
use crate::aws::resource::{Found, Read, Resource, Written};
use crate::aws::tags::{managed_tags, read_tags, tags_to_apply};
use crate::log_group::spec::{LogGroupSpec, OLDEST_MS};
use crate::tags::Tags;

/// How often a deleted group must be seen to stay away. The role may not make groups, so that a late flush of the function
/// cannot bring it back; this is for roles that could.
const CHECKS: u32 = 2;
const CHECK: Duration = Duration::from_millis(150);
const CHECK_FOR: Duration = Duration::from_secs(5);

/// How long a group that is there may take to be seen.
const VISIBLE: Duration = Duration::from_secs(30);

/// Log groups of one account and region.
pub(crate) struct LogGroup {
    aws: Arc<Aws>,
    client: Client,
}

impl LogGroup {
    /// The ARN that the tagging calls take: without `:*`.
    fn arn(&self, name: &str) -> String {
        self.aws.arn("logs", &format!("log-group:{name}"))
    }

    fn outputs(&self, name: &str) -> Outputs {
        Outputs::from([("arn".to_owned(), self.arn(name))])
    }

    /// The group of exactly that name.
    async fn describe(&self, cx: &CallContext<'_>) -> Result<Option<Description>, Fault> {
        let request = &self.client.describe_log_groups().log_group_name_prefix(cx.name);
        let look = || async move {
            let mut groups = request.clone().into_paginator().items().send();
            while let Some(group) = groups.try_next().await? {
                if group.log_group_name() == Some(cx.name) {
                    return Ok(Some(group));
                }
            }
            Ok(None)
        };
        cx.call("read", "logs:DescribeLogGroups").send(look).await
    }

    async fn tags(&self, cx: &CallContext<'_>, group: &Description) -> Result<Tags, Fault> {
        let made = group.creation_time().and_then(|ms| u64::try_from(ms).ok());
        let made = made.map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        let request = &self.client.list_tags_for_resource().resource_arn(self.arn(cx.name));
        read_tags(cx, &format!("log group {}", cx.name), made, || async move {
            let call = cx.call("read the tags of", "logs:ListTagsForResource");
            let found = call.find(|| request.clone().send()).await?;
            Ok(found.and_then(|found| found.tags).unwrap_or_default().into_iter().collect())
        })
        .await
    }

    async fn retain(&self, cx: &CallContext<'_>, days: u32) -> Result<(), Fault> {
        let request = self.client.put_retention_policy().log_group_name(cx.name);
        let request = request.retention_in_days(number(days));
        let call = cx.call("set the retention of", "logs:PutRetentionPolicy");
        call.send(|| request.clone().send()).await.map(drop)
    }

    async fn drop_group(&self, cx: &CallContext<'_>) -> Result<(), Fault> {
        let request = self.client.delete_log_group().log_group_name(cx.name);
        cx.call("delete", "logs:DeleteLogGroup").find(|| request.clone().send()).await.map(drop)
    }
}

impl Resource for LogGroup {
    type Spec = LogGroupSpec;

    const NOUN: &'static str = "log group";

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.without_retries()), aws }
    }

    async fn read(&self, cx: &CallContext<'_>, want: Option<&LogGroupSpec>) -> Read<LogGroupSpec> {
        let Some(group) = self.describe(cx).await? else { return Ok(None) };
        let tags = self.tags(cx, &group).await?;
        let spec = spec(&group, managed_tags(&tags, want.map(|want| &want.tags)));
        let mut outputs = self.outputs(cx.name);
        outputs.extend(group.creation_time().map(|ms| (OLDEST_MS.to_owned(), ms.to_string())));
        Ok(Some(Found { spec, outputs, tags: Some(tags) }))
    }

    async fn create(&self, cx: &CallContext<'_>, want: &LogGroupSpec) -> Written {
        let tags = want.tags.clone().into_iter().collect();
        let request = self.client.create_log_group().log_group_name(cx.name).set_tags(Some(tags));
        let call = cx.call("create", "logs:CreateLogGroup").none_on(&["ResourceAlreadyExistsException"]);
        if call.find(|| request.clone().send()).await?.is_some() {
            self.retain(cx, want.retention_days).await?;
            return Ok(self.outputs(cx.name));
        }
        // Perhaps not to be seen yet: it may have just been made, by a call of ours whose answer was lost.
        let look = move || async move {
            let unseen =
                || Fault::transient("not_visible", format!("log group {} is not visible yet", cx.name));
            self.read(cx, Some(want)).await?.ok_or_else(unseen)
        };
        let patience = Wait::up_to(VISIBLE).each_within(Duration::from_mins(2));
        let found = cx.wait(&patience, &format!("waiting for log group {}", cx.name), look).await?;
        check_ours(&self.aws, cx.name, &found)?;
        self.update(cx, &found, want).await
    }

    async fn update(&self, cx: &CallContext<'_>, have: &Found<LogGroupSpec>, want: &LogGroupSpec) -> Written {
        if have.spec.retention_days != want.retention_days {
            self.retain(cx, want.retention_days).await?;
        }
        let tags = tags_to_apply(&have.spec.tags, &want.tags);
        if !tags.is_empty() {
            let tags = tags.into_iter().collect();
            let request = self.client.tag_resource().resource_arn(self.arn(cx.name)).set_tags(Some(tags));
            cx.call("tag", "logs:TagResource").send(|| request.clone().send()).await?;
        }
        Ok(self.outputs(cx.name))
    }

    /// Sees that the deleted group stays away, and deletes it again when it does not.
    async fn delete(&self, cx: &CallContext<'_>, _: &Found<LogGroupSpec>) -> Result<(), Fault> {
        self.drop_group(cx).await?;
        let clean = &AtomicU32::new(0);
        let look = move || async move {
            if self.describe(cx).await?.is_some() {
                clean.store(0, Ordering::Relaxed);
                self.drop_group(cx).await?;
            } else if clean.fetch_add(1, Ordering::Relaxed) + 1 >= CHECKS {
                return Ok(());
            }
            Err(Fault::transient("late_flush", format!("looking whether log group {} stays away", cx.name)))
        };
        match cx.wait(&Wait::up_to(CHECK_FOR).every(CHECK), "waiting for the last logs", look).await {
            // It was away when last seen.
            Err(_) if clean.load(Ordering::Relaxed) > 0 => Ok(()),
            seen => seen,
        }
    }
}

/// A group as its spec. One that never forgets has no retention, which is 0 here.
fn spec(group: &Description, tags: Tags) -> LogGroupSpec {
    let days = group.retention_in_days().and_then(|days| u32::try_from(days).ok());
    LogGroupSpec { retention_days: days.unwrap_or(0), tags }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_never_forgets_has_a_retention_of_zero() {
        let forgets = Description::builder().log_group_name("/g").retention_in_days(14).build();
        assert_eq!(spec(&forgets, Tags::new()).retention_days, 14);
        assert_eq!(spec(&Description::builder().build(), Tags::new()).retention_days, 0);
    }
}
