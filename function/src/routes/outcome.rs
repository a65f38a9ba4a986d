//! The result of a request: its answer, and what the log should know about it.

use crate::http::Answer;
use crate::json::Object;
use crate::path::{Key, Refusal};
use crate::rules::Ignored;
use crate::store::StoreError;
use crate::trigger::Forwarded;

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
    pub(super) fn of(answer: Answer) -> Self {
        Self { answer, key: None, counted: false, ignored: None, trouble: None, forward: None }
    }

    pub(super) fn about(answer: Answer, key: Option<Key>) -> Self {
        Self { key, ..Self::of(answer) }
    }
}

/// A request that ends early.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) answer: Answer,
    /// The error's code, for badges.
    pub(super) code: String,
    pub(super) trouble: Option<StoreError>,
    pub(super) forward: Option<Box<Forwarded>>,
}

impl Stop {
    pub(super) fn new(status: u16, code: &str, message: &str) -> Self {
        let answer = Answer::error(status, code, message);
        Self { answer, code: code.to_owned(), trouble: None, forward: None }
    }

    pub(super) fn outcome(self) -> Outcome {
        let Self { answer, trouble, forward, .. } = self;
        Outcome { trouble, forward, ..Outcome::of(answer) }
    }

    /// The store failed, and may be asked again after so many seconds.
    pub(super) fn later(trouble: StoreError, after_s: u64) -> Self {
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

    /// The refusal of a page of another origin; with the reason where the request was to count.
    pub(super) fn foreign(message: &str, why: Option<Ignored>) -> Self {
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
