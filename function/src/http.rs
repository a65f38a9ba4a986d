//! Requests and answers of the counter's HTTP side, whatever brought them. Knows the headers that every answer
//! carries, but not those of CORS: the gateway in front adds them, to its own refusals too, and a browser takes no
//! answer that has them twice. Must not know the routes.

use std::borrow::Cow;
use std::fmt;

use crate::json::Object;

/// A request, as far as the counter looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, in upper case.
    pub method: String,
    /// The path of the route, without the stage: `/counter`.
    pub route: String,
    /// The query string as it was sent.
    pub query: String,
    /// The headers that matter.
    pub headers: Headers,
    /// The address that the gateway saw.
    pub source_address: Private,
    /// The body, decoded; empty if it is too large to be read.
    pub body: Vec<u8>,
    /// The size of the body, decoded.
    pub body_bytes: usize,
}

/// The request headers that the counter looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// `Origin`.
    pub origin: Option<String>,
    /// `Referer`.
    pub referer: Private,
    /// `User-Agent`.
    pub user_agent: Private,
    /// `CloudFront-Viewer-Address`: worth something only with the right [`origin_secret`](Self::origin_secret).
    pub viewer_address: Private,
    /// What proves that the request came through the owner's distribution.
    pub origin_secret: Private,
    /// `If-None-Match`.
    pub if_none_match: Option<String>,
    /// `DNT: 1` or `Sec-GPC: 1`.
    pub opted_out: bool,
    /// `Sec-Purpose`, `Purpose` or `X-Moz` says that the page is fetched ahead.
    pub prefetched: bool,
}

/// A text about a client. It never prints.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Private(Option<String>);

impl Private {
    /// The text, if there is one.
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl From<Option<String>> for Private {
    fn from(text: Option<String>) -> Self {
        Self(text)
    }
}

impl From<&str> for Private {
    fn from(text: &str) -> Self {
        Self(Some(text.to_owned()))
    }
}

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "(private)" } else { "(none)" })
    }
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
    /// Not at all, in the words that image proxies heed: a badge that counts.
    Never,
    /// Reads: a minute, and ten more while a new one is fetched.
    Minute,
    /// A badge that only reads.
    FiveMinutes,
    /// The widget's script.
    Day,
}

impl Cache {
    fn header(self) -> &'static str {
        match self {
            Self::No => "no-store",
            Self::Never => "max-age=0, no-cache, no-store, must-revalidate",
            Self::Minute => "public, max-age=60, stale-while-revalidate=600",
            Self::FiveMinutes => "public, max-age=300",
            Self::Day => "public, max-age=86400",
        }
    }
}

impl Answer {
    /// An answer with the headers that every answer carries.
    pub fn new(status: u16, content_type: &'static str, cache: Cache, body: String) -> Self {
        let headers = vec![
            ("content-type", Cow::Borrowed(content_type)),
            ("cache-control", Cow::Borrowed(cache.header())),
            ("x-content-type-options", Cow::Borrowed("nosniff")),
        ];
        Self { status, headers, body }
    }

    /// An answer of JSON.
    pub fn json(status: u16, cache: Cache, body: String) -> Self {
        Self::new(status, "application/json", cache, body)
    }

    /// An answer without a body.
    pub fn empty(status: u16, cache: Cache) -> Self {
        let mut answer = Self::json(status, cache, String::new());
        answer.headers.remove(0);
        answer
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

    /// Adds the tag of an answer that may be kept, and leaves the body out if the client has it already.
    #[must_use]
    pub fn unless_known(mut self, known: Option<&str>) -> Self {
        let is_kept = self.header("cache-control").is_some_and(|cache| cache.starts_with("public"));
        if self.status != 200 || !is_kept {
            return self;
        }
        let tag = tag(&self.body);
        let is_known = known.is_some_and(|known| {
            known
                .split(',')
                .map(|tag| tag.trim().trim_start_matches("W/"))
                .any(|other| other == tag || other == "*")
        });
        if is_known {
            self.status = 304;
            self.body.clear();
        }
        self.with("etag", tag)
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_ref())
    }
}

/// The origins whose pages may count.
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

    /// Whether a page of this origin, or this page, may count. Who names neither is no page of another site; a script is
    /// never without an origin.
    pub fn may_count(&self, origin: Option<&str>, referer: Option<&str>, by_script: bool) -> bool {
        let Self::Only(names) = self else { return true };
        match (origin, referer) {
            (Some(origin), _) => names.iter().any(|name| name == origin),
            (None, Some(referer)) if !referer.is_empty() => {
                let from = origin_of(referer);
                names.iter().any(|name| name.eq_ignore_ascii_case(from))
            }
            _ => !by_script,
        }
    }
}

/// A body's entity tag: FNV-1a, which is quick and needs to be no secret.
fn tag(body: &str) -> String {
    let hash = body.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("\"{hash:016x}\"")
}

/// The origin of a URL as browsers write it: scheme, host and port.
fn origin_of(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url[after_scheme..].find(['/', '?', '#', '\\']).map_or(url.len(), |at| after_scheme + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_origin_is_a_star() {
        for list in [None, Some(""), Some(" , "), Some("*"), Some("https://a.example, *")] {
            assert_eq!(Origins::parse(list), Origins::Any, "{list:?}");
        }
        let some = Origins::parse(Some(" https://a.example,https://b.example"));
        assert_eq!(some, Origins::Only(vec!["https://a.example".to_owned(), "https://b.example".to_owned()]));
    }

    #[test]
    fn pages_of_other_sites_may_not_count() {
        let origins = Origins::parse(Some("https://a.example,http://localhost:8080"));
        let may = |origin, referer, script| origins.may_count(origin, referer, script);
        assert!(may(Some("https://a.example"), None, true));
        assert!(may(None, Some("https://a.example/page?x"), false));
        assert!(may(None, Some("http://localhost:8080/"), false));
        assert!(may(None, None, false), "an image or an address bar names nobody");
        assert!(!may(None, None, true), "a script always does");
        for other in [
            "https://b.example",
            "null",
            "",
            "https://a.example.evil",
            "http://a.example",
            "https://a.example:8443",
        ] {
            assert!(!may(Some(other), None, false), "{other}");
            assert!(
                !may(Some(other), Some("https://a.example/"), false),
                "the origin counts, not the referer"
            );
        }
        assert!(!may(None, Some("https://a.example@evil/"), false));
        assert!(!may(None, Some("https://evil/https://a.example/"), false));
        assert!(Origins::Any.may_count(Some("null"), None, true));
    }

    #[test]
    fn what_is_private_does_not_print() {
        let headers = Headers { user_agent: "Secret/1.0".into(), ..Headers::default() };
        let request = Request { headers, source_address: "203.0.113.7".into(), ..Request::default() };
        let printed = format!("{request:?}");
        assert!(!printed.contains("Secret") && !printed.contains("203.0.113.7"), "{printed}");
    }
}
