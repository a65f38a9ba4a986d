//! The change that a hit makes in the table, and the contents of an item. One update changes the total, the
//! day and the month; items are trimmed so that a hit always costs one write unit. This module sends no
//! requests.

use hitctl_config::contract::{ATTR_FIRST, ATTR_HITS, ATTR_LAST, ATTR_PATH, ATTR_UNIQUES, MAX_COUNT};

use crate::moment::{Day, Moment, month_of_uniques_attribute};
use crate::path::PageKey;
use crate::share::BudgetShare;

mod delta;
mod number;
mod trim;

pub use delta::{CounterDelta, DayDelta};
pub use number::{count_of, whole_part};
pub use trim::{DAYS_KEPT, MAX_DAYS, MIN_DAYS, MIN_MONTHS, MONTHS_KEPT, WRITE_UNIT_BYTES};

/// Hits on one page at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The page.
    pub key: PageKey,
    /// The time of the hits, which decides the day and the month.
    pub at: Moment,
    /// The number of hits: 1 for a request.
    pub n: u64,
    /// The number of visitors who see the page for the first time that day.
    pub uniques: u64,
    /// The budget share that is charged if the page is new.
    pub share: Option<BudgetShare>,
}

impl Hit {
    /// Creates one hit on `key` by an unknown visitor.
    pub fn one(key: PageKey, at: Moment) -> Self {
        Self { key, at, n: 1, uniques: 0, share: None }
    }

    /// Sets whether the hit's visitor is new on this page today.
    #[must_use]
    pub fn with_new_visitor(self, is_new: bool) -> Self {
        Self { uniques: u64::from(is_new), ..self }
    }

    /// Sets the budget share that is charged if the page is new.
    #[must_use]
    pub fn with_share(self, share: Option<BudgetShare>) -> Self {
        Self { share, ..self }
    }

    /// Returns the change of the page's item.
    pub fn update(&self) -> HitUpdate {
        let day = self.at.day();
        HitUpdate {
            n: self.n,
            day: day.attribute(),
            month: day.month_attribute(),
            uniques: self.uniques,
            day_uniques: day.uniques_attribute(),
            month_uniques: day.month_uniques_attribute(),
            first: day.to_string(),
            last: self.at.rfc3339(),
        }
    }
}

/// The change of an item by a hit. Adds `n` to the total and to the attributes `day` and `month`. If `uniques`
/// is not 0, adds it to the total of visitors and to the attributes `day_uniques` and `month_uniques`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HitUpdate {
    /// The number of hits to add.
    pub n: u64,
    /// The attribute of the day's hits.
    pub day: String,
    /// The attribute of the month's hits.
    pub month: String,
    /// The number of visitors to add.
    pub uniques: u64,
    /// The attribute of the day's visitors.
    pub day_uniques: String,
    /// The attribute of the month's visitors.
    pub month_uniques: String,
    /// The day of the first hit, written only if the item has none.
    pub first: String,
    /// The time of the last hit.
    pub last: String,
}

/// The counts that a response shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountSummary {
    /// The total number of hits.
    pub hits: u64,
    /// The hits of the current day, in UTC.
    pub today: u64,
    /// The total number of visitors: the sum of the visitors of each day.
    pub uniques: u64,
    /// The visitors of the current day.
    pub uniques_today: u64,
}

impl CountSummary {
    /// Returns the sums of two summaries.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            hits: saturating_sum(self.hits, other.hits),
            today: saturating_sum(self.today, other.today),
            uniques: saturating_sum(self.uniques, other.uniques),
            uniques_today: saturating_sum(self.uniques_today, other.uniques_today),
        }
    }

    /// Returns these hits with the visitors of `other`: a site's visitors are counted separately.
    #[must_use]
    pub fn with_uniques_of(self, other: Self) -> Self {
        Self { uniques: other.uniques, uniques_today: other.uniques_today, ..self }
    }
}

/// An item of the table, reduced to what counting needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountItem {
    /// The number attributes.
    pub numbers: Vec<(String, u64)>,
    /// The size of all other attributes including their names, in bytes.
    pub other_bytes: usize,
}

impl CountItem {
    /// Returns a number attribute; 0 if it does not exist.
    pub fn number(&self, name: &str) -> u64 {
        self.numbers.iter().find(|(other, _)| other == name).map_or(0, |(_, value)| *value)
    }

    /// Returns the counts of this item on the day `today`.
    pub fn counts(&self, today: Day) -> CountSummary {
        CountSummary {
            hits: self.number(ATTR_HITS),
            today: self.number(&today.attribute()),
            uniques: self.number(ATTR_UNIQUES),
            uniques_today: self.number(&today.uniques_attribute()),
        }
    }

    /// Adds the number attributes of another item to those with the same names.
    pub fn merge(&mut self, other: &Self) {
        for (name, value) in &other.numbers {
            self.add(name, *value);
        }
    }

    /// Adds to a number attribute, as DynamoDB's `ADD` does.
    pub fn add(&mut self, name: &str, n: u64) {
        match self.numbers.iter_mut().find(|(other, _)| other == name) {
            Some((_, value)) => *value = saturating_sum(*value, n),
            None => self.numbers.push((name.to_owned(), n.min(MAX_COUNT))),
        }
    }

    /// Replaces the visitors, which were summed over pages, with those of the site.
    pub fn replace_visitors(&mut self, site: &Self) {
        let is_visitor_attribute = |name: &str| {
            name == ATTR_UNIQUES
                || Day::from_uniques_attribute(name).is_some()
                || month_of_uniques_attribute(name).is_some()
        };
        self.numbers.retain(|(name, _)| !is_visitor_attribute(name));
        self.numbers.extend(site.numbers.iter().filter(|(name, _)| is_visitor_attribute(name)).cloned());
    }

    /// Applies the change of a hit.
    pub fn apply(&mut self, update: &HitUpdate) {
        for name in [ATTR_HITS, &update.day, &update.month] {
            self.add(name, update.n);
        }
        if update.uniques > 0 {
            for name in [ATTR_UNIQUES, &update.day_uniques, &update.month_uniques] {
                self.add(name, update.uniques);
            }
        }
    }

    /// Returns the item's size by DynamoDB's rules: names and texts in bytes, numbers as one byte plus
    /// one byte per two digits. Trailing zeros of a number are included, although DynamoDB ignores them.
    pub fn size(&self) -> usize {
        self.other_bytes
            + self.numbers.iter().map(|(name, value)| name.len() + number_bytes(*value)).sum::<usize>()
    }
}

/// Adds two counts, up to the maximum count.
fn saturating_sum(a: u64, b: u64) -> u64 {
    a.saturating_add(b).min(MAX_COUNT)
}

/// Returns the size of a text attribute by DynamoDB's rules, in bytes.
pub fn text_bytes(name: &str, value: &str) -> usize {
    name.len() + value.len()
}

fn number_bytes(value: u64) -> usize {
    let digits = value.checked_ilog10().unwrap_or(0) as usize + 1;
    digits.div_ceil(2) + 1
}

/// Returns the size of the text attributes of the item `key`, in bytes.
pub fn non_number_bytes(key: &str, update: &HitUpdate) -> usize {
    text_bytes(ATTR_PATH, key) + text_bytes(ATTR_FIRST, &update.first) + text_bytes(ATTR_LAST, &update.last)
}

#[cfg(test)]
mod tests;
