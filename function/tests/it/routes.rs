//! End-to-end tests of each route, with a simple table in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::fake::{BootstrapProcess, FakeReply, FakeServer, ReceivedRequest, environment};

/// Items by path, each a map of attributes in DynamoDB's JSON.
type SharedTable = Arc<Mutex<BTreeMap<String, Value>>>;

/// Starts a DynamoDB with the four operations that the function uses, and two items per page of a Scan.
fn table() -> (FakeServer, SharedTable) {
    let table: SharedTable = Arc::default();
    let items = Arc::clone(&table);
    let fake =
        FakeServer::serve(move |_, request| FakeReply::Json(200, operate(&items, request).to_string()));
    (fake, table)
}

fn operate(table: &SharedTable, request: &ReceivedRequest) -> Value {
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let mut table = table.lock().unwrap();
    match request.operation() {
        "UpdateItem" => {
            let key = body["Key"]["path"]["S"].as_str().unwrap();
            let item = table.entry(key.to_owned()).or_insert_with(|| json!({"path": {"S": key}}));
            let names = &body["ExpressionAttributeNames"];
            if body["UpdateExpression"].as_str().unwrap().starts_with("REMOVE") {
                for name in names.as_object().unwrap().iter().filter(|(alias, _)| alias.starts_with("#a")) {
                    item.as_object_mut().unwrap().remove(name.1.as_str().unwrap());
                }
                return json!({});
            }
            for alias in ["#h", "#d", "#m"] {
                let name = names[alias].as_str().unwrap();
                let old: u64 = item[name]["N"].as_str().map_or(0, |n| n.parse().unwrap());
                item[name] = json!({"N": (old + 1).to_string()});
            }
            json!({"Attributes": item})
        }
        "GetItem" => table
            .get(body["Key"]["path"]["S"].as_str().unwrap())
            .map_or(json!({}), |item| json!({"Item": item})),
        "BatchGetItem" => {
            let keys = body["RequestItems"]["hits-test"]["Keys"].as_array().unwrap();
            let found: Vec<&Value> =
                keys.iter().rev().filter_map(|key| table.get(key["path"]["S"].as_str().unwrap())).collect();
            json!({"Responses": {"hits-test": found}, "UnprocessedKeys": {}})
        }
        "Scan" => {
            let from = body["ExclusiveStartKey"]["path"]["S"].as_str().unwrap_or_default();
            let page: Vec<_> = table.iter().filter(|(key, _)| key.as_str() > from).take(2).collect();
            let last = page.last().map(|(key, _)| json!({"path": {"S": key}}));
            let items: Vec<&Value> =
                page.iter().filter(|(key, _)| !key.starts_with('!')).map(|(_, item)| *item).collect();
            json!({"Items": items, "LastEvaluatedKey": last})
        }
        other => panic!("{other} is not in the function's role"),
    }
}

fn operations(fake: &FakeServer) -> Vec<String> {
    fake.received().iter().map(|request| request.operation().to_owned()).collect()
}

#[test]
fn hits_are_one_update_each_over_one_connection() {
    let (fake, _) = table();
    let host = BootstrapProcess::start(fake.address);
    for n in 1..=3 {
        let expected = format!(r#"{{"v":1,"path":"/x","hits":{n},"today":{{"hits":{n}}},"counted":true}}"#);
        assert_eq!(host.get("/counter", "path=/x/"), (200, expected));
    }
    assert_eq!(operations(&fake), ["UpdateItem"; 3]);
    assert_eq!(fake.connections(), 1);
    let request = &fake.received()[0];
    assert_eq!(request.line, "POST / HTTP/1.1");
    assert_eq!(request.headers["content-type"], "application/x-amz-json-1.0");
    assert_eq!(request.headers["x-amz-security-token"], "token");
    assert!(request.headers["authorization"].starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
    assert!(request.headers["authorization"].contains(
        "/eu-central-1/dynamodb/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
    ));
}

#[test]
fn reads_change_nothing() {
    let (fake, _) = table();
    let host = BootstrapProcess::start(fake.address);
    host.get("/counter", "path=/x");
    let read = (200, r#"{"v":1,"path":"/x","hits":1,"today":{"hits":1},"counted":false}"#.to_owned());
    assert_eq!(host.get("/counter", "path=/x&ro=1"), read);
    assert_eq!(host.get("/v1/count", "path=/x"), read);
    let (status, headers, body) = host.request("HEAD", "/counter", "path=/x");
    assert_eq!((status, body.as_str()), (200, ""));
    assert_eq!(headers["cache-control"], "public, max-age=60, stale-while-revalidate=600");
    assert_eq!(
        host.get("/counter", "path=/never&ro=1").1,
        r#"{"v":1,"path":"/never","hits":0,"today":{"hits":0},"counted":false}"#
    );
    assert_eq!(operations(&fake), ["UpdateItem", "GetItem", "GetItem", "GetItem", "GetItem"]);
}

#[test]
fn many_pages_are_one_batch_and_the_total_is_a_full_scan() {
    let (fake, table) = table();
    table.lock().unwrap().insert("!lease".to_owned(), json!({"path": {"S": "!lease"}, "hits": {"N": "900"}}));
    let host = BootstrapProcess::start(fake.address);
    for path in ["path=/a", "path=/b", "path=/b", "path=/c", "path=/d"] {
        host.get("/counter", path);
    }
    assert_eq!(
        host.get("/v1/count", "path=/b&path=/never&path=/a&path=/b").1,
        r#"{"v":1,"counts":[{"path":"/b","hits":2,"today":{"hits":2}},{"path":"/never","hits":0,"today":{"hits":0}},{"path":"/a","hits":1,"today":{"hits":1}},{"path":"/b","hits":2,"today":{"hits":2}}]}"#
    );
    assert_eq!(host.get("/v1/count", "").1, r#"{"v":1,"hits":5,"today":{"hits":5}}"#);
    assert_eq!(operations(&fake)[5..], ["BatchGetItem", "Scan", "Scan", "Scan", "Scan"]);
    host.get("/counter", "path=/a");
    assert_eq!(
        host.get("/v1/count", "").1,
        r#"{"v":1,"hits":6,"today":{"hits":6}}"#,
        "the total is cached, and the process adds its own hits"
    );
    assert_eq!(operations(&fake).len(), 11);
}

#[test]
fn old_days_are_trimmed_by_one_more_update() {
    let (fake, table) = table();
    let mut item = json!({"path": {"S": "/x"}, "hits": {"N": "60"}, "first": {"S": "2020-01-01"}});
    for day in 0..60 {
        // Days from November 1994, whose numbers begin with a 7 in base 36.
        let digit = char::from_digit(day % 36, 36).unwrap();
        item[format!("d7{}{digit}", day / 36)] = json!({"N": "1"});
    }
    table.lock().unwrap().insert("/x".to_owned(), item);
    let host = BootstrapProcess::start(fake.address);
    assert!(host.get("/counter", "path=/x").1.contains(r#""hits":61,"today":{"hits":1}"#));
    assert_eq!(operations(&fake), ["UpdateItem", "UpdateItem"]);
    let item = table.lock().unwrap()["/x"].clone();
    let days_left: Vec<&String> =
        item.as_object().unwrap().keys().filter(|name| name.starts_with('d')).collect();
    assert_eq!(days_left.len(), 1, "only today: {days_left:?}");
    assert_eq!(item["first"]["S"], "2020-01-01");
    host.get("/counter", "path=/x");
    assert_eq!(operations(&fake).len(), 3, "the second hit trims nothing");
}

#[test]
fn health_and_rejected_requests_do_not_access_the_table() {
    let (fake, _) = table();
    let mut environment = environment(&format!("http://{}", fake.address));
    environment.push(("HITCTL_BUILD", "abc123".to_owned()));
    environment.push(("HITCTL_ALLOW_ORIGINS", "https://a.example,https://b.example".to_owned()));
    let host = BootstrapProcess::start_with(environment, 30_000);
    let (status, headers, body) = host.request("GET", "/healthz", "");
    assert_eq!((status, body.as_str()), (200, r#"{"v":1,"ok":true}"#));
    assert_eq!(headers["hitctl-build"], "abc123");
    assert_eq!(headers.get("access-control-allow-origin"), None, "the gateway adds this header");
    let (status, headers, _) = host.request("POST", "/counter", "path=/x");
    assert_eq!((status, &headers["allow"]), (405, &json!("GET, HEAD")));
    assert_eq!(host.get("/nowhere", "").0, 404);
    assert_eq!(host.get("/counter", "path=%00").0, 400);
    assert_eq!(host.get("/counter", &format!("path=/{}", "a".repeat(512))).0, 414);
    let large = crate::fake::event("GET", "/counter", "path=/x")
        .replace("\"headers\"", &format!("\"body\":\"{}\",\"headers\"", "x".repeat(10_000_000)));
    assert!(host.invoke(large).body.contains("\"statusCode\":413"));
    assert_eq!(operations(&fake), [""; 0]);
}
