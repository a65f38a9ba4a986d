//! The deployment lock of an environment. A command that changes the environment holds the lease. If the table that
//! stores the lease does not exist yet, the command takes the lease right after it has created the table.

use std::sync::Arc;
use std::time::Duration;

use hitctl_cloud::{DeployRecord, LEASE_DURATION, Lease, LeaseGuardedDrivers, LeaseHolder, LeaseRequest};
use hitctl_config::names;
use hitctl_engine::{Action, ApplyOutcome, Drivers, Plan};
use hitctl_report::{Exit, Failure};
use hitctl_stack::address;
use tokio_util::sync::CancellationToken;

use super::context::CloudContext;
use crate::flags::duration;

/// How long to wait for another deploy.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct LockArgs {
    /// How long to wait for another deployment of the environment
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

/// The lock that a command holds while it changes an environment.
pub(crate) struct DeployLock {
    lease: Option<Lease>,
    /// The drivers that take the lease after they have created the table.
    guarded: Option<Arc<LeaseGuardedDrivers>>,
    /// Cancelled by Ctrl-C, or when the lease is lost.
    run: CancellationToken,
    /// Whether the command waited for another one that held the lease. The plan may then be outdated.
    pub(crate) waited: bool,
}

impl DeployLock {
    /// Takes the lease for a plan, if the plan has changes and there is a table to store the lease. `command` is the
    /// name of the command.
    pub(crate) async fn take(
        context: &CloudContext<'_>,
        plan: &Plan,
        command: &str,
        args: LockArgs,
    ) -> Result<Self, Failure> {
        let run = context.session.stop.child_token();
        let mut lock = Self { lease: None, guarded: None, run: run.clone(), waited: false };
        if plan.is_empty() {
            return Ok(lock);
        }
        let lease_request = lease_request(context, command, args, run)?;
        match plan.change(&address::hits_table()) {
            Some(change) if change.observed.is_some() => {
                let (lease, waited) = Lease::take(&lease_request).await?;
                (lock.lease, lock.waited) = (Some(lease), waited);
            }
            Some(change) if change.action == Action::Create => {
                lock.guarded = Some(LeaseGuardedDrivers::new(lease_request));
            }
            // The table neither exists nor is created: the command deletes the remaining resources without a lease.
            _ => {}
        }
        Ok(lock)
    }

    /// Takes the lease for a change that is made without a plan. The table must exist.
    pub(crate) async fn hold(
        context: &CloudContext<'_>,
        command: &str,
        args: LockArgs,
    ) -> Result<Self, Failure> {
        let run = context.session.stop.child_token();
        let (lease, waited) = Lease::take(&lease_request(context, command, args, run.clone())?).await?;
        Ok(Self { lease: Some(lease), guarded: None, run, waited })
    }

    /// Records who made the change and when, for `status`. If that fails, it only prints a warning.
    pub(crate) async fn record(&self, context: &CloudContext<'_>, command: &str) {
        if self.run.is_cancelled() {
            return;
        }
        let CloudContext { session, config, cloud, .. } = context;
        let table = cloud.table(&names::table(&config.app.app, &config.env));
        let record = DeployRecord::new(&session.env, command, now());
        let writing = async { record.write(&table?).await };
        if let Err(fault) = writing.await {
            session.console.warn(&format!("`hitctl status` will not show this change: {}", fault.message));
        }
    }

    /// Returns the drivers with which the plan is applied.
    pub(crate) fn drivers(&self, drivers: &Drivers) -> Drivers {
        self.guarded.as_ref().map_or_else(|| drivers.clone(), |guarded| guarded.wrap(drivers))
    }

    /// Returns the token that is cancelled by Ctrl-C or when the lease is lost.
    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.run
    }

    /// Releases the lock. Returns a failure if the lease was lost, even if all changes were made.
    pub(crate) async fn release(self, outcome: Option<&ApplyOutcome>) -> Option<Failure> {
        let lease = self.lease.or_else(|| self.guarded.and_then(|guarded| guarded.take_lease()))?;
        let lease_failure = lease.loss();
        let table = address::hits_table();
        let table_deleted = outcome.is_some_and(|outcome| {
            outcome.done.iter().any(|done| done.address == table && done.action == Action::Delete)
        });
        if table_deleted {
            lease.abandon().await;
        } else {
            lease.release().await;
        }
        lease_failure.map(|fault| Failure::from(fault).with_exit(Exit::Partial))
    }
}

/// Returns the request for the lease of an environment.
fn lease_request(
    CloudContext { session, config, cloud, sink, .. }: &CloudContext<'_>,
    command: &str,
    args: LockArgs,
    run: CancellationToken,
) -> Result<LeaseRequest, Failure> {
    Ok(LeaseRequest {
        table: cloud.table(&names::table(&config.app.app, &config.env))?,
        holder: LeaseHolder::new(&session.env, command),
        duration: LEASE_DURATION,
        max_wait: args.lock_timeout,
        sink: (*sink).clone(),
        stop: session.stop.clone(),
        run,
        clock: now,
    })
}

/// Returns the time in seconds since 1970.
fn now() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0)
}
