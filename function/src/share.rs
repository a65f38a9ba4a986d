//! Shares of the daily budget of new paths, so that one client cannot use up the budget: a visitor may add a tenth
//! of it, a network half. Each visitor and each network has a slot, a number from 0 to 31, and the budget's item
//! counts the new paths of each slot. Many visitors have the same slot, and slots change every day, so that they
//! identify nobody.

use std::fmt;

use hitctl_config::contract::{ATTR_BUDGET_NETWORK_PREFIX, ATTR_BUDGET_VISITOR_PREFIX};

use crate::encoding::fnv1a;
use crate::moment::Day;
use crate::visitor::Visitor;

/// The number of slots of visitors, and the number of slots of networks. It is small, because the budget's item
/// must not exceed one write unit.
const SLOTS: u64 = 32;
/// The digits of the slots in attribute names, including that of [`OPTED_OUT_SLOT`].
const DIGITS: &[u8; 33] = b"0123456789abcdefghijklmnopqrstuvw";
/// The common slot of all visitors who opted out of tracking. No slot is computed from their address.
const OPTED_OUT_SLOT: usize = 32;
/// The minimum share of a visitor, in new paths per day. The share of the network still limits it.
const MIN_VISITOR_SHARE: u64 = 10;

/// The client to whose share of the budget a new path is charged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BudgetShare {
    /// The hashes of the visitor and of the network; `None` for visitors who opted out.
    hashes: Option<(u64, u64)>,
}

impl fmt::Debug for BudgetShare {
    /// Omits the hashes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BudgetShare")
    }
}

impl BudgetShare {
    /// Returns the share of a visitor.
    pub fn for_visitor(visitor: &Visitor) -> Self {
        let network = visitor.network().to_string();
        Self { hashes: Some((hash(&[&network, visitor.agent()]), hash(&[&network]))) }
    }

    /// Returns the common share of all visitors who opted out. It is as large as that of a network.
    pub fn for_opted_out() -> Self {
        Self { hashes: None }
    }

    /// Returns the attributes of the budget's item that a new path increases, with their limits.
    pub fn attributes_with_limits(self, day: Day, new_per_day: u64) -> Vec<(String, u64)> {
        let name = |prefix: &str, slot: usize| {
            let digit = char::from(DIGITS.get(slot).copied().unwrap_or_default());
            day.attribute_name(&format!("{prefix}{digit}"))
        };
        let (of_visitor, of_network) = limits(new_per_day);
        match self.hashes {
            Some((visitor, network)) => vec![
                (name(ATTR_BUDGET_VISITOR_PREFIX, slot(visitor, day)), of_visitor),
                (name(ATTR_BUDGET_NETWORK_PREFIX, slot(network, day)), of_network),
            ],
            None => vec![(name(ATTR_BUDGET_NETWORK_PREFIX, OPTED_OUT_SLOT), of_network)],
        }
    }
}

/// Returns the number of new paths that a visitor and a network may add per day, in this order.
pub fn limits(new_per_day: u64) -> (u64, u64) {
    let network_limit = new_per_day.div_ceil(2);
    ((new_per_day / 10).max(MIN_VISITOR_SHARE).min(network_limit), network_limit)
}

/// Returns the day and the limit of a share's attribute in the budget's item.
pub fn day_and_limit(name: &str, new_per_day: u64) -> Option<(Day, u64)> {
    let (of_visitor, of_network) = limits(new_per_day);
    let of_visitors = || Some((name.strip_prefix(ATTR_BUDGET_VISITOR_PREFIX)?, of_visitor));
    let of_networks = || Some((name.strip_prefix(ATTR_BUDGET_NETWORK_PREFIX)?, of_network));
    let (rest, limit) = of_visitors().or_else(of_networks)?;
    let mut digits = rest.chars();
    digits.next()?;
    Some((Day::from_digits(digits.as_str())?, limit))
}

/// Returns the slot of a hash on a day. Slots change daily, so that a visitor shares a slot with a flooding
/// client for only one day.
fn slot(hash: u64, day: Day) -> usize {
    let mixed = (hash ^ u64::from(day.number())).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    usize::try_from((mixed ^ (mixed >> 32)) % SLOTS).unwrap_or_default()
}

/// Hashes texts with FNV-1a, each followed by a byte that does not occur in UTF-8.
fn hash(parts: &[&str]) -> u64 {
    fnv1a(parts.iter().flat_map(|part| part.bytes().chain([0xff])))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const DAY: Day = Day::from_number(20_716);

    fn share(address: &str, agent: &str) -> BudgetShare {
        BudgetShare::for_visitor(&Visitor::new(address, agent).expect("an address"))
    }

    #[test]
    fn share_limits_never_exceed_half_the_budget() {
        for (new_per_day, of_visitor, of_network) in [
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
            assert_eq!(limits(new_per_day), (of_visitor, of_network), "{new_per_day}");
        }
    }

    #[test]
    fn share_depends_on_visitor_and_network() {
        let names = |address: &str, agent: &str| {
            share(address, agent)
                .attributes_with_limits(DAY, 1000)
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        let one = names("203.0.113.7", "a");
        assert_eq!(names("::ffff:203.0.113.7", "a"), one);
        assert_eq!(names("203.0.113.7", "b")[1], one[1], "another browser has the same network");
        assert_eq!(names("2001:db8:1:2::1", "a"), names("2001:db8:1:2:3:4:5:6", "a"));
        let of_all: Vec<_> = BudgetShare::for_opted_out().attributes_with_limits(DAY, 1000);
        assert_eq!(of_all, [("n#wfzg".to_owned(), 500)]);
    }

    #[test]
    fn clients_are_spread_over_slots_that_change_daily() {
        let mut slots: BTreeMap<String, u32> = BTreeMap::new();
        let mut unchanged = 0;
        for n in 0..3200_u32 {
            let share = share(&std::net::Ipv4Addr::from_bits(0xc000_0200 + n).to_string(), "a");
            let [today, tomorrow] = [DAY, Day::from_number(20_717)]
                .map(|day| share.attributes_with_limits(day, 1000).remove(0).0);
            unchanged += u32::from(today[..3] == tomorrow[..3]);
            *slots.entry(today).or_default() += 1;
        }
        assert_eq!(slots.len(), 32);
        assert!(slots.values().all(|n| (50..200).contains(n)), "{slots:?}");
        assert!(unchanged < 200, "{unchanged}");
    }

    #[test]
    fn share_attributes_parse_back_and_others_do_not() {
        for (name, limit) in share("203.0.113.7", "a").attributes_with_limits(DAY, 1000) {
            assert_eq!(day_and_limit(&name, 1000), Some((DAY, limit)), "{name}");
        }
        for name in ["paths", "dfzg", "bot", "a#", "a#0", "n#", "a#0XY", "hits"] {
            assert_eq!(day_and_limit(name, 1000), None, "{name}");
        }
    }
}
