//! The driver of permissions: single statements of function policies.

use std::sync::Arc;

use aws_sdk_lambda::Client;
use futures::FutureExt as _;
use hitctl_engine::{DriverContext, Fault, Outputs};

use crate::alias::candidates::candidate_targets;
use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::lambda::policy::{self, FunctionPolicy, Grant, PolicyStatement};
use crate::aws::lambda::{FunctionRef, QualifiedFunction};
use crate::aws::resource::{ReadResult, ReadState, Resource, WriteResult};
use crate::aws::single_flight::SingleFlight;
use crate::permission::spec::PermissionSpec;

const ACTION: &str = "lambda:InvokeFunction";

/// The concurrent reads of policies, by function and qualifier.
type PolicyReads = SingleFlight<(String, Option<String>), Arc<Vec<PolicyStatement>>>;

/// The driver of permissions.
#[derive(Debug)]
pub(crate) struct PermissionDriver {
    aws: Arc<Aws>,
    client: Client,
    /// Shared reads, because several permissions are statements of the same policy.
    reads: PolicyReads,
}

impl PermissionDriver {
    fn policy<'a>(&'a self, spec: &'a PermissionSpec) -> FunctionPolicy<'a> {
        FunctionPolicy { client: &self.client, target: QualifiedFunction::of(function(spec)) }
    }

    /// Returns the statements of the policy. Concurrent callers share one read.
    async fn statements(
        &self,
        cx: &DriverContext,
        target: QualifiedFunction<'_>,
    ) -> Result<Arc<Vec<PolicyStatement>>, Fault> {
        let key = (target.function.to_owned(), target.qualifier());
        let shared = self.reads.run(key.clone(), || {
            let (client, cx, (function, qualifier)) = (self.client.clone(), cx.clone(), key);
            let read = async move {
                let target = QualifiedFunction { function: &function, qualifier: qualifier.as_deref() };
                FunctionPolicy { client: &client, target }.read(&cx).await.map(Arc::new)
            };
            read.boxed()
        });
        shared.await
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

    fn spec(statement: &PolicyStatement, target: QualifiedFunction<'_>) -> PermissionSpec {
        let grant = &statement.grant;
        let mut principal = statement.with_unexpected(&grant.principal);
        if grant.action != ACTION {
            principal = format!("{principal} ({})", grant.action);
        }
        PermissionSpec {
            function_name: target.function.to_owned().into(),
            qualifier: target.qualifier().map(Into::into),
            principal,
            source_arn: grant.source_arn.clone().unwrap_or_default().into(),
            source_account: grant.source_account.clone(),
        }
    }
}

/// Returns the function in the spec.
fn function(spec: &PermissionSpec) -> FunctionRef<'_> {
    FunctionRef { function: &spec.function_name, qualifier: spec.qualifier.as_ref() }
}

impl Resource for PermissionDriver {
    type Spec = PermissionSpec;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.without_retries()), aws, reads: PolicyReads::default() }
    }

    async fn read(&self, cx: &CallContext<'_>, want: Option<&PermissionSpec>) -> ReadResult<PermissionSpec> {
        for target in candidate_targets(want.map(function), &self.aws.base()) {
            let existing = self.statements(cx, target).await?;
            let ids = policy::statement_ids(cx.name);
            let ours = existing.iter().filter(|statement| ids.contains(&statement.grant.sid));
            // Two statements exist if a replacement was interrupted. Return the one that is not wanted, so that the
            // plan updates it.
            let is_wanted =
                |spec: &PermissionSpec| want.is_some_and(|want| want.source_account == spec.source_account);
            if let Some(spec) = ours.map(|statement| Self::spec(statement, target)).min_by_key(is_wanted) {
                return Ok(Some(ReadState { spec, outputs: Outputs::new(), tags: None }));
            }
        }
        Ok(None)
    }

    async fn create(&self, cx: &CallContext<'_>, want: &PermissionSpec) -> WriteResult {
        self.policy(want).grant(cx, &[Self::grant(cx.name, want)]).await?;
        Ok(Outputs::new())
    }

    async fn update(
        &self,
        cx: &CallContext<'_>,
        _have: &ReadState<PermissionSpec>,
        want: &PermissionSpec,
    ) -> WriteResult {
        self.policy(want).replace(cx, &Self::grant(cx.name, want)).await?;
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &CallContext<'_>, have: &ReadState<PermissionSpec>) -> Result<(), Fault> {
        self.policy(&have.spec).revoke_with_alternate(cx, cx.name).await
    }
}
