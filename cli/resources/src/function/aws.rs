//! The driver of functions. Code, configuration, reserved concurrency and tags are changed by separate calls.

mod live;
mod temporary_role;

use std::pin::pin;
use std::sync::Arc;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::update_function_configuration::UpdateFunctionConfigurationOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    ApplicationLogLevel, Architecture, Environment, FunctionCode, LastUpdateStatus, LogFormat, LoggingConfig,
    Runtime, SystemLogLevel,
};
use futures::future::{Either, select};
use hitctl_engine::{Fault, Outputs};
use sha2::{Digest as _, Sha256};

use self::temporary_role::TemporaryRole;
use crate::aws::account::Aws;
use crate::aws::call::{ApiCall, CallContext};
use crate::aws::fault::ErrorRule;
use crate::aws::lambda::state::{READY_RETRY, ReadyCondition, wait_until_ready};
use crate::aws::lambda::wait::{CONFLICT, READ, WRITE};
use crate::aws::number;
use crate::aws::owner::check_ours;
use crate::aws::resource::{ReadResult, ReadState, Resource, WriteResult};
use crate::aws::tags::tags_to_apply;
use crate::function::errors;
use crate::function::spec::FunctionSpec;
use hitctl_config::Arch;

/// The handler. Lambda requires one, but a custom runtime ignores it and always runs the file `bootstrap`.
const HANDLER: &str = "bootstrap";

/// The driver of functions.
pub(crate) struct FunctionDriver {
    aws: Arc<Aws>,
    client: Client,
}

impl Resource for FunctionDriver {
    type Spec = FunctionSpec;

    const RULES: &'static [ErrorRule] = errors::RULES;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.config), aws }
    }

    async fn read(&self, cx: &CallContext<'_>, want: Option<&FunctionSpec>) -> ReadResult<FunctionSpec> {
        let call = cx.call("read", "lambda:GetFunction").retrying(&READ, "reading the function");
        self.get(call, cx.name, want).await
    }

    async fn create(&self, cx: &CallContext<'_>, want: &FunctionSpec) -> WriteResult {
        let (name, code) = (cx.name, self.read_code(want).await?);
        let existing = cx.retry(&WRITE, "creating the function", || self.try_create(cx, want, &code)).await?;
        let active = wait_until_ready(cx, &self.client, name, None, &ReadyCondition::Active);
        match (existing, want.reserved_concurrency) {
            (Some(have), _) => {
                active.await?;
                self.update(cx, &have, want).await?;
            }
            // Concurrency can be reserved while the function is not active yet. If Lambda requires an active
            // function, it returns a conflict, which is retried.
            (None, Some(reserved)) if self.aws.smoke_tested => {
                // Stop if the function fails before the reservation is made.
                let (active, reserve) = (pin!(active), pin!(self.reserve(cx, reserved)));
                match select(reserve, active).await {
                    Either::Left((reserved, _)) => reserved?,
                    Either::Right((active, reserve)) => {
                        active?;
                        reserve.await?;
                    }
                }
            }
            (None, Some(reserved)) => {
                tokio::try_join!(active, self.reserve(cx, reserved))?;
            }
            (None, None) if self.aws.smoke_tested => {}
            (None, None) => active.await?,
        }
        Ok(Outputs::new())
    }

    /// Changes the settings that differ. Lambda accepts one change of configuration or code at a time. The
    /// configuration is changed first, so that new code never runs without a setting that it needs; old code ignores
    /// new settings. If versions are published, visitors are served by the old version until the alias is switched.
    async fn update(
        &self,
        cx: &CallContext<'_>,
        have: &ReadState<FunctionSpec>,
        want: &FunctionSpec,
    ) -> WriteResult {
        let have = &have.spec;
        // Read the code before any change, because without the code the update could not finish.
        let code = if have.code_sha256 != want.code_sha256 || have.arch != want.arch {
            Some(self.read_code(want).await?)
        } else {
            None
        };
        let tags = tags_to_apply(&have.tags, &want.tags);
        if !tags.is_empty() {
            let arn = self.aws.arn("lambda", &format!("function:{}", cx.name));
            let request = self.client.tag_resource().resource(arn).set_tags(Some(tags.into_iter().collect()));
            let call = cx.call("tag", "lambda:TagResource").retrying(&WRITE, "setting the tags");
            call.send(|| request.clone().send()).await?;
        }
        if configuration(have) != configuration(want) {
            self.renew_grant(cx, have, want).await?;
            self.configure(cx, want).await?;
        }
        if let Some(code) = code {
            self.upload(cx, want, &code).await?;
        }
        match (have.reserved_concurrency, want.reserved_concurrency) {
            (have, want) if have == want => {}
            (_, Some(reserved)) => self.reserve(cx, reserved).await?,
            (_, None) => self.delete_reservation(cx).await?,
        }
        Ok(Outputs::new())
    }

    /// Deletes the function with its versions, aliases and policy, and waits until it no longer exists.
    async fn delete(&self, cx: &CallContext<'_>, _have: &ReadState<FunctionSpec>) -> Result<(), Fault> {
        let request = self.client.delete_function().function_name(cx.name);
        let call = cx.call("delete", "lambda:DeleteFunction").retrying(&WRITE, "deleting the function");
        call.find(|| request.clone().send()).await?;
        let request = self.client.get_function_configuration().function_name(cx.name);
        cx.call("read", "lambda:GetFunctionConfiguration")
            .retrying(&READY_RETRY, "waiting for Lambda to delete the function")
            .until(
                || request.clone().send(),
                |found| match found {
                    Some(_) => Err(Fault::transient("deleting", "the function still exists")),
                    None => Ok(()),
                },
            )
            .await
    }
}

impl FunctionDriver {
    /// Reads the function with one call, which includes tags and reserved concurrency.
    async fn get(
        &self,
        call: ApiCall<'_>,
        name: &str,
        want: Option<&FunctionSpec>,
    ) -> ReadResult<FunctionSpec> {
        let request = self.client.get_function().function_name(name);
        call.until(
            || request.clone().send(),
            |found| found.map_or(Ok(None), |found| live::read_function(&found, want)),
        )
        .await
    }

    /// Reads the zip and checks its hash.
    async fn read_code(&self, want: &FunctionSpec) -> Result<Blob, Fault> {
        let code = self
            .aws
            .code
            .as_ref()
            .filter(|code| code.sha256 == want.code_sha256)
            .ok_or_else(|| Fault::fatal("no_code", NO_CODE))?;
        let file = code.zip.display();
        let zip = tokio::fs::read(&code.zip).await.map_err(|error| {
            Fault::fatal("no_code", format!("failed to read the code of the function from {file}"))
                .caused_by(error)
                .hinted("run the same command again to rebuild the code")
        })?;
        let sha256 = hex::encode(Sha256::digest(&zip));
        if sha256 != want.code_sha256 {
            return Err(Fault::fatal("code_changed", format!("{file} was changed after the build"))
                .hinted("run the same command again to rebuild the code"));
        }
        Ok(Blob::new(zip))
    }

    /// Creates the function and returns `None`. If a function of ours already exists, returns its state.
    async fn try_create(
        &self,
        cx: &CallContext<'_>,
        want: &FunctionSpec,
        code: &Blob,
    ) -> ReadResult<FunctionSpec> {
        let request = self
            .client
            .create_function()
            .function_name(cx.name)
            .runtime(Runtime::from(want.runtime.as_str()))
            .handler(HANDLER)
            .architectures(architecture(want.arch))
            .role(text(want.role_arn.get()))
            .memory_size(number(want.memory_mb))
            .timeout(number(want.timeout_s))
            .environment(environment(want))
            .logging_config(logging(want))
            .set_tags(Some(want.tags.clone().into_iter().collect()))
            .code(FunctionCode::builder().zip_file(code.clone()).build());
        let call =
            cx.call("create", "lambda:CreateFunction").once().none_on_message(CONFLICT, "already exist");
        if call.find(|| request.clone().send()).await?.is_some() {
            return Ok(None);
        }
        // The function exists: an earlier attempt whose response was lost may have created it.
        let Some(found) = self.get(cx.call("read", "lambda:GetFunction").once(), cx.name, Some(want)).await?
        else {
            return Err(Fault::transient("deleting", "the previous function is still being deleted"));
        };
        check_ours(&self.aws, cx.name, &found)?;
        Ok(Some(found))
    }

    /// Assigns a temporary role to the function if the KMS grant names an earlier role with the same name.
    /// [`configure`](Self::configure) then assigns the function's own role again, for which Lambda creates a new
    /// grant. If a run is interrupted in between, the next run repeats the renewal, because only `configure` records
    /// the new role's id, in the environment variables.
    async fn renew_grant(
        &self,
        cx: &CallContext<'_>,
        have: &FunctionSpec,
        want: &FunctionSpec,
    ) -> Result<(), Fault> {
        if have.role_id() == want.role_id() {
            return Ok(());
        }
        let temporary_role = TemporaryRole::new(&self.aws, cx.name);
        if have.role_arn == want.role_arn && self.has_stale_grant(cx, have, want).await? {
            temporary_role.create(cx, &want.tags).await?;
            let request = self.client.update_function_configuration().function_name(cx.name);
            let request = request.role(temporary_role.arn());
            let call = cx.call("renew the KMS grant of", "lambda:UpdateFunctionConfiguration");
            let call = call.retrying(&WRITE, "renewing the KMS grant");
            self.wait_until_configured(cx, &call.send(|| request.clone().send()).await?).await?;
        } else if text(have.role_arn.get()) != temporary_role.arn() {
            return Ok(());
        }
        // Delete the temporary role before `configure` assigns the own role. If it were deleted afterwards, an
        // interrupted run would leave the role behind with an empty plan.
        temporary_role.delete(cx).await
    }

    /// Whether the function's role was created again after the KMS grant. A function that an earlier release of hitctl
    /// deployed does not record the role's id. For such a function, the grant is stale if the role was created after
    /// the last change of the function.
    async fn has_stale_grant(
        &self,
        cx: &CallContext<'_>,
        have: &FunctionSpec,
        want: &FunctionSpec,
    ) -> Result<bool, Fault> {
        if have.role_id().is_some() {
            return Ok(want.role_id().is_some());
        }
        let Some(created) = temporary_role::creation_time(&self.aws, cx, &text(want.role_arn.get())).await?
        else {
            return Ok(false);
        };
        let request = self.client.get_function_configuration().function_name(cx.name);
        let call = cx.call("read", "lambda:GetFunctionConfiguration");
        let configuration =
            call.retrying(&READ, "reading the function").send(|| request.clone().send()).await?;
        Ok(is_before(configuration.last_modified().unwrap_or_default(), &created))
    }

    /// Sets all configuration settings and waits until they are in effect.
    async fn configure(&self, cx: &CallContext<'_>, want: &FunctionSpec) -> Result<(), Fault> {
        let request = self
            .client
            .update_function_configuration()
            .function_name(cx.name)
            .runtime(Runtime::from(want.runtime.as_str()))
            .handler(HANDLER)
            .role(text(want.role_arn.get()))
            .memory_size(number(want.memory_mb))
            .timeout(number(want.timeout_s))
            .environment(environment(want))
            .logging_config(logging(want));
        let call = cx.call("configure", "lambda:UpdateFunctionConfiguration");
        let call = call.retrying(&WRITE, "changing the configuration");
        self.wait_until_configured(cx, &call.send(|| request.clone().send()).await?).await
    }

    /// Uploads the code and sets its instruction set. `UpdateFunctionConfiguration` can set neither.
    async fn upload(&self, cx: &CallContext<'_>, want: &FunctionSpec, code: &Blob) -> Result<(), Fault> {
        let request = self.client.update_function_code().function_name(cx.name);
        let request = request.architectures(architecture(want.arch)).zip_file(code.clone());
        let call = cx.call("upload the code of", "lambda:UpdateFunctionCode");
        let response = call.retrying(&WRITE, "uploading the code").send(|| request.clone().send()).await?;
        self.wait_until_updated(cx, response.last_update_status(), response.last_modified()).await
    }

    async fn wait_until_configured(
        &self,
        cx: &CallContext<'_>,
        response: &UpdateFunctionConfigurationOutput,
    ) -> Result<(), Fault> {
        self.wait_until_updated(cx, response.last_update_status(), response.last_modified()).await
    }

    /// Waits until an update is in effect, unless its response says that it already is.
    async fn wait_until_updated(
        &self,
        cx: &CallContext<'_>,
        status: Option<&LastUpdateStatus>,
        modified: Option<&str>,
    ) -> Result<(), Fault> {
        if status == Some(&LastUpdateStatus::Successful) {
            return Ok(());
        }
        wait_until_ready(
            cx,
            &self.client,
            cx.name,
            None,
            &ReadyCondition::Updated(modified.map(str::to_owned)),
        )
        .await
    }

    /// Reserves concurrency.
    async fn reserve(&self, cx: &CallContext<'_>, reserved: u32) -> Result<(), Fault> {
        let request = self.client.put_function_concurrency().function_name(cx.name);
        let request = request.reserved_concurrent_executions(number(reserved));
        // The new function may not be visible to this call yet.
        let not_visible = || Fault::transient("not_visible", "the function is not visible yet");
        let call = cx.call("reserve concurrency for", "lambda:PutFunctionConcurrency");
        let reservation = call
            .retrying(&WRITE, "reserving concurrency")
            .until(|| request.clone().send(), |found| found.map(drop).ok_or_else(not_visible));
        let is_quota = |fault: &Fault| {
            fault.cause.as_ref().is_some_and(|cause| cause.contains(errors::UNRESERVED_CONCURRENCY))
        };
        reservation.await.map_err(|fault| match fault {
            fault if is_quota(&fault) => Fault { code: "concurrency_quota".into(), ..fault },
            fault => fault,
        })
    }

    /// Removes the reservation of concurrency.
    async fn delete_reservation(&self, cx: &CallContext<'_>) -> Result<(), Fault> {
        let request = self.client.delete_function_concurrency().function_name(cx.name);
        let call = cx.call("remove the reserved concurrency of", "lambda:DeleteFunctionConcurrency");
        call.retrying(&WRITE, "removing the reserved concurrency")
            .send(|| request.clone().send())
            .await
            .map(drop)
    }
}

/// The message for a missing code package. Every deploy builds one.
const NO_CODE: &str = "internal error: the code of the function was not built for this run; please report it";

/// Returns the settings that `UpdateFunctionConfiguration` sets, for comparison.
fn configuration(spec: &FunctionSpec) -> impl PartialEq {
    let variables: Vec<_> =
        spec.variables().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let strings = [
        spec.runtime.clone(),
        text(spec.role_arn.get()),
        spec.log_format.clone(),
        text(spec.app_log_level.as_ref()),
        text(spec.system_log_level.as_ref()),
        text(spec.log_group.get()),
    ];
    (strings, spec.memory_mb, spec.timeout_s, variables)
}

fn text(value: Option<&String>) -> String {
    value.cloned().unwrap_or_default()
}

/// Whether a time from Lambda is before a time from IAM. Both are in UTC, and their first 19 characters have the same
/// format, down to the seconds.
fn is_before(time: &str, other: &str) -> bool {
    matches!((time.get(..19), other.get(..19)), (Some(time), Some(other)) if time < other)
}

fn architecture(arch: Arch) -> Architecture {
    match arch {
        Arch::Arm64 => Architecture::Arm64,
        Arch::X86_64 => Architecture::X8664,
    }
}

/// Returns all environment variables of the spec. They replace the existing variables, even if there are none.
fn environment(want: &FunctionSpec) -> Environment {
    let variables = want.variables().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Environment::builder().set_variables(Some(variables)).build()
}

/// Returns all logging settings. The spec has log levels only if the format is JSON.
fn logging(want: &FunctionSpec) -> LoggingConfig {
    LoggingConfig::builder()
        .log_format(LogFormat::from(want.log_format.as_str()))
        .set_application_log_level(want.app_log_level.as_deref().map(ApplicationLogLevel::from))
        .set_system_log_level(want.system_log_level.as_deref().map(SystemLogLevel::from))
        .log_group(text(want.log_group.get()))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_before_compares_lambda_and_iam_times() {
        for (modified, created, expected) in [
            ("2026-11-21T09:20:16.863+0000", "2026-11-21T09:20:17Z", true),
            ("2026-11-21T09:20:17.863+0000", "2026-11-21T09:20:17Z", false),
            ("2026-11-21T09:20:17.863+0000", "2025-12-31T23:59:59.5Z", false),
            ("", "2026-11-21T09:20:17Z", false),
        ] {
            assert_eq!(is_before(modified, created), expected, "{modified} {created}");
        }
    }
}
