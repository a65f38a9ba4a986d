//! The routes: a request in, an answer out, by way of the store. Pure but for the store; the time is passed in.

mod badge;
mod hit;
mod numbers;
mod pixel;
mod read;
mod site;

use hitctl_config::contract::{HEADER_BUILD, HEADER_IGNORED, MAX_BODY_BYTES};

use crate::batch::Tools;
use crate::hit::{Counts, Item};
use crate::http::{Answer, Cache, Request};
use crate::json::Object;
use crate::moment::{Day, Moment};
use crate::path::{Key, Refusal};
use crate::query::Query;
use crate::recent::Recent;
use crate::rules::{Ignored, Rules};
use crate::store::{Pages, Paths, Store, StoreError};
use crate::trigger::Forwarded;

use crate::widget;
use site::{Remembered, Unknown};

/// What the owner decided, and what the deploy knows.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Setup {
    /// What counts.
    pub rules: Rules,
    /// Which paths may.
    pub paths: Paths,
    /// Whether visitors are told apart, so that there is a number of them.
    pub visitors: bool,
    /// For how many seconds a visitor's reload of a page does not count.
    pub repeat_s: u32,
    /// Whether lists of pages and of days are for everybody.
    pub public_stats: bool,
    /// Whether a page's hits are spread, so that a number just answered may miss some.
    pub approximate: bool,
    /// Whether `POST /v1/hit` goes onto a queue, so that its answer has no numbers for the widget.
    pub queued: bool,
    /// What proves that a request came through the owner's distribution.
    pub origin_secret: Option<String>,
    /// Whether this is the reader: it writes nothing, and what counts is forwarded to the counter.
    pub forwards: bool,
    /// The id of the build, for `/healthz`.
    pub build: Option<String>,
}

/// The counter: a store and the rules of its HTTP side.
#[derive(Debug)]
pub struct Counter<S> {
    store: S,
    setup: Setup,
    recent: Recent,
    pages: Remembered<Pages>,
    /// The whole site's days and months.
    history: Remembered<Item>,
    /// The last day on which a path was refused: from then on paths of clients whose share is spent are looked up before
    /// anything is written, so that a flood of them costs reads.
    refused_on: Option<Day>,
}

/// An answer, and what the log should know about it.
#[derive(Debug)]
pub struct Outcome {
    /// The answer.
    pub answer: Answer,
    /// The page that was counted or read, if it was one.
    pub key: Option<Key>,
    /// Whether a hit was counted.
    pub counted: bool,
    /// Why it was not, if it was meant to be.
    pub ignored: Option<Ignored>,
    /// Why the store failed, if it did.
    pub trouble: Option<StoreError>,
    /// The hit that has to be forwarded to the counter before this is answered.
    pub forward: Option<Box<Forwarded>>,
}

impl Outcome {
    fn of(answer: Answer) -> Self {
        Self { answer, key: None, counted: false, ignored: None, trouble: None, forward: None }
    }

    fn about(answer: Answer, key: Option<Key>) -> Self {
        Self { key, ..Self::of(answer) }
    }
}

/// A request that ends early.
#[derive(Debug)]
struct Stop {
    answer: Answer,
    /// The error's code, for badges.
    code: String,
    trouble: Option<StoreError>,
    forward: Option<Box<Forwarded>>,
}

impl Stop {
    fn new(status: u16, code: &str, message: &str) -> Self {
        let answer = Answer::error(status, code, message);
        Self { answer, code: code.to_owned(), trouble: None, forward: None }
    }

    fn outcome(self) -> Outcome {
        let Self { answer, trouble, forward, .. } = self;
        Outcome { trouble, forward, ..Outcome::of(answer) }
    }

    /// The store failed, and may be asked again after so many seconds.
    fn later(trouble: StoreError, after_s: u64) -> Self {
        let (code, message) = match trouble {
            StoreError::Busy(_) => ("busy", "too many hits at once; try again in a second"),
            StoreError::Unavailable(_) => {
                ("unavailable", "the counts cannot be reached; try again in a few seconds")
            }
            StoreError::TooLarge(_) => {
                ("too_many_pages", "the site has too many pages to be added up; ask for single paths")
            }
        };
        let mut stop = Self::new(503, code, message);
        stop.answer = stop.answer.with("retry-after", after_s.to_string());
        Self { trouble: Some(trouble), ..stop }
    }
}

impl Stop {
    /// The refusal of a page of another origin; with the reason where the request was to count.
    fn foreign(message: &str, why: Option<Ignored>) -> Self {
        let mut stop = Self::new(403, "origin_not_allowed", message);
        if let Some(why) = why {
            let body = Object::new().text("error", "origin_not_allowed").text("message", message);
            stop.answer.body = body.raw("counted", "false").text("why", why.code()).end();
        }
        stop
    }
}

impl From<Refusal> for Stop {
    fn from(why: Refusal) -> Self {
        let status = if why.code() == "path_too_long" { 414 } else { 400 };
        Self::new(status, why.code(), &why.to_string())
    }
}

impl From<StoreError> for Stop {
    fn from(trouble: StoreError) -> Self {
        let after_s = match trouble {
            StoreError::Busy(_) => 1,
            StoreError::Unavailable(_) | StoreError::TooLarge(_) => 5,
        };
        Self::later(trouble, after_s)
    }
}

/// A route: the methods it answers, and what answers them.
type Route<S> = (&'static [&'static str], fn(&mut Counter<S>, &Request, Moment) -> Result<Outcome, Stop>);

const READING: &[&str] = &["GET", "HEAD"];

impl<S: Store> Counter<S> {
    /// A counter on `store`.
    pub fn new(store: S, setup: Setup) -> Self {
        let recent = Recent::new(setup.repeat_s);
        Self {
            store,
            setup,
            recent,
            pages: Remembered::default(),
            history: Remembered::default(),
            refused_on: None,
        }
    }

    /// The store.
    pub fn store(&mut self) -> &mut S {
        &mut self.store
    }

    /// Returns what messages are counted with. The site's total shows them within a minute: with a queue they come all the time, and
    /// each read of the total would read the whole table.
    pub fn tools(&mut self) -> Tools<'_, S> {
        Tools { store: &mut self.store, setup: &self.setup, recent: &mut self.recent }
    }

    /// Answers a request at the time `now`.
    pub fn answer(&mut self, request: &Request, now: Moment) -> Outcome {
        let outcome = match self.route(request, now) {
            Ok(outcome) => outcome,
            Err(stop) => stop.outcome(),
        };
        finish(outcome, request)
    }

    /// Answers a request whose hit could not be forwarded.
    pub fn not_forwarded(&self, request: &Request, why: String) -> Outcome {
        let stop = Stop::from(StoreError::Unavailable(why));
        let outcome = match badge::Form::of(&request.route) {
            Some(form) => form.error(stop),
            None => stop.outcome(),
        };
        finish(outcome, request)
    }

    fn route(&mut self, request: &Request, now: Moment) -> Result<Outcome, Stop> {
        let stats = self.setup.public_stats;
        let (methods, route): Route<S> = match request.route.as_str() {
            "/counter" => (READING, Self::counter),
            "/v1/hit" => (&["POST"], Self::hit),
            "/v1/pixel.svg" => (READING, Self::pixel),
            "/v1/count" => (READING, Self::count),
            "/v1/badge.svg" => (READING, Self::badge_svg),
            "/v1/badge.json" => (READING, Self::badge_json),
            "/v1/widget.js" => (READING, Self::widget),
            "/v1/top" | "/api/counters" if stats => (READING, Self::top),
            "/v1/series" if stats => (READING, Self::series),
            "/healthz" => (READING, Self::healthz),
            _ => return Err(Stop::new(404, "not_found", "there is no such route")),
        };
        if !methods.contains(&request.method.as_str()) {
            let message = format!("this route answers {} only", methods.join(" and "));
            let mut stop = Stop::new(405, "method_not_allowed", &message);
            stop.answer = stop.answer.with("allow", methods.join(", "));
            return Err(stop);
        }
        if request.body_bytes > MAX_BODY_BYTES {
            return Err(Stop::new(413, "body_too_large", "the request's body is over 2048 bytes"));
        }
        route(self, request, now)
    }

    /// `/v1/widget.js`: the script that pages embed.
    #[expect(clippy::unnecessary_wraps, reason = "all routes have one type")]
    fn widget(&mut self, _: &Request, _: Moment) -> Result<Outcome, Stop> {
        Ok(Outcome::of(Answer::new(
            200,
            "text/javascript; charset=utf-8",
            Cache::Day,
            if self.setup.queued { widget::QUEUED } else { widget::SCRIPT }.to_owned(),
        )))
    }

    /// `/healthz`: answers without touching the table.
    #[expect(clippy::unnecessary_wraps, reason = "all routes have one type")]
    fn healthz(&mut self, _: &Request, _: Moment) -> Result<Outcome, Stop> {
        let mut answer = Answer::json(200, Cache::No, Object::new().number("v", 1).raw("ok", "true").end());
        if let Some(build) = &self.setup.build {
            answer = answer.with(HEADER_BUILD, build.clone());
        }
        Ok(Outcome::of(answer))
    }

    /// Refuses pages of other origins that would read numbers as JSON.
    fn may_read(&self, request: &Request) -> Result<(), Stop> {
        if self.setup.rules.origins.may_read(request.headers.origin.as_deref()) {
            return Ok(());
        }
        Err(Stop::foreign("pages of this origin may not read the numbers here", None))
    }

    fn read_one(&mut self, key: &Key, now: Moment) -> Result<Counts, StoreError> {
        let counts = self.store.read(std::slice::from_ref(key), now.day())?;
        Ok(counts.first().copied().unwrap_or_default())
    }

    /// Every page, at most a minute old, or as old as the last read that did not fail.
    fn all_pages(&mut self, now: Moment) -> Result<&Pages, Unknown> {
        self.pages.get(now, || self.store.pages(now.day()))
    }

    /// The days and months of the whole site, as old as [`all_pages`](Self::all_pages).
    fn site_history(&mut self, now: Moment) -> Result<&Item, Unknown> {
        self.history.get(now, || self.store.history(None))
    }
}

/// Adds what every answer has in common.
fn finish(mut outcome: Outcome, request: &Request) -> Outcome {
    if let Some(why) = outcome.ignored {
        outcome.answer = outcome.answer.with(HEADER_IGNORED, why.code());
    }
    outcome.answer = outcome.answer.unless_known(request.headers.if_none_match.as_deref());
    if request.method == "HEAD" {
        outcome.answer.body.clear();
    }
    outcome
}

/// The parameters of a request.
fn query(request: &Request) -> Result<Query, Stop> {
    Query::parse(&request.query).map_err(|bad| {
        let code = if bad.name == "path" { "bad_path" } else { "bad_param" };
        Stop::new(400, code, &bad.to_string())
    })
}

/// A parameter that is given at most once.
fn once<'a>(query: &'a Query, name: &'a str) -> Result<Option<&'a str>, Stop> {
    let mut values = query.all(name);
    let value = values.next();
    match values.next() {
        None => Ok(value),
        Some(_) => Err(bad_param(&format!("give the parameter `{name}` only once"))),
    }
}

/// A parameter that is 1 or 0.
fn flag(query: &Query, name: &str, meaning: &str) -> Result<bool, Stop> {
    let mut on = false;
    for value in query.all(name) {
        on |= match value {
            "1" => true,
            "0" => false,
            _ => return Err(bad_param(&format!("the parameter `{name}` is 1 to {meaning}, or 0"))),
        };
    }
    Ok(on)
}

fn bad_param(message: &str) -> Stop {
    Stop::new(400, "bad_param", message)
}

#[cfg(test)]
mod tests;
