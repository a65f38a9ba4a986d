//! Tags: ours among those that others have put on the same resource.

use std::time::{Duration, SystemTime};

use hitctl_engine::{Cx, Fault, Wait};

use crate::tags::Tags;

/// For so long after something is made, tags that cannot be seen may be on their way.
const YOUNG: Duration = Duration::from_mins(1);

/// AWS's word for a table's tags: they are there "within a few seconds".
const ON_THEIR_WAY: Wait = Wait::up_to(Duration::from_secs(5)).each_within(Duration::from_mins(2));

/// The fault that says that there are no tags; it does not leave this file.
const NO_TAGS: &str = "no_tags_yet";

/// Reads the tags of something that was made then. Those of what is young may take a moment to be seen, and it would pass
/// for somebody else's without them.
pub(crate) async fn read_tags<F>(
    cx: &Cx,
    what: &str,
    made: Option<SystemTime>,
    read: impl Fn() -> F + Send + Sync,
) -> Result<Tags, Fault>
where
    F: Future<Output = Result<Tags, Fault>> + Send,
{
    let is_young = is_young(made, crate::aws::clock::now());
    let read = || {
        let tags = read();
        async move {
            let tags = tags.await?;
            if tags.is_empty() && is_young {
                return Err(Fault::transient(NO_TAGS, format!("{what} has no tags yet")));
            }
            Ok(tags)
        }
    };
    let doing = format!("waiting for the tags of {what}");
    match Box::pin(cx.wait(&ON_THEIR_WAY, &doing, read)).await {
        Err(fault) if fault.code == NO_TAGS => Ok(Tags::new()),
        read => read,
    }
}

fn is_young(made: Option<SystemTime>, now: SystemTime) -> bool {
    // A clock that is behind gives no age: young.
    made.is_some_and(|made| now.duration_since(made).map_or(true, |age| age < YOUNG))
}

/// Those tags of a resource that are ours to compare: the keys that we set. What others add to it is theirs, and no drift.
/// Where nothing is wanted, all.
pub fn managed_tags(found: &Tags, want: Option<&Tags>) -> Tags {
    let is_ours = |name: &&String| want.is_none_or(|want| want.contains_key(*name));
    found
        .iter()
        .filter(|(name, _)| is_ours(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The tags that have to be set, so that all wanted ones are there with their values.
pub fn tags_to_apply(have: &Tags, want: &Tags) -> Tags {
    want.iter()
        .filter(|(name, value)| have.get(*name) != Some(*value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Tags in the type that a service has for them.
pub(crate) fn sdk_tags<T, E: std::fmt::Debug>(
    tags: &Tags,
    tag: impl Fn(&str, &str) -> Result<T, E>,
) -> Vec<T> {
    tags.iter().map(|(key, value)| tag(key, value).expect("a tag with its key and its value")).collect()
}

/// Tags in the type of IAM, for the kinds that have roles.
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
    fn what_others_add_is_no_drift_and_what_is_ours_is() {
        let want = tags(&[("app", "hits"), ("env", "test")]);
        let found = tags(&[("app", "hits"), ("env", "prod"), ("team", "web")]);
        let have = managed_tags(&found, Some(&want));
        assert_eq!(have, tags(&[("app", "hits"), ("env", "prod")]));
        assert_eq!(tags_to_apply(&have, &want), tags(&[("env", "test")]));
        assert_eq!(managed_tags(&found, None), found);
    }

    #[test]
    fn a_tag_that_is_gone_is_set_again_and_the_rest_left_alone() {
        let want = tags(&[("app", "hits"), ("env", "test")]);
        assert_eq!(tags_to_apply(&tags(&[("app", "hits")]), &want), tags(&[("env", "test")]));
        assert!(tags_to_apply(&want, &want).is_empty());
    }

    #[test]
    fn things_are_young_for_a_minute() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let made = Some(at(1000));
        assert!(is_young(made, at(1030)));
        assert!(is_young(made, at(990)), "by a clock that is behind");
        assert!(!is_young(made, at(1060)));
        assert!(!is_young(None, at(0)));
    }
}
