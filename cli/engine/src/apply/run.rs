//! Runs the steps of a plan, all ready ones concurrently, and tracks their states.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use futures::{FutureExt, future};
use serde_json::Value as Json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::order::{Step, StepKind, steps};
use super::outcome::{ApplyOutcome, CompletedChange, FailedChange, SkippedChange};
use crate::address::Address;
use crate::call::{millis, run_bounded};
use crate::change::{Action, Change, ChangeReason};
use crate::context::DriverContext;
use crate::driver::Drivers;
use crate::event::{Event, EventSink};
use crate::fault::{Fault, FaultKind};
use crate::observed_state::Outputs;
use crate::value::{Reference, find_references, resolve};

/// The state of a step.
#[derive(Clone, Debug)]
enum StepState {
    Waiting,
    Running,
    Done,
    /// The step or a required step failed. Contains the resource whose failure is the cause.
    Blocked(Address),
}

/// The index of a step that ended, with the outputs of the resource or the fault.
type StepResult = (usize, Result<Outputs, Fault>);

pub(super) struct PlanRun<'a> {
    changes: &'a [Change],
    drivers: &'a Drivers,
    sink: &'a EventSink,
    stop: &'a CancellationToken,
    steps: Vec<Step>,
    states: Vec<StepState>,
    /// The start of the first step of each change.
    started_at: Vec<Option<Instant>>,
    outcome: ApplyOutcome,
}

impl<'a> PlanRun<'a> {
    pub(super) fn new(
        changes: &'a [Change],
        drivers: &'a Drivers,
        sink: &'a EventSink,
        stop: &'a CancellationToken,
    ) -> Self {
        let steps = steps(changes);
        let owned = changes.iter().filter(|change| !matches!(change.why, ChangeReason::NotOurs(_)));
        let outputs: BTreeMap<Address, Outputs> =
            owned.filter_map(|c| Some((c.address().clone(), c.observed.as_ref()?.outputs.clone()))).collect();
        Self {
            changes,
            drivers,
            sink,
            stop,
            states: vec![StepState::Waiting; steps.len()],
            steps,
            started_at: vec![None; changes.len()],
            outcome: ApplyOutcome { outputs, ..ApplyOutcome::default() },
        }
    }

    pub(super) async fn execute(mut self) -> ApplyOutcome {
        let mut running: FuturesUnordered<BoxFuture<'a, StepResult>> = FuturesUnordered::new();
        loop {
            self.record_interruption();
            self.block_steps();
            for step in self.ready_steps() {
                running.push(self.start_step(step));
            }
            if running.is_empty() {
                break;
            }
            // An interruption is recorded once.
            let stopped = async {
                if self.outcome.interrupted { future::pending().await } else { self.stop.cancelled().await }
            };
            let ended = tokio::select! {
                biased;
                ended = running.next() => ended,
                () = stopped => None,
            };
            if let Some((step, result)) = ended {
                self.finish_step(step, result);
            }
        }
        self.skip_unfinished();
        self.outcome
    }

    /// Records an interruption by the user and sends the event, once.
    fn record_interruption(&mut self) {
        let unfinished =
            self.states.iter().any(|state| matches!(state, StepState::Waiting | StepState::Running));
        if self.outcome.interrupted || !self.stop.is_cancelled() || !unfinished {
            return;
        }
        self.outcome.interrupted = true;
        let in_flight =
            self.steps.iter().zip(&self.states).filter(|(_, state)| matches!(state, StepState::Running));
        let in_flight =
            in_flight.map(|(step, _)| self.changes[step.change_index].address().clone()).collect();
        self.sink.send(Event::Interrupted { in_flight });
    }

    /// Blocks each step that requires a blocked one, until no more are found. The delete step of a replacement is blocked with its
    /// create step, because the resource could not be created again.
    fn block_steps(&mut self) {
        loop {
            let newly_blocked =
                self.steps.iter().zip(&self.states).enumerate().find_map(|(index, (step, state))| {
                    let StepState::Waiting = state else { return None };
                    let create_step = step.counterpart.filter(|_| step.kind == StepKind::Delete);
                    step.requires.iter().copied().chain(create_step).find_map(|other| {
                        match &self.states[other] {
                            StepState::Blocked(because) => Some((index, because.clone())),
                            _ => None,
                        }
                    })
                });
            let Some((index, because)) = newly_blocked else { return };
            self.states[index] = StepState::Blocked(because.clone());
            // While the delete step runs, the change is not reported as skipped yet, because that step may still fail.
            if self.steps[index]
                .counterpart
                .is_none_or(|counterpart| !matches!(self.states[counterpart], StepState::Running))
            {
                self.record_skipped(self.steps[index].change_index, Some(because));
            }
        }
    }

    /// Records a change as skipped, once, unless it has failed.
    fn record_skipped(&mut self, change_index: usize, because: Option<Address>) {
        let change = &self.changes[change_index];
        let address = change.address().clone();
        let is_recorded = self.outcome.failed.iter().any(|failed| failed.address == address)
            || self.outcome.skipped.iter().any(|skipped| skipped.address == address);
        if !is_recorded {
            let action = change.action;
            self.sink.send(Event::Skipped { address: address.clone(), action, because: because.clone() });
            self.outcome.skipped.push(SkippedChange { address, action, because });
        }
    }

    /// Returns the steps that can start now. After an interruption, only the second steps of started replacements can start, so
    /// that a resource deleted for a replacement is created again.
    fn ready_steps(&self) -> Vec<usize> {
        let is_ready = |index: &usize| {
            let step = &self.steps[*index];
            matches!(self.states[*index], StepState::Waiting)
                && (!self.outcome.interrupted || self.started_at[step.change_index].is_some())
                && step.requires.iter().all(|&required| matches!(self.states[required], StepState::Done))
                && step
                    .runs_after
                    .iter()
                    .all(|&earlier| matches!(self.states[earlier], StepState::Done | StepState::Blocked(_)))
        };
        (0..self.steps.len()).filter(is_ready).collect()
    }

    fn start_step(&mut self, step: usize) -> BoxFuture<'a, StepResult> {
        self.states[step] = StepState::Running;
        let Step { change_index, kind, .. } = self.steps[step];
        let change = &self.changes[change_index];
        if self.started_at[change_index].is_none() {
            self.started_at[change_index] = Some(Instant::now());
            self.sink.send(Event::Started {
                address: change.address().clone(),
                name: change.name().to_owned(),
                action: change.action,
            });
        }
        let cx = DriverContext::new(change.address().clone(), self.sink.clone(), self.stop.clone());
        let call = match kind {
            StepKind::Delete => delete_resource(self.drivers, cx, change).boxed(),
            StepKind::CreateOrUpdate => match self.desired_spec(change) {
                Ok(desired_spec) => create_or_update(self.drivers, cx, change, desired_spec).boxed(),
                Err(fault) => future::ready(Err(fault)).boxed(),
            },
        };
        let limit = self.drivers.timeouts().write;
        let operation = format!("{} {} {}", change.action, change.address().kind_words(), change.name());
        async move { (step, run_bounded(&operation, limit, call).await) }.boxed()
    }

    /// Returns the spec of a change with all references resolved.
    fn desired_spec(&self, change: &Change) -> Result<Json, Fault> {
        if let (true, ChangeReason::NotOurs(owner)) = (change.is_conflict(), &change.why) {
            let message = format!(
                "{} {} already exists and is not managed by this app",
                change.address().kind_words(),
                change.name()
            );
            let fault = Fault { kind: FaultKind::NotOurs, ..Fault::fatal("not_ours", message) };
            return Err(fault.caused_by(owner.as_str()));
        }
        let spec = change.node.spec().unwrap_or(&Json::Null);
        let desired_spec = resolve(spec, &|address| self.outcome.outputs.get(address));
        match find_references(&desired_spec).into_iter().next() {
            Some((_, Reference::Output { resource, output })) => {
                let failure = format!(
                    "internal error: failed to {} {} {}",
                    change.action,
                    change.address().kind_words(),
                    change.name()
                );
                let message = format!("{failure}: {resource} has no output {output}; please report it");
                Err(Fault::fatal("no_output", message))
            }
            _ => Ok(desired_spec),
        }
    }

    fn finish_step(&mut self, step: usize, result: Result<Outputs, Fault>) {
        let Step { change_index, kind, .. } = self.steps[step];
        let change = &self.changes[change_index];
        let (address, action) = (change.address().clone(), change.action);
        let outputs = match result {
            Ok(outputs) => outputs,
            Err(fault) => {
                self.states[step] = StepState::Blocked(address.clone());
                self.sink.send(Event::Failed { address: address.clone(), action, fault: fault.clone() });
                self.outcome.failed.push(FailedChange {
                    address,
                    name: change.name().to_owned(),
                    action,
                    fault,
                });
                return;
            }
        };
        self.states[step] = StepState::Done;
        match kind {
            StepKind::Delete => drop(self.outcome.outputs.remove(&address)),
            StepKind::CreateOrUpdate => {
                self.outcome.outputs.entry(address.clone()).or_default().extend(outputs);
            }
        }
        if kind == StepKind::CreateOrUpdate || action == Action::Delete {
            let took_ms = millis(
                self.started_at[change_index].map_or(Duration::ZERO, |started_at| started_at.elapsed()),
            );
            self.sink.send(Event::Finished { address: address.clone(), action, took_ms });
            self.outcome.done.push(CompletedChange { address, action, took_ms });
        } else if let Some(StepState::Blocked(because)) =
            self.steps[step].counterpart.map(|counterpart| self.states[counterpart].clone())
        {
            // The create step was blocked while this delete step ran.
            self.record_skipped(change_index, Some(because));
        }
    }

    /// Records as skipped the changes that could not start or finish because of the interruption, and sorts all skipped
    /// changes in the order of the plan.
    fn skip_unfinished(&mut self) {
        for index in 0..self.steps.len() {
            if matches!(self.states[index], StepState::Waiting) {
                self.record_skipped(self.steps[index].change_index, None);
            }
        }
        let index_of = |address: &Address| self.changes.iter().position(|change| change.address() == address);
        self.outcome.skipped.sort_by_key(|skipped| index_of(&skipped.address));
    }
}

async fn delete_resource(drivers: &Drivers, cx: DriverContext, change: &Change) -> Result<Outputs, Fault> {
    let driver = drivers.get(change.kind())?;
    if let Some(observed) = &change.observed {
        driver.delete(&cx, &change.node, observed).await?;
    }
    Ok(Outputs::new())
}

async fn create_or_update(
    drivers: &Drivers,
    cx: DriverContext,
    change: &Change,
    desired_spec: Json,
) -> Result<Outputs, Fault> {
    let driver = drivers.get(change.kind())?;
    match (change.action, &change.observed) {
        (Action::Update, Some(observed)) => {
            driver.update(&cx, &change.node, observed, &desired_spec, &change.fields).await
        }
        _ => driver.create(&cx, &change.node, &desired_spec).await,
    }
}
