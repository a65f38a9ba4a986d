//! The record of the last change of a deployment: when it was made, by whom, and by which command. It is an item of the
//! table of counts that is not listed as a path.

use std::collections::BTreeMap;

use hitctl_engine::Fault;

use crate::lease::holder::describe_user;
use crate::table::{DynamoDbTable, number_attr, number_value, string_attr, string_value};

/// The key of the item.
const KEY: &str = "!deployed";
/// The attribute with the time in seconds since 1970.
const ATTR_AT: &str = "at";
const ATTR_BY: &str = "by";
const ATTR_COMMAND: &str = "command";

/// The last change of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployRecord {
    /// The time in seconds since 1970, by the clock of the machine that deployed.
    pub at: u64,
    /// The user and the machine, such as `ann@laptop`, and the CI run if there was one.
    pub by: String,
    /// The command, such as `deploy`.
    pub command: String,
}

impl DeployRecord {
    /// Returns the record of a change that this run made at the time `at`.
    pub fn new(env: &BTreeMap<String, String>, command: &str, at: u64) -> Self {
        Self { at, by: describe_user(env), command: command.to_owned() }
    }

    /// Reads the record. `None` if no version of hitctl that writes records has changed the deployment.
    pub async fn read(table: &DynamoDbTable) -> Result<Option<Self>, Fault> {
        let item = table.get(KEY).await?;
        Ok(item.and_then(|item| {
            let string = |name: &str| string_attr(&item, name).unwrap_or_default().to_owned();
            Some(Self {
                at: number_attr(&item, ATTR_AT)?,
                by: string(ATTR_BY),
                command: string(ATTR_COMMAND),
            })
        }))
    }

    /// Writes the record and replaces the previous one. The call can be repeated safely.
    pub async fn write(&self, table: &DynamoDbTable) -> Result<(), Fault> {
        let update = table
            .update_builder(KEY)
            .update_expression("SET #at = :at, #by = :by, #command = :command")
            .expression_attribute_names("#at", ATTR_AT)
            .expression_attribute_names("#by", ATTR_BY)
            .expression_attribute_names("#command", ATTR_COMMAND)
            .expression_attribute_values(":at", number_value(self.at))
            .expression_attribute_values(":by", string_value(&self.by))
            .expression_attribute_values(":command", string_value(&self.command))
            .build();
        let update = update.map_err(|error| {
            Fault::fatal(
                "internal",
                "internal error: the update of the record is incomplete; please report it",
            )
            .caused_by(error)
        })?;
        table.update(update).await.map(drop)
    }
}
