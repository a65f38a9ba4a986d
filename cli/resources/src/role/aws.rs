//! The role in AWS: IAM, which is global and takes a while until all of it sees a change.

use std::sync::Arc;

use aws_sdk_iam::Client;
use aws_sdk_iam::operation::get_role::GetRoleOutput;
use aws_sdk_iam::types::Tag;
use hitctl_engine::{Cx, Fault, FieldDiff, Outputs};

use crate::aws::account::Aws;
use crate::aws::call::Call;
use crate::aws::fault::Doing;
use crate::aws::owner::check_ours;
use crate::aws::resource::{Found, Resource};
use crate::aws::tags::{managed_tags, tags_to_apply};
use crate::role::spec::RoleSpec;
use crate::role::{errors, policy};
use crate::tags::Tags;

/// The name of the inline policy.
pub(crate) const POLICY: &str = "hitctl";

/// What IAM says of what is not there; and for a moment of what has just been made.
pub(crate) const NOT_FOUND: &[&str] = &["NoSuchEntity"];

/// What IAM says when a role still has something on it.
const HELD: &[&str] = &["DeleteConflict"];

/// How often a role is emptied anew when something turns out to be still on it.
const ROUNDS: u32 = 5;

/// Roles of one account.
pub(crate) struct Role {
    aws: Arc<Aws>,
    client: Client,
}

impl Role {
    /// The ARN is computed, since IAM may name a new role by its unique id for a moment.
    fn outputs(&self, name: &str, id: &str) -> Outputs {
        Outputs::from([
            ("arn".to_owned(), self.aws.place.location().role_arn(name)),
            ("id".to_owned(), id.to_owned()),
        ])
    }

    async fn found(
        &self,
        cx: &Cx,
        name: &str,
        want: Option<&RoleSpec>,
    ) -> Result<Option<Found<RoleSpec>>, Fault> {
        let request = self.client.get_role().role_name(name);
        let role = Call::new(cx, doing("read", name, "iam:GetRole"))
            .absent_on(NOT_FOUND)
            .find(|| request.clone().send())
            .await?;
        let Some(GetRoleOutput { role: Some(role), .. }) = role else { return Ok(None) };
        let request = self.client.get_role_policy().role_name(name).policy_name(POLICY);
        let inline = Call::new(cx, doing("read the policy of", name, "iam:GetRolePolicy"))
            .absent_on(NOT_FOUND)
            .find(|| request.clone().send())
            .await?;
        let tags: Tags =
            role.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
        let spec = RoleSpec {
            trusted_service: role
                .assume_role_policy_document()
                .map(policy::trusted_service)
                .unwrap_or_default(),
            statements: inline.map(|inline| policy::statements(inline.policy_document())).unwrap_or_default(),
            tags: managed_tags(&tags, want.map(|want| &want.tags)),
        };
        Ok(Some(Found { spec, outputs: self.outputs(name, role.role_id()), tags: Some(tags) }))
    }

    async fn put_policy(&self, cx: &Cx, name: &str, want: &RoleSpec) -> Result<(), Fault> {
        let request = self
            .client
            .put_role_policy()
            .role_name(name)
            .policy_name(POLICY)
            .policy_document(policy::document(&want.statements));
        Call::new(cx, doing("set the policy of", name, "iam:PutRolePolicy"))
            .again_on(NOT_FOUND)
            .send(|| request.clone().send())
            .await?;
        Ok(())
    }

    /// Makes a role be as wanted, where it is not.
    async fn reconcile(&self, cx: &Cx, name: &str, have: &RoleSpec, want: &RoleSpec) -> Result<(), Fault> {
        if have.trusted_service != want.trusted_service {
            let request = self
                .client
                .update_assume_role_policy()
                .role_name(name)
                .policy_document(policy::trust(&want.trusted_service));
            Call::new(cx, doing("set who may assume", name, "iam:UpdateAssumeRolePolicy"))
                .again_on(NOT_FOUND)
                .send(|| request.clone().send())
                .await?;
        }
        if have.statements != want.statements {
            self.put_policy(cx, name, want).await?;
        }
        let tags = tags_to_apply(&have.tags, &want.tags);
        if !tags.is_empty() {
            let request = self.client.tag_role().role_name(name).set_tags(Some(sdk_tags(&tags)));
            Call::new(cx, doing("tag", name, "iam:TagRole"))
                .again_on(NOT_FOUND)
                .send(|| request.clone().send())
                .await?;
        }
        Ok(())
    }

    async fn make(&self, cx: &Cx, name: &str, want: &RoleSpec) -> Result<Outputs, Fault> {
        let request = self
            .client
            .create_role()
            .role_name(name)
            .assume_role_policy_document(policy::trust(&want.trusted_service))
            .set_tags(Some(sdk_tags(&want.tags)));
        let made = Call::new(cx, doing("create", name, "iam:CreateRole"))
            .absent_on(&["EntityAlreadyExists"])
            .find(|| request.clone().send())
            .await?;
        if let Some(made) = made {
            self.put_policy(cx, name, want).await?;
            let id = made.role.as_ref().map_or("", |role| role.role_id());
            return Ok(self.outputs(name, id));
        }
        let found = if let Some(found) = self.found(cx, name, Some(want)).await? {
            found
        } else {
            // Not to be seen yet, so it has just been made: by us, in a call whose answer was lost, or by another deploy.
            // Whose it is has to be known before anything of it is changed.
            let request = self.client.get_role().role_name(name);
            Call::new(cx, doing("read", name, "iam:GetRole"))
                .again_on(NOT_FOUND)
                .send(|| request.clone().send())
                .await?;
            self.found(cx, name, Some(want))
                .await?
                .ok_or_else(|| Fault::transient("not_visible", format!("role {name} is not visible yet")))?
        };
        check_ours(&self.aws, name, &found)?;
        self.reconcile(cx, name, &found.spec, want).await?;
        Ok(found.outputs)
    }

    /// Takes everything off a role: IAM deletes only empty ones.
    async fn empty(&self, cx: &Cx, name: &str) -> Result<(), Fault> {
        let request = self.client.list_role_policies().role_name(name);
        let inline = Call::new(cx, doing("list the policies of", name, "iam:ListRolePolicies"))
            .absent_on(NOT_FOUND)
            .find(|| request.clone().into_paginator().items().send().try_collect())
            .await?;
        for policy in inline.unwrap_or_default() {
            let request = self.client.delete_role_policy().role_name(name).policy_name(policy);
            Call::new(cx, doing("delete a policy of", name, "iam:DeleteRolePolicy"))
                .absent_on(NOT_FOUND)
                .find(|| request.clone().send())
                .await?;
        }
        let request = self.client.list_attached_role_policies().role_name(name);
        let attached = Call::new(cx, doing("list the policies of", name, "iam:ListAttachedRolePolicies"))
            .absent_on(NOT_FOUND)
            .find(|| request.clone().into_paginator().items().send().try_collect())
            .await?;
        for arn in attached.unwrap_or_default().into_iter().filter_map(|policy| policy.policy_arn) {
            let request = self.client.detach_role_policy().role_name(name).policy_arn(arn);
            Call::new(cx, doing("detach a policy of", name, "iam:DetachRolePolicy"))
                .absent_on(NOT_FOUND)
                .find(|| request.clone().send())
                .await?;
        }
        Ok(())
    }

    async fn remove(&self, cx: &Cx, name: &str) -> Result<(), Fault> {
        let request = self.client.delete_role().role_name(name);
        let last = ROUNDS - 1;
        for round in 0..ROUNDS {
            self.empty(cx, name).await?;
            // In all rounds but the last, what is still on it is taken off again.
            let held: &[&str] = if round == last { &[] } else { HELD };
            let codes = [NOT_FOUND, held].concat();
            let deleted = Call::new(cx, doing("delete", name, "iam:DeleteRole"))
                .absent_on(&codes)
                .find(|| request.clone().send())
                .await?;
            if deleted.is_some() {
                return Ok(());
            }
            let request = self.client.get_role().role_name(name);
            let there = Call::new(cx, doing("read", name, "iam:GetRole"))
                .absent_on(NOT_FOUND)
                .find(|| request.clone().send())
                .await?;
            if there.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Resource for Role {
    type Spec = RoleSpec;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.config), aws }
    }

    async fn read(
        &self,
        cx: &Cx,
        name: &str,
        want: Option<&RoleSpec>,
    ) -> Result<Option<Found<RoleSpec>>, Fault> {
        self.found(cx, name, want).await
    }

    async fn create(&self, cx: &Cx, name: &str, want: &RoleSpec) -> Result<Outputs, Fault> {
        self.make(cx, name, want).await
    }

    async fn update(
        &self,
        cx: &Cx,
        name: &str,
        have: &Found<RoleSpec>,
        want: &RoleSpec,
        _: &[FieldDiff],
    ) -> Result<Outputs, Fault> {
        self.reconcile(cx, name, &have.spec, want).await?;
        Ok(have.outputs.clone())
    }

    async fn delete(&self, cx: &Cx, name: &str, _: &Found<RoleSpec>) -> Result<(), Fault> {
        self.remove(cx, name).await
    }
}

fn doing(verb: &'static str, name: &str, operation: &'static str) -> Doing {
    Doing::new(verb, format!("role {name}"), operation).with_rules(errors::RULES)
}

fn sdk_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter()
        .map(|(name, value)| {
            Tag::builder().key(name).value(value).build().expect("a tag with its key and its value")
        })
        .collect()
}
