//! What carries our tags, whatever the configuration says today: how a renamed app or a lost env is found again.
//!
//! The tagging API is eventually consistent and also answers with what was tagged once and is gone (its service model says
//! so): what it says is a hint where to look, never a proof that something is there. It never answers with IAM roles, so
//! those are listed by IAM.

use std::collections::BTreeSet;

use aws_sdk_resourcegroupstagging::Client;
use aws_sdk_resourcegroupstagging::types::{ResourceTagMapping, TagFilter};
use aws_types::SdkConfig;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use hitctl_config::names::{TAG_APP, TAG_ENV, TAG_MANAGED};
use hitctl_engine::{Cx, Fault};

use crate::aws::call::Call;
use crate::aws::fault::Doing;
use crate::role::aws::POLICY;
use crate::role::policy;

/// An app and one env of it, which something in the account is tagged with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deployment {
    /// The app.
    pub app: String,
    /// The env.
    pub env: String,
}

/// So many roles are looked at at once.
const ROLES_AT_ONCE: usize = 8;
/// As many as one page takes.
const PAGE: i32 = 100;

/// Every app and env that something in this account and region is tagged with, by name.
pub async fn deployments(config: &SdkConfig, region: &str, cx: &Cx) -> Result<Vec<Deployment>, Fault> {
    let client = Client::new(config);
    let doing = Doing::new("find", "what is tagged as hitctl's", "tag:GetResources");
    let managed = TagFilter::builder().key(TAG_MANAGED).values("true").build();
    let request = client.get_resources().tag_filters(managed).resources_per_page(PAGE);
    let tagged: Vec<ResourceTagMapping> =
        Call::new(cx, doing).send(|| request.clone().into_paginator().items().send().try_collect()).await?;
    let mut found: BTreeSet<Deployment> = tagged
        .iter()
        .filter_map(|one| deployment(one.tags().iter().map(|tag| (tag.key(), tag.value()))))
        .collect();
    found.extend(roles(config, region, cx).await?);
    Ok(found.into_iter().collect())
}

/// Every app and env that a role is tagged with. Roles belong to no region, and what such a role may do says where its
/// function is: one of another region is left out.
async fn roles(config: &SdkConfig, region: &str, cx: &Cx) -> Result<BTreeSet<Deployment>, Fault> {
    let client = aws_sdk_iam::Client::new(config);
    let request = client.list_roles().path_prefix("/");
    let listed = Call::new(cx, Doing::new("list", "the roles of the account", "iam:ListRoles"))
        .send(|| request.clone().into_paginator().items().send().try_collect())
        .await?;
    let names: Vec<String> = listed.into_iter().filter(may_be_ours).map(|role| role.role_name).collect();
    let read =
        stream::iter(names).map(|name| role(&client, name, region, cx)).buffer_unordered(ROLES_AT_ONCE);
    Ok(read.try_collect::<Vec<_>>().await?.into_iter().flatten().collect())
}

/// Whether the name and the trust of a role are such as ours have.
fn may_be_ours(role: &aws_sdk_iam::types::Role) -> bool {
    let trusted = role.assume_role_policy_document().map(policy::trusted_service).unwrap_or_default();
    let ours = ["lambda.amazonaws.com", "apigateway.amazonaws.com"].contains(&trusted.as_str());
    ours && role.path() == "/" && role.role_name().contains('-')
}

/// Returns the app and env of a role, by its tags; `None` when it is not ours, is gone, or is of another region.
async fn role(
    client: &aws_sdk_iam::Client,
    name: String,
    region: &str,
    cx: &Cx,
) -> Result<Option<Deployment>, Fault> {
    let what = format!("role {name}");
    let request = client.list_role_tags().role_name(&name);
    let tags = Call::new(cx, Doing::new("read the tags of", &what, "iam:ListRoleTags"))
        .find(|| request.clone().into_paginator().items().send().try_collect())
        .await?;
    let tags = tags.unwrap_or_default();
    let has = |key: &str, value: &str| tags.iter().any(|tag| tag.key() == key && tag.value() == value);
    let Some(found) = deployment(tags.iter().map(|tag| (tag.key(), tag.value()))) else { return Ok(None) };
    if !has(TAG_MANAGED, "true") {
        return Ok(None);
    }
    let request = client.get_role_policy().role_name(&name).policy_name(POLICY);
    let policy = Call::new(cx, Doing::new("read the policy of", &what, "iam:GetRolePolicy"))
        .find(|| request.clone().send())
        .await?;
    // One without a policy does nothing anywhere.
    let resources = policy.map(|policy| policy::statements(policy.policy_document())).unwrap_or_default();
    let mut regions = resources
        .iter()
        .flat_map(|statement| &statement.resources)
        .filter_map(|arn| arn.split(':').nth(3).filter(|region| !region.is_empty()));
    Ok(regions.all(|of| of == region).then_some(found))
}

/// Whose these tags say that something is.
fn deployment<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Deployment> {
    let (mut app, mut env) = (None, None);
    for (key, value) in tags {
        match key {
            TAG_APP => app = Some(value.to_owned()),
            TAG_ENV => env = Some(value.to_owned()),
            _ => {}
        }
    }
    Some(Deployment { app: app?, env: env? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_has_both_tags() {
        let both = [(TAG_APP, "hits"), ("team", "web"), (TAG_ENV, "test")];
        let found = Deployment { app: "hits".to_owned(), env: "test".to_owned() };
        assert_eq!(deployment(both.into_iter()), Some(found));
        assert_eq!(deployment(both[..2].iter().copied()), None);
        assert_eq!(deployment([].into_iter()), None);
    }
}
