//! An in-memory DynamoDB with both tables behind a fake server. A test can make a call fail or drop its response.

use std::sync::{Arc, Mutex};

use dynoxide::{Database, DynoxideError};
use hit_counter::moment::Moment;
use hit_counter::net::{Endpoint, Tls};
use hit_counter::sigv4::Signer;
use hit_counter::store::{DynamoDbStore, TableConfig, VisitorTable};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::fake::{FakeReply, FakeServer, ReceivedRequest};

pub(crate) const COUNTS: &str = "hits-test";
pub(crate) const SEEN: &str = "hits-test-seen";
pub(crate) const NOON: Moment = Moment::from_millis(1_789_898_400_000);
pub(crate) const DAY_MS: u64 = 86_400_000;

/// How a call is handled.
pub(crate) enum CallHandling {
    /// Carry it out and respond.
    Serve,
    /// Do not carry it out, and reply with this reply.
    Refuse(FakeReply),
    /// Carry it out, but drop the response.
    LoseResponse,
}

/// An in-memory DynamoDB behind a socket.
pub(crate) struct TestDynamoDb {
    pub(crate) fake: FakeServer,
    db: Arc<Database>,
    units: Arc<Mutex<Vec<f64>>>,
}

impl TestDynamoDb {
    pub(crate) fn start() -> Self {
        Self::start_with(|_, _| CallHandling::Serve)
    }

    /// Starts an engine for which the test chooses how each call is handled, by its number and request.
    pub(crate) fn start_with(
        choose: impl Fn(usize, &ReceivedRequest) -> CallHandling + Send + Sync + 'static,
    ) -> Self {
        let db = Arc::new(Database::memory().unwrap());
        for (table, key) in [(COUNTS, "path"), (SEEN, "id")] {
            let table = json!({
                "TableName": table,
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}],
            });
            db.create_table(serde_json::from_value(table).unwrap()).unwrap();
        }
        let units = Arc::<Mutex<Vec<f64>>>::default();
        let (engine, log) = (Arc::clone(&db), Arc::clone(&units));
        let fake = FakeServer::serve(move |number, request| match choose(number, request) {
            CallHandling::Refuse(reply) => reply,
            CallHandling::Serve => {
                let (status, body) = run(&engine, request, &log);
                FakeReply::Json(status, body)
            }
            CallHandling::LoseResponse => {
                run(&engine, request, &log);
                FakeReply::Raw(Vec::new())
            }
        });
        Self { fake, db, units }
    }

    /// Creates the store of one process of the function.
    pub(crate) fn store(&self, has_visitors: bool, shards: u32) -> DynamoDbStore {
        self.store_with(
            has_visitors.then(|| VisitorTable { table: SEEN.to_owned(), address_retention_days: None }),
            shards,
        )
    }

    pub(crate) fn store_with(&self, visitor_table: Option<VisitorTable>, shards: u32) -> DynamoDbStore {
        let endpoint = Endpoint::parse(&format!("http://{}", self.fake.address)).unwrap();
        let credentials = ("AKIDEXAMPLE".to_owned(), "secret".to_owned(), None);
        let signer = Signer::new(credentials, "eu-central-1".to_owned(), "dynamodb");
        let tables = TableConfig {
            counts: COUNTS.to_owned(),
            visitor_table,
            dedup_table: Some(SEEN.to_owned()),
            shards,
        };
        DynamoDbStore::new(endpoint, Tls::default(), tables, signer, || NOON)
    }

    /// Returns all calls so far, such as `UpdateItem hits-test !budget`.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.fake.received().iter().map(describe_call).collect()
    }

    /// Returns the write units of all calls so far.
    pub(crate) fn units(&self) -> Vec<f64> {
        self.units.lock().unwrap().clone()
    }

    /// Returns all items of a table.
    pub(crate) fn items(&self, table: &str) -> Vec<Value> {
        let scan = json!({"TableName": table, "ConsistentRead": true});
        let found = self.db.scan(serde_json::from_value(scan).unwrap()).unwrap();
        serde_json::to_value(found).unwrap()["Items"].as_array().unwrap().clone()
    }

    /// Returns the item of a key; null if it does not exist.
    pub(crate) fn item(&self, table: &str, key: &str) -> Value {
        let is_match = |item: &Value| item["path"]["S"] == key || item["id"]["S"] == key;
        self.items(table).into_iter().find(is_match).unwrap_or_default()
    }

    /// Returns a number of an item in the table of counts; 0 if it does not exist.
    pub(crate) fn number(&self, key: &str, name: &str) -> u64 {
        self.item(COUNTS, key)[name]["N"].as_str().map_or(0, |n| n.parse().unwrap())
    }

    pub(crate) fn put(&self, table: &str, item: &Value) {
        let put = json!({"TableName": table, "Item": item});
        self.db.put_item(serde_json::from_value(put).unwrap()).unwrap();
    }
}

/// Describes a call by operation, table and key.
pub(crate) fn describe_call(request: &ReceivedRequest) -> String {
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let table = body["TableName"].as_str().unwrap_or_default();
    let key = [&body["Key"]["path"]["S"], &body["Key"]["id"]["S"]].into_iter().find_map(Value::as_str);
    [request.operation(), table, key.unwrap_or_default()].join(" ").trim_end().to_owned()
}

/// Runs an operation and records the units that it consumed.
fn run(db: &Database, request: &ReceivedRequest, units: &Mutex<Vec<f64>>) -> (u16, String) {
    let mut body: Value = serde_json::from_str(&request.body).unwrap();
    body["ReturnConsumedCapacity"] = json!("TOTAL");
    let (status, response) = match request.operation() {
        "UpdateItem" => into_response(parse(body).and_then(|request| db.update_item(request))),
        "PutItem" => into_response(parse(body).and_then(|request| db.put_item(request))),
        "DeleteItem" => into_response(parse(body).and_then(|request| db.delete_item(request))),
        "GetItem" => into_response(parse(body).and_then(|request| db.get_item(request))),
        "BatchGetItem" => into_response(parse(body).and_then(|request| db.batch_get_item(request))),
        "TransactWriteItems" => {
            into_response(parse(body).and_then(|request| db.transact_write_items(request)))
        }
        "Scan" => into_response(parse(body).and_then(|request| db.scan(request))),
        other => panic!("{other} is not in the function's role"),
    };
    let used: Value = serde_json::from_str(&response).unwrap();
    units.lock().unwrap().push(used["ConsumedCapacity"]["CapacityUnits"].as_f64().unwrap_or_default());
    (status, response)
}

fn parse<T: DeserializeOwned>(body: Value) -> Result<T, DynoxideError> {
    serde_json::from_value(body).map_err(|error| DynoxideError::SerializationException(error.to_string()))
}

fn into_response<T: Serialize>(result: Result<T, DynoxideError>) -> (u16, String) {
    match result {
        Ok(value) => (200, serde_json::to_string(&value).unwrap()),
        Err(error) => (error.status_code(), error.to_json()),
    }
}
