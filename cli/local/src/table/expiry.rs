//! Items that expire: which attribute says when, and the sweep that deletes them.
//!
//! `DynamoDB` deletes within days; here it is a minute or so, at the start of the daemon too. The engine sweeps a few items at a
//! time and lets go of the database between, so that a hit waits for a page and not for the table.

use std::time::Duration;

use dynoxide::actions::describe_time_to_live::DescribeTimeToLiveRequest;
use dynoxide::actions::update_time_to_live::{TimeToLiveSpecification, UpdateTimeToLiveRequest};
use hitctl_engine::Fault;
use hitctl_resources::TableSpec;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Tables;

/// The pause between two sweeps.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// A sweep reads every item of such a table; one that takes long is followed by a pause of so many times that.
const PAUSE_FACTOR: u32 = 50;

impl Tables {
    /// Makes a table's items expire as is wanted, where they do not. Unlike AWS this takes no hour.
    pub(super) fn expire(&self, name: &str, spec: &TableSpec) -> Result<(), Fault> {
        let fault = |error| self.fault("set the time to live of", name, &error);
        let live = self.ttl(name).map_err(fault)?;
        if live == spec.ttl_attribute {
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
        // It has to be off before it goes by another attribute.
        if let Some(attribute) = live {
            set(&attribute, false).map_err(fault)?;
        }
        if let Some(attribute) = &spec.ttl_attribute {
            set(attribute, true).map_err(fault)?;
        }
        Ok(())
    }

    /// The attribute by which a table's items expire.
    fn ttl(&self, name: &str) -> dynoxide::Result<Option<String>> {
        let request = DescribeTimeToLiveRequest { table_name: name.to_owned() };
        let live = self.db.describe_time_to_live(request)?.time_to_live_description;
        Ok(live.attribute_name.filter(|_| live.time_to_live_status == "ENABLED"))
    }

    /// Deletes what has expired, in every table. Waits for the disk.
    fn sweep(&self) -> dynoxide::Result<usize> {
        self.db.sweep_ttl()
    }
}

/// Sweeps now, and again after each pause, until it is stopped.
pub(super) async fn sweeps(tables: Tables, stop: CancellationToken) {
    loop {
        let began = Instant::now();
        let this = tables.clone();
        let sweep = tokio::task::spawn_blocking(move || this.sweep());
        // What cannot be deleted now, on a full disk for instance, is tried again the next time.
        if stop.run_until_cancelled(sweep).await.is_none() {
            return;
        }
        if tokio::time::timeout(pause_after(began.elapsed()), stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

/// How long to leave the tables alone after a sweep that took that long.
fn pause_after(took: Duration) -> Duration {
    SWEEP_EVERY.max(took.saturating_mul(PAUSE_FACTOR))
}

#[cfg(test)]
#[path = "expiry_tests.rs"]
mod tests;
