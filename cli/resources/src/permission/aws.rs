//! The statement in AWS.

use std::sync::Arc;

use aws_sdk_lambda::Client;
use futures::FutureExt as _;
use hitctl_engine::{Cx, Fault, Outputs};

use crate::alias::places::places;
use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::lambda::policy::{self, Grant, Policy, Statement};
use crate::aws::lambda::{FunctionRef, Qualified};
use crate::aws::resource::{Found, Read, Resource, Written};
use crate::aws::single_flight::SingleFlight;
use crate::permission::spec::PermissionSpec;

const ACTION: &str = "lambda:InvokeFunction";

/// What a policy says: of a function, or of an alias of it.
type PolicyReads = SingleFlight<(String, Option<String>), Arc<Vec<Statement>>>;

/// Statements of function policies in AWS.
#[derive(Debug)]
pub(crate) struct Permissions {
    aws: Arc<Aws>,
    client: Client,
    /// Several statements are looked for in one policy.
    reads: PolicyReads,
}

impl Permissions {
    fn policy<'a>(&'a self, spec: &'a PermissionSpec) -> Policy<'a> {
        Policy { client: &self.client, of: Qualified::of(function(spec)) }
    }

    /// What the policy says, which is asked once by all who look at the same time.
    async fn statements(&self, cx: &Cx, of: Qualified<'_>) -> Result<Arc<Vec<Statement>>, Fault> {
        let key = (of.function.to_owned(), of.qualifier());
        let asked = self.reads.ask(key.clone(), || {
            let (client, cx, (function, qualifier)) = (self.client.clone(), cx.clone(), key);
            let read = async move {
                let of = Qualified { function: &function, qualifier: qualifier.as_deref() };
                Policy { client: &client, of }.read(&cx).await.map(Arc::new)
            };
            read.boxed()
        });
        asked.await
    }

    fn grant(name: &str, want: &PermissionSpec) -> Grant {
        Grant {
            sid: name.to_owned(),
            principal: want.principal.clone(),
            action: ACTION.to_owned(),
            source_arn: want.source_arn.get().cloned(),
            source_account: want.source_account.clone(),
            ..Grant::default()
        }
    }

    fn spec(statement: &Statement, of: Qualified<'_>) -> PermissionSpec {
        let grant = &statement.grant;
        let mut principal = statement.marked(&grant.principal);
        if grant.action != ACTION {
            principal = format!("{principal} ({})", grant.action);
        }
        PermissionSpec {
            function_name: of.function.to_owned().into(),
            qualifier: of.qualifier().map(Into::into),
            principal,
            source_arn: grant.source_arn.clone().unwrap_or_default().into(),
            source_account: grant.source_account.clone(),
        }
    }
}

/// The function that the spec names.
fn function(spec: &PermissionSpec) -> FunctionRef<'_> {
    FunctionRef { function: &spec.function_name, qualifier: spec.qualifier.as_ref() }
}

impl Resource for Permissions {
    type Spec = PermissionSpec;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.without_retries()), aws, reads: PolicyReads::default() }
    }

    async fn read(&self, cx: &CallContext<'_>, want: Option<&PermissionSpec>) -> Read<PermissionSpec> {
        for of in places(want.map(function), &self.aws.base()) {
            let there = self.statements(cx, of).await?;
            let ids = policy::ids(cx.name);
            let ours = there.iter().filter(|statement| ids.contains(&statement.grant.sid));
            // Both are there when an exchange was interrupted: the one that has to go is shown.
            let is_wanted =
                |spec: &PermissionSpec| want.is_some_and(|want| want.source_account == spec.source_account);
            if let Some(spec) = ours.map(|statement| Self::spec(statement, of)).min_by_key(is_wanted) {
                return Ok(Some(Found { spec, outputs: Outputs::new(), tags: None }));
            }
        }
        Ok(None)
    }

    async fn create(&self, cx: &CallContext<'_>, want: &PermissionSpec) -> Written {
        self.policy(want).grant(cx, &[Self::grant(cx.name, want)]).await?;
        Ok(Outputs::new())
    }

    async fn update(
        &self,
        cx: &CallContext<'_>,
        _have: &Found<PermissionSpec>,
        want: &PermissionSpec,
    ) -> Written {
        self.policy(want).exchange(cx, &Self::grant(cx.name, want)).await?;
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &CallContext<'_>, have: &Found<PermissionSpec>) -> Result<(), Fault> {
        self.policy(&have.spec).revoke_exchanged(cx, cx.name).await
    }
}
