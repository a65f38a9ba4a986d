//! `EventBridge` on this machine: matches events against rules and delivers them to queues and functions. It also runs
//! the asynchronous invocations of functions, which use the same deliveries.

mod api;
mod concurrency;
mod delivery;
mod dispatcher;
mod entry;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use hitctl_config::Location;
use hitctl_config::event_pattern::EventPattern;
use hitctl_engine::Fault;
use hitctl_resources::{EventInvokeConfigSpec, EventRuleSpec, PermissionSpec};
use serde_json::Value as Json;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::blocking::{run_blocking, run_detached};
use crate::clock::now_ms;
use crate::constants::{ACCOUNT, REGION};
use crate::lambda::Runner;
use crate::lock::{lock, read, write};
use crate::queue_sender::QueueSender;
use concurrency::ConcurrencyLimits;
use delivery::{AsyncInvokeConfig, Delivery, DeliveryStage};
use store::{DeliveryStore, DueDelivery};

/// The event buses of this machine. Clones share their state.
///
/// An event is acknowledged once a delivery for each matching rule is on disk. Each delivery then happens at least
/// once, even if this process is killed in between. As on AWS, the target must allow the rule, through the queue's
/// policy or the function's permission. Otherwise the event is sent to the rule's dead-letter queue without retries.
///
/// Differences from AWS: clients may put events with AWS's own sources (`aws.s3`), because nothing else emits them
/// here; a bus exists as soon as it has a rule; the first retries follow within seconds.
#[derive(Clone)]
pub(crate) struct EventBuses {
    inner: Arc<Inner>,
}

struct Inner {
    store: DeliveryStore,
    runner: Runner,
    queue_sender: Arc<dyn QueueSender>,
    rules: RwLock<BTreeMap<String, EventRule>>,
    /// By statement id: the function (with its alias, if any) and the ARN of the rule that may invoke it.
    permissions: RwLock<BTreeMap<String, (String, String)>>,
    /// By resource name: the function (with its alias, if any) and its settings for asynchronous invocations.
    invoke_configs: RwLock<BTreeMap<String, (String, AsyncInvokeConfig)>>,
    concurrency: ConcurrencyLimits,
    /// The deliveries that no task is processing, ordered by due time.
    scheduled: Mutex<BTreeSet<DueDelivery>>,
    wake: Notify,
    /// Whether the rules are restored. Until then the bus accepts no events, because they would match no rule.
    ready: watch::Sender<bool>,
    stop: CancellationToken,
    /// The number of failed events that no dead-letter queue accepted.
    dropped: AtomicU64,
}

/// A rule with its parsed pattern and resolved ARNs.
struct EventRule {
    spec: EventRuleSpec,
    pattern: EventPattern,
    arn: String,
    target_arn: String,
    dead_letter_arn: String,
}

impl EventBuses {
    /// Opens the store of pending deliveries. Nothing is delivered before [`EventBuses::start`].
    pub(crate) fn open(
        path: &Path,
        runner: Runner,
        queue_sender: Arc<dyn QueueSender>,
    ) -> Result<Self, Fault> {
        let store = DeliveryStore::open(path)?;
        let scheduled = Mutex::new(store.all()?.into_iter().collect());
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                runner,
                queue_sender,
                rules: RwLock::default(),
                permissions: RwLock::default(),
                invoke_configs: RwLock::default(),
                concurrency: ConcurrencyLimits::default(),
                scheduled,
                wake: Notify::new(),
                ready: watch::Sender::new(false),
                stop: CancellationToken::new(),
                dropped: AtomicU64::new(0),
            }),
        })
    }

    /// Starts accepting and delivering events. Call this once the rules are restored.
    pub(crate) fn start(&self) {
        self.inner.ready.send_replace(true);
        tokio::spawn(dispatcher::run(Arc::clone(&self.inner)));
    }

    /// Stops starting deliveries. Pending deliveries continue when the daemon is started again.
    pub(crate) fn stop(&self) {
        self.inner.stop.cancel();
    }

    /// Returns the number of events that could neither be delivered nor sent to a dead-letter queue.
    pub(crate) fn dropped(&self) -> u64 {
        self.inner.dropped.load(Ordering::Relaxed)
    }

    /// Accepts an asynchronous invocation. `function` is the function's name, with its alias if it has one. When this
    /// returns, the event is on disk. Retries follow the function's settings for asynchronous invocations.
    pub(crate) async fn enqueue_invocation(&self, function: &str, event: String) -> Result<(), Fault> {
        let now = now_ms();
        // The fields of the rule are not used, because the delivery begins in Lambda's stage.
        let delivery = Delivery {
            rule_arn: String::new(),
            target_arn: format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"),
            max_retries: 0,
            max_age_s: 0,
            dead_letter_arn: String::new(),
            stage_started_at_ms: now,
            failures: 0,
            stage: DeliveryStage::Lambda { failed_starts: 0 },
        };
        self.inner.accept(vec![(event, delivery)], now).await
    }

    /// Creates or updates a rule and returns its ARN.
    pub(crate) fn put_rule(&self, name: &str, spec: EventRuleSpec) -> Result<String, Fault> {
        let invalid = |reason: &dyn std::fmt::Display| {
            Fault::fatal("invalid_request", format!("the spec of rule {name} is not valid"))
                .caused_by(reason.to_string())
        };
        let pattern = EventPattern::parse(&spec.pattern).map_err(|error| {
            Fault::fatal("InvalidEventPatternException", format!("the pattern of rule {name} is not valid"))
                .caused_by(error)
        })?;
        let resolved = |value: &hitctl_engine::SpecValue<String>, field: &str| {
            value
                .get()
                .cloned()
                .ok_or_else(|| invalid(&format!("{field}: expected a value, found an unresolved reference")))
        };
        let target_arn = resolved(&spec.target_arn, "target_arn")?;
        let dead_letter_arn = resolved(&spec.dead_letter_arn, "dead_letter_arn")?;
        if queue_in_arn(&target_arn).is_none() && function_in_arn(&target_arn).is_none() {
            return Err(invalid(&format!(
                "target_arn: expected a queue or a function, found {target_arn:?}"
            )));
        }
        let location = Location { partition: "aws", region: REGION, account: ACCOUNT };
        let arn = location.rule_arn(&spec.bus, name);
        let rule = EventRule { spec, pattern, arn: arn.clone(), target_arn, dead_letter_arn };
        write(&self.inner.rules).insert(name.to_owned(), rule);
        Ok(arn)
    }

    /// Deletes a rule. Events that it matched earlier are still delivered.
    pub(crate) fn delete_rule(&self, name: &str) {
        write(&self.inner.rules).remove(name);
    }

    /// Allows a rule to invoke a function. `statement` is the id of the policy statement. Ignores unresolved
    /// references, which `cloud` has rejected before.
    pub(crate) fn add_permission(&self, statement: &str, spec: &PermissionSpec) {
        let (Some(name), Some(source)) = (spec.function_name.get(), spec.source_arn.get()) else { return };
        let qualifier = spec.qualifier.as_ref().and_then(|qualifier| qualifier.get());
        let permission = (qualified_name(name, qualifier), source.clone());
        write(&self.inner.permissions).insert(statement.to_owned(), permission);
    }

    /// Revokes a permission that [`EventBuses::add_permission`] granted.
    pub(crate) fn remove_permission(&self, statement: &str) {
        write(&self.inner.permissions).remove(statement);
    }

    /// Stores a function's settings for asynchronous invocations under `name`. Functions without settings use Lambda's
    /// defaults.
    pub(crate) fn put_invoke_config(&self, name: &str, spec: &EventInvokeConfigSpec) {
        let Some(function) = spec.function_name.get() else { return };
        let function =
            qualified_name(function, spec.qualifier.as_ref().and_then(|qualifier| qualifier.get()));
        let on_failure_arn = spec.on_failure_arn.get().cloned();
        let config =
            AsyncInvokeConfig { max_retries: spec.max_retries, max_age_s: spec.max_age_s, on_failure_arn };
        write(&self.inner.invoke_configs).insert(name.to_owned(), (function, config));
    }

    /// Removes settings that [`EventBuses::put_invoke_config`] stored.
    pub(crate) fn remove_invoke_config(&self, name: &str) {
        write(&self.inner.invoke_configs).remove(name);
    }
}

impl Inner {
    /// Creates the deliveries of an event: one for each rule that it matches.
    fn deliveries(&self, bus: &str, event: &Json, event_json: &str, now_ms: u64) -> Vec<(String, Delivery)> {
        let rules = read(&self.rules);
        let matching = rules
            .values()
            .filter(|rule| rule.spec.enabled && rule.spec.bus == bus && rule.pattern.matches(event));
        matching
            .map(|rule| {
                let delivery = Delivery {
                    rule_arn: rule.arn.clone(),
                    target_arn: rule.target_arn.clone(),
                    max_retries: rule.spec.max_retries,
                    max_age_s: rule.spec.max_age_s,
                    dead_letter_arn: rule.dead_letter_arn.clone(),
                    stage_started_at_ms: now_ms,
                    failures: 0,
                    stage: DeliveryStage::EventBridge,
                };
                (event_json.to_owned(), delivery)
            })
            .collect()
    }

    /// Returns the retry settings of a function. `function` is its name, with its alias if it has one.
    fn invoke_config_for(&self, function: &str) -> AsyncInvokeConfig {
        let all = read(&self.invoke_configs);
        let found = all.values().find(|(name, _)| name == function);
        found.map(|(_, config)| config.clone()).unwrap_or_default()
    }

    /// Writes deliveries to disk and schedules them, even if the caller disconnects.
    async fn accept(self: &Arc<Self>, deliveries: Vec<(String, Delivery)>, now_ms: u64) -> Result<(), Fault> {
        let inner = Arc::clone(self);
        run_detached(async move {
            let writer = Arc::clone(&inner);
            let ids = run_blocking(move || writer.store.add(&deliveries, now_ms)).await?;
            inner.schedule(ids.into_iter().map(|id| (now_ms, id)));
            Ok(())
        })
        .await
    }

    /// Schedules deliveries for their due times.
    fn schedule(&self, deliveries: impl IntoIterator<Item = DueDelivery>) {
        lock(&self.scheduled).extend(deliveries);
        self.wake.notify_one();
    }
}

/// Returns the part of a function's ARN after `function:`: the name, followed by `:` and the qualifier if there is one.
fn qualified_name(name: &str, qualifier: Option<&String>) -> String {
    qualifier.map_or_else(|| name.to_owned(), |qualifier| format!("{name}:{qualifier}"))
}

/// Returns the function's name in an ARN, with its alias if it has one.
fn function_in_arn(arn: &str) -> Option<&str> {
    arn.split_once(":function:").map(|(_, function)| function)
}

/// Returns the queue's name in an ARN.
fn queue_in_arn(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    (parts.nth(2) == Some("sqs")).then(|| parts.nth(2)).flatten()
}
