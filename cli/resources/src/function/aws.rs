//! The function in AWS: code, configuration, reserved concurrency and tags, each with its own calls.

mod live;
mod stand_in;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    ApplicationLogLevel, Architecture, Environment, FunctionCode, LastUpdateStatus, LogFormat, LoggingConfig,
    Runtime, SystemLogLevel,
};
use futures::future::{Either, select};
use hitctl_engine::{Cx, Fault, FieldDiff, Outputs};
use sha2::{Digest as _, Sha256};

use self::stand_in::StandIn;
use crate::aws::account::Aws;
use crate::aws::fault::{Doing, ToFault as _};
use crate::aws::lambda::state::{SETTLING, Until, wait_until_ready};
use crate::aws::lambda::wait::{NOT_FOUND, READ, WRITE};
use crate::aws::owner::check_ours;
use crate::aws::resource::{Found, Resource};
use crate::aws::tags::tags_to_apply;
use crate::function::errors;
use crate::function::spec::FunctionSpec;
use crate::tags::Tags;
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

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.config), aws }
    }

    async fn read(
        &self,
        cx: &Cx,
        name: &str,
        want: Option<&FunctionSpec>,
    ) -> Result<Option<Found<FunctionSpec>>, Fault> {
        cx.wait(&READ, "reading the function", move || self.get(name, want)).await
    }

    async fn create(&self, cx: &Cx, name: &str, want: &FunctionSpec) -> Result<Outputs, Fault> {
        let code = self.code(want).await?;
        let there = cx.wait(&WRITE, "creating the function", || self.make(name, want, &code)).await?;
        let active = wait_until_ready(cx, &self.client, name, None, &Until::Active);
        match (there, want.reserved_concurrency) {
            (Some(have), _) => {
                active.await?;
                self.reconcile(cx, name, &have, want).await?;
            }
            // The reservation needs no code, so it is not kept waiting; where Lambda wants it to, it says so.
            (None, Some(reserved)) if self.aws.called_at_the_end => {
                // Until the reservation is made, the function may turn out never to be ready.
                let (active, reserve) = (pin!(active), pin!(self.reserve(cx, name, reserved)));
                match select(reserve, active).await {
                    Either::Left((reserved, _)) => reserved?,
                    Either::Right((active, reserve)) => {
                        active?;
                        reserve.await?;
                    }
                }
            }
            (None, Some(reserved)) => {
                tokio::try_join!(active, self.reserve(cx, name, reserved))?;
            }
            (None, None) if self.aws.called_at_the_end => {}
            (None, None) => active.await?,
        }
        Ok(Outputs::new())
    }

    async fn update(
        &self,
        cx: &Cx,
        name: &str,
        have: &Found<FunctionSpec>,
        want: &FunctionSpec,
        _fields: &[FieldDiff],
    ) -> Result<Outputs, Fault> {
        self.reconcile(cx, name, &have.spec, want).await?;
        Ok(Outputs::new())
    }

    /// Versions, aliases and the function's policy go with it.
    async fn delete(&self, cx: &Cx, name: &str, _have: &Found<FunctionSpec>) -> Result<(), Fault> {
        let doing = Doing::new("delete", what(name), "lambda:DeleteFunction");
        cx.wait(&WRITE, "deleting the function", || async {
            match self.client.delete_function().function_name(name).send().await {
                Ok(_) => Ok(()),
                Err(error) if error.is(NOT_FOUND) => Ok(()),
                Err(error) => Err(error.fault(&doing)),
            }
        })
        .await?;
        let doing = Doing::new("read", what(name), "lambda:GetFunctionConfiguration");
        cx.wait(&SETTLING, "waiting for Lambda to delete it", || async {
            match self.client.get_function_configuration().function_name(name).send().await {
                Ok(_) => Err(Fault::transient("deleting", "it is still there")),
                Err(error) if error.is(NOT_FOUND) => Ok(()),
                Err(error) => Err(error.fault(&doing)),
            }
        })
        .await
    }
}

impl Function {
    /// The function as it is: one call, which has tags and reserved concurrency in it.
    async fn get(
        &self,
        name: &str,
        want: Option<&FunctionSpec>,
    ) -> Result<Option<Found<FunctionSpec>>, Fault> {
        match self.client.get_function().function_name(name).send().await {
            Ok(answer) => live::found(&answer, want),
            Err(error) if error.is(NOT_FOUND) => Ok(None),
            Err(error) => Err(error.fault(&Doing::new("read", what(name), "lambda:GetFunction"))),
        }
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
    async fn make(
        &self,
        name: &str,
        want: &FunctionSpec,
        code: &Blob,
    ) -> Result<Option<FunctionSpec>, Fault> {
        let request = self
            .client
            .create_function()
            .function_name(name)
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
        match request.send().await {
            Ok(_) => Ok(None),
            // It is ours when the answer to our own call was lost.
            Err(error) if error.is("ResourceConflictException") && error.says("already exist") => {
                let Some(found) = self.get(name, Some(want)).await? else {
                    return Err(Fault::transient("deleting", "the one before is still being deleted"));
                };
                check_ours(&self.aws, name, &found)?;
                Ok(Some(found.spec))
            }
            Err(error) => Err(error.fault(&Doing::new("create", what(name), "lambda:CreateFunction"))),
        }
    }

    /// Changes what differs. Lambda takes one change of configuration or code at a time. The configuration goes first, so
    /// that new code never runs without a setting that it needs; what old code does not know it does not read. Where
    /// versions are published, visitors get neither before the alias switches.
    async fn reconcile(
        &self,
        cx: &Cx,
        name: &str,
        have: &FunctionSpec,
        want: &FunctionSpec,
    ) -> Result<(), Fault> {
        // Read before anything is changed: without it nothing can be brought to its end.
        let code = if have.code_sha256 != want.code_sha256 || have.arch != want.arch {
            Some(self.code(want).await?)
        } else {
            None
        };
        if !tags_to_apply(&have.tags, &want.tags).is_empty() {
            self.tag(cx, name, &have.tags, &want.tags).await?;
        }
        if configuration(have) != configuration(want) {
            self.renew_grant(cx, name, have, want).await?;
            self.configure(cx, name, want).await?;
        }
        if let Some(code) = code {
            self.upload(cx, name, want, &code).await?;
        }
        match (have.reserved_concurrency, want.reserved_concurrency) {
            (have, want) if have == want => Ok(()),
            (_, Some(reserved)) => self.reserve(cx, name, reserved).await,
            (_, None) => self.release(cx, name).await,
        }
    }

    /// Gives the function another role for a moment where its own is not the one that it got its KMS grant for: Lambda makes
    /// a grant when the role changes, and [`configure`](Self::configure) changes it back. Safe to repeat: the id of the role
    /// is in the environment that `configure` sets last.
    async fn renew_grant(
        &self,
        cx: &Cx,
        name: &str,
        have: &FunctionSpec,
        want: &FunctionSpec,
    ) -> Result<(), Fault> {
        if have.role_id() == want.role_id() {
            return Ok(());
        }
        let stand_in = StandIn::new(&self.aws, name);
        if have.role_arn == want.role_arn && self.has_stale_grant(cx, name, have, want).await? {
            stand_in.create(cx, &want.tags).await?;
            let doing =
                Doing::new("renew the KMS grant of", what(name), "lambda:UpdateFunctionConfiguration");
            let answer = cx
                .wait(&WRITE, "renewing the KMS grant", || async {
                    let call = self.client.update_function_configuration().function_name(name);
                    call.role(stand_in.arn()).send().await.map_err(|error| error.fault(&doing))
                })
                .await?;
            self.updated(cx, name, answer.last_update_status(), answer.last_modified()).await?;
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
        cx: &Cx,
        name: &str,
        have: &FunctionSpec,
        want: &FunctionSpec,
    ) -> Result<bool, Fault> {
        if have.role_id().is_some() {
            return Ok(want.role_id().is_some());
        }
        let Some(created) = stand_in::created(&self.aws, cx, &text(want.role_arn.get())).await? else {
            return Ok(false);
        };
        let doing = Doing::new("read", what(name), "lambda:GetFunctionConfiguration");
        let modified = cx
            .wait(&READ, "reading the function", || async {
                let call = self.client.get_function_configuration().function_name(name);
                call.send().await.map_err(|error| error.fault(&doing))
            })
            .await?;
        Ok(is_before(modified.last_modified().unwrap_or_default(), &created))
    }

    /// Sets all of the configuration, and waits until it is in force.
    async fn configure(&self, cx: &Cx, name: &str, want: &FunctionSpec) -> Result<(), Fault> {
        let doing = Doing::new("configure", what(name), "lambda:UpdateFunctionConfiguration");
        let answer = cx
            .wait(&WRITE, "changing the configuration", || async {
                self.client
                    .update_function_configuration()
                    .function_name(name)
                    .runtime(Runtime::from(want.runtime.as_str()))
                    .handler(HANDLER)
                    .role(text(want.role_arn.get()))
                    .memory_size(number(want.memory_mb))
                    .timeout(number(want.timeout_s))
                    .environment(environment(want))
                    .logging_config(logging(want))
                    .send()
                    .await
                    .map_err(|error| error.fault(&doing))
            })
            .await?;
        self.updated(cx, name, answer.last_update_status(), answer.last_modified()).await
    }

    /// Uploads the code, with the instruction set that it is for: both are of this call only.
    async fn upload(&self, cx: &Cx, name: &str, want: &FunctionSpec, code: &Blob) -> Result<(), Fault> {
        let doing = Doing::new("upload the code of", what(name), "lambda:UpdateFunctionCode");
        let answer = cx
            .wait(&WRITE, "uploading the code", || async {
                self.client
                    .update_function_code()
                    .function_name(name)
                    .architectures(architecture(want.arch))
                    .zip_file(code.clone())
                    .send()
                    .await
                    .map_err(|error| error.fault(&doing))
            })
            .await?;
        self.updated(cx, name, answer.last_update_status(), answer.last_modified()).await
    }

    /// Waits for an update, unless its own answer says that it is in force.
    async fn updated(
        &self,
        cx: &Cx,
        name: &str,
        status: Option<&LastUpdateStatus>,
        modified: Option<&str>,
    ) -> Result<(), Fault> {
        if status == Some(&LastUpdateStatus::Successful) {
            return Ok(());
        }
        wait_until_ready(cx, &self.client, name, None, &Until::Updated(modified.map(str::to_owned))).await
    }

    /// Reserves concurrency.
    async fn reserve(&self, cx: &Cx, name: &str, reserved: u32) -> Result<(), Fault> {
        let doing = Doing::new("reserve concurrency for", what(name), "lambda:PutFunctionConcurrency")
            .with_rules(errors::RULES);
        cx.wait(&WRITE, "reserving concurrency", || async {
            let request = self.client.put_function_concurrency().function_name(name);
            match request.reserved_concurrent_executions(number(reserved)).send().await {
                Ok(_) => Ok(()),
                // Reads may lag behind the creation, and so may this.
                Err(error) if error.is(NOT_FOUND) => {
                    Err(Fault::transient("not_visible", "the function is not visible yet"))
                }
                Err(error) if error.says("UnreservedConcurrentExecution") => {
                    Err(Fault { code: "concurrency_quota".into(), ..error.fault(&doing) })
                }
                Err(error) => Err(error.fault(&doing)),
            }
        })
        .await
    }

    /// Gives reserved concurrency back.
    async fn release(&self, cx: &Cx, name: &str) -> Result<(), Fault> {
        let doing = Doing::new("free the concurrency of", what(name), "lambda:DeleteFunctionConcurrency")
            .with_rules(errors::RULES);
        cx.wait(&WRITE, "freeing concurrency", || async {
            match self.client.delete_function_concurrency().function_name(name).send().await {
                Ok(_) => Ok(()),
                Err(error) => Err(error.fault(&doing)),
            }
        })
        .await
    }

    /// Sets the tags that differ; those that others have added are theirs.
    async fn tag(&self, cx: &Cx, name: &str, have: &Tags, want: &Tags) -> Result<(), Fault> {
        let arn = self.aws.arn("lambda", &format!("function:{name}"));
        let doing = Doing::new("tag", what(name), "lambda:TagResource");
        let tags: HashMap<_, _> = tags_to_apply(have, want).into_iter().collect();
        cx.wait(&WRITE, "setting the tags", || async {
            let request = self.client.tag_resource().resource(&arn).set_tags(Some(tags.clone()));
            request.send().await.map(drop).map_err(|error| error.fault(&doing))
        })
        .await
    }
}

const REPORT: &str = "this is a mistake in hitctl: please report it";

fn what(name: &str) -> String {
    format!("function {name}")
}

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

/// A number as the SDK takes it; the config bounds them far below.
fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
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
