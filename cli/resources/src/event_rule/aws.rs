//! The rule in AWS: EventBridge, where a call that changes targets is answered as done and says in its answer what was not.

mod parts;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::retry::RetryConfig;
use aws_sdk_eventbridge::operation::describe_rule::DescribeRuleOutput;
use aws_sdk_eventbridge::types::{RuleState, Tag, Target};
use futures::FutureExt as _;
use futures::future::try_join;
use hitctl_engine::{Cx, Fault, Outputs, Wait};

use crate::aws::account::Aws;
use crate::aws::call::Call;
use crate::aws::fault::Doing;
use crate::aws::owner::{check_ours, is_ours};
use crate::aws::resource::{Found, Resource};
use crate::aws::single_flight::SingleFlight;
use crate::aws::tags::{managed_tags, tags_to_apply};
use crate::event_rule::errors;
use crate::event_rule::spec::EventRuleSpec;
use crate::tags::Tags;

/// What is said of a rule, or of a bus, that is not there.
const NOT_FOUND: &[&str] = &["ResourceNotFoundException"];
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

    async fn describe(&self, cx: &Cx, bus: &str, name: &str) -> Result<Option<DescribeRuleOutput>, Fault> {
        let request = self.client.describe_rule().name(name).event_bus_name(bus);
        Call::new(cx, doing("read", name, "events:DescribeRule"))
            .absent_on(NOT_FOUND)
            .find(|| request.clone().send())
            .await
    }

    /// All targets of a rule, of all pages; `None` when there is no such rule.
    async fn targets(&self, cx: &Cx, bus: &str, name: &str) -> Result<Option<Vec<Target>>, Fault> {
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let request =
                self.client.list_targets_by_rule().rule(name).event_bus_name(bus).set_next_token(next);
            let page = Call::new(cx, doing("read the targets of", name, "events:ListTargetsByRule"))
                .absent_on(NOT_FOUND)
                .find(|| request.clone().send())
                .await?;
            let Some(page) = page else { return Ok(None) };
            found.extend(page.targets.unwrap_or_default());
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(Some(found));
            }
        }
    }

    async fn tags(&self, cx: &Cx, bus: &str, name: &str) -> Result<Option<Tags>, Fault> {
        let request = self.client.list_tags_for_resource().resource_arn(self.arn(bus, name));
        let found = Call::new(cx, doing("read the tags of", name, "events:ListTagsForResource"))
            .absent_on(NOT_FOUND)
            .find(|| request.clone().send())
            .await?;
        let plain = |tag: Tag| (tag.key, tag.value);
        Ok(found.map(|found| found.tags.unwrap_or_default().into_iter().map(plain).collect()))
    }

    /// The rule of that name on that bus.
    async fn on(
        &self,
        cx: &Cx,
        bus: &str,
        name: &str,
        want: Option<&EventRuleSpec>,
    ) -> Result<Option<Found<EventRuleSpec>>, Fault> {
        let Some(rule) = self.describe(cx, bus, name).await? else { return Ok(None) };
        let (targets, tags) =
            Box::pin(try_join(self.targets(cx, bus, name), self.tags(cx, bus, name))).await?;
        let (Some(targets), Some(tags)) = (targets, tags) else { return Ok(None) };
        let spec = parts::spec(bus, &rule, &targets, managed_tags(&tags, want.map(|want| &want.tags)));
        Ok(Some(Found { spec, outputs: self.outputs(bus, name), tags: Some(tags) }))
    }

    /// The names of all buses.
    async fn buses(&self, cx: &Cx) -> Result<Arc<Vec<String>>, Fault> {
        let asked = self.buses.ask((), || {
            let (client, cx) = (self.client.clone(), cx.clone());
            async move { all_buses(&client, &cx).await.map(Arc::new) }.boxed()
        });
        asked.await
    }

    /// The rule: on its bus, or left on another one by a configuration that is no more.
    async fn found(
        &self,
        cx: &Cx,
        name: &str,
        want: Option<&EventRuleSpec>,
    ) -> Result<Option<Found<EventRuleSpec>>, Fault> {
        let likely = want.map_or(DEFAULT_BUS, |want| want.bus.as_str());
        let there = self.on(cx, likely, name, want);
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
            let elsewhere = self.on(cx, bus, name, want).await?;
            // What is not ours is in nobody's way there.
            if let Some(found) = elsewhere.filter(|found| is_ours(&self.aws, found.tags.as_ref())) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Writes the rule itself, all of it: what is left out of it is gone.
    async fn put(&self, cx: &Cx, name: &str, want: &EventRuleSpec, tags: Option<&Tags>) -> Result<(), Fault> {
        let state = if want.enabled { RuleState::Enabled } else { RuleState::Disabled };
        let request = self
            .client
            .put_rule()
            .name(name)
            .event_bus_name(&want.bus)
            .event_pattern(want.pattern.to_string())
            .state(state)
            // Only a new rule takes them.
            .set_tags(tags.map(sdk_tags));
        Call::new(cx, doing("write", name, "events:PutRule")).send(|| request.clone().send()).await?;
        Ok(())
    }

    async fn put_target(&self, cx: &Cx, name: &str, want: &EventRuleSpec) -> Result<(), Fault> {
        let request =
            self.client.put_targets().rule(name).event_bus_name(&want.bus).targets(parts::target(want));
        let doing = doing("set the target of", name, "events:PutTargets");
        // A rule that was made just now may not be visible everywhere.
        let said = Call::new(cx, doing.clone()).again_on(NOT_FOUND).send(|| request.clone().send()).await?;
        parts::all_done(&doing, said.failed_entries().iter().map(Into::into))
    }

    async fn remove_target(&self, cx: &Cx, bus: &str, name: &str) -> Result<(), Fault> {
        let request =
            self.client.remove_targets().rule(name).event_bus_name(bus).ids(EventRuleSpec::TARGET_ID);
        let doing = doing("remove the target of", name, "events:RemoveTargets");
        let said = Call::new(cx, doing.clone()).absent_on(NOT_FOUND).find(|| request.clone().send()).await?;
        match said {
            Some(said) => parts::all_done(&doing, said.failed_entries().iter().map(Into::into)),
            None => Ok(()),
        }
    }

    /// Brings what is there of it to what is wanted.
    async fn reconcile(
        &self,
        cx: &Cx,
        name: &str,
        have: Option<&Found<EventRuleSpec>>,
        want: &EventRuleSpec,
    ) -> Result<Outputs, Fault> {
        let Some(have) = have else {
            self.put(cx, name, want, Some(&want.tags)).await?;
            self.put_target(cx, name, want).await?;
            return Ok(self.outputs(&want.bus, name));
        };
        check_ours(&self.aws, name, have)?;
        let tags = tags_to_apply(&have.spec.tags, &want.tags);
        if !tags.is_empty() {
            let arn = self.arn(&want.bus, name);
            let request = self.client.tag_resource().resource_arn(arn).set_tags(Some(sdk_tags(&tags)));
            Call::new(cx, doing("tag", name, "events:TagResource")).send(|| request.clone().send()).await?;
        }
        let have = &have.spec;
        if have.pattern != want.pattern || have.enabled != want.enabled {
            self.put(cx, name, want, None).await?;
        }
        if !parts::is_target(have, want) {
            self.put_target(cx, name, want).await?;
        }
        Ok(self.outputs(&want.bus, name))
    }

    async fn create_or_reconcile(&self, cx: &Cx, name: &str, want: &EventRuleSpec) -> Result<Outputs, Fault> {
        let attempt = || async move {
            // Putting a rule overwrites whatever bears its name.
            let have = self.on(cx, &want.bus, name, Some(want)).await?;
            self.reconcile(cx, name, have.as_ref(), want).await
        };
        cx.wait(&WRITE, "writing the rule", attempt).await
    }

    /// Deletes a rule that has no targets but ours.
    async fn remove(&self, cx: &Cx, bus: &str, name: &str) -> Result<(), Fault> {
        let Some(targets) = self.targets(cx, bus, name).await? else { return Ok(()) };
        if let Some(fault) = parts::in_the_way(bus, name, &targets) {
            return Err(fault);
        }
        if !targets.is_empty() {
            self.remove_target(cx, bus, name).await?;
        }
        let request = self.client.delete_rule().name(name).event_bus_name(bus);
        Call::new(cx, doing("delete", name, "events:DeleteRule"))
            .absent_on(NOT_FOUND)
            .find(|| request.clone().send())
            .await?;
        Ok(())
    }
}

impl Resource for Rules {
    type Spec = EventRuleSpec;

    fn new(aws: Arc<Aws>) -> Self {
        // Retries are ours alone: the SDK takes a limit of the account for a throttle, since both have one code.
        let config = aws_sdk_eventbridge::config::Builder::from(&aws.config)
            .retry_config(RetryConfig::disabled())
            .build();
        Self { client: Client::from_conf(config), aws, buses: SingleFlight::default() }
    }

    async fn read(
        &self,
        cx: &Cx,
        name: &str,
        want: Option<&EventRuleSpec>,
    ) -> Result<Option<Found<EventRuleSpec>>, Fault> {
        Box::pin(self.found(cx, name, want)).await
    }

    async fn create(&self, cx: &Cx, name: &str, want: &EventRuleSpec) -> Result<Outputs, Fault> {
        Box::pin(self.create_or_reconcile(cx, name, want)).await
    }

    async fn delete(&self, cx: &Cx, name: &str, have: &Found<EventRuleSpec>) -> Result<(), Fault> {
        let bus = have.spec.bus.as_str();
        Box::pin(cx.wait(&WRITE, "deleting the rule", || self.remove(cx, bus, name))).await
    }
}

/// The names of all buses, of all pages.
async fn all_buses(client: &Client, cx: &Cx) -> Result<Vec<String>, Fault> {
    let (mut found, mut next) = (Vec::new(), None);
    loop {
        let request = client.list_event_buses().set_next_token(next);
        let what = Doing::new("list", "the event buses", "events:ListEventBuses");
        let page = Call::new(cx, what).send(|| request.clone().send()).await?;
        found.extend(page.event_buses.unwrap_or_default().into_iter().filter_map(|bus| bus.name));
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(found);
        }
    }
}

fn doing(verb: &'static str, name: &str, operation: &'static str) -> Doing {
    Doing::new(verb, format!("rule {name}"), operation).with_rules(errors::RULES)
}

fn sdk_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter()
        .map(|(name, value)| {
            Tag::builder().key(name).value(value).build().expect("a tag with its key and its value")
        })
        .collect()
}
