//! The driver of asynchronous invocation settings, which Lambda stores for a function or an alias.

use std::sync::Arc;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_function_event_invoke_config::GetFunctionEventInvokeConfigOutput;
use aws_sdk_lambda::types::{DestinationConfig, OnFailure, OnSuccess};
use hitctl_engine::{Fault, Outputs, SpecValue};

use crate::alias::candidates::candidate_targets;
use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::fault::NOT_FOUND;
use crate::aws::lambda::FunctionRef;
use crate::aws::lambda::wait::WRITE;
use crate::aws::number;
use crate::aws::resource::{ReadResult, ReadState, Resource, WriteResult};
use crate::event_invoke_config::spec::EventInvokeConfigSpec;

/// Lambda's default number of retries (API reference, `PutFunctionEventInvokeConfig`).
const DEFAULT_RETRIES: u32 = 2;
/// Lambda's default maximum age of an event, in seconds.
const DEFAULT_AGE_S: u32 = 21_600;

/// The driver of asynchronous invocation settings.
#[derive(Clone, Debug)]
pub(crate) struct EventInvokeConfigDriver {
    aws: Arc<Aws>,
    client: Client,
}

/// Returns the function in the spec.
fn function(spec: &EventInvokeConfigSpec) -> FunctionRef<'_> {
    FunctionRef { function: &spec.function_name, qualifier: spec.qualifier.as_ref() }
}

impl Resource for EventInvokeConfigDriver {
    type Spec = EventInvokeConfigSpec;

    const NOUN: &'static str = "the asynchronous invocation settings of function";

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.config), aws }
    }

    async fn read(
        &self,
        cx: &CallContext<'_>,
        want: Option<&EventInvokeConfigSpec>,
    ) -> ReadResult<EventInvokeConfigSpec> {
        for target in candidate_targets(want.map(function), &self.aws.base()) {
            let request = self.client.get_function_event_invoke_config().function_name(target.function);
            let request = request.set_qualifier(target.qualifier());
            let call = cx.call("read", "lambda:GetFunctionEventInvokeConfig");
            if let Some(found) = call.find(|| request.clone().send()).await? {
                let spec = spec(target.function, target.qualifier, &found);
                return Ok(Some(ReadState { spec, outputs: Outputs::new(), tags: None }));
            }
        }
        Ok(None)
    }

    /// Overwrites all settings, which is safe to repeat.
    async fn create(&self, cx: &CallContext<'_>, want: &EventInvokeConfigSpec) -> WriteResult {
        let on_failure = OnFailure::builder().set_destination(want.on_failure_arn.get().cloned()).build();
        let request = self
            .client
            .put_function_event_invoke_config()
            .set_function_name(want.function_name.get().cloned())
            .set_qualifier(qualifier(want).map(str::to_owned))
            .maximum_retry_attempts(number(want.max_retries))
            .maximum_event_age_in_seconds(number(want.max_age_s))
            .destination_config(DestinationConfig::builder().on_failure(on_failure).build());
        // A new function, alias or queue may not be visible everywhere yet.
        let call = cx.call("write", "lambda:PutFunctionEventInvokeConfig").for_at_most(WRITE.budget);
        call.retry_on(NOT_FOUND).send(|| request.clone().send()).await?;
        Ok(Outputs::new())
    }

    async fn delete(
        &self,
        cx: &CallContext<'_>,
        have: &ReadState<EventInvokeConfigSpec>,
    ) -> Result<(), Fault> {
        let request = self
            .client
            .delete_function_event_invoke_config()
            .set_function_name(have.spec.function_name.get().cloned())
            .set_qualifier(qualifier(&have.spec).map(str::to_owned));
        let call = cx.call("delete", "lambda:DeleteFunctionEventInvokeConfig");
        call.find(|| request.clone().send()).await.map(drop)
    }
}

fn qualifier(spec: &EventInvokeConfigSpec) -> Option<&str> {
    spec.qualifier.as_ref().and_then(SpecValue::get).map(String::as_str)
}

fn spec(
    function: &str,
    qualifier: Option<&str>,
    found: &GetFunctionEventInvokeConfigOutput,
) -> EventInvokeConfigSpec {
    let number =
        |number: Option<i32>, default| number.map_or(default, |it| u32::try_from(it).unwrap_or_default());
    let destinations = found.destination_config();
    let text = |arn: Option<&str>| arn.unwrap_or_default().to_owned();
    let failure_arn =
        text(destinations.and_then(DestinationConfig::on_failure).and_then(OnFailure::destination));
    let success_arn =
        text(destinations.and_then(DestinationConfig::on_success).and_then(OnSuccess::destination));
    let on_failure = if success_arn.is_empty() {
        failure_arn
    } else {
        format!("{failure_arn} (and on success {success_arn})")
    };
    EventInvokeConfigSpec {
        function_name: function.to_owned().into(),
        qualifier: qualifier.map(|qualifier| qualifier.to_owned().into()),
        max_retries: number(found.maximum_retry_attempts(), DEFAULT_RETRIES),
        max_age_s: number(found.maximum_event_age_in_seconds(), DEFAULT_AGE_S),
        on_failure_arn: on_failure.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spec_has_lambda_defaults_and_shows_other_destinations() {
        let bare = spec("hits-test", Some("live"), &GetFunctionEventInvokeConfigOutput::builder().build());
        assert_eq!((bare.max_retries, bare.max_age_s), (2, 21_600));
        assert_eq!(bare.on_failure_arn, String::new().into());
        assert_eq!(qualifier(&bare), Some("live"));
        let destinations = DestinationConfig::builder()
            .on_failure(OnFailure::builder().destination("arn:dlq").build())
            .on_success(OnSuccess::builder().destination("arn:other").build());
        let found = GetFunctionEventInvokeConfigOutput::builder().destination_config(destinations.build());
        let found = spec("hits-test", None, &found.maximum_retry_attempts(0).build());
        assert_eq!(found.on_failure_arn.get().unwrap(), "arn:dlq (and on success arn:other)");
        assert_eq!((found.max_retries, qualifier(&found)), (0, None));
    }
}
