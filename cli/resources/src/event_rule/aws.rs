//! The driver of EventBridge rules. A call that changes targets succeeds even if some entries failed, so the driver
//! checks the failed entries in the response.

mod parts;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::operation::describe_rule::DescribeRuleOutput;
use aws_sdk_eventbridge::operation::remove_targets::RemoveTargetsOutput;
use aws_sdk_eventbridge::types::{RuleState, Tag, Target};
use futures::FutureExt as _;
use futures::future::try_join;
use hitctl_engine::{DriverContext, Fault, Outputs, RetryPolicy};

use crate::aws::account::Aws;
use crate::aws::call::{ApiCall, CallContext};
use crate::aws::fault::{ApiOperation, ErrorRule, NOT_FOUND};
use crate::aws::owner::{check_ours, is_ours};
use crate::aws::resource::{ReadResult, ReadState, Resource, WriteResult};
use crate::aws::single_flight::SingleFlight;
use crate::aws::tags::{managed_tags, sdk_tags, tags_to_apply};
use crate::event_rule::errors;
use crate::event_rule::spec::EventRuleSpec;
use crate::tags::Tags;
use parts::FailedEntry;

/// The name of the bus that every account has.
const DEFAULT_BUS: &str = "default";

/// The retry policy for writes, including targets whose entries failed transiently.
const WRITE: RetryPolicy = RetryPolicy {
    initial_delay: Duration::from_millis(300),
    max_delay: Duration::from_secs(5),
    attempt_timeout: Duration::from_mins(2),
    budget: Duration::from_mins(5),
};

/// The driver of rules.
#[derive(Debug)]
pub(crate) struct EventRuleDriver {
    aws: Arc<Aws>,
    client: Client,
    /// The shared list of the names of all buses. A rule that is not on its wanted bus is searched on all of them.
    buses: SingleFlight<(), Arc<Vec<String>>>,
}

impl EventRuleDriver {
    fn arn(&self, bus: &str, name: &str) -> String {
        self.aws.location.as_location().rule_arn(bus, name)
    }

    fn outputs(&self, bus: &str, name: &str) -> Outputs {
        Outputs::from([("arn".to_owned(), self.arn(bus, name))])
    }

    async fn describe(&self, cx: &CallContext<'_>, bus: &str) -> Result<Option<DescribeRuleOutput>, Fault> {
        let request = self.client.describe_rule().name(cx.name).event_bus_name(bus);
        cx.call("read", "events:DescribeRule").find(|| request.clone().send()).await
    }

    /// Returns all targets of a rule; `None` if the rule does not exist.
    async fn targets(&self, cx: &CallContext<'_>, bus: &str) -> Result<Option<Vec<Target>>, Fault> {
        let request = self.client.list_targets_by_rule().rule(cx.name).event_bus_name(bus);
        cx.call("read the targets of", "events:ListTargetsByRule")
            .pages(|next| request.clone().set_next_token(next).send(), |page| (page.targets, page.next_token))
            .await
    }

    async fn tags(&self, cx: &CallContext<'_>, bus: &str) -> Result<Option<Tags>, Fault> {
        let request = self.client.list_tags_for_resource().resource_arn(self.arn(bus, cx.name));
        let call = cx.call("read the tags of", "events:ListTagsForResource");
        let to_pair = |tag: Tag| (tag.key, tag.value);
        let response = call.find(|| request.clone().send()).await?;
        Ok(response.map(|response| response.tags.unwrap_or_default().into_iter().map(to_pair).collect()))
    }

    /// Reads the rule on the given bus.
    async fn read_on(
        &self,
        cx: &CallContext<'_>,
        bus: &str,
        want: Option<&EventRuleSpec>,
    ) -> ReadResult<EventRuleSpec> {
        let Some(rule) = self.describe(cx, bus).await? else { return Ok(None) };
        let (targets, tags) = try_join(self.targets(cx, bus), self.tags(cx, bus)).await?;
        let (Some(targets), Some(tags)) = (targets, tags) else { return Ok(None) };
        let spec = parts::spec(bus, &rule, &targets, managed_tags(&tags, want.map(|want| &want.tags)));
        Ok(Some(ReadState { spec, outputs: self.outputs(bus, cx.name), tags: Some(tags) }))
    }

    /// Returns the names of all buses.
    async fn buses(&self, cx: &DriverContext) -> Result<Arc<Vec<String>>, Fault> {
        let shared = self.buses.run((), || {
            let (client, cx) = (self.client.clone(), cx.clone());
            async move {
                let call =
                    ApiCall::new(&cx, ApiOperation::new("list", "the event buses", "events:ListEventBuses"));
                let request = client.list_event_buses();
                let buses = call.none_on(&[]).pages(
                    |next| request.clone().set_next_token(next).send(),
                    |page| (page.event_buses, page.next_token),
                );
                let buses = buses.await?.unwrap_or_default();
                Ok(Arc::new(buses.into_iter().filter_map(|bus| bus.name).collect()))
            }
            .boxed()
        });
        shared.await
    }

    /// Writes the rule without its targets. Settings that the request omits are reset.
    async fn put(
        &self,
        cx: &CallContext<'_>,
        want: &EventRuleSpec,
        tags: Option<&Tags>,
    ) -> Result<(), Fault> {
        let state = if want.enabled { RuleState::Enabled } else { RuleState::Disabled };
        let request = self
            .client
            .put_rule()
            .name(cx.name)
            .event_bus_name(&want.bus)
            .event_pattern(want.pattern.to_string())
            .state(state)
            // EventBridge accepts tags only for a new rule.
            .set_tags(tags.map(rule_tags));
        cx.call("write", "events:PutRule").send(|| request.clone().send()).await.map(drop)
    }

    async fn put_target(&self, cx: &CallContext<'_>, want: &EventRuleSpec) -> Result<(), Fault> {
        let request =
            self.client.put_targets().rule(cx.name).event_bus_name(&want.bus).targets(parts::target(want));
        let call = cx.call("set the target of", "events:PutTargets");
        let operation = call.operation().clone();
        // A new rule may not be visible everywhere yet.
        let response = call.retry_on(NOT_FOUND).send(|| request.clone().send()).await?;
        let failed = response.failed_entries().iter().map(|entry| FailedEntry {
            target: entry.target_id(),
            code: entry.error_code(),
            message: entry.error_message(),
        });
        parts::check_failed_entries(&operation, failed)
    }

    async fn remove_target(&self, cx: &CallContext<'_>, bus: &str) -> Result<(), Fault> {
        let request =
            self.client.remove_targets().rule(cx.name).event_bus_name(bus).ids(EventRuleSpec::TARGET_ID);
        let call = cx.call("remove the target of", "events:RemoveTargets");
        let operation = call.operation().clone();
        let response = call.find(|| request.clone().send()).await?;
        let failed = response.iter().flat_map(RemoveTargetsOutput::failed_entries).map(|entry| FailedEntry {
            target: entry.target_id(),
            code: entry.error_code(),
            message: entry.error_message(),
        });
        parts::check_failed_entries(&operation, failed)
    }

    /// Reconciles the existing rule, if any, with the wanted one.
    async fn reconcile(
        &self,
        cx: &CallContext<'_>,
        have: Option<&ReadState<EventRuleSpec>>,
        want: &EventRuleSpec,
    ) -> WriteResult {
        if let Some(have) = have {
            check_ours(&self.aws, cx.name, have)?;
            let have = &have.spec;
            let tags = tags_to_apply(&have.tags, &want.tags);
            if !tags.is_empty() {
                let arn = self.arn(&want.bus, cx.name);
                let request = self.client.tag_resource().resource_arn(arn).set_tags(Some(rule_tags(&tags)));
                cx.call("tag", "events:TagResource").send(|| request.clone().send()).await?;
            }
            if have.pattern != want.pattern || have.enabled != want.enabled {
                self.put(cx, want, None).await?;
            }
            if !parts::has_same_target(have, want) {
                self.put_target(cx, want).await?;
            }
        } else {
            self.put(cx, want, Some(&want.tags)).await?;
            self.put_target(cx, want).await?;
        }
        Ok(self.outputs(&want.bus, cx.name))
    }

    /// Deletes a rule. Returns an error if it has targets that are not ours.
    async fn remove(&self, cx: &CallContext<'_>, bus: &str) -> Result<(), Fault> {
        let Some(targets) = self.targets(cx, bus).await? else { return Ok(()) };
        if let Some(fault) = parts::foreign_targets_error(bus, cx.name, &targets) {
            return Err(fault);
        }
        if !targets.is_empty() {
            self.remove_target(cx, bus).await?;
        }
        let request = self.client.delete_rule().name(cx.name).event_bus_name(bus);
        cx.call("delete", "events:DeleteRule").find(|| request.clone().send()).await.map(drop)
    }
}

impl Resource for EventRuleDriver {
    type Spec = EventRuleSpec;

    const NOUN: &'static str = "rule";
    const RULES: &'static [ErrorRule] = errors::RULES;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.without_retries()), aws, buses: SingleFlight::default() }
    }

    /// Reads the rule on its wanted bus, or on another bus if an earlier configuration had another bus.
    async fn read(&self, cx: &CallContext<'_>, want: Option<&EventRuleSpec>) -> ReadResult<EventRuleSpec> {
        let likely = want.map_or(DEFAULT_BUS, |want| want.bus.as_str());
        let likely_rule = self.read_on(cx, likely, want);
        // An unwanted rule rarely exists, so the list of buses is usually needed. It is read at the same time as the
        // rule, so that all rules share one request.
        let (found, buses) = if want.is_some() {
            (likely_rule.await?, None)
        } else {
            let (found, buses) = try_join(likely_rule, self.buses(cx)).await?;
            (found, Some(buses))
        };
        if found.is_some() {
            return Ok(found);
        }
        let buses = match buses {
            Some(buses) => buses,
            None => self.buses(cx).await?,
        };
        if want.is_some() && likely != DEFAULT_BUS && !buses.iter().any(|bus| bus == likely) {
            return Err(Fault::fatal("no_bus", format!("event bus {likely} does not exist")).hinted(format!(
                "create it with `aws events create-event-bus --region {} --name {likely}`, or change `bus` in [events]",
                self.aws.location.region
            )));
        }
        for bus in buses.iter().filter(|bus| *bus != likely) {
            let elsewhere = self.read_on(cx, bus, want).await?;
            // A rule of another owner on another bus does not conflict with ours.
            if let Some(found) = elsewhere.filter(|found| is_ours(&self.aws, found.tags.as_ref())) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn create(&self, cx: &CallContext<'_>, want: &EventRuleSpec) -> WriteResult {
        let attempt = || async move {
            // `PutRule` overwrites any rule with this name, so read the rule and check its owner first.
            let have = self.read_on(cx, &want.bus, Some(want)).await?;
            self.reconcile(cx, have.as_ref(), want).await
        };
        cx.retry(&WRITE, "writing the rule", attempt).await
    }

    async fn delete(&self, cx: &CallContext<'_>, have: &ReadState<EventRuleSpec>) -> Result<(), Fault> {
        cx.retry(&WRITE, "deleting the rule", || self.remove(cx, &have.spec.bus)).await
    }
}

fn rule_tags(tags: &Tags) -> Vec<Tag> {
    sdk_tags(tags, |key, value| Tag::builder().key(key).value(value).build())
}
