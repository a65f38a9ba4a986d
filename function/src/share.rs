//! Shares of the day's budget of new paths, so that one client cannot use it up for all others. A visitor may take a tenth of
//! it, a network half. Shares are counted in the budget's own item: by slots, numbers from 0 to 31 that thousands of visitors
//! have in common, that change every day, and from which nobody can be found.

use std::fmt;

use hitctl_config::contract::{ATTR_BUDGET_NETWORK_PREFIX, ATTR_BUDGET_VISITOR_PREFIX};

use crate::encoding::fnv1a;
use crate::moment::Day;
use crate::visitor::Visitor;

/// The slots of one day, for visitors and for networks. The budget's item has to stay below a write unit.
const SLOTS: u64 = 32;
const DIGITS: &[u8; 33] = b"0123456789abcdefghijklmnopqrstuvw";
/// The slot of those of whom nothing may be made, not even a number from 0 to 31.
const ANYBODY: usize = 32;
/// A visitor's share is not below this, unless that is more than a network's.
const LEAST: u64 = 10;

/// The client that a new path is charged to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Hashes of the visitor and of its network; nothing of those who asked not to be followed.
    hashes: Option<(u64, u64)>,
}

impl fmt::Debug for Share {
    /// Never whose it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share")
    }
}

impl Share {
    /// The share of a visitor.
    pub fn of(visitor: &Visitor) -> Self {
        let network = visitor.network().to_string();
        Self { hashes: Some((hash(&[&network, visitor.agent()]), hash(&[&network]))) }
    }

    /// The one share of all who asked not to be followed: as large as a network's.
    pub fn unfollowed() -> Self {
        Self { hashes: None }
    }

    /// The numbers of the budget's item that a new path is charged to, and their limits.
    pub fn numbers(self, day: Day, new_a_day: u64) -> Vec<(String, u64)> {
        let name = |prefix: &str, slot: usize| {
            let digit = char::from(DIGITS.get(slot).copied().unwrap_or_default());
            day.named(&format!("{prefix}{digit}"))
        };
        let (of_visitor, of_network) = limits(new_a_day);
        match self.hashes {
            Some((visitor, network)) => vec![
                (name(ATTR_BUDGET_VISITOR_PREFIX, slot(visitor, day)), of_visitor),
                (name(ATTR_BUDGET_NETWORK_PREFIX, slot(network, day)), of_network),
            ],
            None => vec![(name(ATTR_BUDGET_NETWORK_PREFIX, ANYBODY), of_network)],
        }
    }
}

/// How many new paths a visitor and a network may take on a day.
pub fn limits(new_a_day: u64) -> (u64, u64) {
    let half = new_a_day.div_ceil(2);
    ((new_a_day / 10).max(LEAST).min(half), half)
}

/// The day and the limit of a share's number in the budget's item.
pub fn day_and_limit(name: &str, new_a_day: u64) -> Option<(Day, u64)> {
    let (of_visitor, of_network) = limits(new_a_day);
    let of_visitors = || Some((name.strip_prefix(ATTR_BUDGET_VISITOR_PREFIX)?, of_visitor));
    let of_networks = || Some((name.strip_prefix(ATTR_BUDGET_NETWORK_PREFIX)?, of_network));
    let (rest, limit) = of_visitors().or_else(of_networks)?;
    let mut digits = rest.chars();
    digits.next()?;
    Some((Day::from_digits(digits.as_str())?, limit))
}

/// The slot of a hash on a day: who meets a flood in a slot meets it on that day alone.
fn slot(hash: u64, day: Day) -> usize {
    let mixed = (hash ^ u64::from(day.number())).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    usize::try_from((mixed ^ (mixed >> 32)) % SLOTS).unwrap_or_default()
}

/// FNV-1a over parts that cannot run into each other.
fn hash(parts: &[&str]) -> u64 {
    fnv1a(parts.iter().flat_map(|part| part.bytes().chain([0xff])))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const DAY: Day = Day::from_number(20_716);

    fn share(address: &str, agent: &str) -> Share {
        Share::of(&Visitor::new(address, agent).expect("an address"))
    }

    #[test]
    fn one_client_never_gets_all_of_a_budget() {
        for (new_a_day, of_visitor, of_network) in [
            (1000, 100, 500),
            (100, 10, 50),
            (50, 10, 25),
            (20, 10, 10),
            (10, 5, 5),
            (3, 2, 2),
            (2, 1, 1),
            (1, 1, 1),
            (0, 0, 0),
        ] {
            assert_eq!(limits(new_a_day), (of_visitor, of_network), "{new_a_day}");
        }
    }

    #[test]
    fn a_share_is_of_a_visitor_and_of_its_network() {
        let numbers = |address: &str, agent: &str| {
            share(address, agent).numbers(DAY, 1000).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        let one = numbers("203.0.113.7", "a");
        assert_eq!(numbers("::ffff:203.0.113.7", "a"), one);
        assert_eq!(numbers("203.0.113.7", "b")[1], one[1], "another browser is of the same network");
        assert_eq!(numbers("2001:db8:1:2::1", "a"), numbers("2001:db8:1:2:3:4:5:6", "a"));
        let of_all: Vec<_> = Share::unfollowed().numbers(DAY, 1000);
        assert_eq!(of_all, [("n#wfzg".to_owned(), 500)]);
    }

    #[test]
    fn clients_spread_over_the_slots_and_change_them_every_day() {
        let mut slots: BTreeMap<String, u32> = BTreeMap::new();
        let mut kept = 0;
        for n in 0..3200_u32 {
            let share = share(&std::net::Ipv4Addr::from_bits(0xc000_0200 + n).to_string(), "a");
            let [today, tomorrow] =
                [DAY, Day::from_number(20_717)].map(|day| share.numbers(day, 1000).remove(0).0);
            kept += u32::from(today[..3] == tomorrow[..3]);
            *slots.entry(today).or_default() += 1;
        }
        assert_eq!(slots.len(), 32);
        assert!(slots.values().all(|n| (50..200).contains(n)), "{slots:?}");
        assert!(kept < 200, "{kept}");
    }

    #[test]
    fn numbers_are_read_back_and_nothing_else_is() {
        for (name, limit) in share("203.0.113.7", "a").numbers(DAY, 1000) {
            assert_eq!(day_and_limit(&name, 1000), Some((DAY, limit)), "{name}");
        }
        for name in ["paths", "dfzg", "bot", "a#", "a#0", "n#", "a#0XY", "hits"] {
            assert_eq!(day_and_limit(name, 1000), None, "{name}");
        }
    }
}
