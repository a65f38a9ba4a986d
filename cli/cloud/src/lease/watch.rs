//! When a lease may be stolen. Pure, so that every clock can be tried.
//!
//! Nobody's clock decides alone, for one may be off by hours. What counts is what was seen: a holder that lives changes
//! the lease a third of its time after the last change, and one that could not for two thirds of it gives up by itself.
//! So a lease that looks expired and did not change for two thirds of its time while it was watched is nobody's; and one
//! that did not change for all of its time is nobody's, whatever the clocks say.

use std::time::Duration;

use hitctl_config::contract::ATTR_PATH;

use super::holder::{Holder, Process};
use crate::table::{Item, number, number_of, text, text_of};

/// How long a lease is held without a sign of life.
pub const LASTS: Duration = Duration::from_mins(1);
/// The shortest and the longest that is believed of another's lease.
const BELIEVED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(10));
/// The key of the lease.
pub(super) const KEY: &str = "!lease";

/// Its owner's id.
pub(super) const ATTR_OWNER: &str = "owner";
/// A number that changes with each sign of life.
pub(super) const ATTR_BEAT: &str = "beat";
/// When it ends unless there is another sign of life, in seconds since 1970, by its holder's clock.
pub(super) const ATTR_EXPIRES: &str = "expires";
const ATTR_WHO: &str = "who";
const ATTR_SINCE: &str = "since";
const ATTR_LASTS: &str = "lasts";
const ATTR_MACHINE: &str = "machine";
const ATTR_PID: &str = "pid";
const ATTR_STARTED: &str = "started";

/// How often a holder gives a sign of life.
pub(super) fn beats_every(lasts: Duration) -> Duration {
    lasts / 3
}

/// How long after its last sign of life a holder stops by itself, and another may take what looks expired.
pub(super) fn gives_up_after(lasts: Duration) -> Duration {
    lasts * 2 / 3
}

/// A lease as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) holder: Holder,
    pub(super) since: u64,
    pub(super) expires: u64,
    pub(super) beat: u64,
    lasts: Duration,
}

impl Seen {
    /// A lease that begins now.
    pub(super) fn new(holder: Holder, now: u64, lasts: Duration) -> Self {
        Self { holder, since: now, expires: now.saturating_add(lasts.as_secs()), beat: 0, lasts }
    }

    /// Reads it. What is missing is what harms least.
    pub(super) fn of(item: &Item) -> Self {
        let text = |name: &str| text_of(item, name).unwrap_or_default().to_owned();
        let process = || {
            Some(Process {
                machine: text_of(item, ATTR_MACHINE)?.to_owned(),
                pid: number_of(item, ATTR_PID)?,
                started: number_of(item, ATTR_STARTED)?,
            })
        };
        let lasts = number_of(item, ATTR_LASTS).map_or(LASTS, Duration::from_secs);
        Self {
            holder: Holder { owner: text(ATTR_OWNER), who: text(ATTR_WHO), process: process() },
            since: number_of(item, ATTR_SINCE).unwrap_or(0),
            expires: number_of(item, ATTR_EXPIRES).unwrap_or(0),
            beat: number_of(item, ATTR_BEAT).unwrap_or(0),
            lasts: lasts.clamp(BELIEVED.0, BELIEVED.1),
        }
    }

    /// As it is written.
    pub(super) fn item(&self) -> Item {
        let mut item = Item::from(
            [
                (ATTR_PATH, text(KEY)),
                (ATTR_OWNER, text(&self.holder.owner)),
                (ATTR_WHO, text(&self.holder.who)),
                (ATTR_SINCE, number(self.since)),
                (ATTR_EXPIRES, number(self.expires)),
                (ATTR_LASTS, number(self.lasts.as_secs())),
                (ATTR_BEAT, number(self.beat)),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        if let Some(process) = &self.holder.process {
            item.insert(ATTR_MACHINE.to_owned(), text(&process.machine));
            item.insert(ATTR_PID.to_owned(), number(process.pid));
            item.insert(ATTR_STARTED.to_owned(), number(process.started));
        }
        item
    }
}

/// What somebody who waits has seen of a lease.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Owner and beat, and since when they are the same, by a clock that only goes forward.
    same: Option<(String, u64, Duration)>,
}

impl Watch {
    /// Whether a lease that is seen again may be stolen. `at` is by a clock that only goes forward, `now` the time of day in
    /// seconds since 1970.
    pub(super) fn may_steal(&mut self, seen: &Seen, at: Duration, now: u64) -> bool {
        if seen.holder.is_dead() {
            return true;
        }
        let since = match &self.same {
            Some((owner, beat, since)) if *owner == seen.holder.owner && *beat == seen.beat => *since,
            _ => at,
        };
        self.same = Some((seen.holder.owner.clone(), seen.beat, since));
        let watched = at.saturating_sub(since);
        watched >= seen.lasts || (seen.expires < now && watched >= gives_up_after(seen.lasts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000;

    fn seen(beat: u64, expires: u64) -> Seen {
        let holder = Holder { owner: "o".to_owned(), who: "ann@laptop".to_owned(), process: None };
        Seen { expires, beat, ..Seen::new(holder, NOW, LASTS) }
    }

    /// The second at which somebody with a clock that is off by `off` steals a lease whose holder beat last at 0, and was
    /// first looked at then.
    fn stolen_after(off: i64, expires: u64) -> u64 {
        let mut watch = Watch::default();
        let clock = |at: u64| NOW.checked_add_signed(off).unwrap() + at;
        (0..=1000)
            .find(|at| watch.may_steal(&seen(3, expires), Duration::from_secs(*at), clock(*at)))
            .unwrap()
    }

    #[test]
    fn what_is_held_by_nobody_is_stolen_when_it_has_expired() {
        assert_eq!(stolen_after(0, NOW + 60), 60);
        assert_eq!(stolen_after(0, NOW + 50), 51);
        // Expired long ago: still looked at for as long as its holder might go on.
        assert_eq!(stolen_after(0, NOW - 3600), 40);
    }

    #[test]
    fn no_clock_steals_what_is_held() {
        let never = gives_up_after(LASTS).as_secs();
        for off in [-86_400, -1200, 0, 1200, 86_400] {
            for expires in [0, NOW - 1200, NOW + 60, NOW + 1200] {
                assert!(stolen_after(off, expires) >= never, "{off} {expires}");
                assert!(stolen_after(off, expires) <= LASTS.as_secs(), "{off} {expires}");
                let mut watch = Watch::default();
                let clock = NOW.checked_add_signed(off).unwrap();
                let beats = beats_every(LASTS).as_secs();
                for at in 0..10_000 {
                    let held = seen(at / beats, expires + at / beats * beats);
                    assert!(
                        !watch.may_steal(&held, Duration::from_secs(at), clock + at),
                        "{off} {expires} {at}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_new_holder_is_watched_anew() {
        let mut watch = Watch::default();
        assert!(!watch.may_steal(&seen(3, 0), Duration::ZERO, NOW));
        let mut other = seen(3, 0);
        other.holder.owner = "p".to_owned();
        assert!(!watch.may_steal(&other, Duration::from_secs(59), NOW));
        assert!(!watch.may_steal(&other, Duration::from_secs(98), NOW));
        assert!(watch.may_steal(&other, Duration::from_secs(99), NOW));
    }

    #[test]
    fn a_lease_reads_as_it_was_written() {
        let mut lease = seen(7, NOW + 60);
        assert_eq!(Seen::of(&lease.item()), lease);
        let process = Process { machine: "m".to_owned(), pid: 12, started: 34 };
        lease.holder.process = Some(process);
        assert_eq!(Seen::of(&lease.item()), lease);
        let strange = Seen::of(&Item::from([("lasts".to_owned(), number(u64::MAX))]));
        assert_eq!((strange.expires, strange.lasts), (0, BELIEVED.1));
    }
}
