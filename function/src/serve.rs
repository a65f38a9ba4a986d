//! The loop: next invocation, handle it, answer it. What fails in one invocation, a panic too, is that invocation's
//! error and no other's.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::http::Answer;
use crate::lambda::{Failure, Gone, Invocation, Posted, Runtime};
use crate::log::{Field, Level, Log};
use crate::moment::Moment;
use crate::routes::{Counter, Outcome};
use crate::store::DynamoDb;
use crate::trigger::{Event, payload};

/// What an invocation has if Lambda does not say: the default timeout of a function.
const TIME_LEFT: Duration = Duration::from_secs(3);

/// What the last panic said and where: its own output would be a second, unreadable line in the log.
static LAST_PANIC: Mutex<String> = Mutex::new(String::new());

/// Keeps what panics say for the invocation's error instead of printing it.
pub fn keep_panics() {
    std::panic::set_hook(Box::new(|panic| {
        *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
    }));
}

/// Serves invocations until the Runtime API is gone, and returns why it is.
pub fn serve<H>(runtime: &mut Runtime, log: &mut Log, handle: &mut H) -> Gone
where
    H: FnMut(&Invocation, &mut Log) -> Result<String, Failure>,
{
    loop {
        if let Err(gone) = serve_one(runtime, log, handle) {
            return gone;
        }
    }
}

fn serve_one<H>(runtime: &mut Runtime, log: &mut Log, handle: &mut H) -> Result<(), Gone>
where
    H: FnMut(&Invocation, &mut Log) -> Result<String, Failure>,
{
    let invocation = runtime.next_invocation()?;
    // What a panic leaves half-done is dropped: a connection in use was taken out of its place before.
    let result = catch_unwind(AssertUnwindSafe(|| handle(&invocation, log)))
        .unwrap_or_else(|_| Err(Failure { kind: "Hitctl.Panic", message: last_panic() }));
    let posted = match &result {
        Ok(json) => runtime.answer(&invocation.id, json)?,
        Err(failure) => {
            log.line(
                Level::Error,
                Some(&invocation.id),
                "the invocation failed",
                &[("errorType", Field::Text(failure.kind)), ("cause", Field::Text(&failure.message))],
            );
            runtime.fail(&invocation.id, failure)?
        }
    };
    if let Posted::Refused(status) = posted {
        let status = [("status", Field::Number(status.into()))];
        log.line(Level::Warn, Some(&invocation.id), "the Runtime API refused the answer", &status);
    }
    Ok(())
}

fn last_panic() -> String {
    std::mem::take(&mut *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Handles one invocation with the counter on DynamoDB.
pub fn handle(
    counter: &mut Counter<DynamoDb>,
    invocation: &Invocation,
    now: Moment,
    log: &mut Log,
) -> Result<String, Failure> {
    let Some(event) = &invocation.event else {
        let message = "the event is too large".to_owned();
        return Err(Failure { kind: "Hitctl.EventTooLarge", message });
    };
    let Event::Http(request) = Event::parse(event)?;
    let left = invocation.deadline.map_or(TIME_LEFT, |deadline| deadline.since(now));
    counter.store().begin(left);
    let outcome = counter.answer(&request, now);
    for note in counter.store().take_notes() {
        log.line(Level::Warn, Some(&invocation.id), &note, &[]);
    }
    record(log, &invocation.id, &outcome, &request.route);
    Ok(payload(&outcome.answer))
}

/// One line for a request at debug, where each costs money; one at error if the store failed.
fn record(log: &mut Log, id: &str, outcome: &Outcome, route: &str) {
    let Outcome { answer: Answer { status, .. }, key, counted, ignored, trouble } = outcome;
    let status = Field::Number((*status).into());
    if let Some(trouble) = trouble {
        let fields = [("status", status), ("cause", Field::Text(&trouble.to_string()))];
        log.line(Level::Error, Some(id), "the store failed", &fields);
        return;
    }
    let mut fields = vec![("route", Field::Text(route)), ("status", status)];
    if let Some(key) = key {
        fields.push(("key", Field::Text(key.as_str())));
    }
    if let Some(why) = ignored {
        fields.push(("ignored", Field::Text(why.code())));
    }
    log.line(Level::Debug, Some(id), if *counted { "counted" } else { "answered" }, &fields);
}
