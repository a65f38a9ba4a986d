//! The rule in AWS: EventBridge, where a call that changes targets is answered as done and says in its answer what was not.

mod parts;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::operation::describe_rule::DescribeRuleOutput;
use aws_sdk_eventbridge::operation::remove_targets::RemoveTargetsOutput;
use aws_sdk_eventbridge::types::{RuleState, Tag, Target};
use futures::FutureExt as _;
use futures::future::try_join;
use hitctl_engine::{Cx, Fault, Outputs, Wait};

use crate::aws::account::Aws;
use crate::aws::call::{Call, CallContext};
use crate::aws::fault::{Doing, ErrorRule, NOT_FOUND};
use crate::aws::owner::{check_ours, is_ours};
use crate::aws::resource::{Found, Read, Resource, Written};
use crate::aws::single_flight::SingleFlight;
use crate::aws::tags::{managed_tags, sdk_tags, tags_to_apply};
use crate::event_rule::errors;
use crate::event_rule::spec::EventRuleSpec;
use crate::tags::Tags;
use parts::FailedEntry;

/// The bus that every account has.
const DEFAULT_BUS: &str = "default";

/// For a write. Targets that are refused for the moment are put again.
const WRITE: Wait = Wait {
    first: Duration::from_millis(300),
    longest: Duration::from_secs(5),
    attempt: Duration::from_mins(2),
    budget: Duration::from_mins(5),
};

/// Rules of one account and region.
#[derive(Debug)]
pub(crate) struct Rules {
    aws: Arc<Aws>,
    client: Client,
    /// All buses, which every rule that is not where it should be is looked for on.
    buses: SingleFlight<(), Arc<Vec<String>>>,
}

impl Rules {
    fn arn(&self, bus: &str, name: &str) -> String {
        self.aws.place.location().rule_arn(bus, name)
    }

    fn outputs(&self, bus: &str, name: &str) -> Outputs {
        Outputs::from([("arn".to_owned(), self.arn(bus, name))])
    }

    async fn describe(&self, cx: &CallContext<'_>, bus: &str) -> Result<Option<DescribeRuleOutput>, Fault> {
        let request = self.client.describe_rule().name(cx.name).event_bus_name(bus);
        cx.call("read", "events:DescribeRule").find(|| request.clone().send()).await
    }

    /// All targets of a rule; `None` when there is no such rule.
    async fn targets(&self, cx: &CallContext<'_>, bus: &str) -> Result<Option<Vec<Target>>, Fault> {
        let request = self.client.list_targets_by_rule().rule(cx.name).event_bus_name(bus);
        cx.call("read the targets of", "events:ListTargetsByRule")
            .pages(|next| request.clone().set_next_token(next).send(), |page| (page.targets, page.next_token))
            .await
    }

    async fn tags(&self, cx: &CallContext<'_>, bus: &str) -> Result<Option<Tags>, Fault> {
        let request = self.client.list_tags_for_resource().resource_arn(self.arn(bus, cx.name));
        let call = cx.call("read the tags of", "events:ListTagsForResource");
        let plain = |tag: Tag| (tag.key, tag.value);
        let found = call.find(|| request.clone().send()).await?;
        Ok(found.map(|found| found.tags.unwrap_or_default().into_iter().map(plain).collect()))
    }

    /// The rule of that name on that bus.
    async fn on(&self, cx: &CallContext<'_>, bus: &str, want: Option<&EventRuleSpec>) -> Read<EventRuleSpec> {
        let Some(rule) = self.describe(cx, bus).await? else { return Ok(None) };
        let (targets, tags) = try_join(self.targets(cx, bus), self.tags(cx, bus)).await?;
        let (Some(targets), Some(tags)) = (targets, tags) else { return Ok(None) };
        let spec = parts::spec(bus, &rule, &targets, managed_tags(&tags, want.map(|want| &want.tags)));
        Ok(Some(Found { spec, outputs: self.outputs(bus, cx.name), tags: Some(tags) }))
    }

    /// The names of all buses.
    async fn buses(&self, cx: &Cx) -> Result<Arc<Vec<String>>, Fault> {
        let asked = self.buses.ask((), || {
            let (client, cx) = (self.client.clone(), cx.clone());
            async move {
                let call = Call::new(&cx, Doing::new("list", "the event buses", "events:ListEventBuses"));
                let request = client.list_event_buses();
                let found = call.none_on(&[]).pages(
                    |next| request.clone().set_next_token(next).send(),
                    |page| (page.event_buses, page.next_token),
                );
                let found = found.await?.unwrap_or_default();
                Ok(Arc::new(found.into_iter().filter_map(|bus| bus.name).collect()))
            }
            .boxed()
        });
        asked.await
    }

    /// Writes the rule itself, all of it: what is left out of it is gone.
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
            // Only a new rule takes them.
            .set_tags(tags.map(rule_tags));
        cx.call("write", "events:PutRule").send(|| request.clone().send()).await.map(drop)
    }

    async fn put_target(&self, cx: &CallContext<'_>, want: &EventRuleSpec) -> Result<(), Fault> {
        let request =
            self.client.put_targets().rule(cx.name).event_bus_name(&want.bus).targets(parts::target(want));
        let call = cx.call("set the target of", "events:PutTargets");
        let doing = call.doing().clone();
        // A rule that was made just now may not be visible everywhere.
        let said = call.retry_on(NOT_FOUND).send(|| request.clone().send()).await?;
        let failed = said.failed_entries().iter().map(|entry| FailedEntry {
            target: entry.target_id(),
            code: entry.error_code(),
            message: entry.error_message(),
        });
        parts::all_done(&doing, failed)
    }

    async fn remove_target(&self, cx: &CallContext<'_>, bus: &str) -> Result<(), Fault> {
        let request =
            self.client.remove_targets().rule(cx.name).event_bus_name(bus).ids(EventRuleSpec::TARGET_ID);
        let call = cx.call("remove the target of", "events:RemoveTargets");
        let doing = call.doing().clone();
        let said = call.find(|| request.clone().send()).await?;
        let failed = said.iter().flat_map(RemoveTargetsOutput::failed_entries).map(|entry| FailedEntry {
            target: entry.target_id(),
            code: entry.error_code(),
            message: entry.error_message(),
        });
        parts::all_done(&doing, failed)
    }

    /// Brings what is there of it to what is wanted.
    async fn reconcile(
        &self,
        cx: &CallContext<'_>,
        have: Option<&Found<EventRuleSpec>>,
        want: &EventRuleSpec,
    ) -> Written {
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
            if !parts::is_target(have, want) {
                self.put_target(cx, want).await?;
            }
        } else {
            self.put(cx, want, Some(&want.tags)).await?;
            self.put_target(cx, want).await?;
        }
        Ok(self.outputs(&want.bus, cx.name))
    }

    /// Deletes a rule that has no targets but ours.
    async fn remove(&self, cx: &CallContext<'_>, bus: &str) -> Result<(), Fault> {
        let Some(targets) = self.targets(cx, bus).await? else { return Ok(()) };
        if let Some(fault) = parts::in_the_way(bus, cx.name, &targets) {
            return Err(fault);
        }
        if !targets.is_empty() {
            self.remove_target(cx, bus).await?;
        }
        let request = self.client.delete_rule().name(cx.name).event_bus_name(bus);
        cx.call("delete", "events:DeleteRule").find(|| request.clone().send()).await.map(drop)
    }
}

impl Resource for Rules {
    type Spec = EventRuleSpec;

    const NOUN: &'static str = "rule";
    const RULES: &'static [ErrorRule] = errors::RULES;

    fn new(aws: Arc<Aws>) -> Self {
        Self { client: Client::new(&aws.without_retries()), aws, buses: SingleFlight::default() }
    }

    /// The rule: on its bus, or left on another one by a configuration that is no more.
    async fn read(&self, cx: &CallContext<'_>, want: Option<&EventRuleSpec>) -> Read<EventRuleSpec> {
        let likely = want.map_or(DEFAULT_BUS, |want| want.bus.as_str());
        let there = self.on(cx, likely, want);
        // One that should not be is rarely there: rather than one after the other, so that all of them ask for the buses at once.
        let (found, buses) = if want.is_some() {
            (there.await?, None)
        } else {
            let (found, buses) = try_join(there, self.buses(cx)).await?;
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
            return Err(Fault::fatal("no_bus", format!("there is no event bus {likely}")).hinted(format!(
                "make it with `aws events create-event-bus --region {} --name {likely}`, or change `bus` in [events]",
                self.aws.place.region
            )));
        }
        for bus in buses.iter().filter(|bus| *bus != likely) {
            let elsewhere = self.on(cx, bus, want).await?;
            // What is not ours is in nobody's way there.
            if let Some(found) = elsewhere.filter(|found| is_ours(&self.aws, found.tags.as_ref())) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn create(&self, cx: &CallContext<'_>, want: &EventRuleSpec) -> Written {
        let attempt = || async move {
            // Putting a rule overwrites whatever bears its name.
            let have = self.on(cx, &want.bus, Some(want)).await?;
            self.reconcile(cx, have.as_ref(), want).await
        };
        cx.wait(&WRITE, "writing the rule", attempt).await
    }

    async fn delete(&self, cx: &CallContext<'_>, have: &Found<EventRuleSpec>) -> Result<(), Fault> {
        cx.wait(&WRITE, "deleting the rule", || self.remove(cx, &have.spec.bus)).await
    }
}

fn rule_tags(tags: &Tags) -> Vec<Tag> {
    sdk_tags(tags, |key, value| Tag::builder().key(key).value(value).build())
}
