//! The table in DynamoDB, over one connection.
//!
//! Adding is not idempotent, so a hit is sent a second time only where the first surely had no effect: no connection
//! was made, or the request did not leave whole. Once it left, a lost answer stays lost: the hit may be missing in
//! the answer, never twice in the table. The one gap is a connection that DynamoDB closes just while we send; it is
//! kept narrow by looking at the socket before each use and by not reusing one that idled for long.
//! Reads are repeated once whatever happened. A throttled call is not repeated: the caller is told to come back.

use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use super::wire::{self, Batch, Failure, Got, Page, Updated};
use super::{Store, StoreError};
use crate::hit::{Counts, Hit};
use crate::json::Object;
use crate::moment::{Day, Moment};
use crate::net::{Connection, Endpoint, Lost, Response, Tls};
use crate::path::Key;
use crate::sigv4::Signer;

/// Every call together must be done by then, if the invocation leaves that long.
const CALL_LIMIT: Duration = Duration::from_secs(3);
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// Well below a minute, after which AWS's servers begin to close idle connections.
const IDLE_LIMIT: Duration = Duration::from_secs(20);
/// A page of a Scan is at most 1 MB of items; as JSON, and projected, it is smaller than this.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;
/// 32 MB of items: more than 40,000 pages. Beyond that a total costs too much to be read by visitors.
const SCAN_PAGES: usize = 32;
const BATCH_ROUNDS: usize = 4;

/// Whether a request may be sent again when its answer was lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Never,
    Once,
}

/// A table in DynamoDB.
#[derive(Debug)]
pub struct DynamoDb {
    endpoint: Endpoint,
    table: String,
    signer: Signer,
    clock: fn() -> Moment,
    tls: Tls,
    /// Kept alive, with the time of its last use by the wall clock: the monotonic one may stand still while the
    /// environment is frozen.
    idle: Option<(Connection, Moment)>,
    deadline: Instant,
    notes: Vec<String>,
}

impl DynamoDb {
    /// The table `table` at `endpoint`. `tls` is used if the endpoint is.
    pub fn new(endpoint: Endpoint, tls: Tls, table: String, signer: Signer, clock: fn() -> Moment) -> Self {
        let deadline = Instant::now() + CALL_LIMIT;
        Self { endpoint, table, signer, clock, tls, idle: None, deadline, notes: Vec::new() }
    }

    /// Bounds the calls that follow: an invocation has `left`, and its answer must still get out.
    pub fn begin(&mut self, left: Duration) {
        let reserve = (left / 4).min(Duration::from_millis(250));
        self.deadline = Instant::now() + left.saturating_sub(reserve).min(CALL_LIMIT);
    }

    /// Connects ahead of the first hit where that is costly, which is where there is TLS: init has a whole CPU.
    pub fn warm(&mut self) -> Result<(), StoreError> {
        if self.endpoint.tls && self.idle.is_none() {
            let connection = self.connect()?;
            self.idle = Some((connection, (self.clock)()));
        }
        Ok(())
    }

    /// What went wrong without harm to the answers since the last time this was asked; for the log.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Returns the body of a call's answer.
    fn call(&mut self, operation: &str, body: &str, repeat: Repeat) -> Result<Vec<u8>, StoreError> {
        let mut repeated = false;
        loop {
            let again = !std::mem::replace(&mut repeated, true);
            let (mut connection, now) = match self.connection() {
                Ok(connection) => connection,
                Err(_) if again && self.is_time_left() => continue,
                Err(error) => return Err(error),
            };
            let request = self.request(operation, body, now);
            match connection.exchange(&request, Some(self.deadline), ANSWER_LIMIT) {
                Ok(response) => {
                    self.idle = Some((connection, now));
                    if again && repeat == Repeat::Once && response.status >= 500 {
                        continue;
                    }
                    return self.judge(operation, response);
                }
                Err(Lost::Unsent(_)) if again && self.is_time_left() => {}
                Err(Lost::Unanswered(_)) if again && repeat == Repeat::Once && self.is_time_left() => {}
                Err(lost) => return Err(self.unavailable(operation, &lost.to_string())),
            }
        }
    }

    fn judge(&self, operation: &str, response: Response) -> Result<Vec<u8>, StoreError> {
        if response.too_large {
            return Err(self.unavailable(operation, "the answer is too large"));
        }
        if response.status == 200 {
            return Ok(response.body);
        }
        let failure: Failure = serde_json::from_slice(&response.body).unwrap_or_default();
        let kind = failure.kind.rsplit('#').next().unwrap_or_default();
        let id = response.header("x-amzn-requestid").unwrap_or("unknown");
        let why = format!("status {} {kind}: {} (request {id})", response.status, failure.message);
        let why = self.describe(operation, &why);
        Err(match kind {
            "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "TransactionConflictException" => StoreError::Busy(why),
            _ => StoreError::Unavailable(why),
        })
    }

    /// The idle connection if it is good, else a new one; and the time.
    fn connection(&mut self) -> Result<(Connection, Moment), StoreError> {
        let now = (self.clock)();
        if let Some((mut connection, used)) = self.idle.take() {
            let idle = connection.idle().max(now.since(used));
            if idle < IDLE_LIMIT && connection.is_usable() {
                return Ok((connection, now));
            }
        }
        Ok((self.connect()?, now))
    }

    fn connect(&mut self) -> Result<Connection, StoreError> {
        let left = self.deadline.saturating_duration_since(Instant::now()).min(CONNECT_LIMIT);
        Connection::open(&self.endpoint, &mut self.tls, left)
            .map_err(|error| self.unavailable("connect", &error.to_string()))
    }

    fn request(&mut self, operation: &str, body: &str, now: Moment) -> Vec<u8> {
        let authority = self.endpoint.authority();
        let path = if self.endpoint.prefix.is_empty() { "/" } else { &self.endpoint.prefix };
        let target = format!("DynamoDB_20120810.{operation}");
        let headers = [
            ("content-type", "application/x-amz-json-1.0"),
            ("host", authority.as_str()),
            ("x-amz-target", &target),
        ];
        let signed = self.signer.sign(path, &headers, body.as_bytes(), now);
        let mut request = format!("POST {path} HTTP/1.1\r\n");
        for (name, value) in headers {
            request.push_str(name);
            request.push_str(": ");
            request.push_str(value);
            request.push_str("\r\n");
        }
        request.push_str(&signed);
        request.push_str("content-length: ");
        request.push_str(&body.len().to_string());
        request.push_str("\r\n\r\n");
        request.push_str(body);
        request.into_bytes()
    }

    fn is_time_left(&self) -> bool {
        Instant::now() < self.deadline
    }

    fn unavailable(&self, operation: &str, why: &str) -> StoreError {
        StoreError::Unavailable(self.describe(operation, why))
    }

    fn describe(&self, operation: &str, why: &str) -> String {
        let Self { table, endpoint, .. } = self;
        format!("dynamodb {operation}, table {table}, {}: {why}", endpoint.authority())
    }

    fn parse<'a, T: serde::Deserialize<'a>>(&self, operation: &str, body: &'a [u8]) -> Result<T, StoreError> {
        serde_json::from_slice(body)
            .map_err(|error| self.unavailable(operation, &format!("the answer is not understood: {error}")))
    }

    /// Removes attributes. That it failed is noted and harms nothing: the next hit tries again.
    fn trim(&mut self, page: &Key, stale: &[String]) {
        let body = wire::trim(&self.table, page, stale);
        match self.call("UpdateItem", &body, Repeat::Once) {
            Err(error) if !error.to_string().contains("ConditionalCheckFailed") => {
                self.notes.push(format!("old days of an item were not trimmed: {error}"));
            }
            _ => {}
        }
    }

    /// Reads many pages; what DynamoDB leaves over is asked for again.
    fn read_batch(&mut self, keys: &[Key], today: Day) -> Result<Vec<Counts>, StoreError> {
        let mut found: Vec<Option<Counts>> = vec![None; keys.len()];
        let mut wanted = wire::batch(&self.table, keys, today);
        for _ in 0..BATCH_ROUNDS {
            let body = Object::new().raw("RequestItems", &wanted).end();
            let answer = self.call("BatchGetItem", &body, Repeat::Once)?;
            let batch: Batch<'_> = self.parse("BatchGetItem", &answer)?;
            for attributes in batch.responses.into_values().flatten() {
                if let Some(place) = keys.iter().position(|key| key.as_str() == attributes.path) {
                    found[place] = Some(attributes.item.counts(today));
                }
            }
            match batch.unprocessed.map(RawValue::get) {
                Some(left) if left.contains("Keys") => left.clone_into(&mut wanted),
                _ => return Ok(found.into_iter().map(Option::unwrap_or_default).collect()),
            }
        }
        Err(StoreError::Busy(self.describe("BatchGetItem", "keys were left unprocessed")))
    }
}

impl Store for DynamoDb {
    fn add(&mut self, hit: &Hit) -> Result<Counts, StoreError> {
        let body = wire::add(&self.table, hit);
        let answer = self.call("UpdateItem", &body, Repeat::Never)?;
        let updated: Updated = self.parse("UpdateItem", &answer)?;
        let today = hit.at.day();
        let stale = updated.attributes.item.stale(today);
        if !stale.is_empty() {
            self.trim(&hit.key, &stale);
        }
        Ok(updated.attributes.item.counts(today))
    }

    fn read(&mut self, keys: &[Key], today: Day) -> Result<Vec<Counts>, StoreError> {
        let [key] = keys else { return self.read_batch(keys, today) };
        let body = wire::get(&self.table, key, today);
        let answer = self.call("GetItem", &body, Repeat::Once)?;
        let got: Got = self.parse("GetItem", &answer)?;
        Ok(vec![got.item.map(|attributes| attributes.item.counts(today)).unwrap_or_default()])
    }

    fn total(&mut self, today: Day) -> Result<Counts, StoreError> {
        let mut total = Counts::default();
        let mut start: Option<String> = None;
        for _ in 0..SCAN_PAGES {
            let body = wire::scan(&self.table, today, start.as_deref());
            let answer = self.call("Scan", &body, Repeat::Once)?;
            let page: Page<'_> = self.parse("Scan", &answer)?;
            total = page.items.iter().fold(total, |sum, attributes| sum.plus(attributes.item.counts(today)));
            match page.next {
                Some(next) if next.get() != "null" => start = Some(next.get().to_owned()),
                _ => return Ok(total),
            }
        }
        Err(self.unavailable("Scan", "the table is too large to be added up"))
    }
}
