//! What the function is told about messages and events, and about what hits set off.

use hitctl_config::contract::{
    ENV_AWS_CLOUDFRONT_ENDPOINT, ENV_AWS_ENDPOINT, ENV_AWS_LAMBDA_ENDPOINT, ENV_AWS_S3_ENDPOINT, ENV_COUNTER,
    ENV_EVENT_AMOUNT, ENV_EVENT_KEY, ENV_EXACT, ENV_INVALIDATE, ENV_INVALIDATE_PATHS, ENV_LOG_BUCKET,
    ENV_SEEN_TABLE, ENV_SITE_BUCKET, ENV_TABLE,
};

use super::read_as;
use crate::net::Endpoint;
use crate::trigger::Sources;

/// The settings. Nothing is connected to before the first use.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How events are read.
    pub sources: Sources,
    /// Whether each message counts once.
    pub exact: bool,
    /// Whether there is a table that remembers messages.
    pub remembers: bool,
    /// What is invalidated after hits.
    pub invalidate: Option<Invalidate>,
    /// Where `CloudFront` is, if not at AWS.
    pub cloudfront: Option<Endpoint>,
    /// Where S3 is, if not at AWS.
    pub s3: Option<Endpoint>,
    /// The counter that hits are forwarded to.
    pub counter: Option<Target>,
    /// Lambda's endpoint, if it is not AWS's.
    pub lambda: Option<Endpoint>,
}

/// A function, and its alias if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The function's name.
    pub function: String,
    /// The alias.
    pub alias: Option<String>,
}

impl Target {
    /// Reads `NAME` or `NAME:ALIAS`.
    fn parse(text: &str) -> Option<Self> {
        let (function, alias) = match text.split_once(':') {
            Some((function, alias)) => (function, Some(alias)),
            None => (text, None),
        };
        let is_name = |name: &str| {
            (1..=128).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        (is_name(function) && alias.is_none_or(is_name))
            .then(|| Self { function: function.to_owned(), alias: alias.map(str::to_owned) })
    }
}

/// What is invalidated after hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalidate {
    /// The distribution.
    pub distribution: String,
    /// The least seconds between two invalidations.
    pub window_s: u64,
    /// The paths, as `CloudFront` takes them.
    pub paths: Vec<String>,
    /// Who invalidates: the function's name.
    pub name: String,
}

/// Reads them; what is wrong is added to `faults`.
pub(super) fn read(set: &dyn Fn(&str) -> Option<String>, faults: &mut Vec<String>) -> Settings {
    let exact = set(ENV_EXACT).as_deref() == Some("1");
    let remembers = set(ENV_SEEN_TABLE).is_some();
    if exact && !remembers {
        faults.push(format!(
            "{ENV_SEEN_TABLE} is not set (the DynamoDB table that remembers messages, for {ENV_EXACT})"
        ));
    }
    let meant = "a JSON pointer such as /detail/n";
    let sources = Sources {
        event_key: set(ENV_EVENT_KEY),
        event_amount: read_as(set, faults, ENV_EVENT_AMOUNT, meant, None, |pointer| {
            pointer.starts_with('/').then(|| Some(pointer.to_owned()))
        }),
        site_bucket: set(ENV_SITE_BUCKET),
        log_bucket: set(ENV_LOG_BUCKET),
    };
    let invalidate = read_as(set, faults, ENV_INVALIDATE, "DISTRIBUTION/SECONDS", None, |text| {
        let (id, window) = text.split_once('/')?;
        let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let paths = set(ENV_INVALIDATE_PATHS).unwrap_or_else(|| "/*".to_owned());
        Some(Some(Invalidate {
            distribution: Some(id).filter(|_| is_id)?.to_owned(),
            window_s: window.parse().ok()?,
            paths: paths.split_whitespace().map(str::to_owned).collect(),
            name: set("AWS_LAMBDA_FUNCTION_NAME").or_else(|| set(ENV_TABLE)).unwrap_or_default(),
        }))
    });
    let counter = set(ENV_COUNTER).and_then(|text| {
        let target = Target::parse(&text);
        if target.is_none() {
            faults.push(format!("{ENV_COUNTER}: expected FUNCTION or FUNCTION:ALIAS, found `{text}`"));
        }
        target
    });
    let mut endpoint = |name: &str| {
        let (name, url) = [name, ENV_AWS_ENDPOINT].into_iter().find_map(|name| Some((name, set(name)?)))?;
        let read = Endpoint::parse(url.trim());
        read.map_err(|why| faults.push(format!("{name}: {why}"))).ok()
    };
    let cloudfront = if invalidate.is_some() { endpoint(ENV_AWS_CLOUDFRONT_ENDPOINT) } else { None };
    let s3 = if sources.log_bucket.is_some() { endpoint(ENV_AWS_S3_ENDPOINT) } else { None };
    let lambda = if counter.is_some() { endpoint(ENV_AWS_LAMBDA_ENDPOINT) } else { None };
    Settings { sources, exact, remembers, invalidate, cloudfront, s3, counter, lambda }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> (Settings, Vec<String>) {
        let mut faults = Vec::new();
        let find =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        (read(&find, &mut faults), faults)
    }

    #[test]
    fn every_setting_is_understood() {
        let (settings, faults) = settings(&[
            ("HITCTL_EXACT", "1"),
            ("HITS_SEEN_TABLE_NAME", "hits-test-seen"),
            ("HITCTL_EVENT_KEY", "Distance"),
            ("HITCTL_EVENT_AMOUNT", "/detail/n"),
            ("HITCTL_SITE_BUCKET", "site"),
            ("HITCTL_LOG_BUCKET", "logs"),
            ("HITCTL_INVALIDATE", "E123ABC/60"),
            ("HITCTL_INVALIDATE_PATHS", "/a /b*"),
            ("AWS_ENDPOINT_URL", "http://a:1"),
            ("AWS_ENDPOINT_URL_S3", "http://b:2"),
            ("AWS_LAMBDA_FUNCTION_NAME", "hits-test"),
        ]);
        assert!(faults.is_empty(), "{faults:?}");
        assert!(settings.exact && settings.remembers);
        assert_eq!(settings.sources.event_key.as_deref(), Some("Distance"));
        assert_eq!(settings.cloudfront.map(|endpoint| endpoint.authority()).as_deref(), Some("a:1"));
        assert_eq!(settings.s3.map(|endpoint| endpoint.authority()).as_deref(), Some("b:2"));
        let expected = Invalidate {
            distribution: "E123ABC".to_owned(),
            window_s: 60,
            paths: vec!["/a".to_owned(), "/b*".to_owned()],
            name: "hits-test".to_owned(),
        };
        assert_eq!(settings.invalidate, Some(expected));
    }

    #[test]
    fn what_is_not_understood_is_a_fault_each() {
        let wrong = [
            ("HITCTL_EXACT", "1"),
            ("HITCTL_EVENT_AMOUNT", "n"),
            ("HITCTL_INVALIDATE", "E123ABC"),
            ("HITCTL_LOG_BUCKET", "logs"),
            ("AWS_ENDPOINT_URL_S3", "ftp://x"),
        ];
        insta::assert_snapshot!(settings(&wrong).1.join("\n"), @"
        HITS_SEEN_TABLE_NAME is not set (the DynamoDB table that remembers messages, for HITCTL_EXACT)
        HITCTL_EVENT_AMOUNT is `n`, and a JSON pointer such as /detail/n is meant
        HITCTL_INVALIDATE is `E123ABC`, and DISTRIBUTION/SECONDS is meant
        AWS_ENDPOINT_URL_S3: `ftp://x` is not an endpoint: the scheme ftp is neither http nor https
        ");
    }
}
