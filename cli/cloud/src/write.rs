//! Builds conditional writes of items as actions of a transaction.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem, Update};
use hitctl_config::contract::{ATTR_FIRST, ATTR_HITS, ATTR_LAST, ATTR_PATH};
use hitctl_counts::ItemTotals;
use hitctl_engine::Fault;

use super::table::{
    DynamoDbItem, DynamoDbTable, number_value, request_fault, string_attr, string_value, table_item,
};

/// A write of one item. Without a condition it applies to any item.
#[derive(Clone, Debug, Default)]
pub(super) struct ItemWrite {
    names: Vec<String>,
    values: HashMap<String, AttributeValue>,
    conditions: Vec<String>,
    adds: Vec<String>,
    sets: Vec<String>,
}

impl ItemWrite {
    /// Requires that no hit was added to the item since it was read. If `item` is `None`, requires that the
    /// item still does not exist.
    pub(super) fn if_unchanged(item: Option<&DynamoDbItem>) -> Self {
        let mut write = Self::default();
        let path = write.name_alias(ATTR_PATH);
        let Some(item) = item else {
            write.conditions.push(format!("attribute_not_exists({path})"));
            return write;
        };
        write.conditions.push(format!("attribute_exists({path})"));
        for name in [ATTR_HITS, ATTR_LAST] {
            let alias = write.name_alias(name);
            let condition = match item.get(name) {
                Some(old) => format!("{alias} = {}", write.value_alias(old.clone())),
                None => format!("attribute_not_exists({alias})"),
            };
            write.conditions.push(condition);
        }
        write
    }

    /// Requires that the number exists and is at least `min`.
    pub(super) fn at_least(mut self, name: &str, min: u64) -> Self {
        let (name, min) = (self.name_alias(name), self.value_alias(number_value(min)));
        self.conditions.push(format!("{name} >= {min}"));
        self
    }

    /// Requires that the number is at most `max`, if it exists.
    pub(super) fn at_most(mut self, name: &str, max: u64) -> Self {
        let (name, max) = (self.name_alias(name), self.value_alias(number_value(max)));
        self.conditions.push(format!("(attribute_not_exists({name}) OR {name} <= {max})"));
        self
    }

    /// Adds `n` to a number attribute.
    pub(super) fn add(mut self, name: &str, n: i128) -> Self {
        let (name, n) = (self.name_alias(name), self.value_alias(AttributeValue::N(n.to_string())));
        self.adds.push(format!("{name} {n}"));
        self
    }

    /// Sets an attribute.
    pub(super) fn set(mut self, name: &str, value: AttributeValue) -> Self {
        let (name, value) = (self.name_alias(name), self.value_alias(value));
        self.sets.push(format!("{name} = {value}"));
        self
    }

    /// Sets the first time if it is earlier than that of the item, and the last time if it is later. Requires
    /// that this is still true when the item is written.
    pub(super) fn extend_times(
        mut self,
        first: Option<&String>,
        last: Option<&String>,
        current_item: Option<&DynamoDbItem>,
    ) -> Self {
        let current = |name: &str| current_item.and_then(|item| string_attr(item, name));
        let first = first.filter(|first| current(ATTR_FIRST).is_none_or(|old| first.as_str() < old));
        let last = last.filter(|last| current(ATTR_LAST).is_none_or(|old| last.as_str() > old));
        for (name, time, order) in [(ATTR_FIRST, first, ">"), (ATTR_LAST, last, "<")] {
            let Some(time) = time else { continue };
            let (alias, value) = (self.name_alias(name), self.value_alias(string_value(time)));
            self.conditions.push(format!("(attribute_not_exists({alias}) OR {alias} {order} {value})"));
            self = self.set(name, string_value(time));
        }
        self
    }

    /// Returns the write as an update. It creates the item if it does not exist.
    pub(super) fn update(self, table: &DynamoDbTable, key: &str) -> Result<TransactWriteItem, Fault> {
        let clauses = [("ADD", self.adds.join(", ")), ("SET", self.sets.join(", "))];
        let clauses = clauses.iter().filter(|(_, terms)| !terms.is_empty());
        let expression = clauses.map(|(verb, terms)| format!("{verb} {terms}")).collect::<Vec<_>>().join(" ");
        let (names, values, condition) = self.into_expressions();
        let update = Update::builder()
            .table_name(table.name())
            .key(ATTR_PATH, string_value(key))
            .update_expression(expression)
            .set_condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .build()
            .map_err(|error| request_fault(table.name(), error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Returns the write as a put of the whole item.
    pub(super) fn put(self, table: &DynamoDbTable, item: DynamoDbItem) -> Result<TransactWriteItem, Fault> {
        let (names, values, condition) = self.into_expressions();
        let put = Put::builder()
            .table_name(table.name())
            .set_item(Some(item))
            .set_condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .build()
            .map_err(|error| request_fault(table.name(), error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Returns the write as a deletion.
    pub(super) fn delete(self, table: &DynamoDbTable, key: &str) -> Result<TransactWriteItem, Fault> {
        let (names, values, condition) = self.into_expressions();
        let delete = Delete::builder()
            .table_name(table.name())
            .key(ATTR_PATH, string_value(key))
            .set_condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .build()
            .map_err(|error| request_fault(table.name(), error))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Returns the names, values and condition of the request. Empty ones are `None`, because DynamoDB rejects
    /// them.
    fn into_expressions(self) -> WriteExpressions {
        let aliased = self.names.into_iter().enumerate().map(|(n, name)| (format!("#{n}"), name));
        let names: HashMap<_, _> = aliased.collect();
        (
            Some(names).filter(|names| !names.is_empty()),
            Some(self.values).filter(|values| !values.is_empty()),
            Some(self.conditions.join(" AND ")).filter(|condition| !condition.is_empty()),
        )
    }

    /// Returns the alias of an attribute name in expressions.
    fn name_alias(&mut self, name: &str) -> String {
        let n = self.names.iter().position(|own| own == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        format!("#{n}")
    }

    /// Returns the alias of a value in expressions.
    fn value_alias(&mut self, value: AttributeValue) -> String {
        let alias = format!(":{}", self.values.len());
        self.values.insert(alias.clone(), value);
        alias
    }
}

/// The terms of a DynamoDB request: attribute names, values and condition.
type WriteExpressions =
    (Option<HashMap<String, String>>, Option<HashMap<String, AttributeValue>>, Option<String>);

/// Adds a sum to an item, and updates the first and last time of the item. `current_item` is the item as it was
/// read.
pub(super) fn add_totals(
    sum: &ItemTotals,
    write: ItemWrite,
    current_item: Option<&DynamoDbItem>,
) -> ItemWrite {
    let adds = sum.numbers.iter();
    let write = adds.fold(write, |write, (name, n)| write.add(name, i128::from(*n)));
    write.extend_times(sum.first.as_ref(), sum.last.as_ref(), current_item)
}

/// Returns the item of `key` with the given totals.
pub(super) fn item_from_totals(key: &str, sum: &ItemTotals) -> DynamoDbItem {
    let mut item = DynamoDbItem::from([(ATTR_PATH.to_owned(), string_value(key))]);
    item.extend(sum.numbers.iter().map(|(name, n)| (name.clone(), number_value(*n))));
    item.extend(sum.first.as_ref().map(|first| (ATTR_FIRST.to_owned(), string_value(first))));
    item.extend(sum.last.as_ref().map(|last| (ATTR_LAST.to_owned(), string_value(last))));
    item
}

/// Returns a write that subtracts all numbers that an item had when it was read. Requires that none of the
/// numbers is lower now.
pub(super) fn subtract_all(item: &DynamoDbItem) -> ItemWrite {
    table_item(item)
        .numbers()
        .fold(ItemWrite::default(), |write, (name, n)| write.add(name, -i128::from(n)).at_least(name, n))
}
