//! The lock of an environment: a command that changes something holds the lease, or takes it before it creates anything twice.

use std::sync::Arc;
use std::time::Duration;

use hitctl_cloud::{Gate, Holder, LEASE_LASTS, Lease, LeaseRequest};
use hitctl_config::names;
use hitctl_engine::{Action, Drivers, Outcome, Plan};
use hitctl_report::{Exit, Failure};
use hitctl_stack::address;
use tokio_util::sync::CancellationToken;

use super::context::DeployContext;
use crate::flags::duration;

/// How long to wait for another deploy.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct LockArgs {
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

/// The lock of a command that changes something.
pub(crate) struct DeployLock {
    lease: Option<Lease>,
    gate: Option<Arc<Gate>>,
    run: CancellationToken,
    /// Another run held the lease until now: what was planned before is outdated.
    pub(crate) waited: bool,
}

impl DeployLock {
    /// Takes the lease for a plan, if there is something to do and a table to hold it in. `command` is the name of the command.
    pub(crate) async fn take(
        context: &DeployContext<'_>,
        plan: &Plan,
        command: &str,
        args: LockArgs,
    ) -> Result<Self, Failure> {
        let run = context.session.stop.child_token();
        let mut lock = Self { lease: None, gate: None, run: run.clone(), waited: false };
        if plan.is_empty() {
            return Ok(lock);
        }
        let taking = taking(context, command, args, run)?;
        match plan.change(&address::hits_table()) {
            Some(change) if change.have.is_some() => {
                let (lease, waited) = Lease::take(&taking).await?;
                (lock.lease, lock.waited) = (Some(lease), waited);
            }
            Some(change) if change.action == Action::Create => lock.gate = Some(Gate::new(taking)),
            // Without a table of counts there is nothing left but what has a name of its own.
            _ => {}
        }
        Ok(lock)
    }

    /// Takes the lease for a change that is in no plan, of what is deployed already.
    pub(crate) async fn hold(
        context: &DeployContext<'_>,
        command: &str,
        args: LockArgs,
    ) -> Result<Self, Failure> {
        let run = context.session.stop.child_token();
        let (lease, waited) = Lease::take(&taking(context, command, args, run.clone())?).await?;
        Ok(Self { lease: Some(lease), gate: None, run, waited })
    }

    /// The drivers to apply the plan with.
    pub(crate) fn drivers(&self, drivers: &Drivers) -> Drivers {
        self.gate.as_ref().map_or_else(|| drivers.clone(), |gate| gate.guard(drivers))
    }

    /// Cancelled when the user asks to stop, and when the lease is lost.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.run
    }

    /// Ends it. A run that lost its lease has failed, whatever it did.
    pub(crate) async fn end(self, outcome: Option<&Outcome>) -> Option<Failure> {
        let lease = self.lease.or_else(|| self.gate.and_then(|gate| gate.take_lease()))?;
        let lost = lease.lost();
        let table = address::hits_table();
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
    DeployContext { session, config, cloud, sink, .. }: &DeployContext<'_>,
    command: &str,
    args: LockArgs,
    run: CancellationToken,
) -> Result<LeaseRequest, Failure> {
    Ok(LeaseRequest {
        table: cloud.table(&names::table(&config.app.app, &config.env))?,
        holder: Holder::of(&session.env, command),
        lasts: LEASE_LASTS,
        patience: args.lock_timeout,
        sink: (*sink).clone(),
        stop: session.stop.clone(),
        run,
        clock: now,
    })
}

/// The time of day in seconds since 1970.
fn now() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0)
}
