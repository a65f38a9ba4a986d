//! The time to live of a table: which attribute says when an item expires.
//!
//! `DynamoDB` takes up to an hour for a change of it and takes no second one in that time, so one run makes at most one, and
//! none is waited for: what is being enabled counts as enabled.

use std::time::Duration;

use aws_sdk_dynamodb::types::{TimeToLiveDescription, TimeToLiveSpecification, TimeToLiveStatus};
use hitctl_engine::{Fault, FaultKind, Wait};

use super::{IN_USE, PATIENCE, POLLS, Table};
use crate::aws::call::CallContext;
use crate::aws::fault::NOT_FOUND;
use crate::table::spec::TableSpec;

/// What is said of a change that is not taken: also of one that is made already, by a call whose answer was lost.
const REFUSED: &str = "ValidationException";

/// How long what is read may lag behind what was written.
const LAG: Wait = Wait { longest: POLLS.longest, ..Wait::up_to(Duration::from_mins(1)) }
    .each_within(Duration::from_mins(2));

impl Table {
    /// The attribute by which items expire, if they do.
    pub(super) async fn ttl(&self, cx: &CallContext<'_>) -> Result<Option<String>, Fault> {
        let request = self.client.describe_time_to_live().table_name(cx.name);
        let call = cx.call("read the time to live of", "dynamodb:DescribeTimeToLive");
        let found = call.find(|| request.clone().send()).await?;
        Ok(found.and_then(|found| found.time_to_live_description).and_then(attribute))
    }

    /// Makes items expire by that attribute, or no longer.
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
        let gone_or_busy = [NOT_FOUND, IN_USE].concat();
        let call = cx.call("set the time to live of", "dynamodb:UpdateTimeToLive").for_at_most(PATIENCE);
        match call.retry_on(&gone_or_busy).send(|| request.clone().send()).await {
            Err(fault) if fault.code == REFUSED => {
                self.was_set(cx, enabled.then_some(attribute), &fault).await
            }
            done => done.map(drop),
        }
    }

    /// After a refusal: whether it is as wanted by now. Where AWS says that it is so already, what is read lags behind.
    async fn was_set(&self, cx: &CallContext<'_>, want: Option<&str>, fault: &Fault) -> Result<(), Fault> {
        let look = move || async move {
            if self.ttl(cx).await?.as_deref() == want {
                return Ok(());
            }
            let kind = if is_already(fault) { FaultKind::Transient } else { fault.kind };
            Err(Fault { kind, ..fault.clone() })
        };
        cx.wait(&LAG, &format!("waiting for the time to live of table {}", cx.name), look).await
    }

    /// Makes the time to live be as wanted, where it is not.
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
                // Off first, and that is the one change of this hour.
                self.set_ttl(cx, old, false).await?;
                let message = format!(
                    "the items of table {} no longer expire by {old}, and do not expire by {new} yet: AWS takes one such change an hour",
                    cx.name
                );
                Err(Fault::fatal("ttl_attribute", message)
                    .hinted("run the same command again in an hour; it continues where it stopped"))
            }
            (None, None) => Ok(()),
        }
    }
}

/// Whether that refusal means that the wanted state was reached before.
fn is_already(fault: &Fault) -> bool {
    let said = fault.cause.as_deref().unwrap_or_default();
    ["TimeToLive is already enabled", "TimeToLive is already disabled"].iter().any(|end| said.ends_with(end))
}

/// The attribute that is in force, or will be soon.
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
    fn what_is_being_enabled_is_on_and_what_is_being_disabled_is_off() {
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
