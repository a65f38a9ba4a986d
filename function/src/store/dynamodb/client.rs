//! DynamoDB's protocol over one connection: signs a call, sends it, judges the answer. Knows nothing of counting.
//!
//! Adding is not idempotent, so such a call is sent a second time only where the first surely had no effect: no
//! connection was made, or the request did not leave whole. Once it left, a lost answer stays lost: the hit may be
//! missing in the answer, never twice in the table. The one gap is a connection that DynamoDB closes just while we
//! send; it is kept narrow by looking at the socket before each use and by not reusing one that idled for long.
//! What is idempotent is repeated once whatever happened. A throttled call is not repeated: the caller is told to come
//! back.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use super::answer::{Failure, Reason};
use crate::aws::sleep_within;
use crate::moment::Moment;
use crate::net::{Endpoint, Lost, Peer, Response, Tls};
use crate::sigv4::Signer;
use crate::store::error::StoreError;
use crate::store::transaction::Transacted;

/// Every call of an invocation together must be done by then, if the invocation leaves that long.
const CALL_LIMIT: Duration = Duration::from_secs(3);
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// About what the first of several tries is waited for.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// A page of a Scan is at most 1 MB of items; as JSON it is smaller than this.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

const TRANSACT: &str = "TransactWriteItems";

/// Whether a request may be sent again when its answer was lost.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    Never,
    Once,
}

/// A table, and how much of what DynamoDB says of it may be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    /// Whether requests hold what no log may: a message of DynamoDB can quote them, and is left out.
    pub(super) private: bool,
}

/// Why a call has no answer.
#[derive(Debug)]
pub(super) enum Refused {
    /// Its condition does not hold; it had no effect. For many calls that is an answer as good as any.
    Condition,
    /// Anything else.
    Failed(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Condition => {
                Self::Unavailable("dynamodb refused a condition that was not set".to_owned())
            }
            Refused::Failed(error) => error,
        }
    }
}

/// What a call whose condition holds returns; `None` if it does not hold.
pub(super) fn if_condition_holds<T>(result: Result<T, Refused>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(answer) => Ok(Some(answer)),
        Err(Refused::Condition) => Ok(None),
        Err(Refused::Failed(error)) => Err(error),
    }
}

/// Whether an error says: later.
fn is_throttling(kind: &str) -> bool {
    matches!(
        kind,
        "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "TransactionConflictException"
    )
}

/// A client of one endpoint.
#[derive(Debug)]
pub(super) struct Client {
    peer: Peer,
    signer: Signer,
    deadline: Instant,
    half: Instant,
}

impl Client {
    pub(super) fn new(endpoint: Endpoint, tls: Tls, signer: Signer, clock: fn() -> Moment) -> Self {
        let deadline = Instant::now() + CALL_LIMIT;
        Self { peer: Peer::new(endpoint, tls, clock), signer, deadline, half: deadline }
    }

    pub(super) fn now(&self) -> Moment {
        self.peer.now()
    }

    /// Bounds the calls that follow: an invocation has `left`, and its answer must still get out.
    pub(super) fn begin(&mut self, left: Duration) {
        let reserve = (left / 4).min(Duration::from_millis(250));
        self.deadline = Instant::now() + left.saturating_sub(reserve).min(CALL_LIMIT);
    }

    /// Gives `calls` half of the time that is left, so that what follows still has the other half.
    pub(super) fn with_half<T>(&mut self, calls: impl FnOnce(&mut Self) -> T) -> T {
        let (now, whole) = (Instant::now(), self.deadline);
        self.deadline = now + whole.saturating_duration_since(now) / 2;
        let done = calls(self);
        self.deadline = whole;
        done
    }

    /// Connects ahead of the first call where that is costly, which is where there is TLS.
    pub(super) fn warm(&mut self, table: &Table) -> Result<(), StoreError> {
        self.peer.warm(self.connect_limit()).map_err(|error| self.not_connected(table, &error))
    }

    /// Bounds the calls that follow by all that an invocation has `left`, but for a second in which its answer must get out.
    pub(super) fn begin_long(&mut self, left: Duration) {
        let reserve = (left / 2).min(Duration::from_secs(1));
        let (now, left) = (Instant::now(), left.saturating_sub(reserve));
        self.deadline = now + left;
        self.half = now + left / 2;
    }

    /// Whether the first half of the time of a long invocation is spent: what follows is left to what matters most.
    pub(super) fn is_half_over(&self) -> bool {
        Instant::now() >= self.half
    }

    /// Waits before a call that was refused is made again: the longer the more often it was, and never in step with
    /// others. False if there is no time left for that.
    pub(super) fn pause(&mut self, tries: u32) -> bool {
        let most = FIRST_PAUSE * 2_u32.pow(tries.min(6));
        let chance = RandomState::new().hash_one(tries) % 1024;
        let pause = most / 2 + most * u32::try_from(chance).unwrap_or_default() / 2048;
        sleep_within(pause, self.deadline)
    }

    /// Returns the body of a call's answer.
    pub(super) fn call(
        &mut self,
        operation: &str,
        table: &Table,
        body: &str,
        repeat: Repeat,
    ) -> Result<Vec<u8>, Refused> {
        let mut repeated = false;
        loop {
            let again = !std::mem::replace(&mut repeated, true);
            match self.send(operation, table, body) {
                Ok(response) if again && repeat == Repeat::Once && response.status >= 500 => {}
                Ok(response) => return self.judge(operation, table, response),
                Err((_, was_sent))
                    if again && (!was_sent || repeat == Repeat::Once) && self.is_time_left() => {}
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    /// Sends a call once. The error says whether the request left, so that nobody knows whether it was carried out.
    fn send(&mut self, operation: &str, table: &Table, body: &str) -> Result<Response, (StoreError, bool)> {
        let taken = self.peer.take(self.connect_limit());
        let (mut connection, now) = taken.map_err(|error| (self.not_connected(table, &error), false))?;
        let request = self.request(operation, body, now);
        // No single call gets more than this, so that one which hangs leaves time for another.
        let deadline = self.deadline.min(Instant::now() + CALL_LIMIT);
        let answer = connection.exchange(&request, Some(deadline), ANSWER_LIMIT);
        let response = answer.map_err(|lost| {
            let was_sent = matches!(lost, Lost::Unanswered(_));
            (self.unavailable(operation, table, &lost.to_string()), was_sent)
        })?;
        self.peer.keep(connection, now);
        Ok(response)
    }

    pub(super) fn unavailable(&self, operation: &str, table: &Table, why: &str) -> StoreError {
        StoreError::Unavailable(self.describe(operation, table, why))
    }

    pub(super) fn describe(&self, operation: &str, table: &Table, why: &str) -> String {
        format!("dynamodb {operation}, table {}, {}: {why}", table.name, self.peer.endpoint.authority())
    }

    /// Writes a transaction. A lost answer is asked for again with the same bytes, and with them the same token, so that
    /// it is carried out once.
    pub(super) fn transact(&mut self, table: &Table, body: &str) -> Transacted {
        let mut tries = 0;
        loop {
            let why = match self.send(TRANSACT, table, body) {
                Err((error, _)) => error.to_string(),
                Ok(response) => match self.judge_transaction(table, &response) {
                    Ok(done) => return done,
                    Err(why) => why,
                },
            };
            tries += 1;
            if !self.is_time_left() || !self.pause(tries) {
                return Transacted::Failed(StoreError::Unavailable(why));
            }
        }
    }

    /// What came of a transaction; the error is that nobody knows yet.
    fn judge_transaction(&self, table: &Table, response: &Response) -> Result<Transacted, String> {
        if response.status == 200 {
            return Ok(Transacted::Done);
        }
        // Its message repeats the reasons.
        let (failure, why) = self.failure(TRANSACT, table, response, true);
        match failure.code() {
            "TransactionCanceledException" => {
                Ok(Transacted::Cancelled(failure.reasons.into_iter().map(Reason::obstacle).collect()))
            }
            "TransactionInProgressException" => Err(why),
            kind if is_throttling(kind) => Ok(Transacted::Busy(why)),
            _ if response.status >= 500 => Err(why),
            _ => Ok(Transacted::Failed(StoreError::Unavailable(why))),
        }
    }

    fn judge(&self, operation: &str, table: &Table, response: Response) -> Result<Vec<u8>, Refused> {
        if response.too_large {
            return Err(self.unavailable(operation, table, "the answer is too large").into());
        }
        if response.status == 200 {
            return Ok(response.body);
        }
        let (failure, why) = self.failure(operation, table, &response, table.private);
        Err(match failure.code() {
            "ConditionalCheckFailedException" => Refused::Condition,
            kind if is_throttling(kind) => StoreError::Busy(why).into(),
            _ => StoreError::Unavailable(why).into(),
        })
    }

    /// An answer that is an error, read, and as a sentence: without its message if that is `private`.
    fn failure(
        &self,
        operation: &str,
        table: &Table,
        response: &Response,
        private: bool,
    ) -> (Failure, String) {
        let failure: Failure = serde_json::from_slice(&response.body).unwrap_or_default();
        let id = response.header("x-amzn-requestid").unwrap_or("unknown");
        let message = if private { String::new() } else { format!(": {}", failure.message) };
        let why = format!("status {} {}{message} (request {id})", response.status, failure.code());
        let why = self.describe(operation, table, &why);
        (failure, why)
    }

    fn connect_limit(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now()).min(CONNECT_LIMIT)
    }

    fn not_connected(&self, table: &Table, error: &std::io::Error) -> StoreError {
        self.unavailable("connect", table, &error.to_string())
    }

    fn request(&mut self, operation: &str, body: &str, now: Moment) -> Vec<u8> {
        let Endpoint { prefix, .. } = &self.peer.endpoint;
        let path = if prefix.is_empty() { "/" } else { prefix };
        let (authority, target) = (self.peer.endpoint.authority(), format!("DynamoDB_20120810.{operation}"));
        let headers = [
            ("content-type", "application/x-amz-json-1.0"),
            ("host", authority.as_str()),
            ("x-amz-target", &target),
        ];
        self.signer.request("POST", path, &headers, body.as_bytes(), now)
    }

    pub(super) fn is_time_left(&self) -> bool {
        Instant::now() < self.deadline
    }
}
