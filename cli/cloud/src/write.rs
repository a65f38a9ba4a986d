//! What becomes of an item, and on which condition, put together as an action of a transaction.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem, Update};
use hitctl_config::contract::{ATTR_FIRST, ATTR_HITS, ATTR_LAST, ATTR_PATH};
use hitctl_counts::Sum;
use hitctl_engine::Fault;

use super::table::{Item, Table, number, record, text, text_of};

/// A write of one item that is being put together. Without a condition it is done whatever is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Write {
    names: Vec<String>,
    values: HashMap<String, AttributeValue>,
    conditions: Vec<String>,
    adds: Vec<String>,
    sets: Vec<String>,
}

impl Write {
    /// On condition that the item was not hit since it was read; `None`: that it is still not there.
    pub(super) fn of_same(item: Option<&Item>) -> Self {
        let mut write = Self::default();
        let path = write.name(ATTR_PATH);
        let Some(item) = item else {
            write.conditions.push(format!("attribute_not_exists({path})"));
            return write;
        };
        write.conditions.push(format!("attribute_exists({path})"));
        for name in [ATTR_HITS, ATTR_LAST] {
            let alias = write.name(name);
            let condition = match item.get(name) {
                Some(old) => format!("{alias} = {}", write.value(old.clone())),
                None => format!("attribute_not_exists({alias})"),
            };
            write.conditions.push(condition);
        }
        write
    }

    /// On condition that the number is there, and not lower.
    pub(super) fn at_least(mut self, name: &str, least: u64) -> Self {
        let (name, least) = (self.name(name), self.value(number(least)));
        self.conditions.push(format!("{name} >= {least}"));
        self
    }

    /// On condition that the number is not higher, if it is there.
    pub(super) fn at_most(mut self, name: &str, most: u64) -> Self {
        let (name, most) = (self.name(name), self.value(number(most)));
        self.conditions.push(format!("(attribute_not_exists({name}) OR {name} <= {most})"));
        self
    }

    /// Adds to a number.
    pub(super) fn add(mut self, name: &str, n: i128) -> Self {
        let (name, n) = (self.name(name), self.value(AttributeValue::N(n.to_string())));
        self.adds.push(format!("{name} {n}"));
        self
    }

    /// Sets an attribute.
    pub(super) fn set(mut self, name: &str, value: AttributeValue) -> Self {
        let (name, value) = (self.name(name), self.value(value));
        self.sets.push(format!("{name} = {value}"));
        self
    }

    /// Sets the times where they are earlier or later than those of the item: on condition that they still are.
    pub(super) fn times(
        mut self,
        first: Option<&String>,
        last: Option<&String>,
        there: Option<&Item>,
    ) -> Self {
        let of = |name: &str| there.and_then(|item| text_of(item, name));
        let first = first.filter(|first| of(ATTR_FIRST).is_none_or(|old| first.as_str() < old));
        let last = last.filter(|last| of(ATTR_LAST).is_none_or(|old| last.as_str() > old));
        for (name, time, order) in [(ATTR_FIRST, first, ">"), (ATTR_LAST, last, "<")] {
            let Some(time) = time else { continue };
            let (alias, value) = (self.name(name), self.value(text(time)));
            self.conditions.push(format!("(attribute_not_exists({alias}) OR {alias} {order} {value})"));
            self = self.set(name, text(time));
        }
        self
    }

    /// As an update of that item, or of what becomes one.
    pub(super) fn update(self, table: &Table, key: &str) -> Result<TransactWriteItem, Fault> {
        let clauses = [("ADD", self.adds.join(", ")), ("SET", self.sets.join(", "))];
        let clauses = clauses.iter().filter(|(_, what)| !what.is_empty());
        let expression = clauses.map(|(verb, what)| format!("{verb} {what}")).collect::<Vec<_>>().join(" ");
        let (names, values, condition) = self.terms();
        let update = Update::builder()
            .table_name(table.name())
            .key(ATTR_PATH, text(key))
            .update_expression(expression)
            .set_condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .build()
            .map_err(|error| incomplete(&error))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// As a put of the whole item.
    pub(super) fn put(self, table: &Table, item: Item) -> Result<TransactWriteItem, Fault> {
        let (names, values, condition) = self.terms();
        let put = Put::builder()
            .table_name(table.name())
            .set_item(Some(item))
            .set_condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .build()
            .map_err(|error| incomplete(&error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// As the end of that item.
    pub(super) fn delete(self, table: &Table, key: &str) -> Result<TransactWriteItem, Fault> {
        let (names, values, condition) = self.terms();
        let delete = Delete::builder()
            .table_name(table.name())
            .key(ATTR_PATH, text(key))
            .set_condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .build()
            .map_err(|error| incomplete(&error))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// What a request takes of it. `DynamoDB` refuses what is empty.
    fn terms(self) -> Terms {
        let aliased = self.names.into_iter().enumerate().map(|(n, name)| (format!("#{n}"), name));
        let names: HashMap<_, _> = aliased.collect();
        (
            Some(names).filter(|names| !names.is_empty()),
            Some(self.values).filter(|values| !values.is_empty()),
            Some(self.conditions.join(" AND ")).filter(|condition| !condition.is_empty()),
        )
    }

    /// What a name is called in the expressions.
    fn name(&mut self, name: &str) -> String {
        let n = self.names.iter().position(|own| own == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        format!("#{n}")
    }

    /// What a value is called in the expressions.
    fn value(&mut self, value: AttributeValue) -> String {
        let alias = format!(":{}", self.values.len());
        self.values.insert(alias.clone(), value);
        alias
    }
}

/// What the requests of `DynamoDB` take of a write: names, values, and the condition.
type Terms = (Option<HashMap<String, String>>, Option<HashMap<String, AttributeValue>>, Option<String>);

/// Adds a sum to what an item has, with the times where they are earlier or later. `there` is the item as it was read.
pub(super) fn onto(sum: &Sum, write: Write, there: Option<&Item>) -> Write {
    let adds = sum.numbers.iter();
    let write = adds.fold(write, |write, (name, n)| write.add(name, i128::from(*n)));
    write.times(sum.first.as_ref(), sum.last.as_ref(), there)
}

/// The item that holds a sum.
pub(super) fn item_of(key: &str, sum: &Sum) -> Item {
    let mut item = Item::from([(ATTR_PATH.to_owned(), text(key))]);
    item.extend(sum.numbers.iter().map(|(name, n)| (name.clone(), number(*n))));
    item.extend(sum.first.as_ref().map(|first| (ATTR_FIRST.to_owned(), text(first))));
    item.extend(sum.last.as_ref().map(|last| (ATTR_LAST.to_owned(), text(last))));
    item
}

/// What takes away all numbers that an item had when it was read; on condition that they are all still there.
pub(super) fn less(item: &Item) -> Write {
    record(item)
        .numbers()
        .fold(Write::default(), |write, (name, n)| write.add(name, -i128::from(n)).at_least(name, n))
}

/// A mistake of ours: a part of a request is missing.
fn incomplete(error: &dyn std::error::Error) -> Fault {
    Fault::fatal("request", "a request to the table could not be made").caused_by(error.to_string())
}
