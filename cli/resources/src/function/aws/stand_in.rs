//! The role that a function has for a moment, so that Lambda renews the KMS grant for its own role.
//!
//! Lambda encrypts environment variables with a KMS key and grants the function's role to decrypt them. The grant names the
//! role's unique id. A role that was deleted and created again has another id, so every invocation fails with
//! `KMSAccessDeniedException`; Lambda makes a new grant only when the function's role changes.

use aws_sdk_iam::Client;
use aws_sdk_iam::primitives::DateTimeFormat;
use hitctl_config::names;
use hitctl_engine::{Cx, Fault, FaultKind, Owner};

use crate::aws::account::Aws;
use crate::aws::call::Call;
use crate::aws::fault::{Doing, NOT_FOUND};
use crate::aws::owner::owner_of;
use crate::aws::tags::iam_tags;
use crate::role::{errors, policy};
use crate::tags::Tags;

/// IAM's code for a role that exists already.
const EXISTS: &[&str] = &["EntityAlreadyExists"];

/// A role that Lambda may assume, and that may do nothing.
pub(super) struct StandIn<'a> {
    aws: &'a Aws,
    client: Client,
    name: String,
}

impl<'a> StandIn<'a> {
    /// The stand-in of that function's role.
    pub(super) fn new(aws: &'a Aws, function: &str) -> Self {
        Self { aws, client: Client::new(&aws.config), name: names::grant_role(function) }
    }

    /// Its ARN.
    pub(super) fn arn(&self) -> String {
        self.aws.place.location().role_arn(&self.name)
    }

    /// Creates it. One that an interrupted deploy left is used again; one of somebody else's is refused.
    pub(super) async fn create(&self, cx: &Cx, tags: &Tags) -> Result<(), Fault> {
        let request = self
            .client
            .create_role()
            .role_name(&self.name)
            .assume_role_policy_document(policy::trust("lambda.amazonaws.com"))
            .set_tags(Some(iam_tags(tags)));
        let call = self.call(cx, "create", "iam:CreateRole").none_on(EXISTS);
        if call.find(|| request.clone().send()).await?.is_some() {
            return Ok(());
        }
        let request = self.client.get_role().role_name(&self.name);
        let call = self.call(cx, "read", "iam:GetRole").retry_on(NOT_FOUND);
        let answer = call.send(|| request.clone().send()).await?;
        let there = answer.role.map(|role| role.tags.unwrap_or_default()).unwrap_or_default();
        let there = there.iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
        match owner_of(Some(&there), &self.aws.tags) {
            Owner::Ours => Ok(()),
            Owner::Other(owner) => {
                let message = format!("role {} exists already and belongs to something else", self.name);
                Err(Fault { kind: FaultKind::NotOurs, ..Fault::fatal("not_ours", message) }
                    .caused_by(owner)
                    .hinted("delete that role; hitctl needs its name for a moment to renew a KMS grant"))
            }
        }
    }

    /// Deletes it, if it exists.
    pub(super) async fn delete(&self, cx: &Cx) -> Result<(), Fault> {
        let request = self.client.delete_role().role_name(&self.name);
        self.call(cx, "delete", "iam:DeleteRole").find(|| request.clone().send()).await.map(drop)
    }

    fn call<'c>(&self, cx: &'c Cx, verb: &'static str, operation: &'static str) -> Call<'c> {
        call(cx, verb, &self.name, operation)
    }
}

fn call<'c>(cx: &'c Cx, verb: &'static str, role: &str, operation: &'static str) -> Call<'c> {
    Call::new(cx, Doing::new(verb, format!("role {role}"), operation).with_rules(errors::RULES))
}

/// When the role of that ARN was created, in UTC: `2026-11-21T09:20:16Z`. `None` where there is no such role.
pub(super) async fn created(aws: &Aws, cx: &Cx, arn: &str) -> Result<Option<String>, Fault> {
    let name = arn.rsplit('/').next().unwrap_or_default();
    let request = Client::new(&aws.config).get_role().role_name(name);
    let answer = call(cx, "read", name, "iam:GetRole").find(|| request.clone().send()).await?;
    let role = answer.and_then(|answer| answer.role);
    Ok(role.and_then(|role| role.create_date().fmt(DateTimeFormat::DateTime).ok()))
}
