//! The DynamoDB calls for the table of counts, which also holds the lease of the environment. They work on AWS
//! and on the local cloud. Every call has a time limit.

use std::collections::HashMap;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use aws_smithy_types::error::operation::BuildError;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use hit_counter::hit::whole_part;
use hitctl_config::contract;
use hitctl_counts::TableItem;
use hitctl_engine::{Fault, FaultKind};
use hitctl_resources::aws::fault::{ApiOperation, ToFault as _};

use super::batch::not_retryable;

/// An item: attribute names and values.
pub(super) type DynamoDbItem = HashMap<String, AttributeValue>;

/// The error code for a table that does not exist or is still being created.
pub(super) const NOT_FOUND: &str = "ResourceNotFoundException";
/// The time limit of one call with its retries.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// The maximum number of actions in one transaction.
pub(super) const MAX_TRANSACT_ACTIONS: usize = 100;
/// The maximum number of `BatchGetItem` calls for one read, including the first. A further call requests the
/// keys that DynamoDB left unprocessed for lack of capacity.
const MAX_READ_ROUNDS: usize = 10;

/// A table of counts. Clones share connections.
#[derive(Clone, Debug)]
pub struct DynamoDbTable {
    client: Client,
    name: String,
    is_local: bool,
}

/// The result of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TransactResult {
    /// All actions were applied.
    Committed,
    /// No action was applied: the conditions of the actions with these indexes failed.
    ConditionsFailed(Vec<usize>),
}

/// The result of a conditional put.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PutResult {
    /// The item was written.
    Written,
    /// The condition failed. Contains the existing item; `None` if it was deleted meanwhile.
    ConditionFailed(Option<DynamoDbItem>),
}

impl DynamoDbTable {
    /// Creates a client for the table `name`, without sending a request.
    pub fn new(config: &aws_types::SdkConfig, name: &str) -> Self {
        let timeouts = TimeoutConfig::builder().operation_timeout(CALL_TIMEOUT).build();
        let timeouts = match config.timeout_config() {
            Some(configured) => configured.to_builder().take_unset_from(timeouts.to_builder()).build(),
            None => timeouts,
        };
        let config = aws_sdk_dynamodb::config::Builder::from(config).timeout_config(timeouts).build();
        Self { client: Client::from_conf(config), name: name.to_owned(), is_local: false }
    }

    /// Creates a client for the table `name` in the local cloud, without TLS and config files, and with dummy
    /// credentials.
    pub(super) fn local(endpoint: &str, name: &str) -> Self {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::from_static(hitctl_local::REGION))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(20)))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(2))
                    .operation_timeout(CALL_TIMEOUT)
                    .build(),
            )
            .build();
        Self { client: Client::from_conf(config), name: name.to_owned(), is_local: true }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Reads one item with strong consistency.
    pub(super) async fn get(&self, key: &str) -> Result<Option<DynamoDbItem>, Fault> {
        let call = self.client.get_item().table_name(&self.name).consistent_read(true);
        let response = call.key(contract::ATTR_PATH, string_value(key)).send().await;
        Ok(response.map_err(|error| self.fault("read", "dynamodb:GetItem", &error))?.item)
    }

    /// Reads the items with the given keys, with strong consistency. Keys without an item are skipped. One call
    /// accepts at most 100 keys and returns at most 16 MB.
    pub(super) async fn get_many(&self, keys: &[String]) -> Result<Vec<DynamoDbItem>, Fault> {
        let keys =
            keys.iter().map(|key| DynamoDbItem::from([(contract::ATTR_PATH.to_owned(), string_value(key))]));
        let keys_and_attributes =
            KeysAndAttributes::builder().consistent_read(true).set_keys(Some(keys.collect()));
        let keys_and_attributes =
            keys_and_attributes.build().map_err(|error| request_fault(&self.name, error))?;
        let mut pending = Some(HashMap::from([(self.name.clone(), keys_and_attributes)]));
        let mut items = Vec::new();
        for _ in 0..MAX_READ_ROUNDS {
            let response = self.client.batch_get_item().set_request_items(pending).send().await;
            let response = response.map_err(|error| self.fault("read", "dynamodb:BatchGetItem", &error))?;
            items.extend(response.responses.unwrap_or_default().into_values().flatten());
            pending = response.unprocessed_keys.filter(|pending| !pending.is_empty());
            if pending.is_none() {
                return Ok(items);
            }
        }
        let message = format!("failed to read the table {}: it did not return all items", self.name);
        Err(Fault::transient("busy", message).hinted("run the command again"))
    }

    /// Reads all items, over all pages. An empty page does not end the scan.
    pub(super) async fn scan(&self) -> Result<Vec<DynamoDbItem>, Fault> {
        let call = self.client.scan().table_name(&self.name).consistent_read(true);
        let items = call.into_paginator().items().send().try_collect().await;
        items.map_err(|error| self.fault("read", "dynamodb:Scan", &error))
    }

    /// Writes an item if the condition holds.
    pub(super) async fn put(
        &self,
        item: DynamoDbItem,
        condition: &str,
        names: &[(&str, &str)],
        values: Vec<(&str, AttributeValue)>,
    ) -> Result<PutResult, Fault> {
        let mut call = self.client.put_item().table_name(&self.name).set_item(Some(item));
        call = call
            .condition_expression(condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for (alias, name) in names {
            call = call.expression_attribute_names(*alias, *name);
        }
        for (alias, value) in values {
            call = call.expression_attribute_values(alias, value);
        }
        match call.send().await {
            Ok(_) => Ok(PutResult::Written),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failure)) => {
                    Ok(PutResult::ConditionFailed(failure.item.clone()))
                }
                _ => Err(self.fault("write to", "dynamodb:PutItem", &error)),
            },
        }
    }

    /// Updates an item. Returns `false` if the condition fails.
    pub(super) async fn update(&self, update: Update) -> Result<bool, Fault> {
        let response = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(update.key))
            .update_expression(update.update_expression)
            .set_condition_expression(update.condition_expression)
            .set_expression_attribute_names(update.expression_attribute_names)
            .set_expression_attribute_values(update.expression_attribute_values)
            .send()
            .await;
        match response {
            Ok(_) => Ok(true),
            Err(error) if error.has_code("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(self.fault("write to", "dynamodb:UpdateItem", &error)),
        }
    }

    /// Deletes an item if `attribute` is `value`. It is no error if the item does not exist or has another
    /// value.
    pub(super) async fn delete_if(&self, key: &str, attribute: &str, value: &str) -> Result<(), Fault> {
        let call =
            self.client.delete_item().table_name(&self.name).key(contract::ATTR_PATH, string_value(key));
        let response = call
            .condition_expression("#a = :a")
            .expression_attribute_names("#a", attribute)
            .expression_attribute_values(":a", string_value(value))
            .send()
            .await;
        match response {
            Ok(_) => Ok(()),
            Err(error) if error.has_code("ConditionalCheckFailedException") => Ok(()),
            Err(error) => Err(self.fault("write to", "dynamodb:DeleteItem", &error)),
        }
    }

    /// Runs all actions in one transaction, or none. A call that is resent after a lost response carries the
    /// same token, so it is applied once.
    ///
    /// A fault is transient only if no action was applied: after a conflict with another write, or after
    /// throttling.
    pub(super) async fn transact(&self, actions: Vec<TransactWriteItem>) -> Result<TransactResult, Fault> {
        let response = self.client.transact_write_items().set_transact_items(Some(actions)).send().await;
        let Err(error) = response else { return Ok(TransactResult::Committed) };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
        else {
            let fault = self.fault("write to", "dynamodb:TransactWriteItems", &error);
            let not_applied_codes = [
                "ThrottlingException",
                "ProvisionedThroughputExceededException",
                "RequestLimitExceeded",
                "TransactionInProgressException",
            ];
            return Err(if not_applied_codes.iter().any(|code| error.has_code(code)) {
                fault
            } else {
                not_retryable(fault)
            });
        };
        let codes: Vec<&str> =
            cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or("None")).collect();
        let failed_conditions: Vec<usize> =
            (0..codes.len()).filter(|n| codes[*n] == "ConditionalCheckFailed").collect();
        if !failed_conditions.is_empty() {
            return Ok(TransactResult::ConditionsFailed(failed_conditions));
        }
        let fault = self.fault("write to", "dynamodb:TransactWriteItems", &error);
        let transient_codes = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
        let is_transient = codes.iter().any(|code| transient_codes.contains(code));
        let kind = if is_transient { FaultKind::Transient } else { FaultKind::Fatal };
        Err(Fault { kind, ..fault })
    }

    /// Returns an update builder for an item of the table.
    pub(super) fn update_builder(&self, key: &str) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
        Update::builder().table_name(&self.name).key(contract::ATTR_PATH, string_value(key))
    }

    fn fault<E>(&self, verb: &'static str, operation: &'static str, error: &SdkError<E>) -> Fault
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let fault = error.to_fault(&ApiOperation::new(verb, format!("the table {}", self.name), operation));
        if fault.code == NOT_FOUND {
            return fault.hinted("run `hitctl deploy` for the same environment first to create the table");
        }
        // These are the messages of SQLite for a full or broken disk. Retries do not help.
        let is_disk_error =
            ["disk I/O error", "disk is full"].iter().any(|text| error.message_contains(text));
        if self.is_local && is_disk_error {
            let message = format!("failed to {verb} the table {}: its disk is full or broken", self.name);
            return Fault {
                kind: FaultKind::Fatal,
                code: hitctl_local::codes::DISK_FULL.into(),
                message,
                ..fault
            }
            .hinted("free some space on that disk, then run the command again");
        }
        if self.is_local && !matches!(error, SdkError::ServiceError(_)) {
            return fault.hinted("run the command again");
        }
        fault
    }
}

/// Returns the fault for a request to the table `table` that cannot be built.
pub(super) fn request_fault(table: &str, error: BuildError) -> Fault {
    let message = format!("internal error: failed to build a request to the table {table}; please report it");
    Fault::fatal("request", message).caused_by(error)
}

/// Returns a string value.
pub(super) fn string_value(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// Returns a number value.
pub(super) fn number_value(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Returns a string attribute of an item.
pub(super) fn string_attr<'a>(item: &'a DynamoDbItem, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// Returns a number attribute as a whole number: truncated, 0 if negative, [`u64::MAX`] if too large. Such
/// numbers are not rejected, so that their path still appears in lists.
pub(super) fn number_attr(item: &DynamoDbItem, name: &str) -> Option<u64> {
    whole_part(item.get(name)?.as_n().ok()?)
}

/// Returns the numbers and strings of an item.
pub(super) fn table_item(item: &DynamoDbItem) -> TableItem {
    item.keys().fold(TableItem::default(), |table_item, name| {
        match (number_attr(item, name), string_attr(item, name)) {
            (Some(number), _) => table_item.with_number(name, number),
            (None, Some(text)) => table_item.with_text(name, text),
            (None, None) => table_item,
        }
    })
}
