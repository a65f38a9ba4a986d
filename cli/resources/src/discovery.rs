//! Finds deployments by their tags, without the configuration, such as a renamed app or a forgotten environment.
//!
//! The tagging API is eventually consistent and also returns deleted resources (according to its service model),
//! so its response does not prove that a resource exists. It never returns IAM roles; IAM lists those.

use std::collections::BTreeSet;

use aws_sdk_resourcegroupstagging::Client;
use aws_sdk_resourcegroupstagging::types::{ResourceTagMapping, TagFilter};
use aws_types::SdkConfig;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use hitctl_config::names::{TAG_APP, TAG_ENV, TAG_MANAGED};
use hitctl_engine::{DriverContext, Fault};

use crate::aws::call::ApiCall;
use crate::aws::fault::ApiOperation;
use crate::role::aws::POLICY;
use crate::role::policy;

/// An app and one of its environments, as found in the tags of the account's resources.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deployment {
    /// The name of the app.
    pub app: String,
    /// The name of the environment.
    pub env: String,
}

/// The number of roles that are read concurrently.
const CONCURRENT_ROLES: usize = 8;
/// The maximum size of a page.
const PAGE_SIZE: i32 = 100;

/// Returns every app and environment in the tags of the resources in this account and region, sorted by name.
pub async fn deployments(
    config: &SdkConfig,
    region: &str,
    cx: &DriverContext,
) -> Result<Vec<Deployment>, Fault> {
    let client = Client::new(config);
    let operation = ApiOperation::new("find", "resources with the tags of hitctl", "tag:GetResources");
    let managed = TagFilter::builder().key(TAG_MANAGED).values("true").build();
    let request = client.get_resources().tag_filters(managed).resources_per_page(PAGE_SIZE);
    let tagged: Vec<ResourceTagMapping> = ApiCall::new(cx, operation)
        .send(|| request.clone().into_paginator().items().send().try_collect())
        .await?;
    let mut found: BTreeSet<Deployment> = tagged
        .iter()
        .filter_map(|resource| deployment(resource.tags().iter().map(|tag| (tag.key(), tag.value()))))
        .collect();
    found.extend(roles(config, region, cx).await?);
    Ok(found.into_iter().collect())
}

/// Returns every app and environment in the tags of the roles for this region. Roles have no region, so the region
/// is read from the resources in the role's policy.
async fn roles(config: &SdkConfig, region: &str, cx: &DriverContext) -> Result<BTreeSet<Deployment>, Fault> {
    let client = aws_sdk_iam::Client::new(config);
    let request = client.list_roles().path_prefix("/");
    let listed = ApiCall::new(cx, ApiOperation::new("list", "the roles of the account", "iam:ListRoles"))
        .send(|| request.clone().into_paginator().items().send().try_collect())
        .await?;
    let names: Vec<String> = listed.into_iter().filter(may_be_ours).map(|role| role.role_name).collect();
    let read =
        stream::iter(names).map(|name| role(&client, name, region, cx)).buffer_unordered(CONCURRENT_ROLES);
    Ok(read.try_collect::<Vec<_>>().await?.into_iter().flatten().collect())
}

/// Whether a role may be ours, judging by its name and trust policy. Avoids a call for every role of the account.
fn may_be_ours(role: &aws_sdk_iam::types::Role) -> bool {
    let trusted = role.assume_role_policy_document().map(policy::trusted_service).unwrap_or_default();
    let is_trusted_by_us = ["lambda.amazonaws.com", "apigateway.amazonaws.com"].contains(&trusted.as_str());
    is_trusted_by_us && role.path() == "/" && role.role_name().contains('-')
}

/// Returns the app and environment in a role's tags; `None` if it is not ours, was deleted, or is for another
/// region.
async fn role(
    client: &aws_sdk_iam::Client,
    name: String,
    region: &str,
    cx: &DriverContext,
) -> Result<Option<Deployment>, Fault> {
    let object = format!("role {name}");
    let request = client.list_role_tags().role_name(&name);
    let tags = ApiCall::new(cx, ApiOperation::new("read the tags of", &object, "iam:ListRoleTags"))
        .find(|| request.clone().into_paginator().items().send().try_collect())
        .await?;
    let tags = tags.unwrap_or_default();
    let has_tag = |key: &str, value: &str| tags.iter().any(|tag| tag.key() == key && tag.value() == value);
    let Some(found) = deployment(tags.iter().map(|tag| (tag.key(), tag.value()))) else { return Ok(None) };
    if !has_tag(TAG_MANAGED, "true") {
        return Ok(None);
    }
    let request = client.get_role_policy().role_name(&name).policy_name(POLICY);
    let policy = ApiCall::new(cx, ApiOperation::new("read the policy of", &object, "iam:GetRolePolicy"))
        .find(|| request.clone().send())
        .await?;
    // A role without a policy names no region, so it is returned for every region.
    let resources = policy.map(|policy| policy::statements(policy.policy_document())).unwrap_or_default();
    let mut regions = resources
        .iter()
        .flat_map(|statement| &statement.resources)
        .filter_map(|arn| arn.split(':').nth(3).filter(|region| !region.is_empty()));
    Ok(regions.all(|other| other == region).then_some(found))
}

/// Returns the app and environment in these tags.
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
    fn deployment_requires_both_tags() {
        let both = [(TAG_APP, "hits"), ("team", "web"), (TAG_ENV, "test")];
        let found = Deployment { app: "hits".to_owned(), env: "test".to_owned() };
        assert_eq!(deployment(both.into_iter()), Some(found));
        assert_eq!(deployment(both[..2].iter().copied()), None);
        assert_eq!(deployment([].into_iter()), None);
    }
}
