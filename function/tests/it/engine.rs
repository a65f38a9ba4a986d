//! A DynamoDB that judges our calls by its own rules: an engine in memory behind the fake's socket, with both tables.
//! A test may refuse a call or lose its answer.

use std::sync::{Arc, Mutex};

use dynoxide::{Database, DynoxideError};
use hit_counter::moment::Moment;
use hit_counter::net::{Endpoint, Tls};
use hit_counter::sigv4::Signer;
use hit_counter::store::{DynamoDb, Seen, Tables};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::fake::{Fake, Received, Reply};

pub(crate) const COUNTS: &str = "hits-test";
pub(crate) const SEEN: &str = "hits-test-seen";
pub(crate) const NOON: Moment = Moment::from_millis(1_789_898_400_000);
pub(crate) const DAY_MS: u64 = 86_400_000;

/// What becomes of a call.
pub(crate) enum Fate {
    /// It is carried out and answered.
    Served,
    /// It is not carried out.
    Refused(Reply),
    /// It is carried out, and the answer does not arrive.
    Lost,
}

/// The engine behind its socket.
pub(crate) struct Engine {
    pub(crate) fake: Fake,
    db: Arc<Database>,
    units: Arc<Mutex<Vec<f64>>>,
}

impl Engine {
    pub(crate) fn start() -> Self {
        Self::with(|_, _| Fate::Served)
    }

    /// An engine whose calls meet the fate that the test chooses by number and request.
    pub(crate) fn with(choose: impl Fn(usize, &Received) -> Fate + Send + Sync + 'static) -> Self {
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
        let fake = Fake::serve(move |number, request| match choose(number, request) {
            Fate::Refused(reply) => reply,
            Fate::Served => {
                let (status, body) = run(&engine, request, &log);
                Reply::Json(status, body)
            }
            Fate::Lost => {
                run(&engine, request, &log);
                Reply::Raw(Vec::new())
            }
        });
        Self { fake, db, units }
    }

    /// A process of the function: its store, with visitors and shards or without.
    pub(crate) fn store(&self, seen: bool, shards: u32) -> DynamoDb {
        self.store_with(seen.then(|| Seen { table: SEEN.to_owned(), raw_days: None }), shards)
    }

    pub(crate) fn store_with(&self, seen: Option<Seen>, shards: u32) -> DynamoDb {
        let endpoint = Endpoint::parse(&format!("http://{}", self.fake.address)).unwrap();
        let credentials = ("AKIDEXAMPLE".to_owned(), "secret".to_owned(), None);
        let signer = Signer::new(credentials, "eu-central-1".to_owned(), "dynamodb");
        let tables = Tables { counts: COUNTS.to_owned(), seen, marks: Some(SEEN.to_owned()), shards };
        DynamoDb::new(endpoint, Tls::default(), tables, signer, || NOON)
    }

    /// The operations so far, each with the first letters of what it is about: `UpdateItem hits-test !budget`.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.fake.received().iter().map(about).collect()
    }

    /// The write units of all calls so far.
    pub(crate) fn units(&self) -> Vec<f64> {
        self.units.lock().unwrap().clone()
    }

    /// Every item of a table.
    pub(crate) fn items(&self, table: &str) -> Vec<Value> {
        let scan = json!({"TableName": table, "ConsistentRead": true});
        let found = self.db.scan(serde_json::from_value(scan).unwrap()).unwrap();
        serde_json::to_value(found).unwrap()["Items"].as_array().unwrap().clone()
    }

    /// The item of a key; null if there is none.
    pub(crate) fn item(&self, table: &str, key: &str) -> Value {
        let is_it = |item: &Value| item["path"]["S"] == key || item["id"]["S"] == key;
        self.items(table).into_iter().find(is_it).unwrap_or_default()
    }

    /// A number of an item of counts; 0 where there is none.
    pub(crate) fn number(&self, key: &str, name: &str) -> u64 {
        self.item(COUNTS, key)[name]["N"].as_str().map_or(0, |n| n.parse().unwrap())
    }

    pub(crate) fn put(&self, table: &str, item: &Value) {
        let put = json!({"TableName": table, "Item": item});
        self.db.put_item(serde_json::from_value(put).unwrap()).unwrap();
    }
}

/// What a call is about.
pub(crate) fn about(request: &Received) -> String {
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let table = body["TableName"].as_str().unwrap_or_default();
    let key = [&body["Key"]["path"]["S"], &body["Key"]["id"]["S"]].into_iter().find_map(Value::as_str);
    [request.operation(), table, key.unwrap_or_default()].join(" ").trim_end().to_owned()
}

/// Runs one of the function's operations, and notes what writing cost.
fn run(db: &Database, request: &Received, units: &Mutex<Vec<f64>>) -> (u16, String) {
    let mut body: Value = serde_json::from_str(&request.body).unwrap();
    body["ReturnConsumedCapacity"] = json!("TOTAL");
    let (status, answer) = match request.operation() {
        "UpdateItem" => answer(parse(body).and_then(|request| db.update_item(request))),
        "PutItem" => answer(parse(body).and_then(|request| db.put_item(request))),
        "DeleteItem" => answer(parse(body).and_then(|request| db.delete_item(request))),
        "GetItem" => answer(parse(body).and_then(|request| db.get_item(request))),
        "BatchGetItem" => answer(parse(body).and_then(|request| db.batch_get_item(request))),
        "TransactWriteItems" => answer(parse(body).and_then(|request| db.transact_write_items(request))),
        "Scan" => answer(parse(body).and_then(|request| db.scan(request))),
        other => panic!("{other} is not in the function's role"),
    };
    let used: Value = serde_json::from_str(&answer).unwrap();
    units.lock().unwrap().push(used["ConsumedCapacity"]["CapacityUnits"].as_f64().unwrap_or_default());
    (status, answer)
}

fn parse<T: DeserializeOwned>(body: Value) -> Result<T, DynoxideError> {
    serde_json::from_value(body).map_err(|error| DynoxideError::SerializationException(error.to_string()))
}

fn answer<T: Serialize>(result: Result<T, DynoxideError>) -> (u16, String) {
    match result {
        Ok(value) => (200, serde_json::to_string(&value).unwrap()),
        Err(error) => (error.status_code(), error.to_json()),
    }
}
