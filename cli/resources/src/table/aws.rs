//! The table in AWS: `DynamoDB`, where a change is in force once the table is ACTIVE again, and one change goes at a time.

mod read;
mod ttl;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, OnDemandThroughput,
    PointInTimeRecoverySpecification, ScalarAttributeType, TableDescription, TableStatus, Tag,
};
use hitctl_engine::{Fault, Outputs, Wait};

use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::fault::{ErrorRule, NOT_FOUND};
use crate::aws::owner::check_ours;
use crate::aws::resource::{Found, Read, Resource, Written};
use crate::aws::tags::{sdk_tags, tags_to_apply};
use crate::table::errors;
use crate::table::spec::TableSpec;
use crate::tags::Tags;

/// What is said of one that is there already, or that is being changed.
const IN_USE: &[&str] = &["ResourceInUseException"];

/// Tables take seconds, and minutes on bad days.
const PATIENCE: Duration = Duration::from_mins(10);

/// How often a table is looked at while it changes: soon at first, and then every second.
const POLLS: Wait = Wait { longest: Duration::from_secs(1), ..Wait::up_to(PATIENCE) };

/// Tables of one account and region.
pub(crate) struct Table {
    aws: Arc<Aws>,
    client: Client,
}

/// One change by `UpdateTable`, which takes no two at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Protection(bool),
    MaxWriteUnits(u32),
}

impl Table {
    fn arn(&self, name: &str) -> String {
        self.aws.arn("dynamodb", &format!("table/{name}"))
    }

    fn outputs(&self, name: &str) -> Outputs {
        Outputs::from([("arn".to_owned(), self.arn(name))])
    }

    /// Waits until the table can be used.
    async fn active(&self, cx: &CallContext<'_>) -> Result<TableDescription, Fault> {
        let look = move || async move {
            let Some(table) = self.describe(cx).await? else { return Ok(None) };
            match table.table_status() {
                Some(TableStatus::Active) => Ok(Some(table)),
                Some(TableStatus::Creating | TableStatus::Updating | TableStatus::Deleting) | None => {
                    Err(unsettled(cx.name, &table))
                }
                Some(_) => Err(Fault::fatal("table_status", unsettled(cx.name, &table).message)
                    .hinted("look at the table in the DynamoDB console: AWS does not let it be used")),
            }
        };
        let table = cx.wait(&POLLS, &format!("waiting for table {}", cx.name), look).await?;
        table.ok_or_else(|| {
            Fault::fatal("table_gone", format!("table {} was deleted meanwhile", cx.name))
                .hinted("run the same command again; it continues where it stopped")
        })
    }

    /// Makes the changes that go by `UpdateTable`: one, wait, the next.
    async fn apply(&self, cx: &CallContext<'_>, changes: &[Change]) -> Result<(), Fault> {
        self.active(cx).await?;
        for &change in changes {
            let attempt = move || self.try_change(cx, change);
            let wait = POLLS.each_within(Duration::from_mins(2));
            cx.wait(&wait, &format!("waiting to update table {}", cx.name), attempt).await?;
            self.active(cx).await?;
        }
        Ok(())
    }

    /// Makes one change, unless it is made already: by a call whose answer was lost, which AWS may refuse to do again.
    async fn try_change(&self, cx: &CallContext<'_>, change: Change) -> Result<(), Fault> {
        let table = self.active(cx).await?;
        if change.is_made(&table) {
            return Ok(());
        }
        let update = self.client.update_table().table_name(cx.name);
        let request = match change {
            Change::Protection(on) => update.deletion_protection_enabled(on),
            Change::MaxWriteUnits(units) if read::is_on_demand(&table) => {
                update.on_demand_throughput(on_demand(units))
            }
            Change::MaxWriteUnits(units) => {
                update.billing_mode(BillingMode::PayPerRequest).on_demand_throughput(on_demand(units))
            }
        };
        let call = cx.call("update", "dynamodb:UpdateTable").none_on(IN_USE);
        let changed = call.find(|| request.clone().send()).await?;
        changed.map(drop).ok_or_else(|| unsettled(cx.name, &table))
    }

    async fn set_backups(&self, cx: &CallContext<'_>, on: bool) -> Result<(), Fault> {
        let backups = PointInTimeRecoverySpecification::builder()
            .point_in_time_recovery_enabled(on)
            .build()
            .expect("its one required field is set");
        let request = self.client.update_continuous_backups().table_name(cx.name);
        let request = request.point_in_time_recovery_specification(backups);
        // "Backups are being enabled", for a while after a table is made.
        let call = cx.call("set the backups of", "dynamodb:UpdateContinuousBackups");
        call.for_at_most(PATIENCE).retry_on(NOT_FOUND).send(|| request.clone().send()).await.map(drop)
    }

    /// Makes the table; `None` where it is there already. One that is just being deleted is waited for.
    async fn make(&self, cx: &CallContext<'_>, want: &TableSpec) -> Result<Option<TableDescription>, Fault> {
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
            if let Some(made) = call.find(|| request.clone().send()).await? {
                return Ok(made.table_description);
            }
            match self.describe(cx).await? {
                Some(table) if table.table_status() != Some(&TableStatus::Deleting) => Ok(None),
                Some(table) => Err(unsettled(cx.name, &table)),
                None => {
                    Err(Fault::transient("table_gone", format!("table {} was deleted meanwhile", cx.name)))
                }
            }
        };
        let patience = POLLS.each_within(Duration::from_mins(2));
        cx.wait(&patience, &format!("waiting for the name of table {}", cx.name), attempt).await
    }
}

impl Resource for Table {
    type Spec = TableSpec;

    const RULES: &'static [ErrorRule] = errors::RULES;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.without_retries()), aws }
    }

    async fn read(&self, cx: &CallContext<'_>, want: Option<&TableSpec>) -> Read<TableSpec> {
        self.found(cx, want).await
    }

    async fn create(&self, cx: &CallContext<'_>, want: &TableSpec) -> Written {
        if let Some(made) = self.make(cx, want).await? {
            if made.table_status() != Some(&TableStatus::Active) {
                self.active(cx).await?;
            }
            if want.point_in_time_recovery {
                self.set_backups(cx, true).await?;
            }
            if let Some(attribute) = &want.ttl_attribute {
                self.set_ttl(cx, attribute, true).await?;
            }
        } else if let Some(found) = self.found(cx, Some(want)).await? {
            check_ours(&self.aws, cx.name, &found)?;
            self.update(cx, &found, want).await?;
        }
        Ok(self.outputs(cx.name))
    }

    async fn update(&self, cx: &CallContext<'_>, have: &Found<TableSpec>, want: &TableSpec) -> Written {
        let (name, have) = (cx.name, &have.spec);
        if have.partition_key != want.partition_key {
            let message =
                format!("table {name} has the key {}, not {}", have.partition_key, want.partition_key);
            return Err(Fault::fatal("table_key", message)
                .hinted("run the same command again: its plan shows what a new table would lose"));
        }
        // Also waits for a table that an earlier run has only begun to make.
        self.apply(cx, &changes(have, want)).await?;
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
        // Last: it may be refused for an hour.
        self.reconcile_ttl(cx, have, want).await?;
        Ok(self.outputs(name))
    }

    async fn delete(&self, cx: &CallContext<'_>, _: &Found<TableSpec>) -> Result<(), Fault> {
        let Some(table) = self.describe(cx).await? else { return Ok(()) };
        if table.table_status() != Some(&TableStatus::Deleting) {
            if table.deletion_protection_enabled() == Some(true) {
                self.apply(cx, &[Change::Protection(false)]).await?;
            }
            // In use while it is changing: that passes.
            let request = self.client.delete_table().table_name(cx.name);
            let call = cx.call("delete", "dynamodb:DeleteTable").for_at_most(PATIENCE);
            call.find(|| request.clone().send()).await?;
        }
        let look = move || async move {
            match self.describe(cx).await? {
                Some(table) => Err(unsettled(cx.name, &table)),
                None => Ok(()),
            }
        };
        cx.wait(&POLLS, &format!("waiting until table {} is gone", cx.name), look).await
    }
}

/// A table that is not as it will be.
fn unsettled(name: &str, table: &TableDescription) -> Fault {
    let status = table.table_status().map_or("in an unknown state", TableStatus::as_str);
    Fault::transient("table_status", format!("table {name} is {status}"))
}

/// What differs of what goes by `UpdateTable`.
fn changes(have: &TableSpec, want: &TableSpec) -> Vec<Change> {
    let protection = (have.deletion_protection != want.deletion_protection)
        .then_some(Change::Protection(want.deletion_protection));
    let units =
        (have.max_write_units != want.max_write_units).then_some(Change::MaxWriteUnits(want.max_write_units));
    protection.into_iter().chain(units).collect()
}

impl Change {
    /// Whether the table is so.
    fn is_made(self, table: &TableDescription) -> bool {
        match self {
            Self::Protection(on) => on == table.deletion_protection_enabled().unwrap_or(false),
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
    fn each_difference_is_a_change_of_its_own() {
        let have = TableSpec {
            partition_key: "path".to_owned(),
            point_in_time_recovery: true,
            deletion_protection: true,
            max_write_units: 100,
            ttl_attribute: None,
            tags: Tags::new(),
        };
        assert_eq!(changes(&have, &TableSpec { point_in_time_recovery: false, ..have.clone() }), []);
        let want = TableSpec { deletion_protection: false, max_write_units: 50, ..have.clone() };
        assert_eq!(changes(&have, &want), [Change::Protection(false), Change::MaxWriteUnits(50)]);
    }

    #[test]
    fn what_is_made_is_not_made_again() {
        let table = TableDescription::builder()
            .deletion_protection_enabled(true)
            .on_demand_throughput(on_demand(100))
            .build();
        assert!(Change::Protection(true).is_made(&table) && !Change::Protection(false).is_made(&table));
        assert!(Change::MaxWriteUnits(100).is_made(&table) && !Change::MaxWriteUnits(50).is_made(&table));
        let bare = TableDescription::builder().build();
        assert!(Change::Protection(false).is_made(&bare) && !Change::MaxWriteUnits(100).is_made(&bare));
    }
}
