//! The function in AWS: code, configuration, reserved concurrency and tags, each with its own calls.

mod live;
mod stand_in;

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

use self::stand_in::StandIn;
use crate::aws::account::Aws;
use crate::aws::call::{Call, CallContext};
use crate::aws::fault::ErrorRule;
use crate::aws::lambda::state::{SETTLING, Until, wait_until_ready};
use crate::aws::lambda::wait::{CONFLICT, READ, WRITE};
use crate::aws::number;
use crate::aws::owner::check_ours;
use crate::aws::resource::{Found, Read, Resource, Written};
use crate::aws::tags::tags_to_apply;
use crate::function::errors;
use crate::function::spec::FunctionSpec;
use hitctl_config::Arch;

/// The custom runtime runs the file of this name, whatever the handler; it is called the same.
const HANDLER: &str = "bootstrap";

/// The driver of functions.
pub(crate) struct Function {
    aws: Arc<Aws>,
    client: Client,
}

impl Resource for Function {
    type Spec = FunctionSpec;

    const RULES: &'static [ErrorRule] = errors::RULES;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.config), aws }
    }

    async fn read(&self, cx: &CallContext<'_>, want: Option<&FunctionSpec>) -> Read<FunctionSpec> {
        let call = cx.call("read", "lambda:GetFunction").retrying(&READ, "reading the function");
        self.get(call, cx.name, want).await
    }

    async fn create(&self, cx: &CallContext<'_>, want: &FunctionSpec) -> Written {
        let (name, code) = (cx.name, self.code(want).await?);
        let there = cx.wait(&WRITE, "creating the function", || self.make(cx, want, &code)).await?;
        let active = wait_until_ready(cx, &self.client, name, None, &Until::Active);
        match (there, want.reserved_concurrency) {
            (Some(have), _) => {
                active.await?;
                self.update(cx, &have, want).await?;
            }
            // The reservation needs no code, so it is not kept waiting; where Lambda wants it to, it says so.
            (None, Some(reserved)) if self.aws.called_at_the_end => {
                // Until the reservation is made, the function may turn out never to be ready.
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
            (None, None) if self.aws.called_at_the_end => {}
            (None, None) => active.await?,
        }
        Ok(Outputs::new())
    }

    /// Changes what differs. Lambda takes one change of configuration or code at a time. The configuration goes first, so
    /// that new code never runs without a setting that it needs; what old code does not know it does not read. Where
    /// versions are published, visitors get neither before the alias switches.
    async fn update(&self, cx: &CallContext<'_>, have: &Found<FunctionSpec>, want: &FunctionSpec) -> Written {
        let have = &have.spec;
        // Read before anything is changed: without it nothing can be brought to its end.
        let code = if have.code_sha256 != want.code_sha256 || have.arch != want.arch {
            Some(self.code(want).await?)
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
            (_, None) => self.release(cx).await?,
        }
        Ok(Outputs::new())
    }

    /// Versions, aliases and the function's policy go with it.
    async fn delete(&self, cx: &CallContext<'_>, _have: &Found<FunctionSpec>) -> Result<(), Fault> {
        let request = self.client.delete_function().function_name(cx.name);
        let call = cx.call("delete", "lambda:DeleteFunction").retrying(&WRITE, "deleting the function");
        call.find(|| request.clone().send()).await?;
        let request = self.client.get_function_configuration().function_name(cx.name);
        cx.call("read", "lambda:GetFunctionConfiguration")
            .retrying(&SETTLING, "waiting for Lambda to delete it")
            .until(
                || request.clone().send(),
                |found| match found {
                    Some(_) => Err(Fault::transient("deleting", "it is still there")),
                    None => Ok(()),
                },
            )
            .await
    }
}

impl Function {
    /// The function as it is: one call, which has tags and reserved concurrency in it.
    async fn get(&self, call: Call<'_>, name: &str, want: Option<&FunctionSpec>) -> Read<FunctionSpec> {
        let request = self.client.get_function().function_name(name);
        call.until(
            || request.clone().send(),
            |found| found.map_or(Ok(None), |found| live::found(&found, want)),
        )
        .await
    }

    /// The zip, checked to be the one that is wanted.
    async fn code(&self, want: &FunctionSpec) -> Result<Blob, Fault> {
        let code =
            self.aws.code.as_ref().filter(|code| code.sha256 == want.code_sha256).ok_or_else(|| {
                Fault::fatal("no_code", "the function's code was not built for this run").hinted(REPORT)
            })?;
        let file = code.zip.display();
        let zip = tokio::fs::read(&code.zip).await.map_err(|error| {
            Fault::fatal("no_code", format!("failed to read the function's code from {file}"))
                .caused_by(error)
                .hinted("run the same command again: it builds the code")
        })?;
        let sha256 = hex::encode(Sha256::digest(&zip));
        if sha256 != want.code_sha256 {
            return Err(Fault::fatal("code_changed", format!("{file} was changed after it was built"))
                .hinted("run the same command again: it builds the code"));
        }
        Ok(Blob::new(zip))
    }

    /// Makes it. When it is there already, and ours: what it is like.
    async fn make(&self, cx: &CallContext<'_>, want: &FunctionSpec, code: &Blob) -> Read<FunctionSpec> {
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
        // It is ours when the answer to our own call was lost.
        let Some(found) = self.get(cx.call("read", "lambda:GetFunction").once(), cx.name, Some(want)).await?
        else {
            return Err(Fault::transient("deleting", "the one before is still being deleted"));
        };
        check_ours(&self.aws, cx.name, &found)?;
        Ok(Some(found))
    }

    /// Gives the function another role for a moment where its own is not the one that it got its KMS grant for: Lambda makes
    /// a grant when the role changes, and [`configure`](Self::configure) changes it back. Safe to repeat: the id of the role
    /// is in the environment that `configure` sets last.
    async fn renew_grant(
        &self,
        cx: &CallContext<'_>,
        have: &FunctionSpec,
        want: &FunctionSpec,
    ) -> Result<(), Fault> {
        if have.role_id() == want.role_id() {
            return Ok(());
        }
        let stand_in = StandIn::new(&self.aws, cx.name);
        if have.role_arn == want.role_arn && self.has_stale_grant(cx, have, want).await? {
            stand_in.create(cx, &want.tags).await?;
            let request = self.client.update_function_configuration().function_name(cx.name);
            let request = request.role(stand_in.arn());
            let call = cx.call("renew the KMS grant of", "lambda:UpdateFunctionConfiguration");
            let call = call.retrying(&WRITE, "renewing the KMS grant");
            self.configured(cx, &call.send(|| request.clone().send()).await?).await?;
        } else if text(have.role_arn.get()) != stand_in.arn() {
            return Ok(());
        }
        // It goes before the role changes back, so that nothing is left once the plan is empty.
        stand_in.delete(cx).await
    }

    /// Whether the function's role was created again after the function got its KMS grant. A function of an earlier release
    /// does not say for which role that was: then the creation times decide.
    async fn has_stale_grant(
        &self,
        cx: &CallContext<'_>,
        have: &FunctionSpec,
        want: &FunctionSpec,
    ) -> Result<bool, Fault> {
        if have.role_id().is_some() {
            return Ok(want.role_id().is_some());
        }
        let Some(created) = stand_in::created(&self.aws, cx, &text(want.role_arn.get())).await? else {
            return Ok(false);
        };
        let request = self.client.get_function_configuration().function_name(cx.name);
        let call = cx.call("read", "lambda:GetFunctionConfiguration");
        let modified = call.retrying(&READ, "reading the function").send(|| request.clone().send()).await?;
        Ok(is_before(modified.last_modified().unwrap_or_default(), &created))
    }

    /// Sets all of the configuration, and waits until it is in force.
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
        self.configured(cx, &call.send(|| request.clone().send()).await?).await
    }

    /// Uploads the code, with the instruction set that it is for: both are of this call only.
    async fn upload(&self, cx: &CallContext<'_>, want: &FunctionSpec, code: &Blob) -> Result<(), Fault> {
        let request = self.client.update_function_code().function_name(cx.name);
        let request = request.architectures(architecture(want.arch)).zip_file(code.clone());
        let call = cx.call("upload the code of", "lambda:UpdateFunctionCode");
        let answer = call.retrying(&WRITE, "uploading the code").send(|| request.clone().send()).await?;
        self.updated(cx, answer.last_update_status(), answer.last_modified()).await
    }

    async fn configured(
        &self,
        cx: &CallContext<'_>,
        answer: &UpdateFunctionConfigurationOutput,
    ) -> Result<(), Fault> {
        self.updated(cx, answer.last_update_status(), answer.last_modified()).await
    }

    /// Waits for an update, unless its own answer says that it is in force.
    async fn updated(
        &self,
        cx: &CallContext<'_>,
        status: Option<&LastUpdateStatus>,
        modified: Option<&str>,
    ) -> Result<(), Fault> {
        if status == Some(&LastUpdateStatus::Successful) {
            return Ok(());
        }
        wait_until_ready(cx, &self.client, cx.name, None, &Until::Updated(modified.map(str::to_owned))).await
    }

    /// Reserves concurrency.
    async fn reserve(&self, cx: &CallContext<'_>, reserved: u32) -> Result<(), Fault> {
        let request = self.client.put_function_concurrency().function_name(cx.name);
        let request = request.reserved_concurrent_executions(number(reserved));
        // Reads may lag behind the creation, and so may this.
        let unseen = || Fault::transient("not_visible", "the function is not visible yet");
        let call = cx.call("reserve concurrency for", "lambda:PutFunctionConcurrency");
        let reserved = call
            .retrying(&WRITE, "reserving concurrency")
            .until(|| request.clone().send(), |found| found.map(drop).ok_or_else(unseen));
        let is_quota =
            |fault: &Fault| fault.cause.as_ref().is_some_and(|cause| cause.contains(errors::QUOTA));
        reserved.await.map_err(|fault| match fault {
            fault if is_quota(&fault) => Fault { code: "concurrency_quota".into(), ..fault },
            fault => fault,
        })
    }

    /// Gives reserved concurrency back.
    async fn release(&self, cx: &CallContext<'_>) -> Result<(), Fault> {
        let request = self.client.delete_function_concurrency().function_name(cx.name);
        let call = cx.call("free the concurrency of", "lambda:DeleteFunctionConcurrency");
        call.retrying(&WRITE, "freeing concurrency").send(|| request.clone().send()).await.map(drop)
    }
}

const REPORT: &str = "this is a mistake in hitctl: please report it";

/// What `UpdateFunctionConfiguration` is for: the spec without what other calls change.
fn configuration(spec: &FunctionSpec) -> impl PartialEq {
    let variables: Vec<_> =
        spec.variables().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let texts = [
        spec.runtime.clone(),
        text(spec.role_arn.get()),
        spec.log_format.clone(),
        text(spec.app_log_level.as_ref()),
        text(spec.system_log_level.as_ref()),
        text(spec.log_group.get()),
    ];
    (texts, spec.memory_mb, spec.timeout_s, variables)
}

fn text(value: Option<&String>) -> String {
    value.cloned().unwrap_or_default()
}

/// Whether a time of Lambda's is before one of IAM's: both are in UTC, and equal in form up to the seconds.
fn is_before(time: &str, other: &str) -> bool {
    matches!((time.get(..19), other.get(..19)), (Some(time), Some(other)) if time < other)
}

fn architecture(arch: Arch) -> Architecture {
    match arch {
        Arch::Arm64 => Architecture::Arm64,
        Arch::X86_64 => Architecture::X8664,
    }
}

/// All of the environment: what is sent replaces what is there, and an empty one clears it.
fn environment(want: &FunctionSpec) -> Environment {
    let variables = want.variables().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Environment::builder().set_variables(Some(variables)).build()
}

/// All settings of the log. The levels are legal with JSON only.
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
    fn times_of_both_services_compare() {
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
