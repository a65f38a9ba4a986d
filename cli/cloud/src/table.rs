//! A DynamoDB table, on AWS or on this machine: the calls that counts and the lease are made of. Each is bounded.

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
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use hit_counter::hit::whole_part;
use hitctl_config::contract;
use hitctl_counts::Record;
use hitctl_engine::{Fault, FaultKind};
use hitctl_resources::aws::fault::{Doing, ToFault as _};

use super::batch::settled;

/// An item: attribute names and values.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The code of a table that is not there, or not yet.
pub(super) const GONE: &str = "ResourceNotFoundException";
/// How long a call may take, its repetitions included.
const CALL: Duration = Duration::from_secs(20);

/// The most actions of a transaction.
pub(super) const MOST_ACTIONS: usize = 100;
/// How often what a reading left over is asked for again: DynamoDB leaves something over when it is short of capacity.
const MOST_ROUNDS: usize = 10;

/// A table of counts. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Table {
    client: Client,
    name: String,
    is_local: bool,
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// All of it is done.
    Done,
    /// None of it: the conditions of these actions do not hold.
    Refused(Vec<usize>),
}

/// What became of a write with a condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Put {
    /// It is done.
    Done,
    /// It is not: this is there; `None` when that has gone meanwhile.
    Refused(Option<Item>),
}

impl Table {
    /// The table of that name, by a client's settings.
    pub fn new(config: &aws_types::SdkConfig, name: &str) -> Self {
        let bounds = TimeoutConfig::builder().operation_timeout(CALL).build();
        let bounds = match config.timeout_config() {
            Some(given) => given.to_builder().take_unset_from(bounds.to_builder()).build(),
            None => bounds,
        };
        let config = aws_sdk_dynamodb::config::Builder::from(config).timeout_config(bounds).build();
        Self { client: Client::from_conf(config), name: name.to_owned(), is_local: false }
    }

    /// The table of that name behind the endpoint of the cloud on this machine: no TLS, no file is read, and what is
    /// signed is signed for nobody.
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
                    .operation_timeout(CALL)
                    .build(),
            )
            .build();
        Self { client: Client::from_conf(config), name: name.to_owned(), is_local: true }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// One item, as it is now.
    pub(super) async fn get(&self, key: &str) -> Result<Option<Item>, Fault> {
        let call = self.client.get_item().table_name(&self.name).consistent_read(true);
        let got = call.key(contract::ATTR_PATH, text(key)).send().await;
        Ok(got.map_err(|error| self.fault("read", "dynamodb:GetItem", &error))?.item)
    }

    /// Those of some items that are there, as they are now; at most 100 of at most 16 MB can be asked for at once.
    pub(super) async fn get_many(&self, keys: &[String]) -> Result<Vec<Item>, Fault> {
        let keys = keys.iter().map(|key| Item::from([(contract::ATTR_PATH.to_owned(), text(key))]));
        let wanted = KeysAndAttributes::builder().consistent_read(true).set_keys(Some(keys.collect()));
        let wanted = wanted.build().map_err(|error| {
            Fault::fatal("request", "a request to the table could not be made").caused_by(error)
        })?;
        let mut left = Some(HashMap::from([(self.name.clone(), wanted)]));
        let mut items = Vec::new();
        for _ in 0..MOST_ROUNDS {
            let got = self.client.batch_get_item().set_request_items(left).send().await;
            let got = got.map_err(|error| self.fault("read", "dynamodb:BatchGetItem", &error))?;
            items.extend(got.responses.unwrap_or_default().into_values().flatten());
            left = got.unprocessed_keys.filter(|left| !left.is_empty());
            if left.is_none() {
                return Ok(items);
            }
        }
        let message = format!("the table {} did not give all that was asked for", self.name);
        Err(Fault::transient("busy", message).hinted("run the command again"))
    }

    /// Every item, over all pages; one that is empty does not end them.
    pub(super) async fn scan(&self) -> Result<Vec<Item>, Fault> {
        let call = self.client.scan().table_name(&self.name).consistent_read(true);
        let items = call.into_paginator().items().send().try_collect().await;
        items.map_err(|error| self.fault("read", "dynamodb:Scan", &error))
    }

    /// Writes an item, on a condition.
    pub(super) async fn put(
        &self,
        item: Item,
        condition: &str,
        names: &[(&str, &str)],
        values: Vec<(&str, AttributeValue)>,
    ) -> Result<Put, Fault> {
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
            Ok(_) => Ok(Put::Done),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(Put::Refused(refused.item.clone()))
                }
                _ => Err(self.fault("write to", "dynamodb:PutItem", &error)),
            },
        }
    }

    /// Changes an item; `false` when the condition does not hold.
    pub(super) async fn update(&self, update: Update) -> Result<bool, Fault> {
        let sent = self
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
        match sent {
            Ok(_) => Ok(true),
            Err(error) if error.is("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(self.fault("write to", "dynamodb:UpdateItem", &error)),
        }
    }

    /// Removes an item that has `value` in `attribute`; one that is gone, or another's, stays as it is.
    pub(super) async fn remove(&self, key: &str, attribute: &str, value: &str) -> Result<(), Fault> {
        let call = self.client.delete_item().table_name(&self.name).key(contract::ATTR_PATH, text(key));
        let sent = call
            .condition_expression("#a = :a")
            .expression_attribute_names("#a", attribute)
            .expression_attribute_values(":a", text(value))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) if error.is("ConditionalCheckFailedException") => Ok(()),
            Err(error) => Err(self.fault("write to", "dynamodb:DeleteItem", &error)),
        }
    }

    /// Does all of it or nothing, once: what is sent again after a lost answer carries the token of the first time.
    ///
    /// Transient are only those faults after which nothing was done: a conflict with another write, and throttling.
    pub(super) async fn transact(&self, actions: Vec<TransactWriteItem>) -> Result<Written, Fault> {
        let sent = self.client.transact_write_items().set_transact_items(Some(actions)).send().await;
        let Err(error) = sent else { return Ok(Written::Done) };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
        else {
            let fault = self.fault("write to", "dynamodb:TransactWriteItems", &error);
            let undone = [
                "ThrottlingException",
                "ProvisionedThroughputExceededException",
                "RequestLimitExceeded",
                "TransactionInProgressException",
            ];
            return Err(if undone.iter().any(|code| error.is(code)) { fault } else { settled(fault) });
        };
        let codes: Vec<&str> =
            cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or("None")).collect();
        let refused: Vec<usize> =
            (0..codes.len()).filter(|n| codes[*n] == "ConditionalCheckFailed").collect();
        if !refused.is_empty() {
            return Ok(Written::Refused(refused));
        }
        let fault = self.fault("write to", "dynamodb:TransactWriteItems", &error);
        let passing = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
        let passes = codes.iter().any(|code| passing.contains(code));
        let kind = if passes { FaultKind::Transient } else { FaultKind::Fatal };
        Err(Fault { kind, ..fault })
    }

    /// An update of one of its items, to be completed.
    pub(super) fn updating(&self, key: &str) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
        Update::builder().table_name(&self.name).key(contract::ATTR_PATH, text(key))
    }

    fn fault<E>(&self, verb: &'static str, operation: &'static str, error: &SdkError<E>) -> Fault
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let fault = error.fault(&Doing::new(verb, format!("the table {}", self.name), operation));
        if fault.code == GONE {
            return fault
                .hinted("run `hitctl deploy` for the same environment first: the table is not there yet");
        }
        // As SQLite words what a full or broken disk does. Waiting does not mend it.
        let disk = ["disk I/O error", "disk is full"].iter().any(|words| error.says(words));
        if self.is_local && disk {
            let message = format!("failed to {verb} the table {}: its disk takes no more", self.name);
            return Fault {
                kind: FaultKind::Fatal,
                code: hitctl_local::codes::DISK_FULL.into(),
                message,
                ..fault
            }
            .hinted("free some space on that disk, then run the command again");
        }
        if self.is_local && !matches!(error, SdkError::ServiceError(_)) {
            return fault.hinted("run the command again; it continues where it stopped");
        }
        fault
    }
}

/// A text value.
pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number value.
pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A text attribute.
pub(super) fn text_of<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// A number attribute: its whole part, 0 where it is negative, and the largest number where it is too large for one. A number that was
/// written by hand, or grew too large, must not make its path vanish.
pub(super) fn number_of(item: &Item, name: &str) -> Option<u64> {
    whole_part(item.get(name)?.as_n().ok()?)
}

/// Reads an item as numbers and texts.
pub(super) fn record(item: &Item) -> Record {
    item.keys().fold(Record::default(), |record, name| match (number_of(item, name), text_of(item, name)) {
        (Some(number), _) => record.with_number(name, number),
        (None, Some(text)) => record.with_text(name, text),
        (None, None) => record,
    })
}
