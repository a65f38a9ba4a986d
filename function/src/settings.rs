//! What the function is told by its environment, read once. The environment itself is passed in.

mod counter;
mod sources;

pub use sources::{Settings as SourceSettings, Target};

use hitctl_config::contract::{
    ENV_AWS_DYNAMODB_ENDPOINT, ENV_AWS_ENDPOINT, ENV_COUNTER, ENV_DYNAMODB_ENDPOINT, ENV_LOG_LEVEL,
    ENV_SEEN_TABLE, ENV_SHARDS, ENV_TABLE, ENV_VISITORS, MAX_SHARDS,
};
use hitctl_config::partitions::Partition;

use crate::log::Level;
use crate::net::Endpoint;
use crate::setup::Setup;
use crate::store::{Seen, Tables};

/// The function's settings.
pub struct Settings {
    /// The tables to count in.
    pub tables: Tables,
    /// The region that requests are signed for.
    pub region: String,
    /// Access key, secret key, session token.
    pub credentials: (String, String, Option<String>),
    /// Where DynamoDB is.
    pub endpoint: Endpoint,
    /// What counts, and what is answered.
    pub counter: Setup,
    /// How messages and events are read and counted, and what else they set off.
    pub sources: sources::Settings,
}

impl std::fmt::Debug for Settings {
    /// Never the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("tables", &self.tables)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads the settings; the error says all that is missing or wrong.
    pub fn read(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let set = |name: &str| env(name).filter(|value| !value.trim().is_empty());
        let mut faults = Vec::new();
        let mut need = |name: &str, value: Option<String>, what: &str| {
            value.unwrap_or_else(|| {
                faults.push(format!("{name} is not set ({what})"));
                String::new()
            })
        };
        let table = need(ENV_TABLE, set(ENV_TABLE), "the DynamoDB table to count in");
        let region = set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION"));
        let region = need("AWS_REGION", region, "Lambda sets it");
        let visitors = set(ENV_VISITORS).unwrap_or_else(|| "none".to_owned());
        let raw_days = visitors.strip_prefix("raw/").and_then(|days| days.parse().ok());
        // The reader writes nothing there.
        let seen = if visitors == "none" || set(ENV_COUNTER).is_some() {
            None
        } else {
            let table = need(ENV_SEEN_TABLE, set(ENV_SEEN_TABLE), "the DynamoDB table of visitors");
            Some(Seen { table, raw_days })
        };
        let access =
            need("AWS_ACCESS_KEY_ID", set("AWS_ACCESS_KEY_ID"), "Lambda sets it from the function's role");
        let secret = set("AWS_SECRET_ACCESS_KEY");
        let secret = need("AWS_SECRET_ACCESS_KEY", secret, "Lambda sets it from the function's role");
        let named = [(ENV_TABLE, Some(&table)), (ENV_SEEN_TABLE, seen.as_ref().map(|seen| &seen.table))];
        for (name, table) in named {
            if let Some(table) = table.filter(|table| !table.is_empty() && !is_table_name(table)) {
                faults.push(format!("{name} is `{table}`, which is no table's name"));
            }
        }
        if !matches!(visitors.as_str(), "none" | "hash") && raw_days.is_none() {
            faults.push(format!("{ENV_VISITORS} is `{visitors}`, and none, hash or raw/DAYS is meant"));
        }
        let shards = set(ENV_SHARDS).map_or(Some(1), |shards| shards.trim().parse().ok());
        let shards = shards.filter(|shards| (1..=MAX_SHARDS).contains(shards)).unwrap_or_else(|| {
            faults.push(format!("{ENV_SHARDS} is no number from 1 to {MAX_SHARDS}"));
            1
        });
        let marks = set(ENV_SEEN_TABLE);
        let counter = counter::read(&set, &mut faults);
        let sources = sources::read(&set, &mut faults);
        let counter = Setup { visitors: visitors != "none", approximate: shards > 1, ..counter };
        let given = [ENV_DYNAMODB_ENDPOINT, ENV_AWS_DYNAMODB_ENDPOINT, ENV_AWS_ENDPOINT]
            .into_iter()
            .find_map(|name| set(name).map(|url| (name, url)));
        let endpoint = match &given {
            Some((name, url)) => Endpoint::parse(url.trim()).map_err(|why| format!("{name}: {why}")),
            // A region that is not set has its own fault already.
            None if region.is_empty() => Endpoint::parse("https://unset"),
            None => aws_endpoint("dynamodb", &region).map_err(|why| format!("AWS_REGION: {why}")),
        };
        let endpoint = endpoint.map_err(|fault| faults.push(fault));
        let (Ok(endpoint), true) = (endpoint, faults.is_empty()) else { return Err(faults.join("; ")) };
        let tables = Tables { counts: table, seen, marks, shards };
        let credentials = (access, secret, set("AWS_SESSION_TOKEN"));
        Ok(Self { tables, region, credentials, endpoint, counter, sources })
    }
}

/// The log level, and the value that was not understood if there was one.
pub fn log_level(env: &dyn Fn(&str) -> Option<String>) -> (Level, Option<String>) {
    let Some(name) = env(ENV_LOG_LEVEL) else { return (Level::Info, None) };
    match Level::parse(&name) {
        Some(level) => (level, None),
        None => (Level::Info, Some(name)),
    }
}

/// Reads a variable. Where it is not set, or not understood, which is a fault, the default is returned.
fn read_as<T>(
    set: &dyn Fn(&str) -> Option<String>,
    faults: &mut Vec<String>,
    name: &str,
    meant: &str,
    default: T,
    parse: impl FnOnce(&str) -> Option<T>,
) -> T {
    let Some(text) = set(name) else { return default };
    parse(&text).unwrap_or_else(|| {
        faults.push(format!("{name} is `{text}`, and {meant} is meant"));
        default
    })
}

/// Returns the endpoint of a service in the region's partition.
pub(crate) fn aws_endpoint(service: &str, region: &str) -> Result<Endpoint, String> {
    Endpoint::parse(&format!("https://{}", partition(region)?.host(service, region)))
}

/// Returns the partition of the function's region.
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

    fn read(base: &[(&str, &str)], more: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::read(&|name| {
            more.iter().chain(base).find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn aws_is_the_default() {
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
    fn region_of_no_partition_needs_an_endpoint() {
        let region = ("AWS_REGION", "local");
        insta::assert_snapshot!(read(ALL, &[region]).unwrap_err(), @"AWS_REGION: expected the code of an AWS region, such as eu-central-1, found `local`");
        let settings = read(ALL, &[region, ("DYNAMODB_ENDPOINT", "http://127.0.0.1:3")]).unwrap();
        assert_eq!(settings.endpoint.authority(), "127.0.0.1:3");
    }

    #[test]
    fn the_most_specific_endpoint_wins() {
        let mut more = vec![("AWS_ENDPOINT_URL", "http://a:1")];
        assert_eq!(read(ALL, &more).unwrap().endpoint.authority(), "a:1");
        more.push(("AWS_ENDPOINT_URL_DYNAMODB", "http://b:2"));
        assert_eq!(read(ALL, &more).unwrap().endpoint.authority(), "b:2");
        more.push(("DYNAMODB_ENDPOINT", "http://127.0.0.1:3"));
        assert_eq!(read(ALL, &more).unwrap().endpoint.authority(), "127.0.0.1:3");
    }

    #[test]
    fn all_faults_are_named_at_once() {
        let why = read(&[], &[("DYNAMODB_ENDPOINT", "ftp://x")]).unwrap_err();
        insta::assert_snapshot!(why, @"HITS_TABLE_NAME is not set (the DynamoDB table to count in); AWS_REGION is not set (Lambda sets it); AWS_ACCESS_KEY_ID is not set (Lambda sets it from the function's role); AWS_SECRET_ACCESS_KEY is not set (Lambda sets it from the function's role); DYNAMODB_ENDPOINT: `ftp://x` is not an endpoint: the scheme ftp is neither http nor https");
        let why = read(ALL, &[("HITS_TABLE_NAME", "a/b")]).unwrap_err();
        insta::assert_snapshot!(why, @"HITS_TABLE_NAME is `a/b`, which is no table's name");
        let why = read(ALL, &[("HITS_TABLE_NAME", " ")]).unwrap_err();
        insta::assert_snapshot!(why, @"HITS_TABLE_NAME is not set (the DynamoDB table to count in)");
    }

    #[test]
    fn an_unknown_log_level_is_info_and_is_told() {
        assert_eq!(log_level(&|_| None), (Level::Info, None));
        assert_eq!(log_level(&|_| Some("DEBUG".to_owned())), (Level::Debug, None));
        assert_eq!(log_level(&|_| Some("loud".to_owned())), (Level::Info, Some("loud".to_owned())));
    }
}
