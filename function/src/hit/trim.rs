//! What an item gives up so that a hit goes on costing one write unit: which attributes to remove, and when.

use std::collections::BTreeMap;

use super::{Item, number_bytes};
use crate::moment::{Day, month_of_attribute, month_of_uniques_attribute};
use crate::share;

/// DynamoDB bills a write by each begun kilobyte of the item.
pub const WRITE_UNIT_BYTES: usize = 1024;
/// Days that an item keeps: a month's worth, today included.
pub const DAYS_KEPT: u32 = 31;
/// Days that an item may collect before it is trimmed, so that trimming costs one write in ten days, not one a day.
pub const DAYS_MOST: usize = 40;
/// Days that an item keeps even if it has to give up some of [`DAYS_KEPT`].
pub const DAYS_LEAST: usize = 7;
/// Months that an item keeps.
pub const MONTHS_KEPT: usize = 36;
/// Months that an item keeps for as long as there are days to give up.
pub const MONTHS_LEAST: usize = 12;

/// A next day and a next month, hits and visitors, must fit, or every hit on the first of a month would find the item
/// full.
const FULL: usize = WRITE_UNIT_BYTES - 48;
/// An item that was full is left with room for some days more, or it would be trimmed on each of them.
const ROOMY: usize = FULL - 64;

/// Attributes of one day or month.
type Names<'a> = Vec<&'a (String, u64)>;

/// What is left of an item, and what is to go.
struct Plan {
    size: usize,
    stale: Vec<String>,
}

impl Plan {
    fn remove(&mut self, names: Option<Names<'_>>) {
        for (name, value) in names.into_iter().flatten() {
            self.size -= name.len() + number_bytes(*value);
            self.stale.push(name.clone());
        }
    }
}

impl Item {
    /// The attributes to remove, empty while nothing is due. Shares of the budget are due as soon as their day is over.
    ///
    /// Due is an item with more than [`DAYS_MOST`] days, or one that is about to outgrow a write unit. What goes, hits
    /// and visitors of the same time together, the oldest first: days out of the window and months beyond
    /// [`MONTHS_KEPT`]; and while the item is too large, months down to [`MONTHS_LEAST`], days down to
    /// [`DAYS_LEAST`], and the months that are left but for the last. The totals never go.
    pub fn stale(&self, today: Day) -> Vec<String> {
        let of_hits = self.numbers.iter().filter(|(name, _)| Day::from_attribute(name).is_some()).count();
        let of_visitors = self.numbers.iter().filter(|(name, _)| Day::from_uniques_attribute(name).is_some());
        let size = self.size();
        let is_past = |name: &str| share::day_and_limit(name, 0).is_some_and(|(day, _)| day < today);
        let past: Names<'_> = self.numbers.iter().filter(|(name, _)| is_past(name)).collect();
        let mut plan = Plan { size, stale: Vec::new() };
        plan.remove(Some(past));
        if of_hits.max(of_visitors.count()) <= DAYS_MOST && plan.size <= FULL {
            return plan.stale;
        }
        let (mut days, mut months): (BTreeMap<Day, Names<'_>>, BTreeMap<&str, Names<'_>>) =
            Default::default();
        for number in &self.numbers {
            let name = &number.0;
            if let Some(day) = Day::from_attribute(name).or_else(|| Day::from_uniques_attribute(name)) {
                days.entry(day).or_default().push(number);
            } else if let Some(month) = month_of_attribute(name).or_else(|| month_of_uniques_attribute(name))
            {
                months.entry(month).or_default().push(number);
            }
        }
        let oldest = Day::from_number(today.number().saturating_sub(DAYS_KEPT - 1));
        let kept = days.split_off(&oldest);
        for names in days.into_values() {
            plan.remove(Some(names));
        }
        let (mut days, mut months) = (kept.into_values(), months.into_values());
        while months.len() > MONTHS_KEPT || (months.len() > MONTHS_LEAST && plan.size > ROOMY) {
            plan.remove(months.next());
        }
        while days.len() > DAYS_LEAST && plan.size > ROOMY {
            plan.remove(days.next());
        }
        while months.len() > 1 && plan.size > FULL {
            plan.remove(months.next());
        }
        plan.stale
    }
}

#[cfg(test)]
#[path = "trim_tests.rs"]
mod tests;
