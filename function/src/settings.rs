//! The settings of the function, which are read once from environment variables. The caller passes a function
//! that reads a variable.

mod counter;
mod sources;

pub use sources::{LambdaTarget, SourceSettings};

use hitctl_config::contract::{
    ENV_AWS_DYNAMODB_ENDPOINT, ENV_AWS_ENDPOINT, ENV_COUNTER, ENV_DYNAMODB_ENDPOINT, ENV_LOG_LEVEL,
    ENV_SEEN_TABLE, ENV_SHARDS, ENV_TABLE, ENV_VISITORS, MAX_SHARDS,
};
use hitctl_config::partitions::Partition;

use crate::counter_config::CounterConfig;
use crate::log::Level;
use crate::net::Endpoint;
use crate::store::{TableConfig, VisitorTable};

/// The settings of the function.
pub struct FunctionSettings {
    /// The names of the tables and the number of shards.
    pub tables: TableConfig,
    /// The region for which requests are signed.
    pub region: String,
    /// Access key ID, secret access key and session token.
    pub credentials: (String, String, Option<String>),
    /// The endpoint of DynamoDB.
    pub endpoint: Endpoint,
    /// The configuration of the counter.
    pub counter: CounterConfig,
    /// The settings of event sources and of other AWS services.
    pub sources: SourceSettings,
}

impl std::fmt::Debug for FunctionSettings {
    /// Omits the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FunctionSettings")
            .field("tables", &self.tables)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl FunctionSettings {
    /// Reads the settings. The error lists everything that is missing or invalid.
    pub fn read(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let var = |name: &str| env(name).filter(|value| !value.trim().is_empty());
        let mut faults = Vec::new();
        let mut require = |name: &str, value: Option<String>, what: &str| {
            value.unwrap_or_else(|| {
                faults.push(format!("{name} is not set ({what})"));
                String::new()
            })
        };
        let table = require(ENV_TABLE, var(ENV_TABLE), "the DynamoDB table to count in");
        let region = var("AWS_REGION").or_else(|| var("AWS_DEFAULT_REGION"));
        let region = require("AWS_REGION", region, "Lambda sets it");
        let visitors = var(ENV_VISITORS).unwrap_or_else(|| "none".to_owned());
        let address_retention_days = visitors.strip_prefix("raw/").and_then(|days| days.parse().ok());
        // The reader, which has a counter function, does not write to the table of visitors.
        let visitor_table = if visitors == "none" || var(ENV_COUNTER).is_some() {
            None
        } else {
            let table = require(ENV_SEEN_TABLE, var(ENV_SEEN_TABLE), "the DynamoDB table of visitors");
            Some(VisitorTable { table, address_retention_days })
        };
        let access_key =
            require("AWS_ACCESS_KEY_ID", var("AWS_ACCESS_KEY_ID"), "Lambda sets it from the function's role");
        let secret = var("AWS_SECRET_ACCESS_KEY");
        let secret = require("AWS_SECRET_ACCESS_KEY", secret, "Lambda sets it from the function's role");
        let table_names = [
            (ENV_TABLE, Some(&table)),
            (ENV_SEEN_TABLE, visitor_table.as_ref().map(|visitor_table| &visitor_table.table)),
        ];
        for (name, table) in table_names {
            if let Some(table) = table.filter(|table| !table.is_empty() && !is_table_name(table)) {
                faults.push(format!("{name}: expected a table name, found `{table}`"));
            }
        }
        if !matches!(visitors.as_str(), "none" | "hash") && address_retention_days.is_none() {
            faults.push(format!("{ENV_VISITORS}: expected `none`, `hash` or `raw/DAYS`, found `{visitors}`"));
        }
        let expected_shards = format!("a number from 1 to {MAX_SHARDS}");
        let shards = parse_variable(&var, &mut faults, ENV_SHARDS, &expected_shards, 1, |shards| {
            shards.trim().parse::<u32>().ok().filter(|shards| (1..=MAX_SHARDS).contains(shards))
        });
        let dedup_table = var(ENV_SEEN_TABLE);
        let counter = counter::read(&var, &mut faults);
        let sources = sources::read(&var, &mut faults);
        let counter = CounterConfig { visitors: visitors != "none", approximate: shards > 1, ..counter };
        let override_url = [ENV_DYNAMODB_ENDPOINT, ENV_AWS_DYNAMODB_ENDPOINT, ENV_AWS_ENDPOINT]
            .into_iter()
            .find_map(|name| var(name).map(|url| (name, url)));
        let endpoint = match &override_url {
            Some((name, url)) => Endpoint::parse(url.trim()).map_err(|why| format!("{name}: {why}")),
            // The missing region is already a fault, so this endpoint is never used.
            None if region.is_empty() => Endpoint::parse("https://unset"),
            None => aws_endpoint("dynamodb", &region).map_err(|why| format!("AWS_REGION: {why}")),
        };
        let endpoint = endpoint.map_err(|fault| faults.push(fault));
        let (Ok(endpoint), true) = (endpoint, faults.is_empty()) else { return Err(faults.join("; ")) };
        let tables = TableConfig { counts: table, visitor_table, dedup_table, shards };
        let credentials = (access_key, secret, var("AWS_SESSION_TOKEN"));
        Ok(Self { tables, region, credentials, endpoint, counter, sources })
    }
}

/// Returns the log level, and the value of the variable if it is invalid.
pub fn log_level(env: &dyn Fn(&str) -> Option<String>) -> (Level, Option<String>) {
    let Some(name) = env(ENV_LOG_LEVEL) else { return (Level::Info, None) };
    match Level::parse(&name) {
        Some(level) => (level, None),
        None => (Level::Info, Some(name)),
    }
}

/// Parses a variable. Returns the default if it is not set, or if it is invalid, which adds a fault.
fn parse_variable<T>(
    var: &dyn Fn(&str) -> Option<String>,
    faults: &mut Vec<String>,
    name: &str,
    expected: &str,
    default: T,
    parse: impl FnOnce(&str) -> Option<T>,
) -> T {
    let Some(text) = var(name) else { return default };
    parse(&text).unwrap_or_else(|| {
        faults.push(format!("{name}: expected {expected}, found `{text}`"));
        default
    })
}

/// Returns the endpoint of a service in the region's partition.
pub(crate) fn aws_endpoint(service: &str, region: &str) -> Result<Endpoint, String> {
    Endpoint::parse(&format!("https://{}", partition(region)?.host(service, region)))
}

/// Returns the partition of a region.
pub(crate) fn partition(region: &str) -> Result<&'static Partition, String> {
    Partition::of_region(region)
        .ok_or_else(|| format!("expected the code of an AWS region, such as eu-central-1, found `{region}`"))
}

fn is_table_name(name: &str) -> bool {
    (3..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[(&str, &str)] = &[
        ("HITS_TABLE_NAME", "hits-test"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];

    fn read(base: &[(&str, &str)], more: &[(&str, &str)]) -> Result<FunctionSettings, String> {
        FunctionSettings::read(&|name| {
            more.iter().chain(base).find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn default_endpoint_is_the_one_of_aws() {
        let settings = read(ALL, &[]).unwrap();
        assert_eq!(settings.endpoint.authority(), "dynamodb.eu-central-1.amazonaws.com");
        assert!(settings.endpoint.tls);
        assert_eq!(settings.credentials.2, None);
        for (region, authority) in [
            ("cn-north-1", "dynamodb.cn-north-1.amazonaws.com.cn"),
            ("eusc-de-east-1", "dynamodb.eusc-de-east-1.amazonaws.eu"),
            ("us-iso-east-1", "dynamodb.us-iso-east-1.c2s.ic.gov"),
            ("us-gov-west-1", "dynamodb.us-gov-west-1.amazonaws.com"),
        ] {
            assert_eq!(read(ALL, &[("AWS_REGION", region)]).unwrap().endpoint.authority(), authority);
        }
    }

    #[test]
    fn region_without_partition_needs_an_endpoint() {
        let region = ("AWS_REGION", "local");
        insta::assert_snapshot!(read(ALL, &[region]).unwrap_err(), @"AWS_REGION: expected the code of an AWS region, such as eu-central-1, found `local`");
        let settings = read(ALL, &[region, ("DYNAMODB_ENDPOINT", "http://127.0.0.1:3")]).unwrap();
        assert_eq!(settings.endpoint.authority(), "127.0.0.1:3");
    }

    #[test]
    fn most_specific_endpoint_variable_wins() {
        let mut more = vec![("AWS_ENDPOINT_URL", "http://a:1")];
        assert_eq!(read(ALL, &more).unwrap().endpoint.authority(), "a:1");
        more.push(("AWS_ENDPOINT_URL_DYNAMODB", "http://b:2"));
        assert_eq!(read(ALL, &more).unwrap().endpoint.authority(), "b:2");
        more.push(("DYNAMODB_ENDPOINT", "http://127.0.0.1:3"));
        assert_eq!(read(ALL, &more).unwrap().endpoint.authority(), "127.0.0.1:3");
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let why = read(&[], &[("DYNAMODB_ENDPOINT", "ftp://x")]).unwrap_err();
        insta::assert_snapshot!(why, @"HITS_TABLE_NAME is not set (the DynamoDB table to count in); AWS_REGION is not set (Lambda sets it); AWS_ACCESS_KEY_ID is not set (Lambda sets it from the function's role); AWS_SECRET_ACCESS_KEY is not set (Lambda sets it from the function's role); DYNAMODB_ENDPOINT: expected an endpoint URL, found `ftp://x`: the scheme ftp is neither http nor https");
        let why = read(ALL, &[("HITS_TABLE_NAME", "a/b")]).unwrap_err();
        insta::assert_snapshot!(why, @"HITS_TABLE_NAME: expected a table name, found `a/b`");
        let why = read(ALL, &[("HITS_TABLE_NAME", " ")]).unwrap_err();
        insta::assert_snapshot!(why, @"HITS_TABLE_NAME is not set (the DynamoDB table to count in)");
    }

    #[test]
    fn unknown_log_level_is_info_and_is_reported() {
        assert_eq!(log_level(&|_| None), (Level::Info, None));
        assert_eq!(log_level(&|_| Some("DEBUG".to_owned())), (Level::Debug, None));
        assert_eq!(log_level(&|_| Some("loud".to_owned())), (Level::Info, Some("loud".to_owned())));
    }
}
