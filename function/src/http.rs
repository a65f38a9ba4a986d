//! Requests and responses of the counter's HTTP routes, independent of their transport. Sets the headers that
//! all responses share, but no CORS headers: the gateway adds those to every response, and browsers reject
//! duplicates. Must not know the routes.

use std::borrow::Cow;
use std::fmt;

use crate::encoding::fnv1a;
use crate::json::JsonObject;

/// An HTTP request to the counter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CounterRequest {
    /// The method in upper case, such as `GET`.
    pub method: String,
    /// The path of the route, without the stage, such as `/counter`.
    pub route: String,
    /// The raw query string.
    pub query: String,
    /// The headers that the counter uses.
    pub headers: RequestHeaders,
    /// The client address that the gateway reports.
    pub source_address: Redacted,
    /// The decoded body; empty if it is too large.
    pub body: Vec<u8>,
    /// The size of the decoded body, in bytes.
    pub body_bytes: usize,
}

/// The request headers that the counter uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHeaders {
    /// The `Origin` header.
    pub origin: Option<String>,
    /// The `Referer` header.
    pub referer: Redacted,
    /// The `User-Agent` header.
    pub user_agent: Redacted,
    /// The `CloudFront-Viewer-Address` header, trusted only together with the right
    /// [`origin_secret`](Self::origin_secret).
    pub viewer_address: Redacted,
    /// The header with the secret that proves that the request came through the owner's distribution.
    pub origin_secret: Redacted,
    /// The `If-None-Match` header.
    pub if_none_match: Option<String>,
    /// The `Sec-Fetch-Site` header.
    pub fetch_site: FetchSite,
    /// Whether the request has `DNT: 1` or `Sec-GPC: 1`.
    pub opted_out: bool,
    /// Whether `Sec-Purpose`, `Purpose` or `X-Moz` marks the request as a prefetch.
    pub prefetched: bool,
}

/// The relation between the requesting page and the counter, from `Sec-Fetch-Site`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FetchSite {
    /// The header is missing or has any other value.
    #[default]
    Unknown,
    /// A page of the counter's own origin.
    SameOrigin,
    /// A page of another site.
    CrossSite,
}

impl FetchSite {
    /// Parses the header's value.
    pub fn parse(value: &str) -> Self {
        match value.trim() {
            value if value.eq_ignore_ascii_case("same-origin") => Self::SameOrigin,
            value if value.eq_ignore_ascii_case("cross-site") => Self::CrossSite,
            _ => Self::Unknown,
        }
    }
}

/// A text about a client that `Debug` does not print.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Redacted(Option<String>);

impl Redacted {
    /// Returns the text, if there is one.
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl From<Option<String>> for Redacted {
    fn from(text: Option<String>) -> Self {
        Self(text)
    }
}

impl From<&str> for Redacted {
    fn from(text: &str) -> Self {
        Self(Some(text.to_owned()))
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "(private)" } else { "(none)" })
    }
}

/// An HTTP response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterResponse {
    /// The status code.
    pub status: u16,
    /// The headers, with names in lower case.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body: JSON, or empty for HEAD.
    pub body: String,
}

/// The caching of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CachePolicy {
    /// Not cached: hits, errors, health checks.
    NoStore,
    /// Not cached, with the directives that image proxies respect: badges that count.
    NoStoreStrict,
    /// Reads: for a minute, and for ten more while a new response is fetched.
    Minute,
    /// Badges that only read: for five minutes.
    FiveMinutes,
    /// The widget's script: for a day.
    Day,
}

impl CachePolicy {
    fn header(self) -> &'static str {
        match self {
            Self::NoStore => "no-store",
            Self::NoStoreStrict => "max-age=0, no-cache, no-store, must-revalidate",
            Self::Minute => "public, max-age=60, stale-while-revalidate=600",
            Self::FiveMinutes => "public, max-age=300",
            Self::Day => "public, max-age=86400",
        }
    }
}

impl CounterResponse {
    /// Creates a response with the headers that all responses share.
    pub fn new(status: u16, content_type: &'static str, cache: CachePolicy, body: String) -> Self {
        let headers = vec![
            ("content-type", Cow::Borrowed(content_type)),
            ("cache-control", Cow::Borrowed(cache.header())),
            ("x-content-type-options", Cow::Borrowed("nosniff")),
        ];
        Self { status, headers, body }
    }

    /// Creates a response with a JSON body.
    pub fn json(status: u16, cache: CachePolicy, body: String) -> Self {
        Self::new(status, "application/json", cache, body)
    }

    /// Creates a response without a body.
    pub fn empty(status: u16, cache: CachePolicy) -> Self {
        let mut response = Self::json(status, cache, String::new());
        response.headers.remove(0);
        response
    }

    /// Creates an error response with a code for programs and a message for people.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(
            status,
            CachePolicy::NoStore,
            JsonObject::new().text("error", code).text("message", message).end(),
        )
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds an `ETag` to a cacheable response, and turns it into a 304 if the client has the same version.
    #[must_use]
    pub fn with_etag(mut self, known: Option<&str>) -> Self {
        let is_cacheable = self.header("cache-control").is_some_and(|cache| cache.starts_with("public"));
        if self.status != 200 || !is_cacheable {
            return self;
        }
        // The hash is fast and need not be secure.
        let tag = format!("\"{:016x}\"", fnv1a(self.body.bytes()));
        let mut known = known.into_iter().flat_map(|known| known.split(','));
        let is_known = known.any(|other| [&tag, "*"].contains(&other.trim().trim_start_matches("W/")));
        if is_known {
            self.status = 304;
            self.body.clear();
        }
        self.with_header("etag", tag)
    }

    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_ref())
    }
}

/// The origins whose pages may count views.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Any origin.
    #[default]
    Any,
    /// Only these. Scheme, host and port are compared.
    Only(Vec<String>),
}

impl Origins {
    /// Parses a comma-separated list. An empty list, or one with `*` in it, allows any origin.
    pub fn parse(list: Option<&str>) -> Self {
        let names = comma_separated(list.unwrap_or("*"));
        if names.is_empty() || names.iter().any(|name| name == "*") { Self::Any } else { Self::Only(names) }
    }

    /// Returns whether a view may count. The `Origin` header decides or, if it is missing, the origin of the
    /// `Referer`. A view without both headers may count, as from an image proxy, a typed URL or a CDN that drops
    /// them, unless the browser reports that another site sent the request.
    pub fn may_count(&self, origin: Option<&str>, referer: Option<&str>, site: FetchSite) -> bool {
        let Self::Only(names) = self else { return true };
        // With `Referrer-Policy: no-referrer`, browsers send `Origin: null` for a page's own beacons. A
        // sandboxed frame sends it too, but never from the same origin.
        let origin = origin.filter(|origin| *origin != "null" || site != FetchSite::SameOrigin);
        match (origin, referer.map(str::trim).filter(|referer| !referer.is_empty())) {
            (Some(origin), _) => is_listed(names, WebOrigin::parse(origin)),
            (None, Some(referer)) => is_listed(names, WebOrigin::of_url(referer)),
            (None, None) => site != FetchSite::CrossSite,
        }
    }

    /// Returns whether a page with this `Origin` may read counts as JSON. A request without an `Origin` is no
    /// cross-origin read: browsers do not give its response to a page of another origin.
    pub fn may_read(&self, origin: Option<&str>) -> bool {
        match (self, origin) {
            (Self::Only(names), Some(origin)) => is_listed(names, WebOrigin::parse(origin)),
            _ => true,
        }
    }
}

/// Splits a comma-separated list.
pub(crate) fn comma_separated(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn is_listed(names: &[String], origin: Option<WebOrigin<'_>>) -> bool {
    let is_same = |origin: WebOrigin<'_>| {
        names.iter().filter_map(|name| WebOrigin::parse(name)).any(|name| name.is_same(origin))
    };
    origin.is_some_and(is_same)
}

/// The parts of a web origin. The host has no trailing dot, and the port is empty if it is the default port.
#[derive(Clone, Copy)]
struct WebOrigin<'a> {
    scheme: &'a str,
    host: &'a str,
    port: &'a str,
}

impl<'a> WebOrigin<'a> {
    /// Parses an `Origin` header. Nothing may follow the port.
    fn parse(origin: &'a str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let is_bare = !authority.contains(['/', '?', '#', '\\']);
        is_bare.then(|| Self::of(scheme, authority)).flatten()
    }

    /// Parses the origin of a URL.
    fn of_url(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        Self::of(scheme, rest.split(['/', '?', '#', '\\']).next().unwrap_or_default())
    }

    fn of(scheme: &'a str, authority: &'a str) -> Option<Self> {
        // Text before an `@` could be mistaken for the host. Browsers never send it.
        if authority.contains('@') {
            return None;
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (authority, ""),
        };
        let is_default = |name: &str, number: &str| scheme.eq_ignore_ascii_case(name) && port == number;
        let port = if is_default("https", "443") || is_default("http", "80") { "" } else { port };
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
    fn empty_list_or_star_allows_any_origin() {
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
    fn origin_or_else_referer_decides_whether_a_view_counts() {
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
            // A backslash ends the host, as in browsers, so the host is a.example.
            let is_own = other.starts_with("https://a.example\\");
            assert_eq!(may(None, Some(other)), is_own, "{other}");
        }
        assert!(Origins::Any.may_count(Some("null"), None, FetchSite::CrossSite));
    }

    #[test]
    fn origin_comparison_ignores_case_default_port_and_trailing_dot() {
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
    fn cross_site_view_without_origin_and_referer_does_not_count() {
        let may = |origin, referer, site| origins().may_count(origin, referer, FetchSite::parse(site));
        for own in ["", "none", "same-site", "same-origin", "Same-Origin"] {
            assert!(may(None, None, own), "{own}");
            assert!(may(None, Some(" "), own), "{own}");
        }
        assert!(!may(None, None, "cross-site"));
        assert!(!may(None, Some(""), " Cross-Site "));
        assert!(
            may(None, Some("https://a.example/"), "cross-site"),
            "the counter may have another host than the site"
        );
        assert!(may(Some("null"), None, "same-origin"), "a beacon under `Referrer-Policy: no-referrer`");
        for other in ["", "none", "same-site", "cross-site"] {
            assert!(!may(Some("null"), None, other), "{other}");
        }
    }

    #[test]
    fn foreign_origin_may_not_read() {
        assert!(origins().may_read(None) && origins().may_read(Some("https://a.example")));
        assert!(!origins().may_read(Some("https://b.example")) && !origins().may_read(Some("null")));
        assert!(Origins::Any.may_read(Some("https://b.example")));
    }

    #[test]
    fn redacted_text_is_not_printed() {
        let headers = RequestHeaders { user_agent: "Secret/1.0".into(), ..RequestHeaders::default() };
        let request =
            CounterRequest { headers, source_address: "203.0.113.7".into(), ..CounterRequest::default() };
        let printed = format!("{request:?}");
        assert!(!printed.contains("Secret") && !printed.contains("203.0.113.7"), "{printed}");
    }
}
