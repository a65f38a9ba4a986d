//! The log group in AWS: `CloudWatch` Logs, where a name is looked up among those that begin with it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::retry::RetryConfig;
use aws_sdk_cloudwatchlogs::types::LogGroup as Description;
use hitctl_engine::{Cx, Fault, FieldDiff, Outputs, Wait};

use crate::aws::account::Aws;
use crate::aws::call::Call;
use crate::aws::fault::Doing;
use crate::aws::owner::check_ours;
use crate::aws::resource::{Found, Resource};
use crate::aws::tags::{managed_tags, read_tags, tags_to_apply};
use crate::log_group::spec::{LogGroupSpec, OLDEST_MS};
use crate::tags::Tags;

const NOT_FOUND: &[&str] = &["ResourceNotFoundException"];

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
    async fn describe(&self, cx: &Cx, name: &str) -> Result<Option<Description>, Fault> {
        let request = &self.client.describe_log_groups().log_group_name_prefix(name);
        let look = || async move {
            let mut groups = request.clone().into_paginator().items().send();
            while let Some(group) = groups.try_next().await? {
                if group.log_group_name() == Some(name) {
                    return Ok(Some(group));
                }
            }
            Ok(None)
        };
        Call::new(cx, doing("read", name, "logs:DescribeLogGroups")).send(look).await
    }

    async fn tags(&self, cx: &Cx, name: &str, group: &Description) -> Result<Tags, Fault> {
        let made = group.creation_time().and_then(|ms| u64::try_from(ms).ok());
        let made = made.map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        read_tags(cx, &format!("log group {name}"), made, || self.tags_now(cx, name)).await
    }

    async fn tags_now(&self, cx: &Cx, name: &str) -> Result<Tags, Fault> {
        let request = self.client.list_tags_for_resource().resource_arn(self.arn(name));
        let found = Call::new(cx, doing("read the tags of", name, "logs:ListTagsForResource"))
            .absent_on(NOT_FOUND)
            .find(|| request.clone().send())
            .await?;
        Ok(found.and_then(|found| found.tags).unwrap_or_default().into_iter().collect())
    }

    async fn found(
        &self,
        cx: &Cx,
        name: &str,
        want: Option<&LogGroupSpec>,
    ) -> Result<Option<Found<LogGroupSpec>>, Fault> {
        let Some(group) = self.describe(cx, name).await? else { return Ok(None) };
        let tags = self.tags(cx, name, &group).await?;
        let spec = spec(&group, managed_tags(&tags, want.map(|want| &want.tags)));
        let mut outputs = self.outputs(name);
        outputs.extend(group.creation_time().map(|ms| (OLDEST_MS.to_owned(), ms.to_string())));
        Ok(Some(Found { spec, outputs, tags: Some(tags) }))
    }

    /// Makes a group be as wanted, where it is not.
    async fn reconcile(
        &self,
        cx: &Cx,
        name: &str,
        have: &LogGroupSpec,
        want: &LogGroupSpec,
    ) -> Result<(), Fault> {
        if have.retention_days != want.retention_days {
            self.retain(cx, name, want.retention_days).await?;
        }
        let tags = tags_to_apply(&have.tags, &want.tags);
        if !tags.is_empty() {
            let tags: HashMap<_, _> = tags.into_iter().collect();
            let request = self.client.tag_resource().resource_arn(self.arn(name)).set_tags(Some(tags));
            Call::new(cx, doing("tag", name, "logs:TagResource")).send(|| request.clone().send()).await?;
        }
        Ok(())
    }

    async fn retain(&self, cx: &Cx, name: &str, days: u32) -> Result<(), Fault> {
        let days = i32::try_from(days).unwrap_or(i32::MAX);
        let request = self.client.put_retention_policy().log_group_name(name).retention_in_days(days);
        Call::new(cx, doing("set the retention of", name, "logs:PutRetentionPolicy"))
            .send(|| request.clone().send())
            .await?;
        Ok(())
    }

    async fn make(&self, cx: &Cx, name: &str, want: &LogGroupSpec) -> Result<Outputs, Fault> {
        let tags: HashMap<_, _> = want.tags.clone().into_iter().collect();
        let request = self.client.create_log_group().log_group_name(name).set_tags(Some(tags));
        let made = Call::new(cx, doing("create", name, "logs:CreateLogGroup"))
            .absent_on(&["ResourceAlreadyExistsException"])
            .find(|| request.clone().send())
            .await?;
        if made.is_some() {
            self.retain(cx, name, want.retention_days).await?;
        } else {
            // Perhaps not to be seen yet: it may have just been made, by a call of ours whose answer was lost.
            let look = move || async move {
                let unseen =
                    || Fault::transient("not_visible", format!("log group {name} is not visible yet"));
                self.found(cx, name, Some(want)).await?.ok_or_else(unseen)
            };
            let patience = Wait::up_to(VISIBLE).each_within(Duration::from_mins(2));
            let found = cx.wait(&patience, &format!("waiting for log group {name}"), look).await?;
            check_ours(&self.aws, name, &found)?;
            self.reconcile(cx, name, &found.spec, want).await?;
        }
        Ok(self.outputs(name))
    }

    async fn drop_group(&self, cx: &Cx, name: &str) -> Result<(), Fault> {
        let request = self.client.delete_log_group().log_group_name(name);
        Call::new(cx, doing("delete", name, "logs:DeleteLogGroup"))
            .absent_on(NOT_FOUND)
            .find(|| request.clone().send())
            .await?;
        Ok(())
    }

    /// Sees that a deleted group stays away, and deletes it again when it does not.
    async fn stays_away(&self, cx: &Cx, name: &str) -> Result<(), Fault> {
        let clean = &AtomicU32::new(0);
        let look = move || async move {
            if self.describe(cx, name).await?.is_some() {
                clean.store(0, Ordering::Relaxed);
                self.drop_group(cx, name).await?;
            } else if clean.fetch_add(1, Ordering::Relaxed) + 1 >= CHECKS {
                return Ok(());
            }
            Err(Fault::transient("late_flush", format!("looking whether log group {name} stays away")))
        };
        let wait = Wait::up_to(CHECK_FOR).every(CHECK);
        match cx.wait(&wait, "waiting for the last logs", look).await {
            // It was away when last seen.
            Err(_) if clean.load(Ordering::Relaxed) > 0 => Ok(()),
            seen => seen,
        }
    }
}

impl Resource for LogGroup {
    type Spec = LogGroupSpec;

    fn new(aws: Arc<Aws>) -> Self {
        // Retries are ours alone: the SDK takes a limit of the account for a throttle, since both have one code.
        let config = aws_sdk_cloudwatchlogs::config::Builder::from(&aws.config)
            .retry_config(RetryConfig::disabled())
            .build();
        Self { client: Client::from_conf(config), aws }
    }

    async fn read(
        &self,
        cx: &Cx,
        name: &str,
        want: Option<&LogGroupSpec>,
    ) -> Result<Option<Found<LogGroupSpec>>, Fault> {
        self.found(cx, name, want).await
    }

    async fn create(&self, cx: &Cx, name: &str, want: &LogGroupSpec) -> Result<Outputs, Fault> {
        self.make(cx, name, want).await
    }

    async fn update(
        &self,
        cx: &Cx,
        name: &str,
        have: &Found<LogGroupSpec>,
        want: &LogGroupSpec,
        _: &[FieldDiff],
    ) -> Result<Outputs, Fault> {
        self.reconcile(cx, name, &have.spec, want).await?;
        Ok(self.outputs(name))
    }

    async fn delete(&self, cx: &Cx, name: &str, _: &Found<LogGroupSpec>) -> Result<(), Fault> {
        self.drop_group(cx, name).await?;
        self.stays_away(cx, name).await
    }
}

fn doing(verb: &'static str, name: &str, operation: &'static str) -> Doing {
    Doing::new(verb, format!("log group {name}"), operation)
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
