//! Cross-origin rules, kept by the gateway itself.
//!
//! As documented for HTTP APIs ("Configure CORS for HTTP APIs"): a preflight (an OPTIONS request with `Origin` and
//! `Access-Control-Request-Method`) is answered here, on every path, whether or not there is such a route; the
//! configured headers are put on the answers to requests with an allowed `Origin`; and what the function says about CORS
//! is ignored. `https://*` and `http://*` allow every origin of that scheme.

use std::collections::BTreeSet;

use hitctl_resources::Cors;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap,
    HeaderName, HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, Request};

/// The rules of one API, ready to be written.
#[derive(Debug)]
pub(super) struct Rules {
    origins: BTreeSet<String>,
    /// The header of every answer.
    expose: Option<(HeaderName, HeaderValue)>,
    /// The further headers of an answer to a preflight.
    preflight: Vec<(HeaderName, HeaderValue)>,
}

impl Rules {
    pub(super) fn new(cors: &Cors) -> Self {
        Self {
            origins: cors.allow_origins.clone(),
            expose: list(ACCESS_CONTROL_EXPOSE_HEADERS, &cors.expose_headers),
            preflight: list(ACCESS_CONTROL_ALLOW_METHODS, &cors.allow_methods)
                .into_iter()
                .chain(list(ACCESS_CONTROL_ALLOW_HEADERS, &cors.allow_headers))
                .chain([(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(cors.max_age_s))])
                .collect(),
        }
    }

    /// Whether CORS is configured at all.
    fn on(&self) -> bool {
        !self.origins.is_empty()
    }

    /// Whether this is a preflight that the gateway answers.
    pub(super) fn is_preflight<B>(&self, request: &Request<B>) -> bool {
        self.on()
            && request.method() == Method::OPTIONS
            && request.headers().contains_key(ORIGIN)
            && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// What an origin is told that it may: itself, `*`, or nothing.
    pub(super) fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        let origin = origin?;
        let text = origin.to_str().ok()?;
        if self.origins.contains("*") {
            return Some(HeaderValue::from_static("*"));
        }
        let scheme = |scheme: &str| text.starts_with(scheme) && self.origins.contains(&format!("{scheme}*"));
        (self.origins.contains(text) || scheme("https://") || scheme("http://")).then(|| origin.clone())
    }

    /// Puts the headers on an answer, in place of the function's own.
    pub(super) fn mark(&self, answer: &mut HeaderMap, allowed: Option<HeaderValue>, preflight: bool) {
        if !self.on() {
            return;
        }
        strip(answer);
        if !self.origins.contains("*") {
            // The same URL answers differently to different origins, and caches must know.
            answer.append(VARY, HeaderValue::from_static("Origin"));
        }
        let Some(allowed) = allowed else { return };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        answer.extend(self.expose.clone());
        if preflight {
            answer.extend(self.preflight.iter().cloned());
        }
    }
}

fn list(header: HeaderName, names: &BTreeSet<String>) -> Option<(HeaderName, HeaderValue)> {
    let joined = names.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    Some((header, HeaderValue::try_from(joined).ok().filter(|value| !value.is_empty())?))
}

fn strip(answer: &mut HeaderMap) {
    let own: Vec<_> =
        answer.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
    for name in own {
        answer.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(origins: &[&str]) -> Rules {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Rules::new(&Cors {
            allow_origins: set(origins),
            allow_methods: set(&["GET", "POST"]),
            allow_headers: set(&["content-type"]),
            expose_headers: set(&[]),
            max_age_s: 300,
        })
    }

    #[test]
    fn origins_match_exactly_by_scheme_or_all() {
        let told = |origins: &[&str], origin: &'static str| {
            rules(origins)
                .allowed(Some(&HeaderValue::from_static(origin)))
                .map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(told(&["*"], "https://a.example").as_deref(), Some("*"));
        assert_eq!(told(&["https://a.example"], "https://a.example").as_deref(), Some("https://a.example"));
        assert_eq!(told(&["https://a.example"], "https://b.example"), None);
        assert_eq!(told(&["https://a.example"], "https://a.example.evil"), None);
        assert_eq!(told(&["https://*"], "https://any.example").as_deref(), Some("https://any.example"));
        assert_eq!(told(&["https://*"], "http://any.example"), None);
        assert_eq!(rules(&["*"]).allowed(None), None);
    }

    #[test]
    fn the_functions_own_headers_go() {
        let mut answer = HeaderMap::new();
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://own.example"));
        answer.insert("access-control-allow-credentials", HeaderValue::from_static("true"));
        let rules = rules(&["https://a.example"]);
        rules.mark(&mut answer, None, false);
        assert_eq!(answer.keys().map(hyper::header::HeaderName::as_str).collect::<Vec<_>>(), ["vary"]);
    }

    #[test]
    fn without_rules_the_function_speaks_for_itself() {
        let mut answer = HeaderMap::new();
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        rules(&[]).mark(&mut answer, None, false);
        assert_eq!(answer.len(), 1);
    }
}
