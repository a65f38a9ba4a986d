//! The names of all resources, computed from app and env. There is no state file: a deploy finds its resources by these
//! names.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::partitions::Partition;

/// The tag with the app that a resource belongs to.
pub const TAG_APP: &str = "hitctl:app";
/// The tag with the env that a resource belongs to.
pub const TAG_ENV: &str = "hitctl:env";
/// The tag that is `true` on every resource that hitctl created.
pub const TAG_MANAGED: &str = "hitctl:managed";
/// The tag with the time at which a queue was deleted, in seconds since 1970. SQS may still list the queue for a minute.
pub const TAG_DELETED: &str = "hitctl:deleted";

/// The maximum length of `{app}-{env}`: the limit on names in Lambda and IAM, which is the lowest of all limits.
pub const MAX_BASE_NAME_CHARS: usize = 64;
/// The suffixes that follow the base name in the names of some resources. No env name may end with one, so that two envs
/// never need the same name.
pub const RESERVED_SUFFIXES: &[&str] = &["seen", "hits", "dlq", "tune", "ingest", "s3", "reader", "grant"];

/// Returns `{app}-{env}`, the name of the role, the function, the table of counts, the HTTP API and the rule.
pub fn base_name(app: &str, env: &str) -> String {
    format!("{app}-{env}")
}

/// Returns the name of the function's execution role.
pub fn role(app: &str, env: &str) -> String {
    base_name(app, env)
}

/// Returns the name of the role with which the HTTP API sends hits to the queue.
pub fn ingest_role(app: &str, env: &str) -> String {
    format!("{}-ingest", base_name(app, env))
}

/// Returns the name of the temporary role that a function has while its KMS grant is renewed. A long name is truncated
/// and gets a hash.
pub fn grant_role(function: &str) -> String {
    let plain = format!("{function}-grant");
    if plain.len() <= MAX_BASE_NAME_CHARS {
        return plain;
    }
    let hash = Sha256::digest(function);
    let hash = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    let kept: String = function.chars().take(MAX_BASE_NAME_CHARS - "-01234567-grant".len()).collect();
    format!("{kept}-{hash:08x}-grant")
}

/// Returns the name of the function.
pub fn function(app: &str, env: &str) -> String {
    base_name(app, env)
}

/// Returns the name of the reader, the function that handles read requests, and of its role.
pub fn reader(app: &str, env: &str) -> String {
    format!("{}-reader", base_name(app, env))
}

/// Returns the name of the function copy that `tune` measures and removes again; `None` if the name would be too long.
pub fn tuned_function(app: &str, env: &str) -> Option<String> {
    Some(format!("{}-tune", function(app, env))).filter(|name| name.len() <= MAX_BASE_NAME_CHARS)
}

/// Returns the name of the table of counts.
pub fn table(app: &str, env: &str) -> String {
    base_name(app, env)
}

/// Returns the name of the table of visitors.
pub fn seen_table(app: &str, env: &str) -> String {
    format!("{}-seen", base_name(app, env))
}

/// Returns the name of the HTTP API.
pub fn http_api(app: &str, env: &str) -> String {
    base_name(app, env)
}

/// Returns the name of the queue of hits.
pub fn queue(app: &str, env: &str) -> String {
    format!("{}-hits", base_name(app, env))
}

/// Returns the name of the dead-letter queue.
pub fn dead_letter_queue(app: &str, env: &str) -> String {
    format!("{}-dlq", base_name(app, env))
}

/// Returns the name of the rule on the event bus.
pub fn rule(app: &str, env: &str) -> String {
    base_name(app, env)
}

/// Returns the name of the rule that matches new objects in buckets.
pub fn bucket_rule(app: &str, env: &str) -> String {
    format!("{}-s3", base_name(app, env))
}

/// Returns the name of the function's log group.
pub fn log_group(app: &str, env: &str) -> String {
    format!("/aws/lambda/{}", base_name(app, env))
}

/// Returns the tags of every resource that supports tags.
pub fn tags(app: &str, env: &str) -> BTreeMap<String, String> {
    let tags = [(TAG_APP, app), (TAG_ENV, env), (TAG_MANAGED, "true")];
    tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// Returns the name of a region's partition; `aws` if the region code is unknown, as it may be with emulators.
pub fn partition_name(region: &str) -> &'static str {
    Partition::of_region(region).map_or("aws", |partition| partition.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_documented_suffixes() {
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
    fn partition_name_follows_region() {
        let pairs = [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")];
        for (region, expected) in
            pairs.into_iter().chain([("eusc-de-east-1", "aws-eusc"), ("us-isob-east-1", "aws-iso-b")])
        {
            assert_eq!(partition_name(region), expected, "{region}");
        }
    }
}
