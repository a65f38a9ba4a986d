//! Takes the steps of a plan, every ready one at once, and keeps account of them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use futures::{FutureExt, future};
use serde_json::Value as Json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::order::{Half, Step, steps};
use super::outcome::{Done, Failure, Outcome, Skipped};
use crate::address::Address;
use crate::call::{bounded, millis};
use crate::change::{Action, Change, Why};
use crate::cx::Cx;
use crate::driver::Drivers;
use crate::event::{Event, Sink};
use crate::fault::{Fault, FaultKind};
use crate::live::Outputs;
use crate::value::{Source, resolve, sources};

/// How a step stands.
#[derive(Clone, Debug)]
enum State {
    Waiting,
    Running,
    Done,
    /// It failed, or cannot be taken: the resource at fault.
    Out(Address),
}

/// The end of a step: which one, and what the resource offers then.
type Ended = (usize, Result<Outputs, Fault>);

pub(super) struct Run<'a> {
    changes: &'a [Change],
    drivers: &'a Drivers,
    sink: &'a Sink,
    stop: &'a CancellationToken,
    steps: Vec<Step>,
    states: Vec<State>,
    /// When the first step of a change began.
    begun: Vec<Option<Instant>>,
    outcome: Outcome,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        changes: &'a [Change],
        drivers: &'a Drivers,
        sink: &'a Sink,
        stop: &'a CancellationToken,
    ) -> Self {
        let steps = steps(changes);
        let live = changes.iter().filter(|change| !matches!(change.why, Why::NotOurs(_)));
        let outputs: BTreeMap<Address, Outputs> =
            live.filter_map(|c| Some((c.address().clone(), c.have.as_ref()?.outputs.clone()))).collect();
        Self {
            changes,
            drivers,
            sink,
            stop,
            states: vec![State::Waiting; steps.len()],
            steps,
            begun: vec![None; changes.len()],
            outcome: Outcome { outputs, ..Outcome::default() },
        }
    }

    pub(super) async fn carry_out(mut self) -> Outcome {
        let mut running: FuturesUnordered<BoxFuture<'a, Ended>> = FuturesUnordered::new();
        loop {
            self.note_stop();
            self.skip_what_cannot_be();
            for step in self.ready() {
                running.push(self.start(step));
            }
            if running.is_empty() {
                break;
            }
            let stopped = async {
                if self.outcome.interrupted { future::pending().await } else { self.stop.cancelled().await }
            };
            let ended = tokio::select! {
                biased;
                ended = running.next() => ended,
                () = stopped => None,
            };
            if let Some((step, result)) = ended {
                self.end(step, result);
            }
        }
        self.skip_the_rest();
        self.outcome
    }

    /// Says once that the user asked to stop.
    fn note_stop(&mut self) {
        let unfinished = self.states.iter().any(|state| matches!(state, State::Waiting | State::Running));
        if self.outcome.interrupted || !self.stop.is_cancelled() || !unfinished {
            return;
        }
        self.outcome.interrupted = true;
        let in_flight =
            self.steps.iter().zip(&self.states).filter(|(_, state)| matches!(state, State::Running));
        let in_flight = in_flight.map(|(step, _)| self.changes[step.change].address().clone()).collect();
        self.sink.send(Event::Interrupted { in_flight });
    }

    /// Rules out each step that needs one that failed, and those that need it in turn. What could not be made again is
    /// not removed either.
    fn skip_what_cannot_be(&mut self) {
        loop {
            let out = self.steps.iter().zip(&self.states).enumerate().find_map(|(at, (step, state))| {
                let State::Waiting = state else { return None };
                let made_again = step.twin.filter(|_| step.half == Half::Remove);
                step.needs.iter().copied().chain(made_again).find_map(|other| match &self.states[other] {
                    State::Out(because) => Some((at, because.clone())),
                    _ => None,
                })
            });
            let Some((at, because)) = out else { return };
            self.states[at] = State::Out(because.clone());
            // While it is being removed, it is not said yet: that may fail as well.
            if self.steps[at].twin.is_none_or(|twin| !matches!(self.states[twin], State::Running)) {
                self.skip(self.steps[at].change, Some(because));
            }
        }
    }

    /// Notes that a change is not made, once, unless it has failed.
    fn skip(&mut self, change: usize, because: Option<Address>) {
        let change = &self.changes[change];
        let address = change.address().clone();
        let known = self.outcome.failed.iter().any(|failure| failure.address == address)
            || self.outcome.skipped.iter().any(|skipped| skipped.address == address);
        if !known {
            let action = change.action;
            self.sink.send(Event::Skipped { address: address.clone(), action, because: because.clone() });
            self.outcome.skipped.push(Skipped { address, action, because });
        }
    }

    /// The steps that can be taken now. Once the user asked to stop, only the second halves of what has been begun:
    /// a resource that was removed to be made anew should be there again.
    fn ready(&self) -> Vec<usize> {
        let is_ready = |at: &usize| {
            let step = &self.steps[*at];
            matches!(self.states[*at], State::Waiting)
                && (!self.outcome.interrupted || self.begun[step.change].is_some())
                && step.needs.iter().all(|&need| matches!(self.states[need], State::Done))
                && step.after.iter().all(|&first| matches!(self.states[first], State::Done | State::Out(_)))
        };
        (0..self.steps.len()).filter(is_ready).collect()
    }

    fn start(&mut self, at: usize) -> BoxFuture<'a, Ended> {
        self.states[at] = State::Running;
        let Step { change: place, half, .. } = self.steps[at];
        let change = &self.changes[place];
        if self.begun[place].is_none() {
            self.begun[place] = Some(Instant::now());
            self.sink.send(Event::Started {
                address: change.address().clone(),
                name: change.name().to_owned(),
                action: change.action,
            });
        }
        let cx = Cx::new(change.address().clone(), self.sink.clone(), self.stop.clone());
        let call = match half {
            Half::Remove => remove(self.drivers, cx, change).boxed(),
            Half::Make => match self.want(change) {
                Ok(want) => make(self.drivers, cx, change, want).boxed(),
                Err(fault) => future::ready(Err(fault)).boxed(),
            },
        };
        let limit = self.drivers.limits().write;
        let tried = format!("{} {} {}", change.action, change.kind(), change.name());
        async move { (at, bounded(&tried, limit, call).await) }.boxed()
    }

    /// The spec of a change with every reference resolved.
    fn want(&self, change: &Change) -> Result<Json, Fault> {
        if let (true, Why::NotOurs(owner)) = (change.is_conflict(), &change.why) {
            let message =
                format!("{} {} is there already and is not this app's", change.kind(), change.name());
            let fault = Fault { kind: FaultKind::NotOurs, ..Fault::fatal("not_ours", message) };
            return Err(fault.caused_by(owner.as_str()));
        }
        let spec = change.node.spec().unwrap_or(&Json::Null);
        let want = resolve(spec, &|of| self.outcome.outputs.get(of));
        match sources(&want).into_iter().next() {
            Some((_, Source::Output { of, output })) => {
                let tried = format!("failed to {} {} {}", change.action, change.kind(), change.name());
                Err(Fault::fatal("no_output", format!("{tried}: {of} does not say its {output}")))
            }
            _ => Ok(want),
        }
    }

    fn end(&mut self, at: usize, result: Result<Outputs, Fault>) {
        let Step { change: place, half, .. } = self.steps[at];
        let change = &self.changes[place];
        let (address, action) = (change.address().clone(), change.action);
        let outputs = match result {
            Ok(outputs) => outputs,
            Err(fault) => {
                self.states[at] = State::Out(address.clone());
                self.sink.send(Event::Failed { address: address.clone(), action, fault: fault.clone() });
                self.outcome.failed.push(Failure { address, name: change.name().to_owned(), action, fault });
                return;
            }
        };
        self.states[at] = State::Done;
        match half {
            Half::Remove => drop(self.outcome.outputs.remove(&address)),
            Half::Make => self.outcome.outputs.entry(address.clone()).or_default().extend(outputs),
        }
        if half == Half::Make || action == Action::Delete {
            let took_ms = millis(self.begun[place].map_or(Duration::ZERO, |begun| begun.elapsed()));
            self.sink.send(Event::Finished { address: address.clone(), action, took_ms });
            self.outcome.done.push(Done { address, action, took_ms });
        } else if let Some(State::Out(because)) = self.steps[at].twin.map(|twin| self.states[twin].clone()) {
            self.skip(place, Some(because));
        }
    }

    /// Names what was not begun, or not ended, since the user asked to stop.
    fn skip_the_rest(&mut self) {
        for at in 0..self.steps.len() {
            if matches!(self.states[at], State::Waiting) {
                self.skip(self.steps[at].change, None);
            }
        }
        let place = |address: &Address| self.changes.iter().position(|change| change.address() == address);
        self.outcome.skipped.sort_by_key(|skipped| place(&skipped.address));
    }
}

async fn remove(drivers: &Drivers, cx: Cx, change: &Change) -> Result<Outputs, Fault> {
    let driver = drivers.get(change.kind())?;
    if let Some(have) = &change.have {
        driver.delete(&cx, &change.node, have).await?;
    }
    Ok(Outputs::new())
}

async fn make(drivers: &Drivers, cx: Cx, change: &Change, want: Json) -> Result<Outputs, Fault> {
    let driver = drivers.get(change.kind())?;
    match (change.action, &change.have) {
        (Action::Update, Some(have)) => driver.update(&cx, &change.node, have, &want, &change.fields).await,
        _ => driver.create(&cx, &change.node, &want).await,
    }
}
