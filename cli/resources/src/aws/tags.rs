//! Compares and applies our tags. Tags that others added to a resource are never changed.

use std::time::{Duration, SystemTime};

use hitctl_engine::{DriverContext, Fault, RetryPolicy};

use crate::tags::Tags;

/// The age below which a resource is new, so that its tags may not be visible yet.
const NEW_AGE: Duration = Duration::from_mins(1);

/// The retries until the tags of a new resource are visible. For a table, AWS says "within a few seconds".
const TAGS_VISIBLE_RETRY: RetryPolicy =
    RetryPolicy::with_budget(Duration::from_secs(5)).with_attempt_timeout(Duration::from_mins(2));

/// The fault code for missing tags, which only this module uses.
const NO_TAGS: &str = "no_tags_yet";

/// Reads the tags of a resource that was created at `created`. Retries if a new resource has no tags yet, because
/// a resource without our tags counts as another owner's.
pub(crate) async fn read_tags<F>(
    cx: &DriverContext,
    resource: &str,
    created: Option<SystemTime>,
    read: impl Fn() -> F + Send + Sync,
) -> Result<Tags, Fault>
where
    F: Future<Output = Result<Tags, Fault>> + Send,
{
    let is_new = is_new(created, crate::aws::clock::now());
    let read = || {
        let tags = read();
        async move {
            let tags = tags.await?;
            if tags.is_empty() && is_new {
                return Err(Fault::transient(NO_TAGS, format!("{resource} has no tags yet")));
            }
            Ok(tags)
        }
    };
    let progress = format!("waiting for the tags of {resource}");
    match Box::pin(cx.retry(&TAGS_VISIBLE_RETRY, &progress, read)).await {
        Err(fault) if fault.code == NO_TAGS => Ok(Tags::new()),
        read => read,
    }
}

fn is_new(created: Option<SystemTime>, now: SystemTime) -> bool {
    // If this machine's clock is slow, the age is negative and the resource is new.
    created.is_some_and(|created| now.duration_since(created).map_or(true, |age| age < NEW_AGE))
}

/// Returns the tags in `found` whose keys are in `want`, because tags that others added are not drift. Returns all
/// tags if `want` is `None`.
pub fn managed_tags(found: &Tags, want: Option<&Tags>) -> Tags {
    let is_ours = |name: &&String| want.is_none_or(|want| want.contains_key(*name));
    found
        .iter()
        .filter(|(name, _)| is_ours(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Returns the wanted tags that are missing or have another value.
pub fn tags_to_apply(have: &Tags, want: &Tags) -> Tags {
    want.iter()
        .filter(|(name, value)| have.get(*name) != Some(*value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Converts tags to the type of a service's SDK.
pub(crate) fn sdk_tags<T, E: std::fmt::Debug>(
    tags: &Tags,
    tag: impl Fn(&str, &str) -> Result<T, E>,
) -> Vec<T> {
    tags.iter().map(|(key, value)| tag(key, value).expect("the key and the value are set")).collect()
}

/// Converts tags to IAM's type, for the drivers that create roles.
pub(crate) fn iam_tags(tags: &Tags) -> Vec<aws_sdk_iam::types::Tag> {
    sdk_tags(tags, |key, value| aws_sdk_iam::types::Tag::builder().key(key).value(value).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn managed_tags_ignores_tags_of_others() {
        let want = tags(&[("app", "hits"), ("env", "test")]);
        let found = tags(&[("app", "hits"), ("env", "prod"), ("team", "web")]);
        let have = managed_tags(&found, Some(&want));
        assert_eq!(have, tags(&[("app", "hits"), ("env", "prod")]));
        assert_eq!(tags_to_apply(&have, &want), tags(&[("env", "test")]));
        assert_eq!(managed_tags(&found, None), found);
    }

    #[test]
    fn tags_to_apply_contains_missing_tags_only() {
        let want = tags(&[("app", "hits"), ("env", "test")]);
        assert_eq!(tags_to_apply(&tags(&[("app", "hits")]), &want), tags(&[("env", "test")]));
        assert!(tags_to_apply(&want, &want).is_empty());
    }

    #[test]
    fn resource_is_new_for_one_minute() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let created = Some(at(1000));
        assert!(is_new(created, at(1030)));
        assert!(is_new(created, at(990)), "this machine's clock is slow");
        assert!(!is_new(created, at(1060)));
        assert!(!is_new(None, at(0)));
    }
}
