//! Cross-origin settings as API Gateway and Lambda answer them: both speak of the same six things.

use std::collections::BTreeSet;

use crate::cors::Cors;

/// What stands among the origins of a service that lets browsers send credentials, which ours never do.
const CREDENTIALS: &str = "(with credentials)";

/// What a service says of cross-origin settings.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CorsSettings<'a> {
    pub(crate) origins: &'a [String],
    pub(crate) methods: &'a [String],
    pub(crate) headers: &'a [String],
    pub(crate) exposed: &'a [String],
    pub(crate) max_age_s: Option<i32>,
    pub(crate) credentials: Option<bool>,
}

impl CorsSettings<'_> {
    /// The same as our specs have it: sets, and header names in lower case. No settings at all are empty sets.
    pub(crate) fn normalised(&self) -> Cors {
        let set = |items: &[String]| -> BTreeSet<String> { items.iter().cloned().collect() };
        let lower =
            |items: &[String]| -> BTreeSet<String> { items.iter().map(|item| item.to_lowercase()).collect() };
        let mut allow_origins = set(self.origins);
        if self.credentials == Some(true) {
            allow_origins.insert(CREDENTIALS.to_owned());
        }
        Cors {
            allow_origins,
            allow_methods: set(self.methods),
            allow_headers: lower(self.headers),
            expose_headers: lower(self.exposed),
            max_age_s: self.max_age_s.and_then(|age| u32::try_from(age).ok()).unwrap_or_default(),
        }
    }
}

/// A set as the SDK takes it.
pub(crate) fn list(set: &BTreeSet<String>) -> Vec<String> {
    set.iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(items: &[&str]) -> Vec<String> {
        items.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn order_case_and_doubles_do_not_matter() {
        let (origins, methods) = (texts(&["https://b", "https://a", "https://b"]), texts(&["POST", "GET"]));
        let (headers, exposed) = (texts(&["Content-Type", "X-A"]), texts(&["X-Hitctl-Build"]));
        let said = CorsSettings {
            origins: &origins,
            methods: &methods,
            headers: &headers,
            exposed: &exposed,
            max_age_s: Some(3600),
            credentials: Some(false),
        };
        let cors = said.normalised();
        assert_eq!(cors.allow_origins, BTreeSet::from_iter(texts(&["https://a", "https://b"])));
        assert_eq!(cors.allow_methods, BTreeSet::from_iter(texts(&["GET", "POST"])));
        assert_eq!(cors.allow_headers, BTreeSet::from_iter(texts(&["content-type", "x-a"])));
        assert_eq!(cors.expose_headers, BTreeSet::from_iter(texts(&["x-hitctl-build"])));
        assert_eq!(cors.max_age_s, 3600);
        assert_ne!(CorsSettings { credentials: Some(true), ..said }.normalised(), cors);
    }

    #[test]
    fn none_at_all_is_empty() {
        let cors = CorsSettings { max_age_s: Some(-1), ..CorsSettings::default() }.normalised();
        assert!(cors.allow_origins.is_empty() && cors.allow_methods.is_empty() && cors.max_age_s == 0);
    }
}
