//! Sums as changes of their items, alone and in a transaction with marks.

use hitctl_config::contract::{ATTR_FIRST, ATTR_LAST, ATTR_PATH, SEEN_ID, SEEN_MESSAGE_PREFIX, SEEN_TTL};

use super::{change, number, text};
use crate::hit::Sum;
use crate::json::Object;
use crate::store::Transaction;

/// The body of an `UpdateItem` that adds a sum; if `known`, on condition that its item is there.
pub(in crate::store) fn sum(table: &str, sum: &Sum, known: bool) -> String {
    add(table, sum, known).text("ReturnValues", "ALL_NEW").end()
}

/// The body of a `TransactWriteItems` that writes the marks into the table `seen`, to be forgotten at `ttl`, and adds the sums.
pub(in crate::store) fn transaction(
    table: &str,
    seen: &str,
    transaction: &Transaction,
    ttl: u64,
    token: &str,
) -> String {
    let mut items = Vec::with_capacity(transaction.marks.len() + transaction.sums.len());
    for mark in &transaction.marks {
        let id = format!("{SEEN_MESSAGE_PREFIX}{mark}");
        let item = Object::new().raw(SEEN_ID, &text(&id)).raw(SEEN_TTL, &number(ttl));
        let put = Object::new()
            .text("TableName", seen)
            .raw("Item", &item.end())
            .text("ConditionExpression", "attribute_not_exists(#i)")
            .raw("ExpressionAttributeNames", &Object::new().text("#i", SEEN_ID).end());
        items.push(Object::new().raw("Put", &put.end()).end());
    }
    for (sum, known) in &transaction.sums {
        items.push(Object::new().raw("Update", &add(table, sum, *known).end()).end());
    }
    Object::new()
        .text("ClientRequestToken", token)
        .raw("TransactItems", &format!("[{}]", items.join(",")))
        .end()
}

fn add(table: &str, sum: &Sum, known: bool) -> Object {
    let (mut names, mut values) = (Object::new(), Object::new());
    let mut expression = String::from("ADD ");
    for (place, (name, n)) in sum.numbers().iter().enumerate() {
        if place > 0 {
            expression.push_str(", ");
        }
        let (alias, value) = (format!("#a{place}"), format!(":a{place}"));
        expression.extend([alias.as_str(), " ", &value]);
        names = names.text(&alias, name);
        values = values.raw(&value, &number(*n));
    }
    if let (Some(last), Some(first)) = (sum.last, sum.first()) {
        expression.push_str(" SET #l = :l, #f = if_not_exists(#f, :f)");
        names = names.text("#l", ATTR_LAST).text("#f", ATTR_FIRST);
        values = values.raw(":l", &text(&last.rfc3339())).raw(":f", &text(&first.to_string()));
    }
    let body = change(table, &sum.key).text("UpdateExpression", &expression);
    let body = if known { body.text("ConditionExpression", "attribute_exists(#p)") } else { body };
    let names = if known { names.text("#p", ATTR_PATH) } else { names };
    body.raw("ExpressionAttributeNames", &names.end()).raw("ExpressionAttributeValues", &values.end())
}
