//! The time to live of a table: the attribute with the expiry time of an item.
//!
//! `DynamoDB` takes up to an hour to change it and refuses a second change in that time. One run therefore
//! makes at most one change and does not wait for it: a setting that is being enabled counts as enabled.

use std::time::Duration;

use aws_sdk_dynamodb::types::{TimeToLiveDescription, TimeToLiveSpecification, TimeToLiveStatus};
use hitctl_engine::{Fault, FaultKind, RetryPolicy};

use super::{IN_USE, MAX_WAIT, POLLING, TableDriver};
use crate::aws::call::CallContext;
use crate::aws::fault::NOT_FOUND;
use crate::table::spec::TableSpec;

/// DynamoDB's code for a refused change. It also refuses a change that an earlier call made whose response
/// was lost.
const CHANGE_REFUSED: &str = "ValidationException";

/// How long reads may lag behind writes.
const READ_LAG: RetryPolicy =
    RetryPolicy { max_delay: POLLING.max_delay, ..RetryPolicy::with_budget(Duration::from_mins(1)) }
        .with_attempt_timeout(Duration::from_mins(2));

impl TableDriver {
    /// Returns the attribute by which items expire, if there is one.
    pub(super) async fn ttl(&self, cx: &CallContext<'_>) -> Result<Option<String>, Fault> {
        let request = self.client.describe_time_to_live().table_name(cx.name);
        let call = cx.call("read the time to live of", "dynamodb:DescribeTimeToLive");
        let found = call.find(|| request.clone().send()).await?;
        Ok(found.and_then(|found| found.time_to_live_description).and_then(attribute))
    }

    /// Enables or disables the expiry of items by that attribute.
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
            Err(fault) if fault.code == CHANGE_REFUSED => {
                self.verify_refused_change(cx, enabled.then_some(attribute), &fault).await
            }
            result => result.map(drop),
        }
    }

    /// Checks after a refusal whether the time to live is as wanted. If AWS refused because it already is, a
    /// read that differs is stale and is retried.
    async fn verify_refused_change(
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

    /// Reconciles the time to live with the wanted one.
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
                // Disable the old attribute first: that is the one change of this hour.
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

/// Whether AWS refused the change because the setting was already as wanted.
fn is_already_set(fault: &Fault) -> bool {
    let message = fault.cause.as_deref().unwrap_or_default();
    ["TimeToLive is already enabled", "TimeToLive is already disabled"]
        .iter()
        .any(|suffix| message.ends_with(suffix))
}

/// Returns the attribute that is in force, or will be soon.
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
