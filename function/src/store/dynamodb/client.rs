//! Calls DynamoDB over one connection: signs a call, sends it and interprets the response. A throttled call is
//! not repeated; the caller gets an error and can retry later. This module must not know what is counted.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use super::responses::{CancellationReasonBody, ErrorBody};
use crate::aws::sleep_within;
use crate::moment::Moment;
use crate::net::{Endpoint, ExchangeError, Peer, PeerResponse, Tls};
use crate::sigv4::Signer;
use crate::store::error::StoreError;
use crate::store::transaction::TransactionResult;

/// The maximum time for all calls of one request, and for each single call of a batch.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The approximate pause before the first retry.
const FIRST_BACKOFF: Duration = Duration::from_millis(20);
/// The maximum size of a response body, in bytes. A `Scan` call returns at most 1 MB of items, whose JSON is
/// smaller than this limit.
const MAX_RESPONSE_BYTES: usize = 8 * 1024 * 1024;

const TRANSACT: &str = "TransactWriteItems";

/// Whether a request may be sent again if its response was lost.
///
/// Adding to a number is not idempotent. Such a call is sent again only if the first attempt certainly had no
/// effect: the connection failed, or the request was not sent completely. If only the response is lost, the
/// call fails although the hit may be counted, but no hit is counted twice. One gap remains: DynamoDB may close
/// the connection while the request is being sent. The gap is small, because the socket is checked before each
/// use and connections that were idle for long are not reused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ResendPolicy {
    /// For calls that are not idempotent.
    Never,
    /// For idempotent calls, which are repeated once after any failure except throttling.
    Once,
}

/// A table, and whether its error messages may be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableTarget {
    pub(super) name: String,
    /// Whether requests contain data that must not be logged. DynamoDB's error messages can quote requests,
    /// so they are left out of the log.
    pub(super) hides_error_messages: bool,
}

/// The reason why a call failed.
#[derive(Debug)]
pub(super) enum DynamoDbError {
    /// The condition does not hold, so the call had no effect. Callers of conditional calls expect this
    /// result.
    ConditionFailed,
    /// Any other error.
    Store(StoreError),
}

impl From<StoreError> for DynamoDbError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<DynamoDbError> for StoreError {
    fn from(error: DynamoDbError) -> Self {
        match error {
            DynamoDbError::ConditionFailed => Self::Unavailable(
                "dynamodb reported a failed condition for an unconditional request".to_owned(),
            ),
            DynamoDbError::Store(error) => error,
        }
    }
}

/// Returns the result of a conditional call, or `None` if its condition does not hold.
pub(super) fn if_condition_holds<T>(result: Result<T, DynamoDbError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(response) => Ok(Some(response)),
        Err(DynamoDbError::ConditionFailed) => Ok(None),
        Err(DynamoDbError::Store(error)) => Err(error),
    }
}

/// Returns whether an error code means throttling or a conflict, so that a later retry may succeed.
fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "TransactionConflictException"
    )
}

/// A client of one DynamoDB endpoint.
#[derive(Debug)]
pub(super) struct DynamoDbClient {
    peer: Peer,
    signer: Signer,
    deadline: Instant,
    /// The time when half of a batch's time is used.
    batch_midpoint: Instant,
}

impl DynamoDbClient {
    pub(super) fn new(endpoint: Endpoint, tls: Tls, signer: Signer, clock: fn() -> Moment) -> Self {
        let deadline = Instant::now() + CALL_TIMEOUT;
        Self { peer: Peer::new(endpoint, tls, clock), signer, deadline, batch_midpoint: deadline }
    }

    pub(super) fn now(&self) -> Moment {
        self.peer.now()
    }

    /// Sets the deadline for the calls of one request. `left` is the remaining time of the invocation; a
    /// quarter of it, at most 250 ms, is reserved for sending the response.
    pub(super) fn set_request_deadline(&mut self, left: Duration) {
        let reserve = (left / 4).min(Duration::from_millis(250));
        self.deadline = Instant::now() + left.saturating_sub(reserve).min(CALL_TIMEOUT);
    }

    /// Runs `calls` with half of the remaining time, so that the other half remains for later calls.
    pub(super) fn with_reduced_deadline<T>(&mut self, calls: impl FnOnce(&mut Self) -> T) -> T {
        let (now, full_deadline) = (Instant::now(), self.deadline);
        self.deadline = now + full_deadline.saturating_duration_since(now) / 2;
        let result = calls(self);
        self.deadline = full_deadline;
        result
    }

    /// Connects before the first call if the endpoint uses TLS, because the TLS handshake is slow.
    pub(super) fn warm_up(&mut self, table: &TableTarget) -> Result<(), StoreError> {
        self.peer.warm_up(self.connect_timeout()).map_err(|error| self.not_connected(table, &error))
    }

    /// Sets the deadline for the calls of one batch. `left` is the remaining time of the invocation; half of
    /// it, at most a second, is reserved for sending the response.
    pub(super) fn set_batch_deadline(&mut self, left: Duration) {
        let reserve = (left / 2).min(Duration::from_secs(1));
        let (now, left) = (Instant::now(), left.saturating_sub(reserve));
        self.deadline = now + left;
        self.batch_midpoint = now + left / 2;
    }

    /// Returns whether half of the batch's time is used. The other half is reserved for counting hits.
    pub(super) fn has_used_half_of_batch_time(&self) -> bool {
        Instant::now() >= self.batch_midpoint
    }

    /// Waits before a retry, longer after each attempt, with jitter. Returns false if there is not enough
    /// time left.
    pub(super) fn back_off(&mut self, tries: u32) -> bool {
        let max_pause = FIRST_BACKOFF * 2_u32.pow(tries.min(6));
        // The pause is from half of `max_pause` to all of it, so that processes do not retry at the same time.
        let jitter = RandomState::new().hash_one(tries) % 1024;
        let pause = max_pause / 2 + max_pause * u32::try_from(jitter).unwrap_or_default() / 2048;
        sleep_within(pause, self.deadline)
    }

    /// Sends a call and returns the body of its response.
    pub(super) fn call(
        &mut self,
        operation: &str,
        table: &TableTarget,
        body: &str,
        resend: ResendPolicy,
    ) -> Result<Vec<u8>, DynamoDbError> {
        let mut was_attempted = false;
        loop {
            let is_first = !std::mem::replace(&mut was_attempted, true);
            match self.send(operation, table, body) {
                Ok(response) if is_first && resend == ResendPolicy::Once && response.status >= 500 => {}
                Ok(response) => return self.interpret(operation, table, response),
                Err((_, was_sent))
                    if is_first && (!was_sent || resend == ResendPolicy::Once) && self.has_time_left() => {}
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    /// Sends a call once. The flag of the error says whether the request was sent, so that its outcome is
    /// unknown.
    fn send(
        &mut self,
        operation: &str,
        table: &TableTarget,
        body: &str,
    ) -> Result<PeerResponse, (StoreError, bool)> {
        let connected = self.peer.take_connection(self.connect_timeout());
        let (mut connection, now) = connected.map_err(|error| (self.not_connected(table, &error), false))?;
        let request = self.request(operation, body, now);
        // Each call has its own limit, so that time for another call remains if one hangs.
        let deadline = self.deadline.min(Instant::now() + CALL_TIMEOUT);
        let response = connection.exchange(&request, Some(deadline), MAX_RESPONSE_BYTES);
        let response = response.map_err(|error| {
            let was_sent = matches!(error, ExchangeError::NoResponse(_));
            (self.unavailable(operation, table, &error.to_string()), was_sent)
        })?;
        self.peer.keep_connection(connection, now);
        Ok(response)
    }

    pub(super) fn unavailable(&self, operation: &str, table: &TableTarget, why: &str) -> StoreError {
        StoreError::Unavailable(self.describe(operation, table, why))
    }

    pub(super) fn describe(&self, operation: &str, table: &TableTarget, why: &str) -> String {
        format!("dynamodb {operation}, table {}, {}: {why}", table.name, self.peer.endpoint.authority())
    }

    /// Writes a transaction. After a lost response the same bytes are sent again, including the client
    /// request token, so that the transaction is carried out only once.
    pub(super) fn transact(&mut self, table: &TableTarget, body: &str) -> TransactionResult {
        let mut tries = 0;
        loop {
            let why = match self.send(TRANSACT, table, body) {
                Err((error, _)) => error.to_string(),
                Ok(response) => match self.interpret_transaction(table, &response) {
                    Ok(done) => return done,
                    Err(why) => why,
                },
            };
            tries += 1;
            if !self.has_time_left() || !self.back_off(tries) {
                return TransactionResult::Failed(StoreError::Unavailable(why));
            }
        }
    }

    /// Interprets the response to a transaction. The error means that the outcome is not known yet.
    fn interpret_transaction(
        &self,
        table: &TableTarget,
        response: &PeerResponse,
    ) -> Result<TransactionResult, String> {
        if response.status == 200 {
            return Ok(TransactionResult::Committed);
        }
        // The message repeats the reasons, so it is left out.
        let (error, why) = self.parse_error(TRANSACT, table, response, true);
        match error.code() {
            "TransactionCanceledException" => Ok(TransactionResult::Cancelled(
                error.reasons.into_iter().map(CancellationReasonBody::into_reason).collect(),
            )),
            "TransactionInProgressException" => Err(why),
            code if is_throttling(code) => Ok(TransactionResult::Throttled(why)),
            _ if response.status >= 500 => Err(why),
            _ => Ok(TransactionResult::Failed(StoreError::Unavailable(why))),
        }
    }

    fn interpret(
        &self,
        operation: &str,
        table: &TableTarget,
        response: PeerResponse,
    ) -> Result<Vec<u8>, DynamoDbError> {
        if response.too_large {
            return Err(self.unavailable(operation, table, "the response is too large").into());
        }
        if response.status == 200 {
            return Ok(response.body);
        }
        let (error, why) = self.parse_error(operation, table, &response, table.hides_error_messages);
        Err(match error.code() {
            "ConditionalCheckFailedException" => DynamoDbError::ConditionFailed,
            code if is_throttling(code) => StoreError::Throttled(why).into(),
            _ => StoreError::Unavailable(why).into(),
        })
    }

    /// Parses an error response and describes it, without DynamoDB's message if `hides_message`.
    fn parse_error(
        &self,
        operation: &str,
        table: &TableTarget,
        response: &PeerResponse,
        hides_message: bool,
    ) -> (ErrorBody, String) {
        let error: ErrorBody = serde_json::from_slice(&response.body).unwrap_or_default();
        let id = response.header("x-amzn-requestid").unwrap_or("unknown");
        let message = if hides_message { String::new() } else { format!(": {}", error.message) };
        let why = format!("status {} {}{message} (request {id})", response.status, error.code());
        let why = self.describe(operation, table, &why);
        (error, why)
    }

    fn connect_timeout(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now()).min(CONNECT_TIMEOUT)
    }

    fn not_connected(&self, table: &TableTarget, error: &std::io::Error) -> StoreError {
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

    pub(super) fn has_time_left(&self) -> bool {
        Instant::now() < self.deadline
    }
}
