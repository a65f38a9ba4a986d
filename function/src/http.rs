//! Requests and answers of the counter's HTTP side, whatever brought them. Knows the headers that every answer
//! carries; must not know the routes.

use std::borrow::Cow;

use crate::json::Object;

/// A request, as far as the counter looks at it. No address of the client: what is not read cannot leak.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, in upper case.
    pub method: String,
    /// The path of the route, without the stage: `/counter`.
    pub route: String,
    /// The query string as it was sent.
    pub query: String,
    /// The `Origin` header.
    pub origin: Option<String>,
    /// The size of the body, decoded.
    pub body_bytes: usize,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body: JSON, or empty for HEAD.
    pub body: String,
}

/// For how long an answer may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Not at all: hits, errors, health.
    No,
    /// Reads: a minute, and ten more while a new one is fetched.
    Minute,
}

impl Answer {
    /// An answer of JSON with the headers that every answer carries.
    pub fn json(status: u16, cache: Cache, body: String) -> Self {
        let cache = match cache {
            Cache::No => "no-store",
            Cache::Minute => "public, max-age=60, stale-while-revalidate=600",
        };
        let headers = vec![
            ("content-type", Cow::Borrowed("application/json")),
            ("cache-control", Cow::Borrowed(cache)),
            ("x-content-type-options", Cow::Borrowed("nosniff")),
        ];
        Self { status, headers, body }
    }

    /// An error: a code for programs, a message for people.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, Cache::No, Object::new().text("error", code).text("message", message).end())
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_ref())
    }
}

/// The origins that may read answers from a browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Any.
    #[default]
    Any,
    /// These, compared exactly.
    Only(Vec<String>),
}

impl Origins {
    /// Reads a list separated by commas; nothing, or a `*` in it, is any.
    pub fn parse(list: Option<&str>) -> Self {
        let names: Vec<String> = list
            .unwrap_or("*")
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        if names.is_empty() || names.iter().any(|name| name == "*") { Self::Any } else { Self::Only(names) }
    }

    /// Adds the CORS headers for a request from `origin`.
    pub fn allow(&self, answer: Answer, origin: Option<&str>) -> Answer {
        const ALLOW: &str = "access-control-allow-origin";
        match self {
            Self::Any => answer.with(ALLOW, "*"),
            Self::Only(names) => {
                // Even a refusal depends on the origin: a cache must not give it to another.
                let answer = answer.with("vary", "origin");
                match names.iter().find(|name| Some(name.as_str()) == origin) {
                    Some(name) => answer.with(ALLOW, name.clone()),
                    None => answer,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(list: Option<&str>, origin: Option<&str>) -> (Option<String>, Option<String>) {
        let answer = Origins::parse(list).allow(Answer::error(400, "bad_path", "no"), origin);
        let header = |name| answer.header(name).map(str::to_owned);
        (header("access-control-allow-origin"), header("vary"))
    }

    #[test]
    fn any_origin_is_a_star() {
        for list in [None, Some(""), Some(" , "), Some("*"), Some("https://a.example, *")] {
            assert_eq!(cors(list, Some("https://b.example")), (Some("*".to_owned()), None), "{list:?}");
        }
    }

    #[test]
    fn a_listed_origin_is_echoed_and_another_is_not() {
        let list = Some("https://a.example, https://b.example");
        let vary = Some("origin".to_owned());
        assert_eq!(
            cors(list, Some("https://b.example")),
            (Some("https://b.example".to_owned()), vary.clone())
        );
        for other in [None, Some("https://c.example"), Some("https://b.example.evil"), Some("null")] {
            assert_eq!(cors(list, other), (None, vary.clone()), "{other:?}");
        }
    }
}
