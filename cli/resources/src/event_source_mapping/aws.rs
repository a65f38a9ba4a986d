//! The driver of event source mappings. Lambda chooses the ids of mappings, so a mapping is found by its queue and
//! function. A change takes seconds or minutes until it is in effect.

mod config;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{
    EventSourceMappingConfiguration, FilterCriteria, FunctionResponseType, ScalingConfig,
};
use hitctl_engine::{Fault, FaultKind, RetryPolicy};

use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::fault::NOT_FOUND;
use crate::aws::lambda::wait::{CONFLICT, READ};
use crate::aws::number;
use crate::aws::owner::check_ours;
use crate::aws::resource::{ReadResult, ReadState, Resource, WriteResult};
use crate::aws::tags::{managed_tags, tags_to_apply};
use crate::event_source_mapping::spec::EventSourceMappingSpec;
use crate::tags::Tags;
use config::{Mapping, uuid_in};

/// The retry policy for writes. The role may not have propagated in IAM yet, a change of the queue may not have
/// propagated in SQS yet, or another change may be in progress.
const WRITE: RetryPolicy = RetryPolicy {
    initial_delay: Duration::from_millis(300),
    max_delay: Duration::from_secs(5),
    attempt_timeout: Duration::from_mins(1),
    budget: Duration::from_mins(5),
};

/// The polling until a change is in effect, which takes seconds, or a minute if a batching window must end first.
const STATE_RETRY: RetryPolicy = RetryPolicy {
    initial_delay: Duration::from_millis(500),
    max_delay: Duration::from_secs(3),
    attempt_timeout: Duration::from_secs(30),
    budget: Duration::from_mins(10),
};

/// The driver of mappings.
#[derive(Clone, Debug)]
pub(crate) struct MappingDriver {
    aws: Arc<Aws>,
    /// A client without SDK retries: before each retry, the driver checks what the failed attempt did.
    client: Client,
}

impl MappingDriver {
    fn arn(&self, uuid: &str) -> String {
        self.aws.arn("lambda", &format!("event-source-mapping:{uuid}"))
    }

    /// Returns the mappings from the queue to our function or its aliases, beginning with the mapping to `function`.
    /// There is at most one, unless somebody else created more.
    async fn list(&self, cx: &CallContext<'_>, function: Option<&str>) -> Result<Vec<Mapping>, Fault> {
        let ours = self.aws.arn("lambda", &format!("function:{}", self.aws.base()));
        let queue = self.aws.arn("sqs", cx.name);
        let request = self.client.list_event_source_mappings().event_source_arn(queue);
        let call = cx.call("find", "lambda:ListEventSourceMappings").once();
        let listed: Vec<EventSourceMappingConfiguration> =
            call.send(|| request.clone().into_paginator().items().send().try_collect()).await?;
        let mut mappings: Vec<Mapping> = listed.into_iter().map(Mapping::from).collect();
        mappings.retain(|mapping| mapping.targets_function(&ours) && !mapping.is_being_deleted());
        mappings.sort_by_key(|mapping| Some(mapping.function_arn.as_str()) != function);
        Ok(mappings)
    }

    async fn get(&self, cx: &CallContext<'_>, uuid: &str) -> Result<Option<Mapping>, Fault> {
        let request = self.client.get_event_source_mapping().uuid(uuid);
        let call = cx.call("read", "lambda:GetEventSourceMapping").once();
        Ok(call.find(|| request.clone().send()).await?.map(Into::into))
    }

    async fn tags(&self, cx: &CallContext<'_>, uuid: &str) -> Result<Option<Tags>, Fault> {
        let request = self.client.list_tags().resource(self.arn(uuid));
        let call = cx.call("read the tags of", "lambda:ListTags").once();
        let response = call.find(|| request.clone().send()).await?;
        Ok(response.map(|response| response.tags.unwrap_or_default().into_iter().collect()))
    }

    /// Returns the state of the first mapping, and the other mappings.
    async fn read_with_others(
        &self,
        cx: &CallContext<'_>,
        want: Option<&EventSourceMappingSpec>,
    ) -> Result<Option<(ReadState<EventSourceMappingSpec>, Vec<Mapping>)>, Fault> {
        let function = want.and_then(|want| want.function_arn.get()).map(String::as_str);
        let mut mappings = self.list(cx, function).await?;
        if mappings.is_empty() {
            return Ok(None);
        }
        let mapping = mappings.remove(0);
        let Some(tags) = self.tags(cx, &mapping.uuid).await? else { return Ok(None) };
        let spec = mapping.spec(&mappings, managed_tags(&tags, want.map(|want| &want.tags)));
        Ok(Some((ReadState { spec, outputs: mapping.outputs(), tags: Some(tags) }, mappings)))
    }

    /// Creates a mapping. If a mapping already exists that the list did not show yet, returns the existing mapping.
    async fn try_create(
        &self,
        cx: &CallContext<'_>,
        want: &EventSourceMappingSpec,
    ) -> Result<Mapping, Fault> {
        let request = self
            .client
            .create_event_source_mapping()
            .set_event_source_arn(want.queue_arn.get().cloned())
            .set_function_name(want.function_arn.get().cloned())
            .enabled(want.enabled)
            .batch_size(number(want.batch_size))
            .maximum_batching_window_in_seconds(number(want.window_s))
            .set_scaling_config((want.max_concurrency > 0).then(|| scaling_config(want.max_concurrency)))
            .set_function_response_types(want.reports_failures.then(response_types))
            .set_tags(Some(want.tags.clone().into_iter().collect()));
        // A new function or alias may not be visible everywhere yet.
        let call = cx.call("create", "lambda:CreateEventSourceMapping").once().retry_on(NOT_FOUND);
        let fault = match call.send(|| request.clone().send()).await {
            Ok(created) => return Ok(created.into()),
            Err(fault) => fault,
        };
        let uuid = fault.cause.as_deref().filter(|_| fault.code == CONFLICT).and_then(uuid_in);
        let Some(uuid) = uuid else { return Err(fault) };
        let Some(existing) = self.get(cx, uuid).await? else {
            return Err(Fault { kind: FaultKind::Transient, ..fault });
        };
        let tags = self.tags(cx, uuid).await?;
        let spec = existing.spec(&[], tags.clone().unwrap_or_default());
        check_ours(&self.aws, cx.name, &ReadState { spec, outputs: existing.outputs(), tags })?;
        Ok(existing)
    }

    /// Updates a mapping in place.
    async fn update_mapping(
        &self,
        cx: &CallContext<'_>,
        uuid: &str,
        want: &EventSourceMappingSpec,
    ) -> Result<(), Fault> {
        let request = self
            .client
            .update_event_source_mapping()
            .uuid(uuid)
            .set_function_name(want.function_arn.get().cloned())
            .enabled(want.enabled)
            .batch_size(number(want.batch_size))
            .maximum_batching_window_in_seconds(number(want.window_s))
            // Always send these three settings, because an omitted setting is not changed.
            .scaling_config(scaling_config(want.max_concurrency))
            .filter_criteria(FilterCriteria::builder().build())
            .set_function_response_types(Some(if want.reports_failures {
                response_types()
            } else {
                Vec::new()
            }));
        let call = cx.call("change", "lambda:UpdateEventSourceMapping").once().retry_on(NOT_FOUND);
        call.send(|| request.clone().send()).await.map(drop)
    }

    /// Creates the mapping, or reconciles the existing one. Deletes other mappings of the same queue and function.
    /// Returns the id.
    async fn reconcile(&self, cx: &CallContext<'_>, want: &EventSourceMappingSpec) -> Result<String, Fault> {
        let Some((found, others)) = self.read_with_others(cx, Some(want)).await? else {
            let created = self.try_create(cx, want).await?;
            // `try_create` may have returned an existing mapping with other settings.
            if created.matches_spec(want) {
                return Ok(created.uuid);
            }
            let message =
                format!("queue {} already has an event source mapping with other settings", cx.name);
            return Err(Fault::transient("mapping", message));
        };
        check_ours(&self.aws, cx.name, &found)?;
        let uuid = found.outputs.get("uuid").cloned().unwrap_or_default();
        for other in others {
            self.remove(cx, &other.uuid).await?;
        }
        let missing_tags = tags_to_apply(&found.spec.tags, &want.tags);
        if !missing_tags.is_empty() {
            let request = self.client.tag_resource().resource(self.arn(&uuid));
            let request = request.set_tags(Some(missing_tags.into_iter().collect()));
            cx.call("tag", "lambda:TagResource").once().send(|| request.clone().send()).await?;
        }
        if (EventSourceMappingSpec { tags: want.tags.clone(), ..found.spec }) != *want {
            self.update_mapping(cx, &uuid, want).await?;
        }
        Ok(uuid)
    }

    async fn remove(&self, cx: &CallContext<'_>, uuid: &str) -> Result<(), Fault> {
        let request = self.client.delete_event_source_mapping().uuid(uuid);
        let call = cx.call("delete", "lambda:DeleteEventSourceMapping").once();
        call.find(|| request.clone().send()).await.map(drop)
    }
}

impl Resource for MappingDriver {
    type Spec = EventSourceMappingSpec;

    const NOUN: &'static str = "the event source mapping of queue";

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.without_retries()), aws }
    }

    async fn read(
        &self,
        cx: &CallContext<'_>,
        want: Option<&EventSourceMappingSpec>,
    ) -> ReadResult<EventSourceMappingSpec> {
        let found =
            cx.retry(&READ, "reading the event source mapping", || self.read_with_others(cx, want)).await?;
        Ok(found.map(|(found, _)| found))
    }

    /// Creates or updates the mapping, and waits until the change is in effect.
    async fn create(&self, cx: &CallContext<'_>, want: &EventSourceMappingSpec) -> WriteResult {
        let uuid =
            &cx.retry(&WRITE, "connecting the queue to the function", || self.reconcile(cx, want)).await?;
        let check_state = || async move {
            match self.get(cx, uuid).await? {
                Some(mapping) if mapping.is_stable() => Ok(mapping.outputs()),
                Some(mapping) => Err(state_fault(&mapping)),
                None => Err(Fault::transient("mapping_gone", "the event source mapping is not visible yet")),
            }
        };
        cx.retry(
            &STATE_RETRY,
            &format!("waiting for the event source mapping of queue {}", cx.name),
            check_state,
        )
        .await
    }

    async fn delete(
        &self,
        cx: &CallContext<'_>,
        have: &ReadState<EventSourceMappingSpec>,
    ) -> Result<(), Fault> {
        let listed = cx.retry(&READ, "finding the event source mapping", || self.list(cx, None)).await?;
        let mut uuids: Vec<String> = listed.into_iter().map(|mapping| mapping.uuid).collect();
        // Add the known mapping, because `list` omits a mapping that is already being deleted.
        if let Some(recorded) = have.outputs.get("uuid").filter(|uuid| !uuids.contains(uuid)) {
            uuids.push(recorded.clone());
        }
        for uuid in &uuids {
            cx.retry(&WRITE, "deleting the event source mapping", || self.remove(cx, uuid)).await?;
        }
        // Lambda consumes messages until the mapping is deleted, so wait for that.
        for uuid in &uuids {
            let check_state = || async move {
                match self.get(cx, uuid).await? {
                    None => Ok(()),
                    Some(mapping) => Err(state_fault(&mapping)),
                }
            };
            let progress =
                format!("waiting for the deletion of the event source mapping of queue {}", cx.name);
            cx.retry(&STATE_RETRY, &progress, check_state).await?;
        }
        Ok(())
    }
}

fn state_fault(mapping: &Mapping) -> Fault {
    Fault::transient("mapping_state", format!("the state of the event source mapping is {}", mapping.state))
}

/// Returns the limit of concurrent invocations. 0 becomes an empty configuration, which removes the limit.
fn scaling_config(max_concurrency: u32) -> ScalingConfig {
    let limit = (max_concurrency > 0).then(|| number(max_concurrency));
    ScalingConfig::builder().set_maximum_concurrency(limit).build()
}

fn response_types() -> Vec<FunctionResponseType> {
    vec![FunctionResponseType::ReportBatchItemFailures]
}
