//! The driver of IAM roles. IAM is global and eventually consistent.

use std::sync::Arc;

use aws_sdk_iam::Client;
use aws_sdk_iam::types::Role as Description;
use hitctl_engine::{Fault, Outputs};

use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::fault::{ErrorRule, NOT_FOUND};
use crate::aws::owner::check_ours;
use crate::aws::resource::{ReadResult, ReadState, Resource, WriteResult};
use crate::aws::tags::{iam_tags, managed_tags, tags_to_apply};
use crate::role::spec::RoleSpec;
use crate::role::{errors, policy};
use crate::tags::Tags;

/// The name of our inline policy.
pub(crate) const POLICY: &str = "hitctl";

/// IAM's code for a role that still has policies.
const DELETE_CONFLICT: &str = "DeleteConflict";

/// The maximum number of attempts to remove all policies and delete the role.
const MAX_ATTEMPTS: u32 = 5;

/// The driver of roles.
pub(crate) struct RoleDriver {
    aws: Arc<Aws>,
    client: Client,
}

impl RoleDriver {
    /// Returns the outputs. The ARN is built from the name, because IAM may briefly return the unique id of a new role
    /// in place of its ARN.
    fn outputs(&self, name: &str, id: &str) -> Outputs {
        Outputs::from([
            ("arn".to_owned(), self.aws.location.as_location().role_arn(name)),
            ("id".to_owned(), id.to_owned()),
        ])
    }

    async fn get(&self, cx: &CallContext<'_>) -> Result<Option<Description>, Fault> {
        let request = self.client.get_role().role_name(cx.name);
        let response = cx.call("read", "iam:GetRole").find(|| request.clone().send()).await?;
        Ok(response.and_then(|response| response.role))
    }

    async fn put_policy(&self, cx: &CallContext<'_>, want: &RoleSpec) -> Result<(), Fault> {
        let request = self.client.put_role_policy().role_name(cx.name).policy_name(POLICY);
        let request = request.policy_document(policy::policy_document(&want.statements));
        let call = cx.call("set the policy of", "iam:PutRolePolicy").retry_on(NOT_FOUND);
        call.send(|| request.clone().send()).await.map(drop)
    }

    /// Removes all policies from the role, because IAM does not delete a role that has policies.
    async fn remove_policies(&self, cx: &CallContext<'_>) -> Result<(), Fault> {
        let request = self.client.list_role_policies().role_name(cx.name);
        let inline: Option<Vec<String>> = cx
            .call("list the policies of", "iam:ListRolePolicies")
            .find(|| request.clone().into_paginator().items().send().try_collect())
            .await?;
        for policy in inline.unwrap_or_default() {
            let request = self.client.delete_role_policy().role_name(cx.name).policy_name(policy);
            let call = cx.call("delete a policy of", "iam:DeleteRolePolicy");
            call.find(|| request.clone().send()).await?;
        }
        let request = self.client.list_attached_role_policies().role_name(cx.name);
        let attached = cx
            .call("list the policies of", "iam:ListAttachedRolePolicies")
            .find(|| request.clone().into_paginator().items().send().try_collect())
            .await?;
        for arn in attached.unwrap_or_default().into_iter().filter_map(|policy| policy.policy_arn) {
            let request = self.client.detach_role_policy().role_name(cx.name).policy_arn(arn);
            let call = cx.call("detach a policy of", "iam:DetachRolePolicy");
            call.find(|| request.clone().send()).await?;
        }
        Ok(())
    }
}

impl Resource for RoleDriver {
    type Spec = RoleSpec;

    const RULES: &'static [ErrorRule] = errors::RULES;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.config), aws }
    }

    async fn read(&self, cx: &CallContext<'_>, want: Option<&RoleSpec>) -> ReadResult<RoleSpec> {
        let Some(role) = self.get(cx).await? else { return Ok(None) };
        let request = self.client.get_role_policy().role_name(cx.name).policy_name(POLICY);
        let call = cx.call("read the policy of", "iam:GetRolePolicy");
        let inline = call.find(|| request.clone().send()).await?;
        let tags: Tags =
            role.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
        let trust = role.assume_role_policy_document();
        let spec = RoleSpec {
            trusted_service: trust.map(policy::trusted_service).unwrap_or_default(),
            statements: inline.map(|inline| policy::statements(inline.policy_document())).unwrap_or_default(),
            tags: managed_tags(&tags, want.map(|want| &want.tags)),
        };
        Ok(Some(ReadState { spec, outputs: self.outputs(cx.name, role.role_id()), tags: Some(tags) }))
    }

    async fn create(&self, cx: &CallContext<'_>, want: &RoleSpec) -> WriteResult {
        let request = self
            .client
            .create_role()
            .role_name(cx.name)
            .assume_role_policy_document(policy::trust_policy(&want.trusted_service))
            .set_tags(Some(iam_tags(&want.tags)));
        let call = cx.call("create", "iam:CreateRole").none_on(&["EntityAlreadyExists"]);
        if let Some(created) = call.find(|| request.clone().send()).await? {
            self.put_policy(cx, want).await?;
            return Ok(self.outputs(cx.name, created.role.as_ref().map_or("", |role| role.role_id())));
        }
        let found = if let Some(found) = self.read(cx, Some(want)).await? {
            found
        } else {
            // The role exists but is not visible yet: a call of ours whose response was lost created it, or another
            // deploy. Wait until it is visible, because its owner must be known before anything is changed.
            let request = self.client.get_role().role_name(cx.name);
            cx.call("read", "iam:GetRole").retry_on(NOT_FOUND).send(|| request.clone().send()).await?;
            let not_visible =
                || Fault::transient("not_visible", format!("role {} is not visible yet", cx.name));
            self.read(cx, Some(want)).await?.ok_or_else(not_visible)?
        };
        check_ours(&self.aws, cx.name, &found)?;
        self.update(cx, &found, want).await
    }

    async fn update(&self, cx: &CallContext<'_>, have: &ReadState<RoleSpec>, want: &RoleSpec) -> WriteResult {
        if have.spec.trusted_service != want.trusted_service {
            let trust = policy::trust_policy(&want.trusted_service);
            let request = self.client.update_assume_role_policy().role_name(cx.name).policy_document(trust);
            let call = cx.call("set the trust policy of", "iam:UpdateAssumeRolePolicy").retry_on(NOT_FOUND);
            call.send(|| request.clone().send()).await?;
        }
        if have.spec.statements != want.statements {
            self.put_policy(cx, want).await?;
        }
        let tags = tags_to_apply(&have.spec.tags, &want.tags);
        if !tags.is_empty() {
            let request = self.client.tag_role().role_name(cx.name).set_tags(Some(iam_tags(&tags)));
            cx.call("tag", "iam:TagRole").retry_on(NOT_FOUND).send(|| request.clone().send()).await?;
        }
        Ok(have.outputs.clone())
    }

    async fn delete(&self, cx: &CallContext<'_>, _: &ReadState<RoleSpec>) -> Result<(), Fault> {
        let request = self.client.delete_role().role_name(cx.name);
        let not_found_or_conflict = [NOT_FOUND, &[DELETE_CONFLICT]].concat();
        for attempt in 1..=MAX_ATTEMPTS {
            self.remove_policies(cx).await?;
            // If the role has policies again, the next attempt removes them. In the last attempt, this is an error.
            let codes = if attempt == MAX_ATTEMPTS { NOT_FOUND } else { &not_found_or_conflict };
            let call = cx.call("delete", "iam:DeleteRole").none_on(codes);
            if call.find(|| request.clone().send()).await?.is_some() || self.get(cx).await?.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }
}
