//! Snapshots of the request bodies.

use super::*;
use crate::hit::Hit;
use crate::path::normalise;

const NOON: Moment = Moment::from_millis(1_789_898_400_000);

fn update(is_new: bool) -> HitUpdate {
    Hit::one(normalise("/a").unwrap(), NOON).with_new_visitor(is_new).update()
}

#[test]
fn hit_request_updates_total_day_and_month() {
    insta::assert_snapshot!(add_hit("hits-test", "/a\"b", &update(false), false), @r##"{"TableName":"hits-test","Key":{"path":{"S":"/a\"b"}},"UpdateExpression":"ADD #h :n, #d :n, #m :n SET #l = :t, #f = if_not_exists(#f, :f)","ExpressionAttributeNames":{"#h":"hits","#d":"dfzg","#m":"m2609","#l":"last","#f":"first"},"ExpressionAttributeValues":{":n":{"N":"1"},":t":{"S":"2026-09-20T10:00:00Z"},":f":{"S":"2026-09-20"}},"ReturnValues":"ALL_NEW"}"##);
}

#[test]
fn hit_request_with_new_visitor_counts_the_visitor() {
    insta::assert_snapshot!(add_hit("hits-test", "/a", &update(true), true), @r##"{"TableName":"hits-test","Key":{"path":{"S":"/a"}},"UpdateExpression":"ADD #h :n, #d :n, #m :n, #u :u, #v :u, #w :u SET #l = :t, #f = if_not_exists(#f, :f)","ConditionExpression":"attribute_exists(#p)","ExpressionAttributeNames":{"#h":"hits","#d":"dfzg","#m":"m2609","#l":"last","#f":"first","#u":"uniques","#v":"vfzg","#w":"w2609","#p":"path"},"ExpressionAttributeValues":{":n":{"N":"1"},":t":{"S":"2026-09-20T10:00:00Z"},":f":{"S":"2026-09-20"},":u":{"N":"1"}},"ReturnValues":"ALL_NEW"}"##);
}

#[test]
fn limits_are_sent_as_conditions() {
    let limits = BudgetLimits { new_per_day: 1000, max_total: 10_000 };
    insta::assert_snapshot!(reserve_path("hits-test", NOON.day(), limits, &[]), @r##"{"TableName":"hits-test","Key":{"path":{"S":"!budget"}},"UpdateExpression":"ADD #a :n, #d :n","ConditionExpression":"(attribute_not_exists(#a) OR #a < :a) AND (attribute_not_exists(#d) OR #d < :d)","ExpressionAttributeNames":{"#a":"paths","#d":"dfzg"},"ExpressionAttributeValues":{":n":{"N":"1"},":a":{"N":"10000"},":d":{"N":"1000"}},"ReturnValues":"ALL_NEW"}"##);
    let shares = [("a#0fzg".to_owned(), 100), ("n#1fzg".to_owned(), 500)];
    insta::assert_snapshot!(reserve_path("hits-test", NOON.day(), limits, &shares), @r##"{"TableName":"hits-test","Key":{"path":{"S":"!budget"}},"UpdateExpression":"ADD #a :n, #d :n, #s0 :n, #s1 :n","ConditionExpression":"(attribute_not_exists(#a) OR #a < :a) AND (attribute_not_exists(#d) OR #d < :d) AND (attribute_not_exists(#s0) OR #s0 < :s0) AND (attribute_not_exists(#s1) OR #s1 < :s1)","ExpressionAttributeNames":{"#a":"paths","#d":"dfzg","#s0":"a#0fzg","#s1":"n#1fzg"},"ExpressionAttributeValues":{":n":{"N":"1"},":a":{"N":"10000"},":d":{"N":"1000"},":s0":{"N":"100"},":s1":{"N":"500"}},"ReturnValues":"ALL_NEW"}"##);
    insta::assert_snapshot!(put_id("hits-test-seen", "abc", 7), @r##"{"TableName":"hits-test-seen","Item":{"id":{"S":"abc"},"ttl":{"N":"7"}},"ConditionExpression":"attribute_not_exists(#i)","ExpressionAttributeNames":{"#i":"id"}}"##);
    insta::assert_snapshot!(create_salt("hits-test-seen", "salt#fzg", "00ff", 7), @r##"{"TableName":"hits-test-seen","Key":{"id":{"S":"salt#fzg"}},"UpdateExpression":"SET #s = if_not_exists(#s, :s), #t = if_not_exists(#t, :t)","ExpressionAttributeNames":{"#s":"salt","#t":"ttl"},"ExpressionAttributeValues":{":s":{"S":"00ff"},":t":{"N":"7"}},"ReturnValues":"ALL_NEW"}"##);
}

#[test]
fn other_requests_match_snapshots() {
    insta::assert_snapshot!(count_site_visitor("hits-test", NOON.day()), @r##"{"TableName":"hits-test","Key":{"path":{"S":"!site"}},"UpdateExpression":"ADD #u :n, #v :n, #w :n","ExpressionAttributeNames":{"#u":"uniques","#v":"vfzg","#w":"w2609"},"ExpressionAttributeValues":{":n":{"N":"1"}},"ReturnValues":"ALL_NEW"}"##);
    insta::assert_snapshot!(increment("hits-test", "!dropped#m2609", "bot", 1), @r##"{"TableName":"hits-test","Key":{"path":{"S":"!dropped#m2609"}},"UpdateExpression":"ADD #c :n","ExpressionAttributeNames":{"#c":"bot"},"ExpressionAttributeValues":{":n":{"N":"1"}}}"##);
    insta::assert_snapshot!(count_address("hits-test-seen", "ip#203.0.113.7", NOON, 7), @r##"{"TableName":"hits-test-seen","Key":{"id":{"S":"ip#203.0.113.7"}},"UpdateExpression":"ADD #h :n SET #l = :l, #f = if_not_exists(#f, :l), #t = :t","ExpressionAttributeNames":{"#h":"hits","#l":"last","#f":"first","#t":"ttl"},"ExpressionAttributeValues":{":n":{"N":"1"},":l":{"S":"2026-09-20T10:00:00Z"},":t":{"N":"7"}}}"##);
    insta::assert_snapshot!(scan("hits-test", Projection::Summary(NOON.day()), Some("{}")), @r##"{"TableName":"hits-test","FilterExpression":"(NOT begins_with(#p, :r)) OR #p = :s OR begins_with(#p, :x)","ExpressionAttributeValues":{":r":{"S":"!"},":s":{"S":"!site"},":x":{"S":"!shard#"}},"ProjectionExpression":"#p, #h, #d, #u, #v","ExpressionAttributeNames":{"#p":"path","#h":"hits","#d":"dfzg","#u":"uniques","#v":"vfzg"},"ExclusiveStartKey":{}}"##);
}
