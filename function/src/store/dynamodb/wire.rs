//! The bodies of the calls, in DynamoDB's JSON. Names and values always go by aliases: a path may hold anything, and
//! some names are words of DynamoDB's own.

use hitctl_config::contract::{
    ATTR_BUDGET_PATHS, ATTR_FIRST, ATTR_HITS, ATTR_LAST, ATTR_PATH, ATTR_UNIQUES, KEY_BUDGET,
    KEY_SHARD_PREFIX, KEY_SITE, RESERVED_PREFIX, SEEN_ID, SEEN_MESSAGE_PREFIX, SEEN_SALT, SEEN_TTL,
};

use crate::hit::{Sum, Update};
use crate::json::{Object, list, string};
use crate::moment::{Day, Moment};
use crate::store::transaction::Transaction;

/// Which attributes a reader wants.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    /// What is shown of a page on that day.
    Counts(Day),
    /// Every day and month too.
    All,
}

/// The body of an `UpdateItem` that counts hits in the item `key`; if `known`, on condition that it is there.
pub(super) fn add(table: &str, key: &str, update: &Update, known: bool) -> String {
    let mut names = Object::new()
        .text("#h", ATTR_HITS)
        .text("#d", &update.day)
        .text("#m", &update.month)
        .text("#l", ATTR_LAST)
        .text("#f", ATTR_FIRST);
    let mut values = Object::new()
        .raw(":n", &number(update.n))
        .raw(":t", &text(&update.last))
        .raw(":f", &text(&update.first));
    let mut expression = String::from("ADD #h :n, #d :n, #m :n");
    if update.uniques > 0 {
        expression.push_str(", #u :u, #v :u, #w :u");
        names =
            names.text("#u", ATTR_UNIQUES).text("#v", &update.day_uniques).text("#w", &update.month_uniques);
        values = values.raw(":u", &number(update.uniques));
    }
    expression.push_str(" SET #l = :t, #f = if_not_exists(#f, :f)");
    update_known(change(table, key), &expression, known, names, values).text("ReturnValues", "ALL_NEW").end()
}

/// The body of an `UpdateItem` that adds a sum; if `known`, on condition that its item is there.
pub(super) fn sum(table: &str, sum: &Sum, known: bool) -> String {
    sum_body(table, sum, known).text("ReturnValues", "ALL_NEW").end()
}

/// The body of a `TransactWriteItems` that writes the marks into the table `seen`, to be forgotten at `ttl`, and adds the sums.
pub(super) fn transaction(
    table: &str,
    seen: &str,
    transaction: &Transaction,
    ttl: u64,
    token: &str,
) -> String {
    let puts = transaction.marks.iter().map(|mark| {
        let put = remember(seen, &format!("{SEEN_MESSAGE_PREFIX}{mark}"), ttl);
        Object::new().raw("Put", &put).end()
    });
    let updates = transaction
        .sums
        .iter()
        .map(|(sum, known)| Object::new().raw("Update", &sum_body(table, sum, *known).end()).end());
    Object::new().text("ClientRequestToken", token).raw("TransactItems", &list(puts.chain(updates))).end()
}

fn sum_body(table: &str, sum: &Sum, known: bool) -> Object {
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
    update_known(change(table, &sum.key), &expression, known, names, values)
}

/// The body of an `UpdateItem` that takes a new path out of the budget and out of shares of it, on condition that all limits
/// allow it.
pub(super) fn budget(
    table: &str,
    today: Day,
    (new_a_day, most): (u64, u64),
    shares: &[(String, u64)],
) -> String {
    let mut names = Object::new().text("#a", ATTR_BUDGET_PATHS).text("#d", &today.attribute());
    let mut values =
        Object::new().raw(":n", &number(1)).raw(":a", &number(most)).raw(":d", &number(new_a_day));
    let mut change_of = String::from("ADD #a :n, #d :n");
    let mut condition =
        String::from("(attribute_not_exists(#a) OR #a < :a) AND (attribute_not_exists(#d) OR #d < :d)");
    for (place, (name, limit)) in shares.iter().enumerate() {
        let (alias, value) = (format!("#s{place}"), format!(":s{place}"));
        change_of.extend([", ", &alias, " :n"]);
        condition.extend([" AND (attribute_not_exists(", &alias, ") OR ", &alias, " < ", &value, ")"]);
        names = names.text(&alias, name);
        values = values.raw(&value, &number(*limit));
    }
    update(change(table, KEY_BUDGET), &change_of, &condition, names, values)
        .text("ReturnValues", "ALL_NEW")
        .end()
}

/// The body of an `UpdateItem` that counts a visitor of the site.
pub(super) fn site(table: &str, today: Day) -> String {
    let (day, month) = (today.uniques_attribute(), today.month_uniques_attribute());
    let names = Object::new().text("#u", ATTR_UNIQUES).text("#v", &day).text("#w", &month);
    let values = Object::new().raw(":n", &number(1));
    let body = update(change(table, KEY_SITE), "ADD #u :n, #v :n, #w :n", "", names, values);
    body.text("ReturnValues", "ALL_NEW").end()
}

/// The body of an `UpdateItem` that adds `n` to the number `name` of an item.
pub(super) fn bump(table: &str, key: &str, name: &str, n: u64) -> String {
    let (names, values) = (Object::new().text("#c", name), Object::new().raw(":n", &number(n)));
    update(change(table, key), "ADD #c :n", "", names, values).end()
}

/// The body of an `UpdateItem` that removes attributes; on condition that the item is there, for an update would
/// make an empty one.
pub(super) fn trim(table: &str, key: &str, stale: &[String]) -> String {
    let mut names = Object::new().text("#p", ATTR_PATH);
    let mut expression = String::from("REMOVE ");
    for (position, name) in stale.iter().enumerate() {
        let alias = format!("#a{position}");
        if position > 0 {
            expression.push_str(", ");
        }
        expression.push_str(&alias);
        names = names.text(&alias, name);
    }
    let body = change(table, key)
        .text("UpdateExpression", &expression)
        .text("ConditionExpression", "attribute_exists(#p)");
    named(body, names).end()
}

/// The body of a `GetItem`.
pub(super) fn get(table: &str, key: &str, wanted: Wanted) -> String {
    projected(change(table, key), wanted).end()
}

/// The body of a `GetItem` that tells whether there is an item.
pub(super) fn exists(table: &str, key: &str) -> String {
    let body = change(table, key).text("ProjectionExpression", "#p");
    named(body, Object::new().text("#p", ATTR_PATH)).end()
}

/// The `RequestItems` of a `BatchGetItem`.
pub(super) fn batch<'a>(table: &str, keys: impl Iterator<Item = &'a str>, wanted: Wanted) -> String {
    let items = projected(Object::new().raw("Keys", &list(keys.map(key_of))), wanted);
    Object::new().raw(table, &items.end()).end()
}

/// The body of a `Scan` over the items of pages and of the site, from `start` on.
pub(super) fn scan(table: &str, wanted: Wanted, start: Option<&str>) -> String {
    let values = Object::new()
        .raw(":r", &text(&RESERVED_PREFIX.to_string()))
        .raw(":s", &text(KEY_SITE))
        .raw(":x", &text(KEY_SHARD_PREFIX));
    let body = Object::new()
        .text("TableName", table)
        .text("FilterExpression", "(NOT begins_with(#p, :r)) OR #p = :s OR begins_with(#p, :x)")
        .raw("ExpressionAttributeValues", &values.end());
    let body = match wanted {
        Wanted::Counts(_) => projected(body, wanted),
        Wanted::All => named(body, Object::new().text("#p", ATTR_PATH)),
    };
    match start {
        Some(start) => body.raw("ExclusiveStartKey", start),
        None => body,
    }
    .end()
}

/// The body of a `PutItem` that remembers `id`, on condition that it is new.
pub(super) fn remember(table: &str, id: &str, ttl: u64) -> String {
    let item = Object::new().raw(SEEN_ID, &text(id)).raw(SEEN_TTL, &number(ttl));
    let body = Object::new().text("TableName", table).raw("Item", &item.end());
    let body = body.text("ConditionExpression", "attribute_not_exists(#i)");
    named(body, Object::new().text("#i", SEEN_ID)).end()
}

/// The body of an `UpdateItem` that makes the salt `id` of what is `proposed`, unless there is one; it answers the one
/// that stands.
pub(super) fn salt(table: &str, id: &str, proposed: &str, ttl: u64) -> String {
    let names = Object::new().text("#s", SEEN_SALT).text("#t", SEEN_TTL);
    let values = Object::new().raw(":s", &text(proposed)).raw(":t", &number(ttl));
    let expression = "SET #s = if_not_exists(#s, :s), #t = if_not_exists(#t, :t)";
    update(seen(table, id), expression, "", names, values).text("ReturnValues", "ALL_NEW").end()
}

/// The body of a `DeleteItem`.
pub(super) fn forget(table: &str, id: &str) -> String {
    seen(table, id).end()
}

/// The body of an `UpdateItem` that counts a hit of an address.
pub(super) fn address(table: &str, id: &str, now: Moment, ttl: u64) -> String {
    let names =
        Object::new().text("#h", ATTR_HITS).text("#l", ATTR_LAST).text("#f", ATTR_FIRST).text("#t", SEEN_TTL);
    let values = Object::new().raw(":n", &number(1)).raw(":l", &text(&now.rfc3339())).raw(":t", &number(ttl));
    let expression = "ADD #h :n SET #l = :l, #f = if_not_exists(#f, :l), #t = :t";
    update(seen(table, id), expression, "", names, values).end()
}

/// The body of an update that reads `known` as the condition that the item is there.
fn update_known(body: Object, expression: &str, known: bool, names: Object, values: Object) -> Object {
    let (condition, names) =
        if known { ("attribute_exists(#p)", names.text("#p", ATTR_PATH)) } else { ("", names) };
    update(body, expression, condition, names, values)
}

/// Completes the body of an `UpdateItem`; no condition is an empty one.
pub(super) fn update(
    body: Object,
    expression: &str,
    condition: &str,
    names: Object,
    values: Object,
) -> Object {
    let body = body.text("UpdateExpression", expression);
    let body = if condition.is_empty() { body } else { body.text("ConditionExpression", condition) };
    named(body, names).raw("ExpressionAttributeValues", &values.end())
}

/// Adds what the aliases of names stand for.
fn named(body: Object, names: Object) -> Object {
    body.raw("ExpressionAttributeNames", &names.end())
}

pub(super) fn change(table: &str, key: &str) -> Object {
    Object::new().text("TableName", table).raw("Key", &key_of(key))
}

fn seen(table: &str, id: &str) -> Object {
    Object::new().text("TableName", table).raw("Key", &Object::new().raw(SEEN_ID, &text(id)).end())
}

fn projected(body: Object, wanted: Wanted) -> Object {
    let Wanted::Counts(today) = wanted else { return body };
    let names = Object::new()
        .text("#p", ATTR_PATH)
        .text("#h", ATTR_HITS)
        .text("#d", &today.attribute())
        .text("#u", ATTR_UNIQUES)
        .text("#v", &today.uniques_attribute());
    named(body.text("ProjectionExpression", "#p, #h, #d, #u, #v"), names)
}

fn key_of(key: &str) -> String {
    Object::new().raw(ATTR_PATH, &text(key)).end()
}

fn text(value: &str) -> String {
    format!("{{\"S\":{}}}", string(value))
}

pub(super) fn number(value: u64) -> String {
    format!("{{\"N\":\"{value}\"}}")
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
