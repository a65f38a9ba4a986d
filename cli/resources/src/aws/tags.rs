//! Tags: ours among those that others have put on the same resource.

use crate::Tags;

/// Those tags of a resource that are ours to compare: the keys that we set. What others add to it is theirs, and no drift.
/// Where nothing is wanted, all.
pub fn compared(found: &Tags, want: Option<&Tags>) -> Tags {
    let is_ours = |name: &&String| want.is_none_or(|want| want.contains_key(*name));
    found
        .iter()
        .filter(|(name, _)| is_ours(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The tags that have to be set, so that all wanted ones are there with their values.
pub fn to_set(have: &Tags, want: &Tags) -> Tags {
    want.iter()
        .filter(|(name, value)| have.get(*name) != Some(*value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
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
        let have = compared(&found, Some(&want));
        assert_eq!(have, tags(&[("app", "hits"), ("env", "prod")]));
        assert_eq!(to_set(&have, &want), tags(&[("env", "test")]));
        assert_eq!(compared(&found, None), found);
    }

    #[test]
    fn a_tag_that_is_gone_is_set_again_and_the_rest_left_alone() {
        let want = tags(&[("app", "hits"), ("env", "test")]);
        assert_eq!(to_set(&tags(&[("app", "hits")]), &want), tags(&[("env", "test")]));
        assert!(to_set(&want, &want).is_empty());
    }
}
