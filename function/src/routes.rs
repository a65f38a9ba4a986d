//! The routes: a request in, an answer out, by way of the store. Pure but for the store; the time is passed in.

use hitctl_config::contract::{HEADER_BUILD, MAX_BODY_BYTES, MAX_PATHS};

use crate::hit::{Counts, Hit};
use crate::http::{Answer, Cache, Origins, Request};
use crate::json::Object;
use crate::moment::Moment;
use crate::path::{self, Key};
use crate::query::Query;
use crate::store::{Store, StoreError};

/// For how long the site's total is remembered: it costs a read of the whole table. What this process counts itself
/// is added at once.
const TOTAL_FRESH_MS: u64 = 60_000;
const METHODS: &str = "GET, HEAD";

/// The counter: a store and the rules of its HTTP side.
#[derive(Debug)]
pub struct Counter<S> {
    store: S,
    origins: Origins,
    build: Option<String>,
    total: Option<(Moment, Counts)>,
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
    /// Why the store failed, if it did.
    pub trouble: Option<StoreError>,
}

/// A request that ends early.
struct Stop {
    answer: Answer,
    trouble: Option<StoreError>,
}

impl From<Answer> for Stop {
    fn from(answer: Answer) -> Self {
        Self { answer, trouble: None }
    }
}

impl From<StoreError> for Stop {
    fn from(trouble: StoreError) -> Self {
        let answer = match trouble {
            StoreError::Busy(_) => Answer::error(503, "busy", "too many hits at once; try again in a second")
                .with("retry-after", "1"),
            StoreError::Unavailable(_) => {
                Answer::error(503, "unavailable", "the counts cannot be reached; try again in a few seconds")
                    .with("retry-after", "5")
            }
        };
        Self { answer, trouble: Some(trouble) }
    }
}

impl<S: Store> Counter<S> {
    /// A counter on `store` that allows `origins`; `build` is what `/healthz` answers.
    pub fn new(store: S, origins: Origins, build: Option<String>) -> Self {
        Self { store, origins, build, total: None }
    }

    /// The store.
    pub fn store(&mut self) -> &mut S {
        &mut self.store
    }

    /// Answers a request at the time `now`.
    pub fn answer(&mut self, request: &Request, now: Moment) -> Outcome {
        let mut outcome = match self.route(request, now) {
            Ok(outcome) => outcome,
            Err(Stop { answer, trouble }) => Outcome { answer, key: None, counted: false, trouble },
        };
        outcome.answer = self.origins.allow(outcome.answer, request.origin.as_deref());
        if request.method == "HEAD" {
            outcome.answer.body.clear();
        }
        outcome
    }

    fn route(&mut self, request: &Request, now: Moment) -> Result<Outcome, Stop> {
        let route = match request.route.as_str() {
            "/counter" => Self::counter,
            "/v1/count" => Self::count,
            "/healthz" => Self::healthz,
            _ => return Err(Answer::error(404, "not_found", "there is no such route").into()),
        };
        if !matches!(request.method.as_str(), "GET" | "HEAD") {
            let message = "this route answers GET and HEAD only";
            return Err(Answer::error(405, "method_not_allowed", message).with("allow", METHODS).into());
        }
        if request.body_bytes > MAX_BODY_BYTES {
            return Err(Answer::error(413, "body_too_large", "the request's body is over 2048 bytes").into());
        }
        let query = Query::parse(&request.query).map_err(|bad| {
            let code = if bad.name == "path" { "bad_path" } else { "bad_param" };
            Answer::error(400, code, &bad.to_string())
        })?;
        route(self, request, &query, now)
    }

    /// `/counter`: adds one, unless the caller only reads.
    fn counter(&mut self, request: &Request, query: &Query, now: Moment) -> Result<Outcome, Stop> {
        let mut paths = query.all("path");
        let (Some(path), None) = (paths.next(), paths.next()) else {
            return Err(bad_param("give the parameter `path` once: /counter?path=/").into());
        };
        let key = key(path)?;
        let only_read = only_read(query)? || request.method == "HEAD";
        let (counts, cache) = if only_read {
            (self.read_one(&key, now)?, Cache::Minute)
        } else {
            let counts = self.store.add(&Hit::one(key.clone(), now))?;
            if let Some((_, total)) = &mut self.total {
                *total = total.plus(Counts { hits: 1, today: 1 });
            }
            (counts, Cache::No)
        };
        let body = page(Object::new().number("v", 1), &key, counts).raw("counted", bool_json(!only_read));
        let answer = Answer::json(200, cache, body.end());
        Ok(Outcome { answer, key: Some(key), counted: !only_read, trouble: None })
    }

    /// `/v1/count`: reads one page, several, or the whole site.
    fn count(&mut self, _: &Request, query: &Query, now: Moment) -> Result<Outcome, Stop> {
        let paths: Vec<&str> = query.all("path").take(MAX_PATHS + 1).collect();
        if paths.len() > MAX_PATHS {
            return Err(bad_param("give the parameter `path` at most 20 times").into());
        }
        let keys = paths.into_iter().map(key).collect::<Result<Vec<Key>, Answer>>()?;
        let object = Object::new().number("v", 1);
        let body = match keys.as_slice() {
            [] => counts(object, self.site_total(now)?),
            [key] => page(object, key, self.read_one(key, now)?).raw("counted", "false"),
            _ => object.raw("counts", &self.read_list(&keys, now)?),
        };
        let answer = Answer::json(200, Cache::Minute, body.end());
        Ok(Outcome { answer, key: keys.into_iter().next(), counted: false, trouble: None })
    }

    /// `/healthz`: answers without touching the table.
    #[expect(clippy::unnecessary_wraps, reason = "all routes have one type")]
    fn healthz(&mut self, _: &Request, _: &Query, _: Moment) -> Result<Outcome, Stop> {
        let mut answer = Answer::json(200, Cache::No, Object::new().number("v", 1).raw("ok", "true").end());
        if let Some(build) = &self.build {
            answer = answer.with(HEADER_BUILD, build.clone());
        }
        Ok(Outcome { answer, key: None, counted: false, trouble: None })
    }

    fn read_one(&mut self, key: &Key, now: Moment) -> Result<Counts, StoreError> {
        let counts = self.store.read(std::slice::from_ref(key), now.day())?;
        Ok(counts.first().copied().unwrap_or_default())
    }

    /// The pages as a JSON list, in the order asked for; a page that is named twice is read once and listed twice.
    fn read_list(&mut self, keys: &[Key], now: Moment) -> Result<String, StoreError> {
        let mut distinct = keys.to_vec();
        distinct.sort();
        distinct.dedup();
        let read = self.store.read(&distinct, now.day())?;
        let mut list = String::from("[");
        for key in keys {
            if list.len() > 1 {
                list.push(',');
            }
            let position = distinct.binary_search(key).unwrap_or(usize::MAX);
            let counts = read.get(position).copied().unwrap_or_default();
            list.push_str(&page(Object::new(), key, counts).end());
        }
        list.push(']');
        Ok(list)
    }

    fn site_total(&mut self, now: Moment) -> Result<Counts, StoreError> {
        if let Some((read_at, total)) = self.total
            && read_at.day() == now.day()
            && (read_at..Moment::from_millis(read_at.millis() + TOTAL_FRESH_MS)).contains(&now)
        {
            return Ok(total);
        }
        let total = self.store.total(now.day())?;
        self.total = Some((now, total));
        Ok(total)
    }
}

fn key(path: &str) -> Result<Key, Answer> {
    path::normalise(path).map_err(|why| {
        let status = if why.code() == "path_too_long" { 414 } else { 400 };
        Answer::error(status, why.code(), &why.to_string())
    })
}

fn only_read(query: &Query) -> Result<bool, Answer> {
    let mut only_read = false;
    for value in query.all("ro") {
        only_read |= match value {
            "1" => true,
            "0" => false,
            _ => return Err(bad_param("the parameter `ro` is 1 to only read, or 0")),
        };
    }
    Ok(only_read)
}

fn bad_param(message: &str) -> Answer {
    Answer::error(400, "bad_param", message)
}

fn page(object: Object, key: &Key, numbers: Counts) -> Object {
    counts(object.text("path", key.as_str()), numbers)
}

fn counts(object: Object, counts: Counts) -> Object {
    object.number("hits", counts.hits).raw("today", &Object::new().number("hits", counts.today).end())
}

fn bool_json(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
