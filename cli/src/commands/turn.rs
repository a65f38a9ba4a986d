//! The turn of a run that changes something: it has the lease, or will have it before anything is made twice.

use std::sync::Arc;
use std::time::Duration;

use hitctl_config::{Loaded, names};
use hitctl_engine::{Action, Drivers, Outcome, Plan, Sink};
use hitctl_resources::{Spec as _, TableSpec};
use tokio_util::sync::CancellationToken;

use crate::cloud::{Cloud, Gate, Holder, LEASE_LASTS, Lease, Taking};
use crate::commands::logs::duration;
use crate::report::{Exit, Failure};
use crate::session::Session;

/// How long to wait for another deploy.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Lock {
    /// Wait so long for another deploy of the same environment to end
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        value_parser = duration,
        env = "HITCTL_LOCK_TIMEOUT",
        hide_env_values = true
    )]
    pub lock_timeout: Duration,
}

/// What a run has while it changes something.
pub(super) struct Turn {
    lease: Option<Lease>,
    gate: Option<Arc<Gate>>,
    run: CancellationToken,
    /// Somebody else had the lease until now: what was planned before is old.
    pub(super) waited: bool,
}

impl Turn {
    /// Takes the lease for a plan, where there is something to do and a table to hold it in.
    pub(super) async fn take(
        session: &Session,
        loaded: &Loaded,
        cloud: &dyn Cloud,
        plan: &Plan,
        (command, lock): (&str, Lock),
        sink: &Sink,
    ) -> Result<Self, Failure> {
        let run = session.stop.child_token();
        let mut turn = Self { lease: None, gate: None, run: run.clone(), waited: false };
        if plan.is_empty() {
            return Ok(turn);
        }
        let taking = taking(session, loaded, cloud, (command, lock), sink, run)?;
        match plan.change(&TableSpec::address("hits")) {
            Some(change) if change.have.is_some() => {
                let (lease, waited) = Lease::take(&taking).await?;
                (turn.lease, turn.waited) = (Some(lease), waited);
            }
            Some(change) if change.action == Action::Create => turn.gate = Some(Gate::new(taking)),
            // Without a table of counts there is nothing left but what has a name of its own.
            _ => {}
        }
        Ok(turn)
    }

    /// Takes the lease for a change that is in no plan, of what is deployed already.
    pub(super) async fn hold(
        session: &Session,
        loaded: &Loaded,
        cloud: &dyn Cloud,
        how: (&str, Lock),
        sink: &Sink,
    ) -> Result<Self, Failure> {
        let run = session.stop.child_token();
        let taking = taking(session, loaded, cloud, how, sink, run.clone())?;
        let (lease, waited) = Lease::take(&taking).await?;
        Ok(Self { lease: Some(lease), gate: None, run, waited })
    }

    /// The drivers to apply the plan with.
    pub(super) fn drivers(&self, drivers: &Drivers) -> Drivers {
        self.gate.as_ref().map_or_else(|| drivers.clone(), |gate| gate.guard(drivers))
    }

    /// Cancelled when the user asks to stop, and when the lease is lost.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.run
    }

    /// Ends it. A run that lost its lease has failed, whatever it did.
    pub(super) async fn end(self, outcome: Option<&Outcome>) -> Option<Failure> {
        let lease = self.lease.or_else(|| self.gate.and_then(Gate::into_lease))?;
        let lost = lease.lost();
        let table = TableSpec::address("hits");
        let gone = outcome.is_some_and(|outcome| {
            outcome.done.iter().any(|done| done.address == table && done.action == Action::Delete)
        });
        if gone {
            lease.forget().await;
        } else {
            lease.release().await;
        }
        lost.map(|fault| Failure::from(fault).exits(Exit::Partial))
    }
}

/// How the lease of an environment is taken.
fn taking(
    session: &Session,
    loaded: &Loaded,
    cloud: &dyn Cloud,
    (command, lock): (&str, Lock),
    sink: &Sink,
    run: CancellationToken,
) -> Result<Taking, Failure> {
    Ok(Taking {
        table: cloud.table(&names::table(&loaded.app.app, &loaded.env))?,
        holder: Holder::of(&session.env, command),
        lasts: LEASE_LASTS,
        patience: lock.lock_timeout,
        sink: sink.clone(),
        stop: session.stop.clone(),
        run,
        clock: now,
    })
}

/// The time of day in seconds since 1970.
fn now() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0)
}
