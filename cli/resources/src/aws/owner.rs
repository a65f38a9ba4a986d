//! Determines the owner of a resource by its tags.

use hitctl_config::names::{TAG_APP, TAG_ENV};
use hitctl_engine::{Fault, FaultKind, Owner};

use crate::aws::account::Aws;
use crate::aws::resource::ReadState;
use crate::spec::Spec;
use crate::tags::Tags;

/// Returns the owner of a resource with the tags `found`; `ours` are the tags of this app and environment.
/// `found` is `None` for kinds without tags, where a resource with our name is ours.
pub fn owner_of(found: Option<&Tags>, ours: &Tags) -> Owner {
    let Some(found) = found else { return Owner::Ours };
    let app_and_env = |tags: &Tags| [tags.get(TAG_APP).cloned(), tags.get(TAG_ENV).cloned()];
    match app_and_env(found) {
        tags if tags == app_and_env(ours) => Owner::Ours,
        [Some(app), Some(env)] => Owner::Other(format!("app {app}, env {env}")),
        _ if found.is_empty() => Owner::Other("untagged".to_owned()),
        _ => Owner::Other(
            found.iter().map(|(name, value)| format!("tag {name}={value}")).collect::<Vec<_>>().join(", "),
        ),
    }
}

/// Whether a resource with these tags belongs to this app and environment (see [`owner_of`]).
pub fn is_ours(aws: &Aws, found: Option<&Tags>) -> bool {
    owner_of(found, &aws.tags) == Owner::Ours
}

/// Splits resources with the same name into those of this app and those of others, by their tags. For kinds
/// whose names are not unique.
pub fn split_by_tags<T>(aws: &Aws, candidates: Vec<T>, tags: impl Fn(&T) -> &Tags) -> (Vec<T>, Vec<T>) {
    candidates.into_iter().partition(|candidate| is_ours(aws, Some(tags(candidate))))
}

/// Returns an error if the resource belongs to another owner, unless `aws.adopt` allows hitctl to take it over. For a
/// `create` that finds an existing resource with the name.
pub fn check_ours<S: Spec>(aws: &Aws, name: &str, found: &ReadState<S>) -> Result<(), Fault> {
    match owner_of(found.tags.as_ref(), &aws.tags) {
        Owner::Other(owner) if !aws.adopt => {
            let message =
                format!("{} {name} already exists and is not managed by this app", S::KIND.replace('_', " "));
            Err(Fault { kind: FaultKind::NotOurs, ..Fault::fatal("not_ours", message) }
                .caused_by(owner)
                .hinted("change `app` in hitctl.toml, or delete the existing resource"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn owner_of_same_app_and_env_is_ours() {
        let ours = tags(&[(TAG_APP, "hits"), (TAG_ENV, "test")]);
        let more = tags(&[(TAG_APP, "hits"), (TAG_ENV, "test"), ("team", "web")]);
        assert_eq!(owner_of(Some(&more), &ours), Owner::Ours);
        assert_eq!(owner_of(None, &ours), Owner::Ours);
        let other = tags(&[(TAG_APP, "hits"), (TAG_ENV, "prod")]);
        assert_eq!(owner_of(Some(&other), &ours), Owner::Other("app hits, env prod".to_owned()));
        assert_eq!(owner_of(Some(&Tags::new()), &ours), Owner::Other("untagged".to_owned()));
        let foreign = tags(&[("team", "web")]);
        assert_eq!(owner_of(Some(&foreign), &ours), Owner::Other("tag team=web".to_owned()));
    }
}
