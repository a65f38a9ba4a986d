//! Tests of two tables in one cloud: the counts, which are kept, and the seen visitors, whose items expire.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hitctl_local::client::LocalClient;
use serde_json::{Value as Json, json};

use crate::harness::{
    DaemonTestEnv, RawConnection, TIMEOUT, daemon_pid, dynamodb_head, hit_count, sigkill, table_spec,
};

const COUNTS: &str = "hits-local";
const VISITORS: &str = "hits-local-seen";

/// A time in the year 2100, in seconds since the Unix epoch.
const FAR_FUTURE_S: u64 = 4_102_444_800;

/// The spec of the table of seen visitors.
fn visitors_spec() -> Json {
    json!({
        "partition_key": "id",
        "point_in_time_recovery": false,
        "deletion_protection": false,
        "max_write_units": 100,
        "ttl_attribute": "ttl",
        "tags": { "hitctl:app": "hits", "hitctl:env": "local" },
    })
}

async fn deploy(client: &LocalClient) {
    client.put_resource("table", COUNTS, &table_spec()).await.unwrap();
    client.put_resource("table", VISITORS, &visitors_spec()).await.unwrap();
}

/// Calls an operation of DynamoDB as the function does.
async fn call_table(
    connection: &mut RawConnection,
    operation: &str,
    body: &Json,
) -> std::io::Result<(u16, Json)> {
    let (status, response) =
        connection.send(&dynamodb_head(operation, "127.0.0.1"), &body.to_string()).await?;
    Ok((status, serde_json::from_str(&response).unwrap()))
}

/// Records a visitor until the time `until`. Returns 400 for a visitor who is already recorded.
async fn record_visitor(connection: &mut RawConnection, id: &str, until: u64) -> std::io::Result<u16> {
    let body = json!({
        "TableName": VISITORS,
        "Item": { "id": { "S": id }, "ttl": { "N": until.to_string() } },
        "ConditionExpression": "attribute_not_exists(id)",
    });
    Ok(call_table(connection, "PutItem", &body).await?.0)
}

/// Returns the recorded visitors.
async fn recorded_visitors(client: &LocalClient) -> BTreeSet<String> {
    let mut connection = RawConnection::connect(&client.endpoint().table).await.unwrap();
    let mut found = BTreeSet::new();
    let mut body = json!({ "TableName": VISITORS, "ConsistentRead": true });
    loop {
        let (status, page) = call_table(&mut connection, "Scan", &body).await.unwrap();
        assert_eq!(status, 200, "{page}");
        let items = page["Items"].as_array().unwrap().iter();
        found.extend(items.map(|item| item["id"]["S"].as_str().unwrap().to_owned()));
        match page.get("LastEvaluatedKey") {
            Some(key) => body["ExclusiveStartKey"] = key.clone(),
            None => return found,
        }
    }
}

/// Whether the items of a table expire.
async fn has_ttl(client: &LocalClient, table: &str) -> bool {
    let mut connection = RawConnection::connect(&client.endpoint().table).await.unwrap();
    let (status, description) =
        call_table(&mut connection, "DescribeTimeToLive", &json!({ "TableName": table })).await.unwrap();
    assert_eq!(status, 200, "{description}");
    description["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigkill_during_writes_to_both_tables_loses_no_acknowledged_write() {
    const WRITERS: u64 = 4;
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    deploy(&client).await;
    let counted = Arc::new(AtomicU64::new(0));
    let enough = Arc::new(tokio::sync::Notify::new());
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (counted, enough) = (Arc::clone(&counted), Arc::clone(&enough));
        let url = client.endpoint().table.clone();
        writers.spawn(async move {
            let mut connection = RawConnection::connect(&url).await.unwrap();
            let mut known = Vec::new();
            // A visit writes to both tables. Repeats until the daemon has exited.
            for n in 0.. {
                let id = format!("{writer}-{n}");
                match record_visitor(&mut connection, &id, FAR_FUTURE_S).await {
                    Ok(status) => assert_eq!(status, 200, "{id} is new"),
                    Err(_) => break,
                }
                known.push(id);
                match connection.hit(COUNTS, "/").await {
                    Ok((status, body)) => assert_eq!(status, 200, "{body}"),
                    Err(_) => break,
                }
                if counted.fetch_add(1, Ordering::SeqCst) == 300 {
                    enough.notify_one();
                }
            }
            known
        });
    }
    tokio::time::timeout(TIMEOUT, enough.notified()).await.unwrap();
    sigkill(daemon_pid(&client));
    let known: BTreeSet<String> =
        tokio::time::timeout(TIMEOUT, writers.join_all()).await.unwrap().into_iter().flatten().collect();
    let acknowledged = counted.load(Ordering::SeqCst);

    let client = env.start_new().await;
    let found = hit_count(&client, COUNTS, "/").await;
    assert!(
        (acknowledged..=acknowledged + WRITERS).contains(&found),
        "{found} hits, {acknowledged} acknowledged"
    );
    let recorded_visitors = recorded_visitors(&client).await;
    let missing: Vec<_> = known.difference(&recorded_visitors).collect();
    assert!(missing.is_empty(), "{missing:?} were acknowledged");
    assert!(
        recorded_visitors.len() as u64 <= known.len() as u64 + WRITERS,
        "{} of {}",
        recorded_visitors.len(),
        known.len()
    );
    assert!(has_ttl(&client, VISITORS).await && !has_ttl(&client, COUNTS).await);
    let mut connection = RawConnection::connect(&client.endpoint().table).await.unwrap();
    assert_eq!(
        record_visitor(&mut connection, known.first().unwrap(), FAR_FUTURE_S).await.unwrap(),
        400,
        "the visitor is already recorded"
    );
}

#[tokio::test]
async fn expired_items_are_deleted_after_start_and_counts_are_kept() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    deploy(&client).await;
    let mut connection = RawConnection::connect(&client.endpoint().table).await.unwrap();
    for n in 0..200 {
        assert_eq!(record_visitor(&mut connection, &format!("old{n}"), 1).await.unwrap(), 200);
    }
    assert_eq!(record_visitor(&mut connection, "new", FAR_FUTURE_S).await.unwrap(), 200);
    // A count with an attribute that looks like an expired time to live.
    let count = json!({ "TableName": COUNTS, "Item": {
        "path": { "S": "/" }, "hits": { "N": "7" }, "ttl": { "N": "1" },
    } });
    assert_eq!(call_table(&mut connection, "PutItem", &count).await.unwrap().0, 200);
    sigkill(daemon_pid(&client));

    let client = env.start_new().await;
    let expired = async {
        while recorded_visitors(&client).await != BTreeSet::from(["new".to_owned()]) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, expired).await.unwrap();
    assert_eq!(hit_count(&client, COUNTS, "/").await, 7);
}

#[tokio::test]
async fn deletion_of_one_table_keeps_the_other_and_reset_removes_both() {
    let env = DaemonTestEnv::new();
    let client = env.start_new().await;
    deploy(&client).await;
    let mut connection = RawConnection::connect(&client.endpoint().table).await.unwrap();
    connection.hit(COUNTS, "/").await.unwrap();
    record_visitor(&mut connection, "somebody", FAR_FUTURE_S).await.unwrap();

    // Turning visitors off and on again forgets them, and keeps the counts.
    client.delete_resource("table", VISITORS).await.unwrap();
    assert_eq!(client.resource("table", VISITORS).await.unwrap(), None);
    assert_eq!(hit_count(&client, COUNTS, "/").await, 1);
    client.put_resource("table", VISITORS, &visitors_spec()).await.unwrap();
    assert_eq!(recorded_visitors(&client).await, BTreeSet::new());
    assert!(has_ttl(&client, VISITORS).await);

    // The time to live is changed in place, and existing items are kept.
    record_visitor(&mut connection, "somebody", FAR_FUTURE_S).await.unwrap();
    let mut without_ttl = visitors_spec();
    without_ttl["ttl_attribute"] = Json::Null;
    client.put_resource("table", VISITORS, &without_ttl).await.unwrap();
    assert!(!has_ttl(&client, VISITORS).await);
    assert_eq!(recorded_visitors(&client).await.len(), 1);

    // A spec that an older program wrote has no such field.
    without_ttl.as_object_mut().unwrap().remove("ttl_attribute");
    client.put_resource("table", VISITORS, &visitors_spec()).await.unwrap();
    client.put_resource("table", VISITORS, &without_ttl).await.unwrap();
    assert!(!has_ttl(&client, VISITORS).await);

    LocalClient::reset(&env.dir(), TIMEOUT).await.unwrap();
    assert!(!env.dir().exists());
    let client = env.start_new().await;
    assert!(client.resources().await.unwrap().is_empty());
    client.put_resource("table", VISITORS, &visitors_spec()).await.unwrap();
    assert_eq!(recorded_visitors(&client).await, BTreeSet::new());
}
