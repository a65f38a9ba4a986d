//! Cross-origin resource sharing (CORS) settings in the form of the SDK. API Gateway and Lambda have the same six
//! settings.

use std::collections::BTreeSet;

use crate::cors::Cors;

/// The pseudo-origin that is added to the origins if a resource allows credentials. Our specs never allow
/// credentials, so the resource then differs from its spec.
const CREDENTIALS_MARKER: &str = "(with credentials)";

/// The CORS settings that a service returned.
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
    /// Converts the settings to the type of our specs, which has sets and lower-case header names. Missing
    /// settings become empty sets and a maximum age of 0.
    pub(crate) fn normalised(&self) -> Cors {
        let set = |items: &[String]| -> BTreeSet<String> { items.iter().cloned().collect() };
        let lowercase =
            |items: &[String]| -> BTreeSet<String> { items.iter().map(|item| item.to_lowercase()).collect() };
        let mut allow_origins = set(self.origins);
        if self.credentials == Some(true) {
            allow_origins.insert(CREDENTIALS_MARKER.to_owned());
        }
        Cors {
            allow_origins,
            allow_methods: set(self.methods),
            allow_headers: lowercase(self.headers),
            expose_headers: lowercase(self.exposed),
            max_age_s: self.max_age_s.and_then(|age| u32::try_from(age).ok()).unwrap_or_default(),
        }
    }
}

/// Converts a set to a list for the SDK.
pub(crate) fn list(set: &BTreeSet<String>) -> Vec<String> {
    set.iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(items: &[&str]) -> Vec<String> {
        items.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn normalised_ignores_order_case_and_duplicates() {
        let (origins, methods) =
            (strings(&["https://b", "https://a", "https://b"]), strings(&["POST", "GET"]));
        let (headers, exposed) = (strings(&["Content-Type", "X-A"]), strings(&["X-Hitctl-Build"]));
        let settings = CorsSettings {
            origins: &origins,
            methods: &methods,
            headers: &headers,
            exposed: &exposed,
            max_age_s: Some(3600),
            credentials: Some(false),
        };
        let cors = settings.normalised();
        assert_eq!(cors.allow_origins, BTreeSet::from_iter(strings(&["https://a", "https://b"])));
        assert_eq!(cors.allow_methods, BTreeSet::from_iter(strings(&["GET", "POST"])));
        assert_eq!(cors.allow_headers, BTreeSet::from_iter(strings(&["content-type", "x-a"])));
        assert_eq!(cors.expose_headers, BTreeSet::from_iter(strings(&["x-hitctl-build"])));
        assert_eq!(cors.max_age_s, 3600);
        assert_ne!(CorsSettings { credentials: Some(true), ..settings }.normalised(), cors);
    }

    #[test]
    fn normalised_default_is_empty() {
        let cors = CorsSettings { max_age_s: Some(-1), ..CorsSettings::default() }.normalised();
        assert!(cors.allow_origins.is_empty() && cors.allow_methods.is_empty() && cors.max_age_s == 0);
    }
}
