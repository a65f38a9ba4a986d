//! The time to live of a table: the attribute with the expiry time of an item. `DynamoDB` takes up to an hour to apply
//! a change and rejects a second change in that time. One run therefore makes at most one change and does not wait
//! until it is applied: a time to live that is being enabled counts as enabled.

use std::time::Duration;

use aws_sdk_dynamodb::types::{TimeToLiveDescription, TimeToLiveSpecification, TimeToLiveStatus};
use hitctl_engine::{Fault, FaultKind, RetryPolicy};

use super::{IN_USE, MAX_WAIT, POLLING, TableDriver};
use crate::aws::call::CallContext;
use crate::aws::fault::NOT_FOUND;
use crate::table::spec::TableSpec;

/// DynamoDB's code for a rejected change. A repeated call is rejected too, if the response to the first one was lost.
const CHANGE_REJECTED: &str = "ValidationException";

/// The retries while reads may lag behind writes.
const READ_LAG: RetryPolicy =
    RetryPolicy { max_delay: POLLING.max_delay, ..RetryPolicy::with_budget(Duration::from_mins(1)) }
        .with_attempt_timeout(Duration::from_mins(2));

impl TableDriver {
    /// Returns the attribute with the expiry time of items, if time to live is enabled.
    pub(super) async fn ttl(&self, cx: &CallContext<'_>) -> Result<Option<String>, Fault> {
        let request = self.client.describe_time_to_live().table_name(cx.name);
        let call = cx.call("read the time to live of", "dynamodb:DescribeTimeToLive");
        let found = call.find(|| request.clone().send()).await?;
        Ok(found.and_then(|found| found.time_to_live_description).and_then(attribute))
    }

    /// Enables or disables the time to live with the given attribute.
    pub(super) async fn set_ttl(
        &self,
        cx: &CallContext<'_>,
        attribute: &str,
        enabled: bool,
    ) -> Result<(), Fault> {
        let change = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(enabled);
        let change = change.build().expect("its required fields are set");
        let request =
            self.client.update_time_to_live().table_name(cx.name).time_to_live_specification(change);
        let not_found_or_in_use = [NOT_FOUND, IN_USE].concat();
        let call = cx.call("set the time to live of", "dynamodb:UpdateTimeToLive").for_at_most(MAX_WAIT);
        match call.retry_on(&not_found_or_in_use).send(|| request.clone().send()).await {
            Err(fault) if fault.code == CHANGE_REJECTED => {
                self.verify_rejected_change(cx, enabled.then_some(attribute), &fault).await
            }
            result => result.map(drop),
        }
    }

    /// Checks whether the time to live is as wanted after AWS rejected a change. If AWS rejected the change because it
    /// was already made, a read that differs is stale and is retried.
    async fn verify_rejected_change(
        &self,
        cx: &CallContext<'_>,
        want: Option<&str>,
        fault: &Fault,
    ) -> Result<(), Fault> {
        let check_ttl = move || async move {
            if self.ttl(cx).await?.as_deref() == want {
                return Ok(());
            }
            let kind = if is_already_set(fault) { FaultKind::Transient } else { fault.kind };
            Err(Fault { kind, ..fault.clone() })
        };
        cx.retry(&READ_LAG, &format!("waiting for the time to live of table {}", cx.name), check_ttl).await
    }

    /// Makes the first change that is needed to reach the wanted time to live.
    pub(super) async fn reconcile_ttl(
        &self,
        cx: &CallContext<'_>,
        have: &TableSpec,
        want: &TableSpec,
    ) -> Result<(), Fault> {
        match (&have.ttl_attribute, &want.ttl_attribute) {
            (have, want) if have == want => Ok(()),
            (None, Some(attribute)) => self.set_ttl(cx, attribute, true).await,
            (Some(attribute), None) => self.set_ttl(cx, attribute, false).await,
            (Some(old), Some(new)) => {
                // Disable the old attribute now; AWS does not allow the second change in the same hour.
                self.set_ttl(cx, old, false).await?;
                let message = format!(
                    "time to live of table {} is disabled for {old} but not enabled for {new} yet: AWS allows one change per hour",
                    cx.name
                );
                Err(Fault::fatal("ttl_attribute", message)
                    .hinted("run the same command again in an hour; it continues where it stopped"))
            }
            (None, None) => Ok(()),
        }
    }
}

/// Whether AWS rejected the change because it was already made.
fn is_already_set(fault: &Fault) -> bool {
    let message = fault.cause.as_deref().unwrap_or_default();
    ["TimeToLive is already enabled", "TimeToLive is already disabled"]
        .iter()
        .any(|suffix| message.ends_with(suffix))
}

/// Returns the attribute if the time to live is enabled or is being enabled.
fn attribute(ttl: TimeToLiveDescription) -> Option<String> {
    match ttl.time_to_live_status {
        Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling) => ttl.attribute_name,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enabling_counts_as_enabled_and_disabling_as_disabled() {
        for (status, read) in [
            (Some(TimeToLiveStatus::Enabled), Some("ttl")),
            (Some(TimeToLiveStatus::Enabling), Some("ttl")),
            (Some(TimeToLiveStatus::Disabling), None),
            (Some(TimeToLiveStatus::Disabled), None),
            (None, None),
        ] {
            let ttl = TimeToLiveDescription::builder()
                .attribute_name("ttl")
                .set_time_to_live_status(status.clone())
                .build();
            assert_eq!(attribute(ttl).as_deref(), read, "{status:?}");
        }
    }
}
