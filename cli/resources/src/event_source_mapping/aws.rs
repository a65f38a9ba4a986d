//! The mapping in AWS: Lambda picks its id, so that it is found by its queue and its function; and it takes a while to be in
//! force.

mod config;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{
    EventSourceMappingConfiguration, FilterCriteria, FunctionResponseType, ScalingConfig,
};
use hitctl_engine::{Cx, Fault, FaultKind, Outputs, Wait};

use crate::aws::account::Aws;
use crate::aws::fault::{Doing, ToFault as _};
use crate::aws::lambda::policy::client;
use crate::aws::lambda::wait::{CONFLICT, NOT_FOUND, READ};
use crate::aws::owner::check_ours;
use crate::aws::resource::{Found, Resource};
use crate::aws::tags::{managed_tags, tags_to_apply};
use crate::event_source_mapping::spec::EventSourceMappingSpec;
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
    fn queue_arn(&self, name: &str) -> String {
        self.aws.arn("sqs", name)
    }

    fn arn(&self, uuid: &str) -> String {
        self.aws.arn("lambda", &format!("event-source-mapping:{uuid}"))
    }

    /// The mappings from that queue to our function, or to an alias of it; one, unless somebody else made more. The one to
    /// that function comes first.
    async fn list(&self, name: &str, function: Option<&str>) -> Result<Vec<Mapping>, Fault> {
        let doing = doing("find", name, "lambda:ListEventSourceMappings");
        let ours = self.aws.arn("lambda", &format!("function:{}", self.aws.base()));
        let call = self.client.list_event_source_mappings().event_source_arn(self.queue_arn(name));
        let listed: Vec<EventSourceMappingConfiguration> =
            call.into_paginator().items().send().try_collect().await.map_err(|error| error.fault(&doing))?;
        let mut found: Vec<Mapping> = listed.into_iter().map(Mapping::from).collect();
        found.retain(|mapping| mapping.is_of(&ours) && !mapping.is_going());
        found.sort_by_key(|mapping| Some(mapping.function_arn.as_str()) != function);
        Ok(found)
    }

    async fn get(&self, name: &str, uuid: &str) -> Result<Option<Mapping>, Fault> {
        match self.client.get_event_source_mapping().uuid(uuid).send().await {
            Ok(answer) => Ok(Some(answer.into())),
            Err(error) if error.is(NOT_FOUND) => Ok(None),
            Err(error) => Err(error.fault(&doing("read", name, "lambda:GetEventSourceMapping"))),
        }
    }

    async fn tags(&self, name: &str, uuid: &str) -> Result<Option<crate::tags::Tags>, Fault> {
        match self.client.list_tags().resource(self.arn(uuid)).send().await {
            Ok(answer) => Ok(Some(answer.tags.unwrap_or_default().into_iter().collect())),
            Err(error) if error.is(NOT_FOUND) => Ok(None),
            Err(error) => Err(error.fault(&doing("read the tags of", name, "lambda:ListTags"))),
        }
    }

    /// The first of them as it is, and the others.
    async fn found(
        &self,
        name: &str,
        want: Option<&EventSourceMappingSpec>,
    ) -> Result<Option<(Found<EventSourceMappingSpec>, Vec<Mapping>)>, Fault> {
        let function = want.and_then(|want| want.function_arn.get()).map(String::as_str);
        let mut all = self.list(name, function).await?;
        if all.is_empty() {
            return Ok(None);
        }
        let more = all.split_off(1);
        let Some(mapping) = all.pop() else { return Ok(None) };
        let Some(tags) = self.tags(name, &mapping.uuid).await? else { return Ok(None) };
        let spec = mapping.spec(&more, managed_tags(&tags, want.map(|want| &want.tags)));
        Ok(Some((Found { spec, outputs: mapping.outputs(), tags: Some(tags) }, more)))
    }

    /// Asks for a new one. One that is there already, which the list did not show yet, is taken for what was made.
    async fn make(&self, name: &str, want: &EventSourceMappingSpec) -> Result<Mapping, Fault> {
        let call = self
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
        let doing = doing("create", name, "lambda:CreateEventSourceMapping");
        let refused = match call.send().await {
            Ok(answer) => return Ok(answer.into()),
            Err(error) => error,
        };
        let fault = refused.fault(&doing);
        if refused.is(CONFLICT)
            && let Some(uuid) = uuid_in(fault.cause.as_deref().unwrap_or_default())
        {
            let Some(there) = self.get(name, uuid).await? else { return Err(not_yet(fault)) };
            let tags = self.tags(name, uuid).await?;
            let spec = there.spec(&[], tags.clone().unwrap_or_default());
            check_ours(&self.aws, name, &Found { spec, outputs: there.outputs(), tags })?;
            return Ok(there);
        }
        // Function and alias were made just now, and may not be visible everywhere.
        Err(if refused.is(NOT_FOUND) { not_yet(fault) } else { fault })
    }

    /// Brings one to what is wanted; in place, whatever differs.
    async fn change(&self, name: &str, uuid: &str, want: &EventSourceMappingSpec) -> Result<(), Fault> {
        let call = self
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
        let doing = doing("change", name, "lambda:UpdateEventSourceMapping");
        call.send().await.map(drop).map_err(|error| {
            let fault = error.fault(&doing);
            if error.is(NOT_FOUND) { not_yet(fault) } else { fault }
        })
    }

    /// Brings what is there of it to what is wanted, and returns its id.
    async fn reconcile(&self, name: &str, want: &EventSourceMappingSpec) -> Result<String, Fault> {
        let Some((found, more)) = self.found(name, Some(want)).await? else {
            let made = self.make(name, want).await?;
            // What was taken for made may be another one.
            if made.is_as(want) {
                return Ok(made.uuid);
            }
            return Err(Fault::transient("mapping", format!("the mapping of queue {name} is another one")));
        };
        check_ours(&self.aws, name, &found)?;
        let uuid = found.outputs.get("uuid").cloned().unwrap_or_default();
        for other in more {
            self.remove(name, &other.uuid).await?;
        }
        let add = tags_to_apply(&found.spec.tags, &want.tags);
        if !add.is_empty() {
            let call = self.client.tag_resource().resource(self.arn(&uuid));
            let call = call.set_tags(Some(add.into_iter().collect())).send().await;
            call.map_err(|error| error.fault(&doing("tag", name, "lambda:TagResource")))?;
        }
        if (EventSourceMappingSpec { tags: want.tags.clone(), ..found.spec }) != *want {
            self.change(name, &uuid, want).await?;
        }
        Ok(uuid)
    }

    async fn remove(&self, name: &str, uuid: &str) -> Result<(), Fault> {
        match self.client.delete_event_source_mapping().uuid(uuid).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.is(NOT_FOUND) => Ok(()),
            Err(error) => Err(error.fault(&doing("delete", name, "lambda:DeleteEventSourceMapping"))),
        }
    }

    /// Waits until it is in force.
    async fn settled(&self, cx: &Cx, name: &str, uuid: &str) -> Result<Outputs, Fault> {
        cx.wait(&SETTLING, &format!("waiting for the mapping of queue {name}"), || async {
            match self.get(name, uuid).await? {
                Some(mapping) if mapping.is_settled() => Ok(mapping.outputs()),
                Some(mapping) => {
                    Err(Fault::transient("mapping_state", format!("it is {}", mapping.state.to_lowercase())))
                }
                None => Err(Fault::transient("mapping_gone", "it is not to be seen yet")),
            }
        })
        .await
    }

    async fn create_or_reconcile(
        &self,
        cx: &Cx,
        name: &str,
        want: &EventSourceMappingSpec,
    ) -> Result<Outputs, Fault> {
        let uuid = cx.wait(&WRITE, "connecting the queue", || self.reconcile(name, want)).await?;
        self.settled(cx, name, &uuid).await
    }
}

impl Resource for Mappings {
    type Spec = EventSourceMappingSpec;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: client(&aws), aws }
    }

    async fn read(
        &self,
        cx: &Cx,
        name: &str,
        want: Option<&EventSourceMappingSpec>,
    ) -> Result<Option<Found<EventSourceMappingSpec>>, Fault> {
        let found = cx.wait(&READ, "reading the mapping", || self.found(name, want)).await?;
        Ok(found.map(|(found, _)| found))
    }

    async fn create(&self, cx: &Cx, name: &str, want: &EventSourceMappingSpec) -> Result<Outputs, Fault> {
        Box::pin(self.create_or_reconcile(cx, name, want)).await
    }

    async fn delete(&self, cx: &Cx, name: &str, have: &Found<EventSourceMappingSpec>) -> Result<(), Fault> {
        let listed = cx.wait(&READ, "looking for the mapping", || self.list(name, None)).await?;
        let mut all: Vec<String> = listed.into_iter().map(|mapping| mapping.uuid).collect();
        // One that is being deleted already is not in that list.
        if let Some(known) = have.outputs.get("uuid").filter(|uuid| !all.contains(uuid)) {
            all.push(known.clone());
        }
        for uuid in &all {
            cx.wait(&WRITE, "deleting the mapping", || self.remove(name, uuid)).await?;
        }
        // Until then, the queue is still read from.
        for uuid in &all {
            cx.wait(&SETTLING, &format!("waiting until the mapping of queue {name} is gone"), || async {
                match self.get(name, uuid).await? {
                    None => Ok(()),
                    Some(mapping) => Err(Fault::transient(
                        "mapping_state",
                        format!("it is {}", mapping.state.to_lowercase()),
                    )),
                }
            })
            .await?;
        }
        Ok(())
    }
}

fn doing(verb: &'static str, name: &str, operation: &'static str) -> Doing {
    Doing::new(verb, format!("the mapping of queue {name}"), operation)
}

/// What is there by what was said before, and is not to be seen yet.
fn not_yet(fault: Fault) -> Fault {
    Fault { kind: FaultKind::Transient, ..fault }
}

fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// How many invocations there may be at once; empty for "as many as Lambda likes".
fn scaling(max_concurrency: u32) -> ScalingConfig {
    let most = (max_concurrency > 0).then(|| number(max_concurrency));
    ScalingConfig::builder().set_maximum_concurrency(most).build()
}

fn responses() -> Vec<FunctionResponseType> {
    vec![FunctionResponseType::ReportBatchItemFailures]
}
