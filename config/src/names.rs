//! What everything is called: pure functions of the app, the env and, for ARNs, of where it is. There is no state file, so
//! these names are how a resource is found again.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::partitions::Partition;

/// Tag: the app that a resource belongs to.
pub const TAG_APP: &str = "hitctl:app";
/// Tag: the env that a resource belongs to.
pub const TAG_ENV: &str = "hitctl:env";
/// Tag: `true` on everything that hitctl made.
pub const TAG_MANAGED: &str = "hitctl:managed";
/// Tag: when a queue was deleted, in seconds since 1970. SQS may go on showing it for a minute, and then it is no more.
pub const TAG_DELETED: &str = "hitctl:deleted";

/// The longest `{app}-{env}`: Lambda's and IAM's limit on names, the lowest of all.
pub const MAX_BASE: usize = 64;
/// What names of other resources end in; no env may be called so, or two envs could want one name.
pub const SUFFIXES: &[&str] = &["seen", "hits", "dlq", "tune", "ingest", "s3", "reader", "grant"];

/// `{app}-{env}`: the role, the function, the table of counts, the HTTP API and the rule.
pub fn base(app: &str, env: &str) -> String {
    format!("{app}-{env}")
}

/// The role that the function runs as.
pub fn role(app: &str, env: &str) -> String {
    base(app, env)
}

/// The role as which the HTTP API puts hits on the queue.
pub fn ingest_role(app: &str, env: &str) -> String {
    format!("{}-ingest", base(app, env))
}

/// The role that a function has for a moment while its KMS grant is renewed. Long names are shortened and end in a hash.
pub fn grant_role(function: &str) -> String {
    let plain = format!("{function}-grant");
    if plain.len() <= MAX_BASE {
        return plain;
    }
    let hash = Sha256::digest(function);
    let hash = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    let kept: String = function.chars().take(MAX_BASE - "-01234567-grant".len()).collect();
    format!("{kept}-{hash:08x}-grant")
}

/// The function.
pub fn function(app: &str, env: &str) -> String {
    base(app, env)
}

/// The function that answers what only reads, and its role.
pub fn reader(app: &str, env: &str) -> String {
    format!("{}-reader", base(app, env))
}

/// The copy of the function that `tune` measures, and removes again; `None` where its name would be too long.
pub fn tuned_function(app: &str, env: &str) -> Option<String> {
    Some(format!("{}-tune", function(app, env))).filter(|name| name.len() <= MAX_BASE)
}

/// The table of counts.
pub fn table(app: &str, env: &str) -> String {
    base(app, env)
}

/// The table of visitors.
pub fn seen_table(app: &str, env: &str) -> String {
    format!("{}-seen", base(app, env))
}

/// The HTTP API.
pub fn http_api(app: &str, env: &str) -> String {
    base(app, env)
}

/// The queue of hits.
pub fn queue(app: &str, env: &str) -> String {
    format!("{}-hits", base(app, env))
}

/// The queue of dead letters.
pub fn dead_letter_queue(app: &str, env: &str) -> String {
    format!("{}-dlq", base(app, env))
}

/// The rule on the event bus.
pub fn rule(app: &str, env: &str) -> String {
    base(app, env)
}

/// The rule that tells of changed objects in buckets.
pub fn bucket_rule(app: &str, env: &str) -> String {
    format!("{}-s3", base(app, env))
}

/// The function's log group.
pub fn log_group(app: &str, env: &str) -> String {
    format!("/aws/lambda/{}", base(app, env))
}

/// The tags of everything that takes tags.
pub fn tags(app: &str, env: &str) -> BTreeMap<String, String> {
    let tags = [(TAG_APP, app), (TAG_ENV, env), (TAG_MANAGED, "true")];
    tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// Returns the name of a region's partition: `aws` for a code that fits none, as emulators may have.
pub fn partition(region: &str) -> &'static str {
    Partition::of_region(region).map_or("aws", |partition| partition.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_contract() {
        assert_eq!(role("hits", "test"), "hits-test");
        assert_eq!(function("hits", "test"), "hits-test");
        assert_eq!(tuned_function("hits", "test").as_deref(), Some("hits-test-tune"));
        assert_eq!(tuned_function("hits", &"x".repeat(54)).map(|name| name.len()), Some(64));
        assert_eq!(tuned_function("hits", &"x".repeat(55)), None);
        assert_eq!(table("hits", "test"), "hits-test");
        assert_eq!(http_api("hits", "test"), "hits-test");
        assert_eq!(rule("hits", "test"), "hits-test");
        assert_eq!(seen_table("hits", "test"), "hits-test-seen");
        assert_eq!(queue("hits", "test"), "hits-test-hits");
        assert_eq!(dead_letter_queue("hits", "test"), "hits-test-dlq");
        assert_eq!(ingest_role("hits", "test"), "hits-test-ingest");
        assert_eq!(bucket_rule("hits", "test"), "hits-test-s3");
        assert_eq!(reader("hits", "test"), "hits-test-reader");
        assert_eq!(grant_role("hits-test"), "hits-test-grant");
        let long = grant_role(&"x".repeat(64));
        assert_eq!(long.len(), 64);
        assert!(long.ends_with("-grant") && long != grant_role(&"x".repeat(63)), "{long}");
        assert_eq!(log_group("hits", "test"), "/aws/lambda/hits-test");
    }

    #[test]
    fn a_region_tells_its_partition() {
        let pairs = [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")];
        for (region, expected) in
            pairs.into_iter().chain([("eusc-de-east-1", "aws-eusc"), ("us-isob-east-1", "aws-iso-b")])
        {
            assert_eq!(partition(region), expected, "{region}");
        }
    }
}
