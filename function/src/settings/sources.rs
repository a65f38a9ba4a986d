//! Reads the settings of event sources and of the AWS services besides DynamoDB.

use hitctl_config::contract::{
    ENV_AWS_CLOUDFRONT_ENDPOINT, ENV_AWS_ENDPOINT, ENV_AWS_LAMBDA_ENDPOINT, ENV_AWS_S3_ENDPOINT, ENV_COUNTER,
    ENV_EVENT_AMOUNT, ENV_EVENT_KEY, ENV_EXACT, ENV_INVALIDATE, ENV_INVALIDATE_PATHS, ENV_LOG_BUCKET,
    ENV_SEEN_TABLE, ENV_SITE_BUCKET, ENV_TABLE,
};

use super::parse_variable;
use crate::net::Endpoint;
use crate::trigger::EventOptions;

/// The settings of event sources and of the AWS services besides DynamoDB.
#[derive(Clone, Debug, Default)]
pub struct SourceSettings {
    /// The options for reading events.
    pub event_options: EventOptions,
    /// Whether each message counts exactly once.
    pub exact: bool,
    /// Whether there is a table of deduplication markers.
    pub has_dedup_table: bool,
    /// The invalidation of a CloudFront distribution after hits and for changed objects.
    pub invalidate: Option<InvalidationConfig>,
    /// The endpoint of CloudFront; `None` for AWS's own.
    pub cloudfront: Option<Endpoint>,
    /// The endpoint of S3; `None` for AWS's own.
    pub s3: Option<Endpoint>,
    /// The counter function to which the reader forwards hits.
    pub counter: Option<LambdaTarget>,
    /// The endpoint of Lambda; `None` for AWS's own.
    pub lambda: Option<Endpoint>,
}

/// A Lambda function, with an optional alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LambdaTarget {
    /// The name of the function.
    pub function: String,
    /// The alias, if the function is invoked through one.
    pub alias: Option<String>,
}

impl LambdaTarget {
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

/// The invalidation of a CloudFront distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidationConfig {
    /// The ID of the distribution.
    pub distribution: String,
    /// The minimum time between two invalidations after hits, in seconds.
    pub window_s: u64,
    /// The paths to invalidate after hits, in CloudFront's format.
    pub paths: Vec<String>,
    /// The name of the function, which is part of the caller reference.
    pub name: String,
}

/// Reads the settings and adds errors to `faults`.
pub(super) fn read(var: &dyn Fn(&str) -> Option<String>, faults: &mut Vec<String>) -> SourceSettings {
    let exact = var(ENV_EXACT).as_deref() == Some("1");
    let has_dedup_table = var(ENV_SEEN_TABLE).is_some();
    if exact && !has_dedup_table {
        faults.push(format!(
            "{ENV_SEEN_TABLE} is not set (the DynamoDB table of deduplication markers, for {ENV_EXACT})"
        ));
    }
    let expected = "a JSON pointer such as `/detail/n`";
    let event_options = EventOptions {
        event_key: var(ENV_EVENT_KEY),
        event_amount: parse_variable(var, faults, ENV_EVENT_AMOUNT, expected, None, |pointer| {
            pointer.starts_with('/').then(|| Some(pointer.to_owned()))
        }),
        site_bucket: var(ENV_SITE_BUCKET),
        log_bucket: var(ENV_LOG_BUCKET),
    };
    let invalidate = parse_variable(var, faults, ENV_INVALIDATE, "`DISTRIBUTION/SECONDS`", None, |text| {
        let (id, window) = text.split_once('/')?;
        let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let paths = var(ENV_INVALIDATE_PATHS).unwrap_or_else(|| "/*".to_owned());
        Some(Some(InvalidationConfig {
            distribution: Some(id).filter(|_| is_id)?.to_owned(),
            window_s: window.parse().ok()?,
            paths: paths.split_whitespace().map(str::to_owned).collect(),
            name: var("AWS_LAMBDA_FUNCTION_NAME").or_else(|| var(ENV_TABLE)).unwrap_or_default(),
        }))
    });
    let counter = var(ENV_COUNTER).and_then(|text| {
        let target = LambdaTarget::parse(&text);
        if target.is_none() {
            faults.push(format!("{ENV_COUNTER}: expected `FUNCTION` or `FUNCTION:ALIAS`, found `{text}`"));
        }
        target
    });
    let mut endpoint = |name: &str| {
        let (name, url) = [name, ENV_AWS_ENDPOINT].into_iter().find_map(|name| Some((name, var(name)?)))?;
        let read = Endpoint::parse(url.trim());
        read.map_err(|why| faults.push(format!("{name}: {why}"))).ok()
    };
    let cloudfront = if invalidate.is_some() { endpoint(ENV_AWS_CLOUDFRONT_ENDPOINT) } else { None };
    let s3 = if event_options.log_bucket.is_some() { endpoint(ENV_AWS_S3_ENDPOINT) } else { None };
    let lambda = if counter.is_some() { endpoint(ENV_AWS_LAMBDA_ENDPOINT) } else { None };
    SourceSettings { event_options, exact, has_dedup_table, invalidate, cloudfront, s3, counter, lambda }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> (SourceSettings, Vec<String>) {
        let mut faults = Vec::new();
        let find =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        (read(&find, &mut faults), faults)
    }

    #[test]
    fn every_setting_is_parsed() {
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
        assert!(settings.exact && settings.has_dedup_table);
        assert_eq!(settings.event_options.event_key.as_deref(), Some("Distance"));
        assert_eq!(settings.cloudfront.map(|endpoint| endpoint.authority()).as_deref(), Some("a:1"));
        assert_eq!(settings.s3.map(|endpoint| endpoint.authority()).as_deref(), Some("b:2"));
        let expected = InvalidationConfig {
            distribution: "E123ABC".to_owned(),
            window_s: 60,
            paths: vec!["/a".to_owned(), "/b*".to_owned()],
            name: "hits-test".to_owned(),
        };
        assert_eq!(settings.invalidate, Some(expected));
    }

    #[test]
    fn every_invalid_setting_is_a_fault() {
        let wrong = [
            ("HITCTL_EXACT", "1"),
            ("HITCTL_EVENT_AMOUNT", "n"),
            ("HITCTL_INVALIDATE", "E123ABC"),
            ("HITCTL_LOG_BUCKET", "logs"),
            ("AWS_ENDPOINT_URL_S3", "ftp://x"),
        ];
        insta::assert_snapshot!(settings(&wrong).1.join("\n"), @"
        HITS_SEEN_TABLE_NAME is not set (the DynamoDB table of deduplication markers, for HITCTL_EXACT)
        HITCTL_EVENT_AMOUNT: expected a JSON pointer such as `/detail/n`, found `n`
        HITCTL_INVALIDATE: expected `DISTRIBUTION/SECONDS`, found `E123ABC`
        AWS_ENDPOINT_URL_S3: expected an endpoint URL, found `ftp://x`: the scheme ftp is neither http nor https
        ");
    }
}
