//! Requests and answers of the counter's HTTP side, whatever brought them. Knows the headers that every answer
//! carries, but not those of CORS: the gateway in front adds them, to its own refusals too, and a browser takes no
//! answer that has them twice. Must not know the routes.

use std::borrow::Cow;
use std::fmt;

use crate::encoding::fnv1a;
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
    /// `Sec-Fetch-Site`.
    pub fetch_site: FetchSite,
    /// `DNT: 1` or `Sec-GPC: 1`.
    pub opted_out: bool,
    /// `Sec-Purpose`, `Purpose` or `X-Moz` says that the page is fetched ahead.
    pub prefetched: bool,
}

/// The relation between the page that sends a request and the counter, as far as `Sec-Fetch-Site` matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FetchSite {
    /// The header is missing, or says neither of the others.
    #[default]
    Unknown,
    /// A page of the counter's own origin.
    SameOrigin,
    /// A page of another site.
    CrossSite,
}

impl FetchSite {
    /// Reads the header's value.
    pub fn parse(value: &str) -> Self {
        match value.trim() {
            value if value.eq_ignore_ascii_case("same-origin") => Self::SameOrigin,
            value if value.eq_ignore_ascii_case("cross-site") => Self::CrossSite,
            _ => Self::Unknown,
        }
    }
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
        // Quick, and needs to be no secret.
        let tag = format!("\"{:016x}\"", fnv1a(self.body.bytes()));
        let mut known = known.into_iter().flat_map(|known| known.split(','));
        let is_known = known.any(|other| [&tag, "*"].contains(&other.trim().trim_start_matches("W/")));
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
    /// These: scheme, host and port are compared.
    Only(Vec<String>),
}

impl Origins {
    /// Reads a list separated by commas; nothing, or a `*` in it, is any.
    pub fn parse(list: Option<&str>) -> Self {
        let names = names(list.unwrap_or("*"));
        if names.is_empty() || names.iter().any(|name| name == "*") { Self::Any } else { Self::Only(names) }
    }

    /// Whether a view counts. The `Origin` decides, else the origin of the `Referer`. A request that has neither counts
    /// (an image proxy, an address bar, a CDN that drops both), unless the browser says that another site sends it.
    pub fn may_count(&self, origin: Option<&str>, referer: Option<&str>, site: FetchSite) -> bool {
        let Self::Only(names) = self else { return true };
        // With `Referrer-Policy: no-referrer`, browsers send `Origin: null` for a page's own beacons. A sandboxed frame sends
        // it too, but never from the same origin.
        let origin = origin.filter(|origin| *origin != "null" || site != FetchSite::SameOrigin);
        match (origin, referer.map(str::trim).filter(|referer| !referer.is_empty())) {
            (Some(origin), _) => is_listed(names, WebOrigin::parse(origin)),
            (None, Some(referer)) => is_listed(names, WebOrigin::of_url(referer)),
            (None, None) => site != FetchSite::CrossSite,
        }
    }

    /// Whether a page with this `Origin` may read numbers as JSON. Requests without one are no cross-origin reads: browsers
    /// show their answer to no other page.
    pub fn may_read(&self, origin: Option<&str>) -> bool {
        match (self, origin) {
            (Self::Only(names), Some(origin)) => is_listed(names, WebOrigin::parse(origin)),
            _ => true,
        }
    }
}

/// The names in a list separated by commas.
pub(crate) fn names(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn is_listed(names: &[String], asked: Option<WebOrigin<'_>>) -> bool {
    let is_same = |asked: WebOrigin<'_>| {
        names.iter().filter_map(|name| WebOrigin::parse(name)).any(|name| name.is_same(asked))
    };
    asked.is_some_and(is_same)
}

/// A web origin, taken apart: without the dot at the end of a fully qualified host, and without the scheme's own port.
#[derive(Clone, Copy)]
struct WebOrigin<'a> {
    scheme: &'a str,
    host: &'a str,
    port: &'a str,
}

impl<'a> WebOrigin<'a> {
    /// Reads an `Origin` header: nothing may follow the port.
    fn parse(origin: &'a str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let is_bare = !authority.contains(['/', '?', '#', '\\']);
        is_bare.then(|| Self::of(scheme, authority)).flatten()
    }

    /// Reads the origin of a URL.
    fn of_url(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        Self::of(scheme, rest.split(['/', '?', '#', '\\']).next().unwrap_or_default())
    }

    fn of(scheme: &'a str, authority: &'a str) -> Option<Self> {
        // Browsers never send a user; what is in front of an `@` would look like the host.
        if authority.contains('@') {
            return None;
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (authority, ""),
        };
        let implied = |name: &str, number: &str| scheme.eq_ignore_ascii_case(name) && port == number;
        let port = if implied("https", "443") || implied("http", "80") { "" } else { port };
        let host = host.strip_suffix('.').unwrap_or(host);
        (!host.is_empty()).then_some(Self { scheme, host, port })
    }

    fn is_same(self, other: WebOrigin<'_>) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && self.host.eq_ignore_ascii_case(other.host)
            && self.port == other.port
    }
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

    fn origins() -> Origins {
        Origins::parse(Some("https://a.example,http://localhost:8080,https://[::1]:8443"))
    }

    #[test]
    fn origin_else_referer_decides_whether_a_view_counts() {
        let may = |origin, referer| origins().may_count(origin, referer, FetchSite::Unknown);
        assert!(may(Some("https://a.example"), None));
        assert!(may(None, Some("https://a.example/page?x")));
        assert!(may(None, Some("http://localhost:8080/")));
        assert!(may(Some("https://a.example"), Some("https://b.example/")), "the origin decides");
        for other in [
            "https://b.example",
            "null",
            "",
            "https://a.example.evil",
            "http://a.example",
            "https://a.example:8443",
            "https://a.example/",
            "a.example",
        ] {
            assert!(!may(Some(other), None), "{other}");
            assert!(!may(Some(other), Some("https://a.example/")), "{other}: the origin decides");
        }
        for other in [
            "https://a.example@evil/",
            "https://evil/https://a.example/",
            "https://a.example\\@evil/",
            "about:blank",
            "-",
        ] {
            let is_own = other.starts_with("https://a.example\\");
            assert_eq!(may(None, Some(other)), is_own, "{other}");
        }
        assert!(Origins::Any.may_count(Some("null"), None, FetchSite::CrossSite));
    }

    #[test]
    fn case_usual_port_and_final_dot_make_no_other_origin() {
        for same in [
            "https://A.Example",
            "HTTPS://a.example",
            "https://a.example:443",
            "https://a.example.",
            "https://a.example.:443",
            "http://LOCALHOST:8080",
            "https://[::1]:8443",
        ] {
            assert!(origins().may_count(Some(same), None, FetchSite::Unknown), "{same}");
            assert!(origins().may_count(None, Some(&format!("{same}/x")), FetchSite::Unknown), "{same}");
            assert!(origins().may_read(Some(same)), "{same}");
        }
        for other in
            ["https://a.example:80", "https://a.example..", "http://localhost", "https://[::1]", "https://."]
        {
            assert!(!origins().may_count(Some(other), None, FetchSite::Unknown), "{other}");
        }
    }

    #[test]
    fn without_origin_and_referer_another_site_does_not_count() {
        let may = |origin, referer, site| origins().may_count(origin, referer, FetchSite::parse(site));
        for own in ["", "none", "same-site", "same-origin", "Same-Origin"] {
            assert!(may(None, None, own), "{own}");
            assert!(may(None, Some(" "), own), "{own}");
        }
        assert!(!may(None, None, "cross-site"));
        assert!(!may(None, Some(""), " Cross-Site "));
        assert!(may(None, Some("https://a.example/"), "cross-site"), "the counter has a host of its own");
        assert!(may(Some("null"), None, "same-origin"), "a beacon under `Referrer-Policy: no-referrer`");
        for other in ["", "none", "same-site", "cross-site"] {
            assert!(!may(Some("null"), None, other), "{other}");
        }
    }

    #[test]
    fn a_foreign_origin_may_not_read() {
        assert!(origins().may_read(None) && origins().may_read(Some("https://a.example")));
        assert!(!origins().may_read(Some("https://b.example")) && !origins().may_read(Some("null")));
        assert!(Origins::Any.may_read(Some("https://b.example")));
    }

    #[test]
    fn what_is_private_does_not_print() {
        let headers = Headers { user_agent: "Secret/1.0".into(), ..Headers::default() };
        let request = Request { headers, source_address: "203.0.113.7".into(), ..Request::default() };
        let printed = format!("{request:?}");
        assert!(!printed.contains("Secret") && !printed.contains("203.0.113.7"), "{printed}");
    }
}
