//! `EventBridge` on this machine: rules, events, and their way to queues and functions.
//!
//! An event is acknowledged when the targets of the rules that it matched are on disk; each is then delivered, at least once,
//! however often this process is killed. As on AWS a rule needs the word of its target: the queue's policy, the function's
//! permission; without it the event goes to the rule's dead letters at once. Different from AWS: events of AWS's own sources
//! (`aws.s3`) may be put, since nobody else makes them here; a bus is there if a rule is on it; pauses between tries are
//! seconds.

mod api;
mod deliver;
mod entry;
mod gates;
mod job;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use hitctl_config::Location;
use hitctl_config::event_pattern::Pattern;
use hitctl_engine::Fault;
use hitctl_resources::{EventInvokeConfigSpec, EventRuleSpec, PermissionSpec};
use serde_json::Value as Json;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::blocking::{blocking, detached};
use crate::clock::now_ms;
use crate::constants::{ACCOUNT, REGION};
use crate::lambda::Runner;
use crate::lock::{lock, read, write};
use crate::queue_sender::QueueSender;
use gates::Gates;
use job::{Holder, Job, Settings};
use store::{Due, Store};

/// The buses of this machine. Clones are the same.
#[derive(Clone)]
pub(crate) struct Bus {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    runner: Runner,
    post: Arc<dyn QueueSender>,
    rules: RwLock<BTreeMap<String, Rule>>,
    /// By the statement's name: the function, with its alias if it has one, and the rule that may call it.
    permits: RwLock<BTreeMap<String, (String, String)>>,
    /// By the name of the settings: the function, with its alias if it has one, and what becomes of its failed events.
    settings: RwLock<BTreeMap<String, (String, Settings)>>,
    gates: Gates,
    /// What is on its way and nobody carries, by when it is due.
    due: Mutex<BTreeSet<Due>>,
    wake: Notify,
    /// Whether the rules are back. Until then no event is taken: it would match nothing.
    ready: watch::Sender<bool>,
    stop: CancellationToken,
    /// How many events found no dead message queue.
    dropped: AtomicU64,
}

/// A rule, ready to be matched.
struct Rule {
    spec: EventRuleSpec,
    pattern: Pattern,
    arn: String,
    target_arn: String,
    dead_letter_arn: String,
}

impl Bus {
    /// Opens what is on its way. Nothing is delivered before [`Bus::start`].
    pub(crate) fn open(path: &Path, runner: Runner, post: Arc<dyn QueueSender>) -> Result<Self, Fault> {
        let store = Store::open(path)?;
        let due = Mutex::new(store.all()?.into_iter().collect());
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                runner,
                post,
                rules: RwLock::default(),
                permits: RwLock::default(),
                settings: RwLock::default(),
                gates: Gates::default(),
                due,
                wake: Notify::new(),
                ready: watch::Sender::new(false),
                stop: CancellationToken::new(),
                dropped: AtomicU64::new(0),
            }),
        })
    }

    /// Takes events and delivers them, once the rules are back.
    pub(crate) fn start(&self) {
        self.inner.ready.send_replace(true);
        tokio::spawn(deliver::run(Arc::clone(&self.inner)));
    }

    /// Begins no more deliveries. What is not delivered is after the next start.
    pub(crate) fn stop(&self) {
        self.inner.stop.cancel();
    }

    /// How many events could not be delivered and found no dead message queue.
    pub(crate) fn dropped(&self) -> u64 {
        self.inner.dropped.load(Ordering::Relaxed)
    }

    /// Accepts an event for a function, named with its alias if it has one: an asynchronous invocation. It is on disk when this
    /// returns, and is tried again as the function's settings say.
    pub(crate) async fn invoke_later(&self, function: &str, event: String) -> Result<(), Fault> {
        let now = now_ms();
        let job = Job {
            rule_arn: String::new(),
            target_arn: format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"),
            max_retries: 0,
            max_age_s: 0,
            dead_letter_arn: String::new(),
            since_ms: now,
            failures: 0,
            holder: Holder::Lambda { waits: 0 },
        };
        self.inner.accept(vec![(event, job)], now).await
    }

    /// Makes a rule, or changes it, and says its ARN.
    pub(crate) fn put_rule(&self, name: &str, spec: EventRuleSpec) -> Result<String, Fault> {
        let invalid = |why: &dyn std::fmt::Display| {
            Fault::fatal("invalid_request", format!("the rule {name} is not valid"))
                .caused_by(why.to_string())
        };
        let pattern = Pattern::parse(&spec.pattern).map_err(|refusal| {
            Fault::fatal(
                "InvalidEventPatternException",
                format!("the pattern of the rule {name} is not valid"),
            )
            .caused_by(refusal)
        })?;
        let known = |value: &hitctl_engine::Value<String>, what: &str| {
            value.get().cloned().ok_or_else(|| invalid(&format!("its {what} is not known yet")))
        };
        let target_arn = known(&spec.target_arn, "target_arn")?;
        let dead_letter_arn = known(&spec.dead_letter_arn, "dead_letter_arn")?;
        if queue(&target_arn).is_none() && function(&target_arn).is_none() {
            return Err(invalid(&format!("its target {target_arn} is no queue and no function")));
        }
        let place = Location { partition: "aws", region: REGION, account: ACCOUNT };
        let arn = place.rule_arn(&spec.bus, name);
        let rule = Rule { spec, pattern, arn: arn.clone(), target_arn, dead_letter_arn };
        write(&self.inner.rules).insert(name.to_owned(), rule);
        Ok(arn)
    }

    /// Removes a rule. Events that it matched are delivered.
    pub(crate) fn delete_rule(&self, name: &str) {
        write(&self.inner.rules).remove(name);
    }

    /// Lets a rule call a function, by a statement of that name.
    pub(crate) fn permit(&self, statement: &str, spec: &PermissionSpec) {
        let (Some(name), Some(source)) = (spec.function_name.get(), spec.source_arn.get()) else { return };
        let qualifier = spec.qualifier.as_ref().and_then(|qualifier| qualifier.get());
        let permit = (qualified(name, qualifier), source.clone());
        write(&self.inner.permits).insert(statement.to_owned(), permit);
    }

    /// Takes back what [`Bus::permit`] gave.
    pub(crate) fn forbid(&self, statement: &str) {
        write(&self.inner.permits).remove(statement);
    }

    /// Sets what becomes of events that a function could not handle, by the settings' name; without, it is Lambda's default.
    pub(crate) fn put_invoke_config(&self, name: &str, spec: &EventInvokeConfigSpec) {
        let Some(function) = spec.function_name.get() else { return };
        let function = qualified(function, spec.qualifier.as_ref().and_then(|qualifier| qualifier.get()));
        let on_failure_arn = spec.on_failure_arn.get().cloned();
        let settings = Settings { max_retries: spec.max_retries, max_age_s: spec.max_age_s, on_failure_arn };
        write(&self.inner.settings).insert(name.to_owned(), (function, settings));
    }

    /// Takes back what [`Bus::put_invoke_config`] set.
    pub(crate) fn remove_invoke_config(&self, name: &str) {
        write(&self.inner.settings).remove(name);
    }
}

impl Inner {
    /// The jobs that an event makes: one for each rule that it matches.
    fn jobs(&self, bus: &str, event: &Json, text: &str, now_ms: u64) -> Vec<(String, Job)> {
        let rules = read(&self.rules);
        let matching = rules
            .values()
            .filter(|rule| rule.spec.enabled && rule.spec.bus == bus && rule.pattern.matches(event));
        matching
            .map(|rule| {
                let job = Job {
                    rule_arn: rule.arn.clone(),
                    target_arn: rule.target_arn.clone(),
                    max_retries: rule.spec.max_retries,
                    max_age_s: rule.spec.max_age_s,
                    dead_letter_arn: rule.dead_letter_arn.clone(),
                    since_ms: now_ms,
                    failures: 0,
                    holder: Holder::EventBridge,
                };
                (text.to_owned(), job)
            })
            .collect()
    }

    /// What becomes of events that a function, named with its alias, could not handle.
    fn settings_of(&self, function: &str) -> Settings {
        let all = read(&self.settings);
        let of_it = all.values().find(|(of, _)| of == function);
        of_it.map(|(_, settings)| settings.clone()).unwrap_or_default()
    }

    /// Writes jobs to disk, and delivers them from then on, even if the caller hangs up.
    async fn accept(self: &Arc<Self>, jobs: Vec<(String, Job)>, now_ms: u64) -> Result<(), Fault> {
        let at = Arc::clone(self);
        detached(async move {
            let store = Arc::clone(&at);
            let ids = blocking(move || store.store.add(&jobs, now_ms)).await?;
            at.schedule(ids.into_iter().map(|id| (now_ms, id)));
            Ok(())
        })
        .await
    }

    /// Puts jobs among those that nobody carries.
    fn schedule(&self, jobs: impl IntoIterator<Item = Due>) {
        lock(&self.due).extend(jobs);
        self.wake.notify_one();
    }
}

/// What a function is called with its alias: as after `function:` in its ARN.
fn qualified(name: &str, qualifier: Option<&String>) -> String {
    qualifier.map_or_else(|| name.to_owned(), |qualifier| format!("{name}:{qualifier}"))
}

/// The function of an ARN, with its alias if it has one.
fn function(arn: &str) -> Option<&str> {
    arn.split_once(":function:").map(|(_, function)| function)
}

/// The queue of an ARN.
fn queue(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    (parts.nth(2) == Some("sqs")).then(|| parts.nth(2)).flatten()
}
