//! The CORS rules of an API, which the gateway applies itself.
//!
//! As documented for HTTP APIs ("Configure CORS for HTTP APIs"): the gateway answers a preflight (an OPTIONS
//! request with `Origin` and `Access-Control-Request-Method`) on every path, whether or not the route exists.
//! It removes CORS headers of the function, and adds the configured ones if the `Origin` of the request is
//! allowed.

use std::collections::BTreeSet;

use hitctl_resources::Cors;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap,
    HeaderName, HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, Request};

/// The CORS rules of one API, with their headers prepared.
#[derive(Debug)]
pub(super) struct CorsRules {
    /// The allowed origins. `https://*` and `http://*` allow every origin of that scheme.
    origins: BTreeSet<String>,
    /// The header that every response to an allowed origin has.
    expose: Option<(HeaderName, HeaderValue)>,
    /// The additional headers of the response to a preflight.
    preflight: Vec<(HeaderName, HeaderValue)>,
}

impl CorsRules {
    pub(super) fn new(cors: &Cors) -> Self {
        Self {
            origins: cors.allow_origins.clone(),
            expose: list_header(ACCESS_CONTROL_EXPOSE_HEADERS, &cors.expose_headers),
            preflight: list_header(ACCESS_CONTROL_ALLOW_METHODS, &cors.allow_methods)
                .into_iter()
                .chain(list_header(ACCESS_CONTROL_ALLOW_HEADERS, &cors.allow_headers))
                .chain([(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(cors.max_age_s))])
                .collect(),
        }
    }

    fn is_enabled(&self) -> bool {
        !self.origins.is_empty()
    }

    /// Whether this is a preflight that the gateway answers.
    pub(super) fn is_preflight<B>(&self, request: &Request<B>) -> bool {
        self.is_enabled()
            && request.method() == Method::OPTIONS
            && request.headers().contains_key(ORIGIN)
            && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Returns the value of `Access-Control-Allow-Origin` for an origin: the origin itself, `*`, or none.
    pub(super) fn allowed_origin(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        let origin = origin?;
        let text = origin.to_str().ok()?;
        if self.origins.contains("*") {
            return Some(HeaderValue::from_static("*"));
        }
        let scheme = |scheme: &str| text.starts_with(scheme) && self.origins.contains(&format!("{scheme}*"));
        (self.origins.contains(text) || scheme("https://") || scheme("http://")).then(|| origin.clone())
    }

    /// Replaces the CORS headers of the function with those of the rules.
    pub(super) fn apply(&self, headers: &mut HeaderMap, allowed: Option<HeaderValue>, preflight: bool) {
        if !self.is_enabled() {
            return;
        }
        remove_cors_headers(headers);
        if !self.origins.contains("*") {
            // Tells caches that the response differs by origin.
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
        let Some(allowed) = allowed else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.extend(self.expose.clone());
        if preflight {
            headers.extend(self.preflight.iter().cloned());
        }
    }
}

fn list_header(header: HeaderName, names: &BTreeSet<String>) -> Option<(HeaderName, HeaderValue)> {
    let joined = names.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    Some((header, HeaderValue::try_from(joined).ok().filter(|value| !value.is_empty())?))
}

fn remove_cors_headers(headers: &mut HeaderMap) {
    let names: Vec<_> =
        headers.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(origins: &[&str]) -> CorsRules {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        CorsRules::new(&Cors {
            allow_origins: set(origins),
            allow_methods: set(&["GET", "POST"]),
            allow_headers: set(&["content-type"]),
            expose_headers: set(&[]),
            max_age_s: 300,
        })
    }

    #[test]
    fn allowed_origin_matches_exact_scheme_wildcard_or_all() {
        let allowed_for = |origins: &[&str], origin: &'static str| {
            rules(origins)
                .allowed_origin(Some(&HeaderValue::from_static(origin)))
                .map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(allowed_for(&["*"], "https://a.example").as_deref(), Some("*"));
        assert_eq!(
            allowed_for(&["https://a.example"], "https://a.example").as_deref(),
            Some("https://a.example")
        );
        assert_eq!(allowed_for(&["https://a.example"], "https://b.example"), None);
        assert_eq!(allowed_for(&["https://a.example"], "https://a.example.evil"), None);
        assert_eq!(
            allowed_for(&["https://*"], "https://any.example").as_deref(),
            Some("https://any.example")
        );
        assert_eq!(allowed_for(&["https://*"], "http://any.example"), None);
        assert_eq!(rules(&["*"]).allowed_origin(None), None);
    }

    #[test]
    fn apply_replaces_cors_headers_of_function() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://own.example"));
        headers.insert("access-control-allow-credentials", HeaderValue::from_static("true"));
        let rules = rules(&["https://a.example"]);
        rules.apply(&mut headers, None, false);
        assert_eq!(headers.keys().map(hyper::header::HeaderName::as_str).collect::<Vec<_>>(), ["vary"]);
    }

    #[test]
    fn apply_without_rules_keeps_headers_of_function() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        rules(&[]).apply(&mut headers, None, false);
        assert_eq!(headers.len(), 1);
    }
}
