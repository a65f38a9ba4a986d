//! The mapping in AWS: Lambda picks its id, so that it is found by its queue and its function; and it takes a while to be in
//! force.

mod config;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{
    EventSourceMappingConfiguration, FilterCriteria, FunctionResponseType, ScalingConfig,
};
use hitctl_engine::{Fault, FaultKind, Wait};

use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::fault::NOT_FOUND;
use crate::aws::lambda::wait::{CONFLICT, READ};
use crate::aws::number;
use crate::aws::owner::check_ours;
use crate::aws::resource::{Found, Read, Resource, Written};
use crate::aws::tags::{managed_tags, tags_to_apply};
use crate::event_source_mapping::spec::EventSourceMappingSpec;
use crate::tags::Tags;
use config::{Mapping, uuid_in};

/// For a write: IAM may not have spread the role yet, nor SQS a change of the queue, and another change may be in progress.
const WRITE: Wait = Wait {
    first: Duration::from_millis(300),
    longest: Duration::from_secs(5),
    attempt: Duration::from_mins(1),
    budget: Duration::from_mins(5),
};

/// Until what was asked for is in force: seconds, and a minute where a window has to pass.
const SETTLING: Wait = Wait {
    first: Duration::from_millis(500),
    longest: Duration::from_secs(3),
    attempt: Duration::from_secs(30),
    budget: Duration::from_mins(10),
};

/// Mappings of one account and region.
#[derive(Clone, Debug)]
pub(crate) struct Mappings {
    aws: Arc<Aws>,
    /// Each retry of a change is ours: before it, we look at what the attempt that failed has done.
    client: Client,
}

impl Mappings {
    fn arn(&self, uuid: &str) -> String {
        self.aws.arn("lambda", &format!("event-source-mapping:{uuid}"))
    }

    /// The mappings from that queue to our function, or to an alias of it; one, unless somebody else made more. The one to
    /// that function comes first.
    async fn list(&self, cx: &CallContext<'_>, function: Option<&str>) -> Result<Vec<Mapping>, Fault> {
        let ours = self.aws.arn("lambda", &format!("function:{}", self.aws.base()));
        let queue = self.aws.arn("sqs", cx.name);
        let request = self.client.list_event_source_mappings().event_source_arn(queue);
        let call = cx.call("find", "lambda:ListEventSourceMappings").once();
        let listed: Vec<EventSourceMappingConfiguration> =
            call.send(|| request.clone().into_paginator().items().send().try_collect()).await?;
        let mut found: Vec<Mapping> = listed.into_iter().map(Mapping::from).collect();
        found.retain(|mapping| mapping.is_of(&ours) && !mapping.is_going());
        found.sort_by_key(|mapping| Some(mapping.function_arn.as_str()) != function);
        Ok(found)
    }

    async fn get(&self, cx: &CallContext<'_>, uuid: &str) -> Result<Option<Mapping>, Fault> {
        let request = self.client.get_event_source_mapping().uuid(uuid);
        let call = cx.call("read", "lambda:GetEventSourceMapping").once();
        Ok(call.find(|| request.clone().send()).await?.map(Into::into))
    }

    async fn tags(&self, cx: &CallContext<'_>, uuid: &str) -> Result<Option<Tags>, Fault> {
        let request = self.client.list_tags().resource(self.arn(uuid));
        let call = cx.call("read the tags of", "lambda:ListTags").once();
        let found = call.find(|| request.clone().send()).await?;
        Ok(found.map(|found| found.tags.unwrap_or_default().into_iter().collect()))
    }

    /// The first of them as it is, and the others.
    async fn found(
        &self,
        cx: &CallContext<'_>,
        want: Option<&EventSourceMappingSpec>,
    ) -> Result<Option<(Found<EventSourceMappingSpec>, Vec<Mapping>)>, Fault> {
        let function = want.and_then(|want| want.function_arn.get()).map(String::as_str);
        let mut all = self.list(cx, function).await?;
        if all.is_empty() {
            return Ok(None);
        }
        let mapping = all.remove(0);
        let Some(tags) = self.tags(cx, &mapping.uuid).await? else { return Ok(None) };
        let spec = mapping.spec(&all, managed_tags(&tags, want.map(|want| &want.tags)));
        Ok(Some((Found { spec, outputs: mapping.outputs(), tags: Some(tags) }, all)))
    }

    /// Asks for a new one. One that is there already, which the list did not show yet, is taken for what was made.
    async fn make(&self, cx: &CallContext<'_>, want: &EventSourceMappingSpec) -> Result<Mapping, Fault> {
        let request = self
            .client
            .create_event_source_mapping()
            .set_event_source_arn(want.queue_arn.get().cloned())
            .set_function_name(want.function_arn.get().cloned())
            .enabled(want.enabled)
            .batch_size(number(want.batch_size))
            .maximum_batching_window_in_seconds(number(want.window_s))
            .set_scaling_config((want.max_concurrency > 0).then(|| scaling(want.max_concurrency)))
            .set_function_response_types(want.reports_failures.then(responses))
            .set_tags(Some(want.tags.clone().into_iter().collect()));
        // Function and alias were made just now, and may not be visible everywhere.
        let call = cx.call("create", "lambda:CreateEventSourceMapping").once().retry_on(NOT_FOUND);
        let fault = match call.send(|| request.clone().send()).await {
            Ok(made) => return Ok(made.into()),
            Err(fault) => fault,
        };
        let uuid = fault.cause.as_deref().filter(|_| fault.code == CONFLICT).and_then(uuid_in);
        let Some(uuid) = uuid else { return Err(fault) };
        let Some(there) = self.get(cx, uuid).await? else {
            return Err(Fault { kind: FaultKind::Transient, ..fault });
        };
        let tags = self.tags(cx, uuid).await?;
        let spec = there.spec(&[], tags.clone().unwrap_or_default());
        check_ours(&self.aws, cx.name, &Found { spec, outputs: there.outputs(), tags })?;
        Ok(there)
    }

    /// Brings one to what is wanted; in place, whatever differs.
    async fn change(
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
            // What is left out stays: nothing is said by what is empty.
            .scaling_config(scaling(want.max_concurrency))
            .filter_criteria(FilterCriteria::builder().build())
            .set_function_response_types(Some(if want.reports_failures { responses() } else { Vec::new() }));
        let call = cx.call("change", "lambda:UpdateEventSourceMapping").once().retry_on(NOT_FOUND);
        call.send(|| request.clone().send()).await.map(drop)
    }

    /// Brings what is there of it to what is wanted, and returns its id.
    async fn reconcile(&self, cx: &CallContext<'_>, want: &EventSourceMappingSpec) -> Result<String, Fault> {
        let Some((found, more)) = self.found(cx, Some(want)).await? else {
            let made = self.make(cx, want).await?;
            // What was taken for made may be another one.
            if made.is_as(want) {
                return Ok(made.uuid);
            }
            let message = format!("the mapping of queue {} is another one", cx.name);
            return Err(Fault::transient("mapping", message));
        };
        check_ours(&self.aws, cx.name, &found)?;
        let uuid = found.outputs.get("uuid").cloned().unwrap_or_default();
        for other in more {
            self.remove(cx, &other.uuid).await?;
        }
        let add = tags_to_apply(&found.spec.tags, &want.tags);
        if !add.is_empty() {
            let request = self.client.tag_resource().resource(self.arn(&uuid));
            let request = request.set_tags(Some(add.into_iter().collect()));
            cx.call("tag", "lambda:TagResource").once().send(|| request.clone().send()).await?;
        }
        if (EventSourceMappingSpec { tags: want.tags.clone(), ..found.spec }) != *want {
            self.change(cx, &uuid, want).await?;
        }
        Ok(uuid)
    }

    async fn remove(&self, cx: &CallContext<'_>, uuid: &str) -> Result<(), Fault> {
        let request = self.client.delete_event_source_mapping().uuid(uuid);
        let call = cx.call("delete", "lambda:DeleteEventSourceMapping").once();
        call.find(|| request.clone().send()).await.map(drop)
    }
}

impl Resource for Mappings {
    type Spec = EventSourceMappingSpec;

    const NOUN: &'static str = "the mapping of queue";

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.without_retries()), aws }
    }

    async fn read(
        &self,
        cx: &CallContext<'_>,
        want: Option<&EventSourceMappingSpec>,
    ) -> Read<EventSourceMappingSpec> {
        let found = cx.wait(&READ, "reading the mapping", || self.found(cx, want)).await?;
        Ok(found.map(|(found, _)| found))
    }

    /// Connects the queue, and waits until that is in force.
    async fn create(&self, cx: &CallContext<'_>, want: &EventSourceMappingSpec) -> Written {
        let uuid = &cx.wait(&WRITE, "connecting the queue", || self.reconcile(cx, want)).await?;
        let look = || async move {
            match self.get(cx, uuid).await? {
                Some(mapping) if mapping.is_settled() => Ok(mapping.outputs()),
                Some(mapping) => Err(unsettled(&mapping)),
                None => Err(Fault::transient("mapping_gone", "it is not to be seen yet")),
            }
        };
        cx.wait(&SETTLING, &format!("waiting for the mapping of queue {}", cx.name), look).await
    }

    async fn delete(&self, cx: &CallContext<'_>, have: &Found<EventSourceMappingSpec>) -> Result<(), Fault> {
        let listed = cx.wait(&READ, "looking for the mapping", || self.list(cx, None)).await?;
        let mut all: Vec<String> = listed.into_iter().map(|mapping| mapping.uuid).collect();
        // One that is being deleted already is not in that list.
        if let Some(known) = have.outputs.get("uuid").filter(|uuid| !all.contains(uuid)) {
            all.push(known.clone());
        }
        for uuid in &all {
            cx.wait(&WRITE, "deleting the mapping", || self.remove(cx, uuid)).await?;
        }
        // Until then, the queue is still read from.
        for uuid in &all {
            let look = || async move {
                match self.get(cx, uuid).await? {
                    None => Ok(()),
                    Some(mapping) => Err(unsettled(&mapping)),
                }
            };
            let doing = format!("waiting until the mapping of queue {} is gone", cx.name);
            cx.wait(&SETTLING, &doing, look).await?;
        }
        Ok(())
    }
}

fn unsettled(mapping: &Mapping) -> Fault {
    Fault::transient("mapping_state", format!("it is {}", mapping.state.to_lowercase()))
}

/// How many invocations there may be at once; empty for "as many as Lambda likes".
fn scaling(max_concurrency: u32) -> ScalingConfig {
    let most = (max_concurrency > 0).then(|| number(max_concurrency));
    ScalingConfig::builder().set_maximum_concurrency(most).build()
}

fn responses() -> Vec<FunctionResponseType> {
    vec![FunctionResponseType::ReportBatchItemFailures]
}
