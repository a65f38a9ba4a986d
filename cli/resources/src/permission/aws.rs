//! The statement in AWS.

use std::sync::Arc;

use aws_sdk_lambda::Client;
use futures::FutureExt as _;
use hitctl_engine::{Cx, Fault, FieldDiff, Outputs, Value};

use crate::alias::places::places;
use crate::aws::account::Aws;
use crate::aws::lambda::policy::{self, Grant, Policy, Statement};
use crate::aws::resource::{Found, Resource};
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
        Policy {
            client: &self.client,
            function: spec.function_name.get().map_or("", String::as_str),
            qualifier: spec.qualifier.as_ref().and_then(Value::get).map(String::as_str),
        }
    }

    /// What the policy says, which is asked once by all who look at the same time.
    async fn statements(
        &self,
        cx: &Cx,
        function: &str,
        qualifier: Option<&str>,
    ) -> Result<Arc<Vec<Statement>>, Fault> {
        let key = (function.to_owned(), qualifier.map(str::to_owned));
        let asked = self.reads.ask(key.clone(), || {
            let (client, cx, (function, qualifier)) = (self.client.clone(), cx.clone(), key);
            let read = async move {
                let (function, qualifier) = (function.as_str(), qualifier.as_deref());
                Policy { client: &client, function, qualifier }.read(&cx).await.map(Arc::new)
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

    fn spec(statement: &Statement, function: &str, qualifier: Option<&str>) -> PermissionSpec {
        let grant = &statement.grant;
        let mut principal = statement.marked(&grant.principal);
        if grant.action != ACTION {
            principal = format!("{principal} ({})", grant.action);
        }
        PermissionSpec {
            function_name: function.to_owned().into(),
            qualifier: qualifier.map(|qualifier| qualifier.to_owned().into()),
            principal,
            source_arn: grant.source_arn.clone().unwrap_or_default().into(),
            source_account: grant.source_account.clone(),
        }
    }
}

impl Resource for Permissions {
    type Spec = PermissionSpec;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: policy::client(&aws), aws, reads: PolicyReads::default() }
    }

    async fn read(
        &self,
        cx: &Cx,
        name: &str,
        want: Option<&PermissionSpec>,
    ) -> Result<Option<Found<PermissionSpec>>, Fault> {
        let base = self.aws.base();
        let function = want.and_then(|want| want.function_name.get()).unwrap_or(&base);
        let wanted = want.and_then(|want| want.qualifier.as_ref());
        for qualifier in places(want.is_some(), wanted) {
            let there = self.statements(cx, function, qualifier).await?;
            let ids = policy::ids(name);
            let ours = there.iter().filter(|statement| ids.contains(&statement.grant.sid));
            let mut specs: Vec<_> =
                ours.map(|statement| Self::spec(statement, function, qualifier)).collect();
            // Both are there when an exchange was interrupted: the one that has to go is shown.
            specs.sort_by_key(|spec| want.is_some_and(|want| want.source_account == spec.source_account));
            if let Some(spec) = specs.into_iter().next() {
                return Ok(Some(Found { spec, outputs: Outputs::new(), tags: None }));
            }
        }
        Ok(None)
    }

    async fn create(&self, cx: &Cx, name: &str, want: &PermissionSpec) -> Result<Outputs, Fault> {
        self.policy(want).grant(cx, &[Self::grant(name, want)]).await?;
        Ok(Outputs::new())
    }

    async fn update(
        &self,
        cx: &Cx,
        name: &str,
        _have: &Found<PermissionSpec>,
        want: &PermissionSpec,
        _fields: &[FieldDiff],
    ) -> Result<Outputs, Fault> {
        self.policy(want).exchange(cx, &Self::grant(name, want)).await?;
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &Cx, name: &str, have: &Found<PermissionSpec>) -> Result<(), Fault> {
        self.policy(&have.spec).revoke_exchanged(cx, name).await
    }
}
