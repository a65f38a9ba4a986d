//! Reads the spec of a live table, with four calls.

use std::time::SystemTime;

use aws_sdk_dynamodb::operation::describe_continuous_backups::DescribeContinuousBackupsOutput;
use aws_sdk_dynamodb::types::{
    BillingMode, KeyType, OnDemandThroughput, PointInTimeRecoveryStatus, TableDescription, TableStatus,
};
use futures::future::try_join3;
use hitctl_engine::Fault;

use super::TableDriver;
use crate::aws::call::CallContext;
use crate::aws::resource::{ReadResult, ReadState};
use crate::aws::tags::{managed_tags, read_tags};
use crate::table::spec::TableSpec;
use crate::tags::Tags;

impl TableDriver {
    /// Describes the table in any status.
    pub(super) async fn describe(&self, cx: &CallContext<'_>) -> Result<Option<TableDescription>, Fault> {
        let request = self.client.describe_table().table_name(cx.name);
        let found = cx.call("read", "dynamodb:DescribeTable").find(|| request.clone().send()).await?;
        Ok(found.and_then(|found| found.table))
    }

    /// Reads the spec of the table. Returns `None` if the table is being deleted; a table that is being created exists.
    pub(super) async fn read_spec(
        &self,
        cx: &CallContext<'_>,
        want: Option<&TableSpec>,
    ) -> ReadResult<TableSpec> {
        let Some(table) = self.describe(cx).await? else { return Ok(None) };
        if table.table_status() == Some(&TableStatus::Deleting) {
            return Ok(None);
        }
        // Read the time to live even if the spec has none: if it were enabled, it would delete items that must be kept.
        let (backups, ttl_attribute, tags) =
            try_join3(self.backups(cx), self.ttl(cx), self.tags(cx, &table)).await?;
        let spec = TableSpec {
            partition_key: partition_key(&table),
            point_in_time_recovery: backups,
            deletion_protection: table.deletion_protection_enabled().unwrap_or(false),
            max_write_units: max_write_units(&table),
            ttl_attribute,
            tags: managed_tags(&tags, want.map(|want| &want.tags)),
        };
        Ok(Some(ReadState { spec, outputs: self.outputs(cx.name), tags: Some(tags) }))
    }

    async fn backups(&self, cx: &CallContext<'_>) -> Result<bool, Fault> {
        let request = self.client.describe_continuous_backups().table_name(cx.name);
        let call = cx.call("read the backups of", "dynamodb:DescribeContinuousBackups");
        Ok(call.find(|| request.clone().send()).await?.is_some_and(|response| has_backups(&response)))
    }

    async fn tags(&self, cx: &CallContext<'_>, table: &TableDescription) -> Result<Tags, Fault> {
        let created = table.creation_date_time().and_then(|created| SystemTime::try_from(*created).ok());
        let request = &self.client.list_tags_of_resource().resource_arn(self.arn(cx.name));
        read_tags(cx, &format!("table {}", cx.name), created, || async move {
            let found = cx
                .call("read the tags of", "dynamodb:ListTagsOfResource")
                .pages(
                    |next| request.clone().set_next_token(next).send(),
                    |page| (page.tags, page.next_token),
                )
                .await?;
            Ok(found.into_iter().flatten().map(|tag| (tag.key, tag.value)).collect())
        })
        .await
    }
}

fn partition_key(table: &TableDescription) -> String {
    let hash = table.key_schema().iter().find(|key| *key.key_type() == KeyType::Hash);
    hash.map(|key| key.attribute_name().to_owned()).unwrap_or_default()
}

/// Returns the maximum number of write request units per second; 0 if there is no limit, for which AWS returns -1 or
/// nothing. Also returns 0 for a table with provisioned throughput, so that the table differs from the wanted spec.
pub(super) fn max_write_units(table: &TableDescription) -> u32 {
    let units = table.on_demand_throughput().and_then(OnDemandThroughput::max_write_request_units);
    units.filter(|_| is_on_demand(table)).and_then(|units| u32::try_from(units).ok()).unwrap_or(0)
}

/// Whether the table is billed on demand. If AWS returns no billing mode, the table is billed on demand if it has a
/// limit that only on-demand tables have; otherwise it has provisioned throughput.
pub(super) fn is_on_demand(table: &TableDescription) -> bool {
    let mode = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    mode.map_or(table.on_demand_throughput().is_some(), |mode| *mode == BillingMode::PayPerRequest)
}

fn has_backups(response: &DescribeContinuousBackupsOutput) -> bool {
    response
        .continuous_backups_description()
        .and_then(|backups| backups.point_in_time_recovery_description())
        .and_then(|recovery| recovery.point_in_time_recovery_status())
        .is_some_and(|status| *status == PointInTimeRecoveryStatus::Enabled)
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::{
        BillingModeSummary, ContinuousBackupsDescription, ContinuousBackupsStatus, KeySchemaElement,
        PointInTimeRecoveryDescription,
    };

    use super::*;

    fn table(mode: Option<BillingMode>, units: Option<i64>) -> TableDescription {
        let throughput = OnDemandThroughput::builder().set_max_write_request_units(units).build();
        TableDescription::builder()
            .set_billing_mode_summary(
                mode.map(|mode| BillingModeSummary::builder().billing_mode(mode).build()),
            )
            .set_on_demand_throughput(units.map(|_| throughput))
            .build()
    }

    #[test]
    fn max_write_units_are_zero_without_limit() {
        for (mode, units, read) in [
            (Some(BillingMode::PayPerRequest), Some(100), 100),
            (Some(BillingMode::PayPerRequest), Some(-1), 0),
            (Some(BillingMode::PayPerRequest), None, 0),
            (Some(BillingMode::Provisioned), Some(100), 0),
            (None, Some(100), 100),
            (None, None, 0),
        ] {
            assert_eq!(max_write_units(&table(mode.clone(), units)), read, "{mode:?} {units:?}");
        }
    }

    #[test]
    fn partition_key_is_hash_key_in_any_position() {
        let key = |name: &str, kind| {
            KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("both are set")
        };
        let table = TableDescription::builder()
            .key_schema(key("day", KeyType::Range))
            .key_schema(key("path", KeyType::Hash))
            .build();
        assert_eq!(partition_key(&table), "path");
    }

    #[test]
    fn backups_are_enabled_only_with_enabled_status() {
        let response = |status: Option<PointInTimeRecoveryStatus>| {
            let recovery = status
                .map(|s| PointInTimeRecoveryDescription::builder().point_in_time_recovery_status(s).build());
            let backups = ContinuousBackupsDescription::builder()
                .continuous_backups_status(ContinuousBackupsStatus::Enabled)
                .set_point_in_time_recovery_description(recovery)
                .build()
                .expect("its status is set");
            DescribeContinuousBackupsOutput::builder().continuous_backups_description(backups).build()
        };
        assert!(has_backups(&response(Some(PointInTimeRecoveryStatus::Enabled))));
        assert!(!has_backups(&response(Some(PointInTimeRecoveryStatus::Disabled))));
        assert!(!has_backups(&response(None)));
        assert!(!has_backups(&DescribeContinuousBackupsOutput::builder().build()));
    }
}
