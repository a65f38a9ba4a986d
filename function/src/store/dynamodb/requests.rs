//! Builds the request bodies, in DynamoDB's JSON. Expressions contain only placeholders for names and values
//! (`#p`, `:n`), because a path may contain any text and some names are reserved words of DynamoDB.

use hitctl_config::contract::{
    ATTR_BUDGET_PATHS, ATTR_FIRST, ATTR_HITS, ATTR_LAST, ATTR_PATH, ATTR_UNIQUES, KEY_BUDGET,
    KEY_SHARD_PREFIX, KEY_SITE, RESERVED_PREFIX, SEEN_ID, SEEN_MESSAGE_PREFIX, SEEN_SALT, SEEN_TTL,
};

use crate::hit::{CounterDelta, HitUpdate};
use crate::json::{JsonObject, list, string};
use crate::moment::{Day, Moment};
use crate::store::transaction::Transaction;

/// The attributes that a read returns.
#[derive(Clone, Copy, Debug)]
pub(super) enum Projection {
    /// The totals and the counts of the given day.
    Summary(Day),
    /// All attributes, including days and months.
    All,
}

/// The limits of the budget of new paths.
#[derive(Clone, Copy)]
pub(super) struct BudgetLimits {
    /// The maximum number of new paths per day.
    pub(super) new_per_day: u64,
    /// The maximum number of paths in total.
    pub(super) max_total: u64,
}

/// Builds an `UpdateItem` that counts hits in the item `key`. If `must_exist`, it requires that the item
/// exists.
pub(super) fn add_hit(table: &str, key: &str, update: &HitUpdate, must_exist: bool) -> String {
    let mut names = JsonObject::new()
        .text("#h", ATTR_HITS)
        .text("#d", &update.day)
        .text("#m", &update.month)
        .text("#l", ATTR_LAST)
        .text("#f", ATTR_FIRST);
    let mut values = JsonObject::new()
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
    update_if_required(table_and_key(table, key), &expression, must_exist, names, values)
        .text("ReturnValues", "ALL_NEW")
        .end()
}

/// Builds an `UpdateItem` that adds a delta. If `must_exist`, it requires that the item exists.
pub(super) fn apply_delta(table: &str, delta: &CounterDelta, must_exist: bool) -> String {
    delta_body(table, delta, must_exist).text("ReturnValues", "ALL_NEW").end()
}

/// Builds a `TransactWriteItems` that adds the deltas and writes their deduplication markers, which expire at
/// `ttl`, into `dedup_table`.
pub(super) fn transaction(
    table: &str,
    dedup_table: &str,
    transaction: &Transaction,
    ttl: u64,
    token: &str,
) -> String {
    let puts = transaction.dedup_ids.iter().map(|dedup_id| {
        let put = put_id(dedup_table, &format!("{SEEN_MESSAGE_PREFIX}{dedup_id}"), ttl);
        JsonObject::new().raw("Put", &put).end()
    });
    let updates = transaction.deltas.iter().map(|(delta, must_exist)| {
        JsonObject::new().raw("Update", &delta_body(table, delta, *must_exist).end()).end()
    });
    JsonObject::new().text("ClientRequestToken", token).raw("TransactItems", &list(puts.chain(updates))).end()
}

fn delta_body(table: &str, delta: &CounterDelta, must_exist: bool) -> JsonObject {
    let (mut names, mut values) = (JsonObject::new(), JsonObject::new());
    let mut expression = String::from("ADD ");
    for (index, (name, n)) in delta.attribute_sums().iter().enumerate() {
        if index > 0 {
            expression.push_str(", ");
        }
        let (alias, value) = (format!("#a{index}"), format!(":a{index}"));
        expression.extend([alias.as_str(), " ", &value]);
        names = names.text(&alias, name);
        values = values.raw(&value, &number(*n));
    }
    if let (Some(last), Some(first)) = (delta.last, delta.first()) {
        expression.push_str(" SET #l = :l, #f = if_not_exists(#f, :f)");
        names = names.text("#l", ATTR_LAST).text("#f", ATTR_FIRST);
        values = values.raw(":l", &text(&last.rfc3339())).raw(":f", &text(&first.to_string()));
    }
    update_if_required(table_and_key(table, &delta.key), &expression, must_exist, names, values)
}

/// Builds an `UpdateItem` that reserves a new path in the budget and in the client's `shares` of it. It
/// requires that no limit is reached.
pub(super) fn reserve_path(
    table: &str,
    today: Day,
    limits: BudgetLimits,
    shares: &[(String, u64)],
) -> String {
    let mut names = JsonObject::new().text("#a", ATTR_BUDGET_PATHS).text("#d", &today.attribute());
    let mut values = JsonObject::new()
        .raw(":n", &number(1))
        .raw(":a", &number(limits.max_total))
        .raw(":d", &number(limits.new_per_day));
    let mut change = String::from("ADD #a :n, #d :n");
    let mut condition =
        String::from("(attribute_not_exists(#a) OR #a < :a) AND (attribute_not_exists(#d) OR #d < :d)");
    for (index, (name, limit)) in shares.iter().enumerate() {
        let (alias, value) = (format!("#s{index}"), format!(":s{index}"));
        change.extend([", ", &alias, " :n"]);
        condition.extend([" AND (attribute_not_exists(", &alias, ") OR ", &alias, " < ", &value, ")"]);
        names = names.text(&alias, name);
        values = values.raw(&value, &number(*limit));
    }
    with_update(table_and_key(table, KEY_BUDGET), &change, &condition, names, values)
        .text("ReturnValues", "ALL_NEW")
        .end()
}

/// Builds an `UpdateItem` that counts a visitor of the site.
pub(super) fn count_site_visitor(table: &str, today: Day) -> String {
    let (day, month) = (today.uniques_attribute(), today.month_uniques_attribute());
    let names = JsonObject::new().text("#u", ATTR_UNIQUES).text("#v", &day).text("#w", &month);
    let values = JsonObject::new().raw(":n", &number(1));
    let body = with_update(table_and_key(table, KEY_SITE), "ADD #u :n, #v :n, #w :n", "", names, values);
    body.text("ReturnValues", "ALL_NEW").end()
}

/// Builds an `UpdateItem` that adds `n` to the number `name` of an item.
pub(super) fn increment(table: &str, key: &str, name: &str, n: u64) -> String {
    let (names, values) = (JsonObject::new().text("#c", name), JsonObject::new().raw(":n", &number(n)));
    with_update(table_and_key(table, key), "ADD #c :n", "", names, values).end()
}

/// Builds an `UpdateItem` that removes attributes. It requires that the item exists, because an update would
/// otherwise create an empty one.
pub(super) fn trim(table: &str, key: &str, stale: &[String]) -> String {
    let mut names = JsonObject::new().text("#p", ATTR_PATH);
    let mut expression = String::from("REMOVE ");
    for (position, name) in stale.iter().enumerate() {
        let alias = format!("#a{position}");
        if position > 0 {
            expression.push_str(", ");
        }
        expression.push_str(&alias);
        names = names.text(&alias, name);
    }
    let body = table_and_key(table, key)
        .text("UpdateExpression", &expression)
        .text("ConditionExpression", "attribute_exists(#p)");
    with_names(body, names).end()
}

/// Builds a `GetItem`.
pub(super) fn get_item(table: &str, key: &str, projection: Projection) -> String {
    with_projection(table_and_key(table, key), projection).end()
}

/// Builds a `GetItem` that checks whether an item exists.
pub(super) fn item_exists(table: &str, key: &str) -> String {
    let body = table_and_key(table, key).text("ProjectionExpression", "#p");
    with_names(body, JsonObject::new().text("#p", ATTR_PATH)).end()
}

/// Builds the `RequestItems` of a `BatchGetItem`.
pub(super) fn batch_get<'a>(
    table: &str,
    keys: impl Iterator<Item = &'a str>,
    projection: Projection,
) -> String {
    let items = with_projection(JsonObject::new().raw("Keys", &list(keys.map(key_of))), projection);
    JsonObject::new().raw(table, &items.end()).end()
}

/// Builds a `Scan` that returns the items of all paths and of the site. `start` is the `LastEvaluatedKey` of
/// the previous call.
pub(super) fn scan(table: &str, projection: Projection, start: Option<&str>) -> String {
    let values = JsonObject::new()
        .raw(":r", &text(&RESERVED_PREFIX.to_string()))
        .raw(":s", &text(KEY_SITE))
        .raw(":x", &text(KEY_SHARD_PREFIX));
    let body = JsonObject::new()
        .text("TableName", table)
        .text("FilterExpression", "(NOT begins_with(#p, :r)) OR #p = :s OR begins_with(#p, :x)")
        .raw("ExpressionAttributeValues", &values.end());
    let body = match projection {
        Projection::Summary(_) => with_projection(body, projection),
        Projection::All => with_names(body, JsonObject::new().text("#p", ATTR_PATH)),
    };
    match start {
        Some(start) => body.raw("ExclusiveStartKey", start),
        None => body,
    }
    .end()
}

/// Builds a `PutItem` that stores `id`. It requires that no item with this ID exists.
pub(super) fn put_id(table: &str, id: &str, ttl: u64) -> String {
    let item = JsonObject::new().raw(SEEN_ID, &text(id)).raw(SEEN_TTL, &number(ttl));
    let body = JsonObject::new().text("TableName", table).raw("Item", &item.end());
    let body = body.text("ConditionExpression", "attribute_not_exists(#i)");
    with_names(body, JsonObject::new().text("#i", SEEN_ID)).end()
}

/// Builds an `UpdateItem` that creates the salt `id` with the value `proposed`, unless it exists. The
/// response contains the stored salt.
pub(super) fn create_salt(table: &str, id: &str, proposed: &str, ttl: u64) -> String {
    let names = JsonObject::new().text("#s", SEEN_SALT).text("#t", SEEN_TTL);
    let values = JsonObject::new().raw(":s", &text(proposed)).raw(":t", &number(ttl));
    let expression = "SET #s = if_not_exists(#s, :s), #t = if_not_exists(#t, :t)";
    with_update(visitor_table_and_key(table, id), expression, "", names, values)
        .text("ReturnValues", "ALL_NEW")
        .end()
}

/// Builds a `DeleteItem` on the table of visitors.
pub(super) fn delete_id(table: &str, id: &str) -> String {
    visitor_table_and_key(table, id).end()
}

/// Builds an `UpdateItem` that counts a hit in the item of an address.
pub(super) fn count_address(table: &str, id: &str, now: Moment, ttl: u64) -> String {
    let names = JsonObject::new()
        .text("#h", ATTR_HITS)
        .text("#l", ATTR_LAST)
        .text("#f", ATTR_FIRST)
        .text("#t", SEEN_TTL);
    let values =
        JsonObject::new().raw(":n", &number(1)).raw(":l", &text(&now.rfc3339())).raw(":t", &number(ttl));
    let expression = "ADD #h :n SET #l = :l, #f = if_not_exists(#f, :l), #t = :t";
    with_update(visitor_table_and_key(table, id), expression, "", names, values).end()
}

/// Completes the body of an `UpdateItem`. If `must_exist`, it requires that the item exists.
fn update_if_required(
    body: JsonObject,
    expression: &str,
    must_exist: bool,
    names: JsonObject,
    values: JsonObject,
) -> JsonObject {
    let (condition, names) =
        if must_exist { ("attribute_exists(#p)", names.text("#p", ATTR_PATH)) } else { ("", names) };
    with_update(body, expression, condition, names, values)
}

/// Completes the body of an `UpdateItem`. If `condition` is empty, the update is unconditional.
pub(super) fn with_update(
    body: JsonObject,
    expression: &str,
    condition: &str,
    names: JsonObject,
    values: JsonObject,
) -> JsonObject {
    let body = body.text("UpdateExpression", expression);
    let body = if condition.is_empty() { body } else { body.text("ConditionExpression", condition) };
    with_names(body, names).raw("ExpressionAttributeValues", &values.end())
}

/// Adds the attribute names for which the placeholders stand.
fn with_names(body: JsonObject, names: JsonObject) -> JsonObject {
    body.raw("ExpressionAttributeNames", &names.end())
}

pub(super) fn table_and_key(table: &str, key: &str) -> JsonObject {
    JsonObject::new().text("TableName", table).raw("Key", &key_of(key))
}

fn visitor_table_and_key(table: &str, id: &str) -> JsonObject {
    JsonObject::new().text("TableName", table).raw("Key", &JsonObject::new().raw(SEEN_ID, &text(id)).end())
}

fn with_projection(body: JsonObject, projection: Projection) -> JsonObject {
    let Projection::Summary(today) = projection else { return body };
    let names = JsonObject::new()
        .text("#p", ATTR_PATH)
        .text("#h", ATTR_HITS)
        .text("#d", &today.attribute())
        .text("#u", ATTR_UNIQUES)
        .text("#v", &today.uniques_attribute());
    with_names(body.text("ProjectionExpression", "#p, #h, #d, #u, #v"), names)
}

fn key_of(key: &str) -> String {
    JsonObject::new().raw(ATTR_PATH, &text(key)).end()
}

fn text(value: &str) -> String {
    format!("{{\"S\":{}}}", string(value))
}

pub(super) fn number(value: u64) -> String {
    format!("{{\"N\":\"{value}\"}}")
}

#[cfg(test)]
mod tests;
