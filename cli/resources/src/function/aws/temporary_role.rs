//! A temporary role for a function, which makes Lambda renew the KMS grant for the function's own role.
//!
//! Lambda encrypts environment variables with a KMS key, and its grant to decrypt them names the unique id of the
//! function's role. If that role is deleted and created again, every invocation fails with `KMSAccessDeniedException`
//! until the function is assigned another role: only then does Lambda create a new grant.

use aws_sdk_iam::Client;
use aws_sdk_iam::primitives::DateTimeFormat;
use hitctl_config::names;
use hitctl_engine::{DriverContext, Fault, FaultKind, Owner};

use crate::aws::account::Aws;
use crate::aws::call::ApiCall;
use crate::aws::fault::{ApiOperation, NOT_FOUND};
use crate::aws::owner::owner_of;
use crate::aws::tags::iam_tags;
use crate::role::{errors, policy};
use crate::tags::Tags;

/// IAM's code for a role that already exists.
const ALREADY_EXISTS: &[&str] = &["EntityAlreadyExists"];

/// A role that Lambda may assume and that has no permissions.
pub(super) struct TemporaryRole<'a> {
    aws: &'a Aws,
    client: Client,
    name: String,
}

impl<'a> TemporaryRole<'a> {
    /// Creates a handle for the temporary role of the function.
    pub(super) fn new(aws: &'a Aws, function: &str) -> Self {
        Self { aws, client: Client::new(&aws.config), name: names::grant_role(function) }
    }

    /// Returns the ARN of the role.
    pub(super) fn arn(&self) -> String {
        self.aws.location.as_location().role_arn(&self.name)
    }

    /// Creates the role. Uses an existing role of ours, which an interrupted deploy created. Returns an error if the
    /// role belongs to another owner.
    pub(super) async fn create(&self, cx: &DriverContext, tags: &Tags) -> Result<(), Fault> {
        let request = self
            .client
            .create_role()
            .role_name(&self.name)
            .assume_role_policy_document(policy::trust_policy("lambda.amazonaws.com"))
            .set_tags(Some(iam_tags(tags)));
        let call = self.call(cx, "create", "iam:CreateRole").none_on(ALREADY_EXISTS);
        if call.find(|| request.clone().send()).await?.is_some() {
            return Ok(());
        }
        let request = self.client.get_role().role_name(&self.name);
        let call = self.call(cx, "read", "iam:GetRole").retry_on(NOT_FOUND);
        let response = call.send(|| request.clone().send()).await?;
        let existing_tags = response.role.map(|role| role.tags.unwrap_or_default()).unwrap_or_default();
        let existing_tags =
            existing_tags.iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
        match owner_of(Some(&existing_tags), &self.aws.tags) {
            Owner::Ours => Ok(()),
            Owner::Other(owner) => {
                let message = format!("role {} already exists and is not managed by this app", self.name);
                Err(Fault { kind: FaultKind::NotOurs, ..Fault::fatal("not_ours", message) }
                    .caused_by(owner)
                    .hinted("delete the role; hitctl needs its name temporarily to renew a KMS grant"))
            }
        }
    }

    /// Deletes the role, if it exists.
    pub(super) async fn delete(&self, cx: &DriverContext) -> Result<(), Fault> {
        let request = self.client.delete_role().role_name(&self.name);
        self.call(cx, "delete", "iam:DeleteRole").find(|| request.clone().send()).await.map(drop)
    }

    fn call<'c>(&self, cx: &'c DriverContext, verb: &'static str, operation: &'static str) -> ApiCall<'c> {
        call(cx, verb, &self.name, operation)
    }
}

fn call<'c>(cx: &'c DriverContext, verb: &'static str, role: &str, operation: &'static str) -> ApiCall<'c> {
    ApiCall::new(cx, ApiOperation::new(verb, format!("role {role}"), operation).with_rules(errors::RULES))
}

/// Returns the creation time of the role, in UTC: `2026-11-21T09:20:16Z`. Returns `None` if the role does not exist.
pub(super) async fn creation_time(aws: &Aws, cx: &DriverContext, arn: &str) -> Result<Option<String>, Fault> {
    let name = arn.rsplit('/').next().unwrap_or_default();
    let request = Client::new(&aws.config).get_role().role_name(name);
    let response = call(cx, "read", name, "iam:GetRole").find(|| request.clone().send()).await?;
    let role = response.and_then(|response| response.role);
    Ok(role.and_then(|role| role.create_date().fmt(DateTimeFormat::DateTime).ok()))
}
