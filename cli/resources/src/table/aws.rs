//! The driver of `DynamoDB` tables. DynamoDB accepts one change at a time; a change is in effect when the table is
//! ACTIVE again.

mod read;
mod ttl;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, OnDemandThroughput,
    PointInTimeRecoverySpecification, ScalarAttributeType, TableDescription, TableStatus, Tag,
};
use hitctl_engine::{Fault, Outputs, RetryPolicy};

use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::fault::{ErrorRule, NOT_FOUND};
use crate::aws::owner::check_ours;
use crate::aws::resource::{ReadResult, ReadState, Resource, WriteResult};
use crate::aws::tags::{sdk_tags, tags_to_apply};
use crate::table::errors;
use crate::table::spec::TableSpec;
use crate::tags::Tags;

/// DynamoDB's codes for a table that already exists or is being changed.
const IN_USE: &[&str] = &["ResourceInUseException"];

/// The time limit for waiting. A change of a table takes seconds, sometimes minutes.
const MAX_WAIT: Duration = Duration::from_mins(10);

/// The polling of a table that is being changed: at short intervals first, then every second.
const POLLING: RetryPolicy =
    RetryPolicy { max_delay: Duration::from_secs(1), ..RetryPolicy::with_budget(MAX_WAIT) };

/// The driver of tables.
pub(crate) struct TableDriver {
    aws: Arc<Aws>,
    client: Client,
}

/// One change by `UpdateTable`, which accepts one change per call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TableUpdate {
    Protection(bool),
    MaxWriteUnits(u32),
}

impl TableDriver {
    fn arn(&self, name: &str) -> String {
        self.aws.arn("dynamodb", &format!("table/{name}"))
    }

    fn outputs(&self, name: &str) -> Outputs {
        Outputs::from([("arn".to_owned(), self.arn(name))])
    }

    /// Waits until the table is active.
    async fn wait_until_active(&self, cx: &CallContext<'_>) -> Result<TableDescription, Fault> {
        let check_active = move || async move {
            let Some(table) = self.describe(cx).await? else { return Ok(None) };
            match table.table_status() {
                Some(TableStatus::Active) => Ok(Some(table)),
                Some(TableStatus::Creating | TableStatus::Updating | TableStatus::Deleting) | None => {
                    Err(status_fault(cx.name, &table))
                }
                Some(_) => Err(Fault::fatal("table_status", status_fault(cx.name, &table).message)
                    .hinted("check the table in the DynamoDB console; it cannot be used in this status")),
            }
        };
        let table = cx.retry(&POLLING, &format!("waiting for table {}", cx.name), check_active).await?;
        table.ok_or_else(|| {
            Fault::fatal("table_gone", format!("table {} no longer exists", cx.name))
                .hinted("run the same command again; it continues where it stopped")
        })
    }

    /// Makes the changes by `UpdateTable`, one after another. Waits until the table is active before the first change
    /// and after each change.
    async fn apply_updates(&self, cx: &CallContext<'_>, updates: &[TableUpdate]) -> Result<(), Fault> {
        self.wait_until_active(cx).await?;
        for &update in updates {
            let attempt = move || self.try_update(cx, update);
            let wait = POLLING.with_attempt_timeout(Duration::from_mins(2));
            cx.retry(&wait, &format!("waiting to update table {}", cx.name), attempt).await?;
            self.wait_until_active(cx).await?;
        }
        Ok(())
    }

    /// Makes one change, unless the table already has the setting. AWS may reject a repeated change if the response to
    /// the first call was lost.
    async fn try_update(&self, cx: &CallContext<'_>, update: TableUpdate) -> Result<(), Fault> {
        let table = self.wait_until_active(cx).await?;
        if update.is_applied(&table) {
            return Ok(());
        }
        let request_builder = self.client.update_table().table_name(cx.name);
        let request = match update {
            TableUpdate::Protection(enabled) => request_builder.deletion_protection_enabled(enabled),
            TableUpdate::MaxWriteUnits(units) if read::is_on_demand(&table) => {
                request_builder.on_demand_throughput(on_demand(units))
            }
            TableUpdate::MaxWriteUnits(units) => request_builder
                .billing_mode(BillingMode::PayPerRequest)
                .on_demand_throughput(on_demand(units)),
        };
        let call = cx.call("update", "dynamodb:UpdateTable").none_on(IN_USE);
        let updated = call.find(|| request.clone().send()).await?;
        updated.map(drop).ok_or_else(|| status_fault(cx.name, &table))
    }

    async fn set_backups(&self, cx: &CallContext<'_>, enabled: bool) -> Result<(), Fault> {
        let backups = PointInTimeRecoverySpecification::builder()
            .point_in_time_recovery_enabled(enabled)
            .build()
            .expect("its one required field is set");
        let request = self.client.update_continuous_backups().table_name(cx.name);
        let request = request.point_in_time_recovery_specification(backups);
        // A new table is not ready for this call yet: "Backups are being enabled" is retried.
        let call = cx.call("configure the backups of", "dynamodb:UpdateContinuousBackups");
        call.for_at_most(MAX_WAIT).retry_on(NOT_FOUND).send(|| request.clone().send()).await.map(drop)
    }

    /// Creates the table. Returns `None` if it already exists. Waits until an old table with the name is deleted.
    async fn try_create(
        &self,
        cx: &CallContext<'_>,
        want: &TableSpec,
    ) -> Result<Option<TableDescription>, Fault> {
        let key = &want.partition_key;
        let attribute =
            AttributeDefinition::builder().attribute_name(key).attribute_type(ScalarAttributeType::S);
        let hash = KeySchemaElement::builder().attribute_name(key).key_type(KeyType::Hash);
        let request = &self
            .client
            .create_table()
            .table_name(cx.name)
            .attribute_definitions(attribute.build().expect("its required fields are set"))
            .key_schema(hash.build().expect("its required fields are set"))
            .billing_mode(BillingMode::PayPerRequest)
            .on_demand_throughput(on_demand(want.max_write_units))
            .deletion_protection_enabled(want.deletion_protection)
            .set_tags(Some(table_tags(&want.tags)));
        let attempt = move || async move {
            let call = cx.call("create", "dynamodb:CreateTable").none_on(IN_USE);
            if let Some(created) = call.find(|| request.clone().send()).await? {
                return Ok(created.table_description);
            }
            match self.describe(cx).await? {
                Some(table) if table.table_status() != Some(&TableStatus::Deleting) => Ok(None),
                Some(table) => Err(status_fault(cx.name, &table)),
                None => Err(Fault::transient("table_gone", format!("table {} no longer exists", cx.name))),
            }
        };
        let policy = POLLING.with_attempt_timeout(Duration::from_mins(2));
        cx.retry(&policy, &format!("waiting for the name of table {}", cx.name), attempt).await
    }
}

impl Resource for TableDriver {
    type Spec = TableSpec;

    const RULES: &'static [ErrorRule] = errors::RULES;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.without_retries()), aws }
    }

    async fn read(&self, cx: &CallContext<'_>, want: Option<&TableSpec>) -> ReadResult<TableSpec> {
        self.read_spec(cx, want).await
    }

    async fn create(&self, cx: &CallContext<'_>, want: &TableSpec) -> WriteResult {
        if let Some(created) = self.try_create(cx, want).await? {
            if created.table_status() != Some(&TableStatus::Active) {
                self.wait_until_active(cx).await?;
            }
            if want.point_in_time_recovery {
                self.set_backups(cx, true).await?;
            }
            if let Some(attribute) = &want.ttl_attribute {
                self.set_ttl(cx, attribute, true).await?;
            }
        } else if let Some(found) = self.read_spec(cx, Some(want)).await? {
            check_ours(&self.aws, cx.name, &found)?;
            self.update(cx, &found, want).await?;
        }
        Ok(self.outputs(cx.name))
    }

    async fn update(
        &self,
        cx: &CallContext<'_>,
        have: &ReadState<TableSpec>,
        want: &TableSpec,
    ) -> WriteResult {
        let (name, have) = (cx.name, &have.spec);
        if have.partition_key != want.partition_key {
            let message = format!(
                "expected partition key {} in table {name}, found {}",
                want.partition_key, have.partition_key
            );
            return Err(Fault::fatal("table_key", message).hinted(
                "run the same command again; its plan replaces the table and shows the data that is lost",
            ));
        }
        // Even without updates, this waits until a table that an interrupted run created is active.
        self.apply_updates(cx, &updates(have, want)).await?;
        if have.point_in_time_recovery != want.point_in_time_recovery {
            self.set_backups(cx, want.point_in_time_recovery).await?;
        }
        let tags = tags_to_apply(&have.tags, &want.tags);
        if !tags.is_empty() {
            let tags = table_tags(&tags);
            let request = self.client.tag_resource().resource_arn(self.arn(name)).set_tags(Some(tags));
            let call = cx.call("tag", "dynamodb:TagResource").retry_on(NOT_FOUND);
            call.send(|| request.clone().send()).await?;
        }
        // This is the last change, because AWS may reject it for an hour.
        self.reconcile_ttl(cx, have, want).await?;
        Ok(self.outputs(name))
    }

    async fn delete(&self, cx: &CallContext<'_>, _: &ReadState<TableSpec>) -> Result<(), Fault> {
        let Some(table) = self.describe(cx).await? else { return Ok(()) };
        if table.table_status() != Some(&TableStatus::Deleting) {
            if table.deletion_protection_enabled() == Some(true) {
                self.apply_updates(cx, &[TableUpdate::Protection(false)]).await?;
            }
            // Retried while the table is being changed: "table in use" is a transient error.
            let request = self.client.delete_table().table_name(cx.name);
            let call = cx.call("delete", "dynamodb:DeleteTable").for_at_most(MAX_WAIT);
            call.find(|| request.clone().send()).await?;
        }
        let check_deleted = move || async move {
            match self.describe(cx).await? {
                Some(table) => Err(status_fault(cx.name, &table)),
                None => Ok(()),
            }
        };
        cx.retry(&POLLING, &format!("waiting for the deletion of table {}", cx.name), check_deleted).await
    }
}

/// Returns the transient fault for a table that is being created, changed or deleted.
fn status_fault(name: &str, table: &TableDescription) -> Fault {
    let status = table.table_status().map_or("in an unknown state", TableStatus::as_str);
    Fault::transient("table_status", format!("table {name} is {status}"))
}

/// Returns the changes that `UpdateTable` must make.
fn updates(have: &TableSpec, want: &TableSpec) -> Vec<TableUpdate> {
    let protection = (have.deletion_protection != want.deletion_protection)
        .then_some(TableUpdate::Protection(want.deletion_protection));
    let units = (have.max_write_units != want.max_write_units)
        .then_some(TableUpdate::MaxWriteUnits(want.max_write_units));
    protection.into_iter().chain(units).collect()
}

impl TableUpdate {
    /// Whether the table already has this setting.
    fn is_applied(self, table: &TableDescription) -> bool {
        match self {
            Self::Protection(enabled) => enabled == table.deletion_protection_enabled().unwrap_or(false),
            Self::MaxWriteUnits(units) => units == read::max_write_units(table),
        }
    }
}

fn on_demand(max_write_units: u32) -> OnDemandThroughput {
    OnDemandThroughput::builder().max_write_request_units(i64::from(max_write_units)).build()
}

fn table_tags(tags: &Tags) -> Vec<Tag> {
    sdk_tags(tags, |key, value| Tag::builder().key(key).value(value).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_is_separate_update() {
        let have = TableSpec {
            partition_key: "path".to_owned(),
            point_in_time_recovery: true,
            deletion_protection: true,
            max_write_units: 100,
            ttl_attribute: None,
            tags: Tags::new(),
        };
        assert_eq!(updates(&have, &TableSpec { point_in_time_recovery: false, ..have.clone() }), []);
        let want = TableSpec { deletion_protection: false, max_write_units: 50, ..have.clone() };
        assert_eq!(updates(&have, &want), [TableUpdate::Protection(false), TableUpdate::MaxWriteUnits(50)]);
    }

    #[test]
    fn is_applied_compares_update_with_table() {
        let table = TableDescription::builder()
            .deletion_protection_enabled(true)
            .on_demand_throughput(on_demand(100))
            .build();
        assert!(
            TableUpdate::Protection(true).is_applied(&table)
                && !TableUpdate::Protection(false).is_applied(&table)
        );
        assert!(
            TableUpdate::MaxWriteUnits(100).is_applied(&table)
                && !TableUpdate::MaxWriteUnits(50).is_applied(&table)
        );
        let bare = TableDescription::builder().build();
        assert!(
            TableUpdate::Protection(false).is_applied(&bare)
                && !TableUpdate::MaxWriteUnits(100).is_applied(&bare)
        );
    }
}
