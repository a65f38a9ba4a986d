//! The rules that decide whether a view counts, and under which key. `hitctl explain` uses the same code as the
//! Lambda function. Pure; decisions that need state (reloads, the budget of new paths) are made elsewhere, but
//! their reasons are defined here.

use std::fmt;

use hitctl_config::contract::ATTR_DROPPED_PATH;

use crate::bots::{self, BotSignal};
use crate::http::{FetchSite, Origins};
use crate::path::{self, PageKey, PathError};

/// The rules that the owner configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountingRules {
    /// The query parameters that belong to a path.
    pub keep_query: Vec<String>,
    /// Whether views by bots are ignored.
    pub ignore_bots: bool,
    /// Whether views by visitors who opted out of tracking are ignored. If not, only the view counts.
    pub ignore_opted_out: bool,
    /// The origins whose pages may count views.
    pub origins: Origins,
}

/// The properties of a view that the rules use.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageView<'a> {
    /// The client's name of the page: a path, a URL or a plain string.
    pub path: &'a str,
    /// The user agent, if it was sent.
    pub agent: Option<&'a str>,
    /// The origin of the requesting page.
    pub origin: Option<&'a str>,
    /// The URL of the requesting page, if the browser names it.
    pub referer: Option<&'a str>,
    /// The relation of the requesting page to the counter, as reported by the browser.
    pub fetch_site: FetchSite,
    /// Whether a program controls the browser, as reported by the browser.
    pub automated: bool,
    /// Whether the page was prefetched, so that nobody has viewed it yet.
    pub prefetched: bool,
    /// Whether the visitor opted out of tracking: `DNT: 1` or `Sec-GPC: 1`.
    pub opted_out: bool,
}

/// The decision about a valid view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewDecision {
    /// The normalised path.
    pub key: PageKey,
    /// Whether the visitor may be recorded; if not, only the view counts.
    pub track_visitor: bool,
    /// The reason why the view does not count, which the response contains; `None` if it may count.
    pub ignored: Option<IgnoreReason>,
}

/// The reason why a view does not count. Displays as a lower-case sentence fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoreReason {
    /// A bot made the view.
    Bot(BotEvidence),
    /// The same visitor viewed the same page a moment ago.
    Duplicate,
    /// A page of another site sent the view.
    Origin,
    /// The visitor opted out of tracking, and the owner does not count such views.
    OptedOut,
    /// The path is unknown, and only known paths count.
    UnknownPath,
    /// The page was prefetched.
    Prefetch,
    /// The budget of new paths, or this client's share of it, is exhausted.
    BudgetExhausted,
}

/// The evidence that a view was made by a bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BotEvidence {
    /// The user agent names a bot, or looks like one.
    UserAgent(BotSignal),
    /// The browser reports that a program controls it.
    Automated,
}

impl IgnoreReason {
    /// All codes in alphabetical order. [`Self::attribute`] returns the name under which the table counts a reason.
    pub const CODES: [&'static str; 7] = ["bot", "dup", "full", "gpc", "origin", "path", "prefetch"];

    /// Returns the reason with this code. A code does not include the evidence that a view was made by a bot, so
    /// `bot` returns [`BotEvidence::Automated`].
    pub fn from_code(code: &str) -> Option<Self> {
        let all = [
            Self::Bot(BotEvidence::Automated),
            Self::Duplicate,
            Self::BudgetExhausted,
            Self::OptedOut,
            Self::Origin,
            Self::UnknownPath,
            Self::Prefetch,
        ];
        all.into_iter().find(|why| why.code() == code)
    }

    /// Returns the attribute that counts this reason. It has the name of the code, except for the code `path`,
    /// which is already the name of the table's key.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::UnknownPath => ATTR_DROPPED_PATH,
            other => other.code(),
        }
    }

    /// Returns the code for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Bot(_) => "bot",
            Self::Duplicate => "dup",
            Self::Origin => "origin",
            Self::OptedOut => "gpc",
            Self::UnknownPath => "path",
            Self::Prefetch => "prefetch",
            Self::BudgetExhausted => "full",
        }
    }
}

impl fmt::Display for IgnoreReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bot(BotEvidence::UserAgent(signal)) => signal.fmt(f),
            Self::Bot(BotEvidence::Automated) => f.write_str("a program controls the browser"),
            Self::Duplicate => f.write_str("the same visitor viewed this path moments ago"),
            Self::Origin => f.write_str("the page's origin is not in `allow_origins`"),
            Self::OptedOut => f.write_str("the visitor opted out of tracking"),
            Self::UnknownPath => f.write_str("the path is unknown, and only known paths count"),
            Self::Prefetch => f.write_str("the browser prefetched the page"),
            Self::BudgetExhausted => {
                f.write_str("the budget of new paths is used up, in total or for this visitor")
            }
        }
    }
}

impl CountingRules {
    /// Returns the key of a page, given the client's name for it.
    pub fn key(&self, path: &str) -> Result<PageKey, PathError> {
        path::normalise_keeping(path, &self.keep_query)
    }

    /// Decides whether a view counts. The error means that the path is invalid; it has a text for people and a
    /// [code](PathError::code) for programs.
    pub fn evaluate(&self, view: &PageView<'_>) -> Result<ViewDecision, PathError> {
        let key = self.key(view.path)?;
        let bot = || {
            let automated = view.automated.then_some(BotEvidence::Automated);
            automated.or_else(|| bots::detect_bot(view.agent).map(BotEvidence::UserAgent))
        };
        let ignored = if !self.origins.may_count(view.origin, view.referer, view.fetch_site) {
            Some(IgnoreReason::Origin)
        } else if view.prefetched {
            Some(IgnoreReason::Prefetch)
        } else if let Some(bot) = self.ignore_bots.then(bot).flatten() {
            Some(IgnoreReason::Bot(bot))
        } else {
            (self.ignore_opted_out && view.opted_out).then_some(IgnoreReason::OptedOut)
        };
        Ok(ViewDecision { key, track_visitor: !view.opted_out, ignored })
    }
}

#[cfg(test)]
mod tests;
