//! Reads the table of counts, as pages of DynamoDB's JSON.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_types::SdkConfig;
use hitctl_config::contract;
use hitctl_engine::Fault;
use hitctl_resources::aws::fault::{Doing, ToFault as _};
use serde_json::json;

use super::super::{Item, ItemPage};

/// One page of a table, after the key that an earlier one ended with.
pub(super) async fn page(config: &SdkConfig, table: &str, after: Option<Item>) -> Result<ItemPage, Fault> {
    let doing = Doing::new("read", format!("table {table}"), "dynamodb:Scan");
    let call = Client::new(config).scan().table_name(table).consistent_read(true);
    let answer = call
        .set_exclusive_start_key(after.as_ref().map(attributes))
        .send()
        .await
        .map_err(|error| error.fault(&doing))?;
    let next = answer.last_evaluated_key().filter(|key| !key.is_empty()).map(item);
    Ok((answer.items().iter().map(item).collect(), next))
}

/// One item, by its key.
pub(super) async fn one(config: &SdkConfig, table: &str, key: &str) -> Result<Option<Item>, Fault> {
    let doing = Doing::new("read", format!("table {table}"), "dynamodb:GetItem");
    let call = Client::new(config).get_item().table_name(table).consistent_read(true);
    let answer = call.key(contract::ATTR_PATH, AttributeValue::S(key.to_owned())).send().await;
    Ok(answer.map_err(|error| error.fault(&doing))?.item().map(item))
}

/// What is text or a number: counts have nothing else.
fn item(attributes: &HashMap<String, AttributeValue>) -> Item {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => Some(json!({ "S": text })),
        AttributeValue::N(number) => Some(json!({ "N": number })),
        _ => None,
    };
    attributes.iter().filter_map(|(name, found)| Some((name.clone(), value(found)?))).collect()
}

fn attributes(item: &Item) -> HashMap<String, AttributeValue> {
    let value = |value: &serde_json::Value| {
        let text = |kind: &str| value.get(kind)?.as_str().map(str::to_owned);
        text("S").map(AttributeValue::S).or_else(|| text("N").map(AttributeValue::N))
    };
    item.iter().filter_map(|(name, found)| Some((name.clone(), value(found)?))).collect()
}
