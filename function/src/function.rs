//! The function as a whole: what comes in is read, counted, and answered in the way of what brought it. All time is passed in
//! by the clock that it is made with.

mod after;
mod objects;
mod services;

pub use services::Access;
use services::deadline;

use std::time::Duration;

use crate::aws::Rest;

use crate::batch::{self, Counted, Failed};
use crate::failure::Failure;
use crate::forward;
use crate::http::Answer;
use crate::json::{Object, list};
use crate::lambda::Invocation;
use crate::log::{Field, Level, Log};
use crate::routes::{Counter, Outcome};
use crate::serve::Handler;
use crate::settings::SourceSettings;
use crate::store::DynamoDb;
use crate::trigger::{Event, Forwarded, Message, Reply, forwarded, payload};

/// What an invocation has if Lambda does not say: the default timeout of a function.
const TIME_LEFT: Duration = Duration::from_secs(3);

/// The function.
#[derive(Debug)]
pub struct Function {
    counter: Counter<DynamoDb>,
    settings: SourceSettings,
    access: Access,
    cloudfront: Option<Rest>,
    lambda: Option<Rest>,
    /// Whether this invocation counted anything.
    has_hits: bool,
    /// Before then, in seconds since 1970, nobody can take another window to invalidate in.
    not_before_s: u64,
}

impl Function {
    /// The function on its counter.
    pub fn new(counter: Counter<DynamoDb>, settings: SourceSettings, access: Access) -> Self {
        Self { counter, settings, access, cloudfront: None, lambda: None, has_hits: false, not_before_s: 0 }
    }

    fn cloudfront(&mut self) -> Result<&mut Rest, String> {
        made_once(&mut self.cloudfront, || self.access.cloudfront(&self.settings))
    }

    fn time_left(&self, invocation: &Invocation) -> Duration {
        invocation.deadline.map_or(TIME_LEFT, |deadline| deadline.since((self.access.clock)()))
    }

    fn request(&mut self, request: &crate::http::Request, invocation: &Invocation, log: &mut Log) -> String {
        let left = self.time_left(invocation);
        self.counter.store().begin(left);
        let mut outcome = self.counter.answer(request, (self.access.clock)());
        if let Some(hit) = outcome.forward.take()
            && let Err(why) = self.forward(&hit, invocation)
        {
            outcome = self.counter.not_forwarded(request, why);
        }
        self.has_hits |= outcome.counted;
        self.notes(invocation, log);
        record(log, &invocation.id, &outcome, &request.route);
        payload(&outcome.answer)
    }

    /// Forwards a hit to the counter.
    fn forward(&mut self, hit: &Forwarded, invocation: &Invocation) -> Result<(), String> {
        let Some(counter) = self.settings.counter.clone() else {
            return Err("there is no counter to forward hits to".to_owned());
        };
        let until = deadline(self.time_left(invocation));
        let lambda = made_once(&mut self.lambda, || self.access.lambda(&self.settings))?;
        forward::send(lambda, &counter, &forwarded::event(hit, &invocation.id), until)
    }

    /// Counts messages, and says in the log what was not.
    fn count(&mut self, messages: &[Message], invocation: &Invocation, log: &mut Log) -> Counted {
        let left = self.time_left(invocation);
        self.counter.store().begin_long(left);
        let now = (self.access.clock)();
        let mut counted = batch::count(&mut self.counter.tools(), messages, self.settings.exact, now);
        self.objects(messages, invocation, &mut counted);
        self.has_hits |= counted.hits > 0;
        self.notes(invocation, log);
        let id = Some(invocation.id.as_str());
        for note in &counted.notes {
            log.line(Level::Warn, id, note, &[]);
        }
        for (place, failed) in &counted.failed {
            let message = match failed {
                Failed::Malformed(_) => "message refused",
                Failed::Store(_) => "message not counted",
            };
            let fields =
                [("messageId", Field::Text(&messages[*place].id)), ("cause", Field::Text(failed.why()))];
            log.line(Level::Error, id, message, &fields);
        }
        // One line, however many: anybody can send such hits.
        if let Some((place, why)) = counted.wrong.first() {
            let fields = [
                ("messages", Field::Number(counted.wrong.len() as u64)),
                ("messageId", Field::Text(&messages[*place].id)),
                ("cause", Field::Text(why)),
            ];
            log.line(Level::Warn, id, "hits of pages were dropped", &fields);
        }
        let fields = [
            ("messages", Field::Number(messages.len() as u64)),
            ("hits", Field::Number(counted.hits)),
            ("ignored", Field::Number(counted.ignored)),
            ("failed", Field::Number(counted.failed.len() as u64)),
        ];
        log.line(Level::Debug, id, "messages counted", &fields);
        counted
    }

    fn notes(&mut self, invocation: &Invocation, log: &mut Log) {
        for note in self.counter.store().take_notes() {
            log.line(Level::Warn, Some(&invocation.id), &note, &[]);
        }
    }
}

impl Handler for Function {
    fn after(&mut self, invocation: &Invocation, log: &mut Log) {
        self.invalidate_after_hits(invocation, log);
    }

    fn handle(&mut self, invocation: &Invocation, log: &mut Log) -> Result<String, Failure> {
        let Some(event) = &invocation.event else {
            let message = "the event is too large".to_owned();
            return Err(Failure { kind: "Hitctl.EventTooLarge", message });
        };
        match Event::parse(event, &self.settings.sources, (self.access.clock)())? {
            Event::Http(request) => Ok(self.request(&request, invocation, log)),
            Event::Batch(messages) => {
                let counted = self.count(&messages, invocation, log);
                let failed = counted.failed.keys().map(|place| &messages[*place].id);
                let failed = failed.map(|id| Object::new().text("itemIdentifier", id).end());
                Ok(Object::new().raw("batchItemFailures", &list(failed)).end())
            }
            Event::Single(message, reply) => {
                let mut counted = self.count(std::slice::from_ref(&message), invocation, log);
                match (counted.failed.remove(&0), reply) {
                    (Some(Failed::Malformed(why)), _) => {
                        let message = format!("the event cannot be counted: {why}");
                        Err(Failure { kind: "Hitctl.MalformedEvent", message })
                    }
                    (Some(Failed::Store(why)), _) => {
                        let message = format!("the event was not counted: {why}");
                        Err(Failure { kind: "Hitctl.NotCounted", message })
                    }
                    (None, Reply::Verbatim(answer)) => Ok(answer),
                    (None, Reply::Counted) => {
                        let answer = Object::new().number("v", 1).number("hits", counted.hits);
                        Ok(answer.number("ignored", counted.ignored).end())
                    }
                }
            }
        }
    }
}

/// A client that is made before its first call.
fn made_once(
    client: &mut Option<Rest>,
    make: impl FnOnce() -> Result<Rest, String>,
) -> Result<&mut Rest, String> {
    match client {
        Some(client) => Ok(client),
        None => Ok(client.insert(make()?)),
    }
}

/// One line for a request at debug, where each costs money; one at error if the store failed.
fn record(log: &mut Log, id: &str, outcome: &Outcome, route: &str) {
    let Outcome { answer: Answer { status, .. }, key, counted, ignored, trouble, .. } = outcome;
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
