//! Decides when a lease may be stolen. The callers pass the times, so that tests can use any clock.

use std::time::Duration;

use hitctl_config::contract::ATTR_PATH;

use super::holder::{LeaseHolder, ProcessIdentity};
use crate::table::{DynamoDbItem, number_attr, number_value, string_attr, string_value};

/// The duration of a lease without a heartbeat.
pub const LEASE_DURATION: Duration = Duration::from_mins(1);
/// The shortest and the longest duration that is accepted when reading another holder's lease.
const DURATION_BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(10));
/// The key of the lease's item.
pub(super) const KEY: &str = "!lease";

/// The attribute with the owner's ID.
pub(super) const ATTR_OWNER: &str = "owner";
/// The attribute with a number that changes with each heartbeat.
pub(super) const ATTR_HEARTBEAT: &str = "beat";
/// The attribute with the time at which the lease expires without another heartbeat, in seconds since 1970 by
/// the holder's clock.
pub(super) const ATTR_EXPIRES: &str = "expires";
const ATTR_DESCRIPTION: &str = "who";
const ATTR_SINCE: &str = "since";
const ATTR_DURATION: &str = "lasts";
const ATTR_MACHINE: &str = "machine";
const ATTR_PID: &str = "pid";
const ATTR_STARTED: &str = "started";

/// Returns the interval between two heartbeats.
pub(super) fn heartbeat_interval(duration: Duration) -> Duration {
    duration / 3
}

/// Returns the time after the last heartbeat at which a holder gives up, and another run may steal an expired
/// lease.
pub(super) fn give_up_after(duration: Duration) -> Duration {
    duration * 2 / 3
}

/// The item of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeaseItem {
    pub(super) holder: LeaseHolder,
    pub(super) since: u64,
    pub(super) expires: u64,
    pub(super) heartbeat: u64,
    duration: Duration,
}

impl LeaseItem {
    /// Returns a lease that begins now.
    pub(super) fn new(holder: LeaseHolder, now: u64, duration: Duration) -> Self {
        Self { holder, since: now, expires: now.saturating_add(duration.as_secs()), heartbeat: 0, duration }
    }

    /// Reads a lease from its item. Missing attributes get safe defaults.
    pub(super) fn from_item(item: &DynamoDbItem) -> Self {
        let string = |name: &str| string_attr(item, name).unwrap_or_default().to_owned();
        let process = || {
            Some(ProcessIdentity {
                machine: string_attr(item, ATTR_MACHINE)?.to_owned(),
                pid: number_attr(item, ATTR_PID)?,
                start_time: number_attr(item, ATTR_STARTED)?,
            })
        };
        let duration = number_attr(item, ATTR_DURATION).map_or(LEASE_DURATION, Duration::from_secs);
        Self {
            holder: LeaseHolder {
                owner: string(ATTR_OWNER),
                description: string(ATTR_DESCRIPTION),
                process: process(),
            },
            since: number_attr(item, ATTR_SINCE).unwrap_or(0),
            expires: number_attr(item, ATTR_EXPIRES).unwrap_or(0),
            heartbeat: number_attr(item, ATTR_HEARTBEAT).unwrap_or(0),
            duration: duration.clamp(DURATION_BOUNDS.0, DURATION_BOUNDS.1),
        }
    }

    /// Returns the lease as an item.
    pub(super) fn item(&self) -> DynamoDbItem {
        let mut item = DynamoDbItem::from(
            [
                (ATTR_PATH, string_value(KEY)),
                (ATTR_OWNER, string_value(&self.holder.owner)),
                (ATTR_DESCRIPTION, string_value(&self.holder.description)),
                (ATTR_SINCE, number_value(self.since)),
                (ATTR_EXPIRES, number_value(self.expires)),
                (ATTR_DURATION, number_value(self.duration.as_secs())),
                (ATTR_HEARTBEAT, number_value(self.heartbeat)),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        if let Some(process) = &self.holder.process {
            item.insert(ATTR_MACHINE.to_owned(), string_value(&process.machine));
            item.insert(ATTR_PID.to_owned(), number_value(process.pid));
            item.insert(ATTR_STARTED.to_owned(), number_value(process.start_time));
        }
        item
    }
}

/// Observes a lease while a run waits for it.
///
/// A system clock may be wrong by hours, so the expiry time alone does not decide. A live holder renews the lease
/// after every third of its duration, and gives up if it could not do so for two thirds. A lease may therefore be
/// stolen if it has expired and was observed unchanged for two thirds of its duration. If it was observed
/// unchanged for its whole duration, it may be stolen whatever the clocks say. If the holder was a run on this machine
/// that has ended, the lease may be stolen immediately.
#[derive(Debug, Default)]
pub(super) struct LeaseObserver {
    /// The owner and the heartbeat that were read last, and the time since which they are unchanged, by a
    /// monotonic clock.
    unchanged: Option<(String, u64, Duration)>,
}

impl LeaseObserver {
    /// Whether the lease may be stolen. `at` is the time of the last read by a monotonic clock, `now` the time
    /// of day in seconds since 1970.
    pub(super) fn may_steal(&mut self, lease: &LeaseItem, at: Duration, now: u64) -> bool {
        if lease.holder.is_dead() {
            return true;
        }
        let since = match &self.unchanged {
            Some((owner, heartbeat, since))
                if *owner == lease.holder.owner && *heartbeat == lease.heartbeat =>
            {
                *since
            }
            _ => at,
        };
        self.unchanged = Some((lease.holder.owner.clone(), lease.heartbeat, since));
        let observed_for = at.saturating_sub(since);
        observed_for >= lease.duration
            || (lease.expires < now && observed_for >= give_up_after(lease.duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000;

    fn lease_with(heartbeat: u64, expires: u64) -> LeaseItem {
        let holder =
            LeaseHolder { owner: "o".to_owned(), description: "ann@laptop".to_owned(), process: None };
        LeaseItem { expires, heartbeat, ..LeaseItem::new(holder, NOW, LEASE_DURATION) }
    }

    /// Returns the second at which a lease is stolen. The observer's clock differs by `clock_offset` seconds. The
    /// holder's last heartbeat and the first read are at 0.
    fn stolen_after(clock_offset: i64, expires: u64) -> u64 {
        let mut observer = LeaseObserver::default();
        let clock = |at: u64| NOW.checked_add_signed(clock_offset).unwrap() + at;
        (0..=1000)
            .find(|at| observer.may_steal(&lease_with(3, expires), Duration::from_secs(*at), clock(*at)))
            .unwrap()
    }

    #[test]
    fn abandoned_lease_is_stolen_after_expiry() {
        assert_eq!(stolen_after(0, NOW + 60), 60);
        assert_eq!(stolen_after(0, NOW + 50), 51);
        // A lease that expired long ago is observed for as long as its holder may still send a heartbeat.
        assert_eq!(stolen_after(0, NOW - 3600), 40);
    }

    #[test]
    fn live_lease_is_not_stolen_with_any_clock() {
        let earliest = give_up_after(LEASE_DURATION).as_secs();
        for clock_offset in [-86_400, -1200, 0, 1200, 86_400] {
            for expires in [0, NOW - 1200, NOW + 60, NOW + 1200] {
                assert!(stolen_after(clock_offset, expires) >= earliest, "{clock_offset} {expires}");
                assert!(
                    stolen_after(clock_offset, expires) <= LEASE_DURATION.as_secs(),
                    "{clock_offset} {expires}"
                );
                let mut observer = LeaseObserver::default();
                let clock = NOW.checked_add_signed(clock_offset).unwrap();
                let interval = heartbeat_interval(LEASE_DURATION).as_secs();
                for at in 0..10_000 {
                    let lease = lease_with(at / interval, expires + at / interval * interval);
                    assert!(
                        !observer.may_steal(&lease, Duration::from_secs(at), clock + at),
                        "{clock_offset} {expires} {at}"
                    );
                }
            }
        }
    }

    #[test]
    fn new_holder_restarts_observation() {
        let mut observer = LeaseObserver::default();
        assert!(!observer.may_steal(&lease_with(3, 0), Duration::ZERO, NOW));
        let mut other = lease_with(3, 0);
        other.holder.owner = "p".to_owned();
        assert!(!observer.may_steal(&other, Duration::from_secs(59), NOW));
        assert!(!observer.may_steal(&other, Duration::from_secs(98), NOW));
        assert!(observer.may_steal(&other, Duration::from_secs(99), NOW));
    }

    #[test]
    fn lease_item_roundtrips() {
        let mut lease = lease_with(7, NOW + 60);
        assert_eq!(LeaseItem::from_item(&lease.item()), lease);
        let process = ProcessIdentity { machine: "m".to_owned(), pid: 12, start_time: 34 };
        lease.holder.process = Some(process);
        assert_eq!(LeaseItem::from_item(&lease.item()), lease);
        let invalid =
            LeaseItem::from_item(&DynamoDbItem::from([("lasts".to_owned(), number_value(u64::MAX))]));
        assert_eq!((invalid.expires, invalid.duration), (0, DURATION_BOUNDS.1));
    }
}
