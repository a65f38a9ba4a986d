//! The settings in AWS: Lambda keeps them beside the function, or beside its alias.

use std::sync::Arc;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_function_event_invoke_config::GetFunctionEventInvokeConfigOutput;
use aws_sdk_lambda::types::{DestinationConfig, OnFailure, OnSuccess};
use hitctl_engine::{Fault, Outputs, Value};

use crate::alias::places::places;
use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::fault::NOT_FOUND;
use crate::aws::lambda::FunctionRef;
use crate::aws::lambda::wait::WRITE;
use crate::aws::number;
use crate::aws::resource::{Found, Read, Resource, Written};
use crate::event_invoke_config::spec::EventInvokeConfigSpec;

/// What Lambda does unless it is told otherwise: so many retries (its API reference, `PutFunctionEventInvokeConfig`),
const RETRIES: u32 = 2;
/// for so many seconds.
const AGE_S: u32 = 21_600;

/// Settings of the functions of one account and region.
#[derive(Clone, Debug)]
pub(crate) struct EventInvokeConfigs {
    aws: Arc<Aws>,
    client: Client,
}

/// The function that the spec names.
fn function(spec: &EventInvokeConfigSpec) -> FunctionRef<'_> {
    FunctionRef { function: &spec.function_name, qualifier: spec.qualifier.as_ref() }
}

impl Resource for EventInvokeConfigs {
    type Spec = EventInvokeConfigSpec;

    const NOUN: &'static str = "what becomes of failed events of function";

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.config), aws }
    }

    async fn read(
        &self,
        cx: &CallContext<'_>,
        want: Option<&EventInvokeConfigSpec>,
    ) -> Read<EventInvokeConfigSpec> {
        for of in places(want.map(function), &self.aws.base()) {
            let request = self.client.get_function_event_invoke_config().function_name(of.function);
            let request = request.set_qualifier(of.qualifier());
            let call = cx.call("read", "lambda:GetFunctionEventInvokeConfig");
            if let Some(found) = call.find(|| request.clone().send()).await? {
                let spec = spec(of.function, of.qualifier, &found);
                return Ok(Some(Found { spec, outputs: Outputs::new(), tags: None }));
            }
        }
        Ok(None)
    }

    /// Overwrites all of it, which is safe to do again.
    async fn create(&self, cx: &CallContext<'_>, want: &EventInvokeConfigSpec) -> Written {
        let on_failure = OnFailure::builder().set_destination(want.on_failure_arn.get().cloned()).build();
        let request = self
            .client
            .put_function_event_invoke_config()
            .set_function_name(want.function_name.get().cloned())
            .set_qualifier(qualifier(want).map(str::to_owned))
            .maximum_retry_attempts(number(want.max_retries))
            .maximum_event_age_in_seconds(number(want.max_age_s))
            .destination_config(DestinationConfig::builder().on_failure(on_failure).build());
        // A function, an alias or a queue that was made just now may not be visible everywhere.
        let call = cx.call("write", "lambda:PutFunctionEventInvokeConfig").for_at_most(WRITE.budget);
        call.retry_on(NOT_FOUND).send(|| request.clone().send()).await?;
        Ok(Outputs::new())
    }

    async fn delete(&self, cx: &CallContext<'_>, have: &Found<EventInvokeConfigSpec>) -> Result<(), Fault> {
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
    spec.qualifier.as_ref().and_then(Value::get).map(String::as_str)
}

fn spec(
    function: &str,
    qualifier: Option<&str>,
    found: &GetFunctionEventInvokeConfigOutput,
) -> EventInvokeConfigSpec {
    let number =
        |number: Option<i32>, default| number.map_or(default, |it| u32::try_from(it).unwrap_or_default());
    let destinations = found.destination_config();
    let to = |arn: Option<&str>| arn.unwrap_or_default().to_owned();
    let failed = to(destinations.and_then(DestinationConfig::on_failure).and_then(OnFailure::destination));
    let done = to(destinations.and_then(DestinationConfig::on_success).and_then(OnSuccess::destination));
    let on_failure = if done.is_empty() { failed } else { format!("{failed} (and on success {done})") };
    EventInvokeConfigSpec {
        function_name: function.to_owned().into(),
        qualifier: qualifier.map(|qualifier| qualifier.to_owned().into()),
        max_retries: number(found.maximum_retry_attempts(), RETRIES),
        max_age_s: number(found.maximum_event_age_in_seconds(), AGE_S),
        on_failure_arn: on_failure.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_as_lambda_does_it_and_what_is_odd_shows() {
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
