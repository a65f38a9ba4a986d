//! The rules: what is counted, under which key, or why not. `hitctl explain` asks the same function that the Lambda
//! does. Pure: what takes a memory (repeated views, the budget of new paths) is decided behind it, and named here.

use std::fmt;

use hitctl_config::contract::ATTR_DROPPED_PATH;

use crate::bots::{self, Sign};
use crate::http::{FetchSite, Origins};
use crate::path::{self, Key, Refusal};

/// What the owner decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The query parameters that belong to a path.
    pub keep_query: Vec<String>,
    /// Whether robots' views are not counted.
    pub ignore_bots: bool,
    /// Whether views of those who ask not to be followed are not counted at all.
    pub ignore_opted_out: bool,
    /// Whose pages may count.
    pub origins: Origins,
}

/// A view of a page, as far as the rules look at it.
#[derive(Clone, Copy, Debug, Default)]
pub struct View<'a> {
    /// What the client calls the page: a path, a URL or a plain string.
    pub path: &'a str,
    /// The user agent, if it was sent.
    pub agent: Option<&'a str>,
    /// The origin of the page that asks.
    pub origin: Option<&'a str>,
    /// The page that asks, where a browser names it.
    pub referer: Option<&'a str>,
    /// Whether the browser says that a page of another site asks.
    pub fetch_site: FetchSite,
    /// Whether a program drives the browser, by its own word.
    pub automated: bool,
    /// Whether the page was fetched ahead, and nobody looks at it yet.
    pub prefetched: bool,
    /// Whether the visitor asked not to be followed: `DNT: 1` or `Sec-GPC: 1`.
    pub opted_out: bool,
}

/// What becomes of a view that is no mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The normalised path.
    pub key: Key,
    /// Whether anything may be made of the visitor; if not, only the view counts.
    pub followed: bool,
    /// Why it does not count, if it does not; the answer says so.
    pub ignored: Option<Ignored>,
}

/// Why a view does not count. Displays as a lower-case sentence fragment for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// A robot.
    Bot(Robot),
    /// The same visitor looked at the same page a moment ago.
    Dup,
    /// A page of another site asks.
    Origin,
    /// The visitor asked not to be followed, and the owner counts no such views.
    Gpc,
    /// Only paths that were added by hand count, and this is none.
    Path,
    /// The page was fetched ahead.
    Prefetch,
    /// There are as many new paths as the budget allows, in all or from this client.
    Full,
}

/// What shows that a view is a robot's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Robot {
    /// Its user agent.
    Agent(Sign),
    /// The browser says that a program drives it.
    Driven,
}

impl Ignored {
    /// Every code, in the order of the alphabet: what the table counts refused views under.
    pub const CODES: [&'static str; 7] = ["bot", "dup", "full", "gpc", "origin", "path", "prefetch"];

    /// The reason of a code, as far as a code tells it.
    pub fn of_code(code: &str) -> Option<Self> {
        let all = [
            Self::Bot(Robot::Driven),
            Self::Dup,
            Self::Full,
            Self::Gpc,
            Self::Origin,
            Self::Path,
            Self::Prefetch,
        ];
        all.into_iter().find(|why| why.code() == code)
    }

    /// The name of its number in the table: the word for programs, but for the one that the table's key has taken.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::Path => ATTR_DROPPED_PATH,
            other => other.code(),
        }
    }

    /// The word for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Bot(_) => "bot",
            Self::Dup => "dup",
            Self::Origin => "origin",
            Self::Gpc => "gpc",
            Self::Path => "path",
            Self::Prefetch => "prefetch",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bot(Robot::Agent(sign)) => sign.fmt(f),
            Self::Bot(Robot::Driven) => f.write_str("a program drives the browser"),
            Self::Dup => f.write_str("the same visitor looked at the same page a moment ago"),
            Self::Origin => {
                f.write_str("a page of another site asks, which is not among the allowed origins")
            }
            Self::Gpc => f.write_str("the visitor asked not to be followed"),
            Self::Path => f.write_str("only paths that were added by hand count, and this is none of them"),
            Self::Prefetch => f.write_str("the page was fetched ahead, and nobody looks at it yet"),
            Self::Full => {
                f.write_str("there are as many new paths as the budget allows, in all or from this visitor")
            }
        }
    }
}

impl Rules {
    /// The key of what a client calls a page.
    pub fn key(&self, path: &str) -> Result<Key, Refusal> {
        path::normalise_keeping(path, &self.keep_query)
    }

    /// Judges a view. An error is a mistake of the caller, fit for people and, by [`Refusal::code`], for programs.
    pub fn judge(&self, view: &View<'_>) -> Result<Judgement, Refusal> {
        let key = self.key(view.path)?;
        let robot = || {
            let driven = view.automated.then_some(Robot::Driven);
            driven.or_else(|| bots::sign(view.agent).map(Robot::Agent))
        };
        let ignored = if !self.origins.may_count(view.origin, view.referer, view.fetch_site) {
            Some(Ignored::Origin)
        } else if view.prefetched {
            Some(Ignored::Prefetch)
        } else if let Some(robot) = self.ignore_bots.then(robot).flatten() {
            Some(Ignored::Bot(robot))
        } else {
            (self.ignore_opted_out && view.opted_out).then_some(Ignored::Gpc)
        };
        Ok(Judgement { key, followed: !view.opted_out, ignored })
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
