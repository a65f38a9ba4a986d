//! Time to live: sets the attribute by which items expire, and deletes expired items.
//!
//! `DynamoDB` deletes expired items within days; here it takes about a minute, and the daemon also sweeps when it starts. The
//! engine deletes a few items at a time and releases the database in between, so that a hit never waits for a whole table.

use std::time::Duration;

use dynoxide::actions::describe_time_to_live::DescribeTimeToLiveRequest;
use dynoxide::actions::update_time_to_live::{TimeToLiveSpecification, UpdateTimeToLiveRequest};
use hitctl_engine::Fault;
use hitctl_resources::TableSpec;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Tables;

/// The minimum pause between two sweeps.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// The pause after a long sweep, as a multiple of the sweep's duration. A sweep is expensive, because it reads every
/// item of every table with a time to live.
const PAUSE_FACTOR: u32 = 50;

impl Tables {
    /// Sets a table's time to live to match the spec. Unlike on AWS, a change takes effect at once and not within an hour.
    pub(super) fn set_time_to_live(&self, name: &str, spec: &TableSpec) -> Result<(), Fault> {
        let fault = |error| self.fault("set the time to live of", name, &error);
        let current = self.ttl_attribute(name).map_err(fault)?;
        if current == spec.ttl_attribute {
            return Ok(());
        }
        let set = |attribute: &str, enabled| {
            self.db.update_time_to_live(UpdateTimeToLiveRequest {
                table_name: name.to_owned(),
                time_to_live_specification: TimeToLiveSpecification {
                    attribute_name: attribute.to_owned(),
                    enabled,
                },
            })
        };
        // The time to live must be disabled before its attribute can change.
        if let Some(attribute) = current {
            set(&attribute, false).map_err(fault)?;
        }
        if let Some(attribute) = &spec.ttl_attribute {
            set(attribute, true).map_err(fault)?;
        }
        Ok(())
    }

    /// Returns the attribute by which a table's items expire.
    fn ttl_attribute(&self, name: &str) -> dynoxide::Result<Option<String>> {
        let request = DescribeTimeToLiveRequest { table_name: name.to_owned() };
        let current = self.db.describe_time_to_live(request)?.time_to_live_description;
        Ok(current.attribute_name.filter(|_| current.time_to_live_status == "ENABLED"))
    }

    /// Deletes the expired items of all tables and returns their number. Blocks on the disk.
    fn sweep(&self) -> dynoxide::Result<usize> {
        self.db.sweep_ttl()
    }
}

/// Sweeps now and after each pause, until stopped.
pub(super) async fn run_sweeps(tables: Tables, stop: CancellationToken) {
    loop {
        let started = Instant::now();
        let sweeper = tables.clone();
        let sweep = tokio::task::spawn_blocking(move || sweeper.sweep());
        // A failed sweep, on a full disk for example, is repeated after the pause.
        if stop.run_until_cancelled(sweep).await.is_none() {
            return;
        }
        if tokio::time::timeout(pause_after(started.elapsed()), stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

/// Returns the pause after a sweep of the given duration.
fn pause_after(duration: Duration) -> Duration {
    SWEEP_INTERVAL.max(duration.saturating_mul(PAUSE_FACTOR))
}

#[cfg(test)]
mod tests;
