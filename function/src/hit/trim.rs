//! Decides which old attributes to remove from an item, and when, so that a hit always costs one write unit.

use std::collections::BTreeMap;

use super::{CountItem, number_bytes};
use crate::moment::{Day, month_of_attribute, month_of_uniques_attribute};
use crate::share;

/// The size of a write unit, in bytes: DynamoDB bills each started kilobyte of the item.
pub const WRITE_UNIT_BYTES: usize = 1024;
/// The number of days that an item keeps: about a month, including today.
pub const DAYS_KEPT: u32 = 31;
/// The number of days above which an item is trimmed. The difference to [`DAYS_KEPT`] means that trimming
/// costs one write in ten days, not one per day.
pub const MAX_DAYS: usize = 40;
/// The number of days that an item keeps even if it is too large for [`DAYS_KEPT`].
pub const MIN_DAYS: usize = 7;
/// The number of months that an item keeps.
pub const MONTHS_KEPT: usize = 36;
/// The number of months that an item keeps as long as days can be removed instead.
pub const MIN_MONTHS: usize = 12;

/// The size above which an item is trimmed, in bytes. Attributes for another day and another month, with hits
/// and visitors, must still fit; otherwise every hit on the first of a month would find the item full.
const TRIM_THRESHOLD_BYTES: usize = WRITE_UNIT_BYTES - 48;
/// The size to which a full item is trimmed, in bytes. It leaves space for several days, so that the item is
/// not trimmed on each of them.
const TRIM_TARGET_BYTES: usize = TRIM_THRESHOLD_BYTES - 64;

/// The attributes of one day or month.
type NumberAttributes<'a> = Vec<&'a (String, u64)>;

/// The remaining size of an item, and the attributes to remove.
struct TrimPlan {
    size: usize,
    stale: Vec<String>,
}

impl TrimPlan {
    fn remove(&mut self, attributes: Option<NumberAttributes<'_>>) {
        for (name, value) in attributes.into_iter().flatten() {
            self.size -= name.len() + number_bytes(*value);
            self.stale.push(name.clone());
        }
    }
}

impl CountItem {
    /// Returns the names of the attributes to remove, if any. Budget shares of past days are always removed.
    ///
    /// Days and months are removed only if the item has more than [`MAX_DAYS`] days or is larger than
    /// `TRIM_THRESHOLD_BYTES`. The oldest are removed first, in these steps:
    ///
    /// 1. all days before the last [`DAYS_KEPT`], and all months before the last [`MONTHS_KEPT`];
    /// 2. while the item is larger than `TRIM_TARGET_BYTES`: months, until [`MIN_MONTHS`] are left, then days,
    ///    until [`MIN_DAYS`] are left;
    /// 3. while the item is larger than `TRIM_THRESHOLD_BYTES`: months, until one is left.
    ///
    /// The hits and the visitors of a day or month are removed together. Totals are never removed.
    pub fn stale(&self, today: Day) -> Vec<String> {
        let hit_days = self.numbers.iter().filter(|(name, _)| Day::from_attribute(name).is_some()).count();
        let visitor_days =
            self.numbers.iter().filter(|(name, _)| Day::from_uniques_attribute(name).is_some());
        let size = self.size();
        let is_past_share = |name: &str| share::day_and_limit(name, 0).is_some_and(|(day, _)| day < today);
        let past_shares: NumberAttributes<'_> =
            self.numbers.iter().filter(|(name, _)| is_past_share(name)).collect();
        let mut plan = TrimPlan { size, stale: Vec::new() };
        plan.remove(Some(past_shares));
        if hit_days.max(visitor_days.count()) <= MAX_DAYS && plan.size <= TRIM_THRESHOLD_BYTES {
            return plan.stale;
        }
        let (mut days, mut months): (
            BTreeMap<Day, NumberAttributes<'_>>,
            BTreeMap<&str, NumberAttributes<'_>>,
        ) = Default::default();
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
        for attributes in days.into_values() {
            plan.remove(Some(attributes));
        }
        let (mut days, mut months) = (kept.into_values(), months.into_values());
        while months.len() > MONTHS_KEPT || (months.len() > MIN_MONTHS && plan.size > TRIM_TARGET_BYTES) {
            plan.remove(months.next());
        }
        while days.len() > MIN_DAYS && plan.size > TRIM_TARGET_BYTES {
            plan.remove(days.next());
        }
        while months.len() > 1 && plan.size > TRIM_THRESHOLD_BYTES {
            plan.remove(months.next());
        }
        plan.stale
    }
}

#[cfg(test)]
mod tests;
