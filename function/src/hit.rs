//! What one hit changes in the table, and what an item holds. One update gives total, day and month at once; items
//! are trimmed so that a hit goes on costing one write unit. Pure: names and numbers, no requests.

use hitctl_config::contract::{ATTR_FIRST, ATTR_HITS, ATTR_LAST, ATTR_PATH, ATTR_UNIQUES, MAX_COUNT};

use crate::moment::{Day, Moment, month_of_uniques_attribute};
use crate::path::Key;
use crate::share::Share;

mod number;
mod sum;
mod trim;

pub use number::{count_of, whole_part};
pub use sum::{OfDay, Sum};
pub use trim::{DAYS_KEPT, DAYS_LEAST, DAYS_MOST, MONTHS_KEPT, MONTHS_LEAST, WRITE_UNIT_BYTES};

/// Hits on one page at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The page.
    pub key: Key,
    /// When it was hit: decides the day and the month.
    pub at: Moment,
    /// How often: 1 for a request, more for a sum.
    pub n: u64,
    /// How many visitors see the page for the first time that day.
    pub uniques: u64,
    /// The share of the budget that a new page is charged to, if there is one.
    pub share: Option<Share>,
}

impl Hit {
    /// One hit on `key` by somebody of whom nothing is known.
    pub fn one(key: Key, at: Moment) -> Self {
        Self { key, at, n: 1, uniques: 0, share: None }
    }

    /// The same by a visitor who is, or is not, new on this page today.
    #[must_use]
    pub fn by(self, is_new: bool) -> Self {
        Self { uniques: u64::from(is_new), ..self }
    }

    /// The same, charged to a share of the budget if its page is new.
    #[must_use]
    pub fn charged_to(self, share: Option<Share>) -> Self {
        Self { share, ..self }
    }

    /// What this hit changes in its item.
    pub fn update(&self) -> Update {
        let day = self.at.day();
        Update {
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

/// The change of an item by a hit: `n` is added to the total and to the two attributes named here, `uniques` likewise if it
/// is not 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// What is added.
    pub n: u64,
    /// The day's attribute.
    pub day: String,
    /// The month's attribute.
    pub month: String,
    /// What is added of visitors.
    pub uniques: u64,
    /// The day's attribute for visitors.
    pub day_uniques: String,
    /// The month's attribute for visitors.
    pub month_uniques: String,
    /// The day of the first hit, written only if the item has none.
    pub first: String,
    /// The time of the last hit.
    pub last: String,
}

/// The numbers that readers see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All hits.
    pub hits: u64,
    /// The hits of the current day, in UTC.
    pub today: u64,
    /// All visitors: the sum over the days.
    pub uniques: u64,
    /// The visitors of the current day.
    pub uniques_today: u64,
}

impl Counts {
    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            hits: both(self.hits, other.hits),
            today: both(self.today, other.today),
            uniques: both(self.uniques, other.uniques),
            uniques_today: both(self.uniques_today, other.uniques_today),
        }
    }

    /// These hits with another's visitors: the site's are counted apart.
    #[must_use]
    pub fn with_uniques_of(self, other: Self) -> Self {
        Self { uniques: other.uniques, uniques_today: other.uniques_today, ..self }
    }
}

/// An item of the table, as far as counting needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// Attributes that hold numbers.
    pub numbers: Vec<(String, u64)>,
    /// The size of all other attributes, names included, in bytes.
    pub other_bytes: usize,
}

impl Item {
    /// A number attribute; 0 where there is none.
    pub fn number(&self, name: &str) -> u64 {
        self.numbers.iter().find(|(other, _)| other == name).map_or(0, |(_, value)| *value)
    }

    /// What readers see of this item on the day `today`.
    pub fn counts(&self, today: Day) -> Counts {
        Counts {
            hits: self.number(ATTR_HITS),
            today: self.number(&today.attribute()),
            uniques: self.number(ATTR_UNIQUES),
            uniques_today: self.number(&today.uniques_attribute()),
        }
    }

    /// Adds another item's numbers, by name.
    pub fn merge(&mut self, other: &Self) {
        for (name, value) in &other.numbers {
            self.add(name, *value);
        }
    }

    /// Adds to a number attribute, as DynamoDB's `ADD` does.
    pub fn add(&mut self, name: &str, n: u64) {
        match self.numbers.iter_mut().find(|(other, _)| other == name) {
            Some((_, value)) => *value = both(*value, n),
            None => self.numbers.push((name.to_owned(), n.min(MAX_COUNT))),
        }
    }

    /// Puts the visitors of the whole site in the place of those that were added up over pages.
    pub fn site(&mut self, site: &Self) {
        let of_visitors = |name: &str| {
            name == ATTR_UNIQUES
                || Day::from_uniques_attribute(name).is_some()
                || month_of_uniques_attribute(name).is_some()
        };
        self.numbers.retain(|(name, _)| !of_visitors(name));
        self.numbers.extend(site.numbers.iter().filter(|(name, _)| of_visitors(name)).cloned());
    }

    /// Applies a hit's change.
    pub fn apply(&mut self, update: &Update) {
        for name in [ATTR_HITS, &update.day, &update.month] {
            self.add(name, update.n);
        }
        if update.uniques > 0 {
            for name in [ATTR_UNIQUES, &update.day_uniques, &update.month_uniques] {
                self.add(name, update.uniques);
            }
        }
    }

    /// The item's size by DynamoDB's rules: names and texts by their bytes, numbers by a byte for two digits and one
    /// more. Zeros at a number's end are counted, though DynamoDB does not.
    pub fn size(&self) -> usize {
        self.other_bytes
            + self.numbers.iter().map(|(name, value)| name.len() + number_bytes(*value)).sum::<usize>()
    }
}

/// The sum of two counts: at most the largest count.
fn both(a: u64, b: u64) -> u64 {
    a.saturating_add(b).min(MAX_COUNT)
}

/// The size that DynamoDB gives an item's text attribute.
pub fn text_bytes(name: &str, value: &str) -> usize {
    name.len() + value.len()
}

fn number_bytes(value: u64) -> usize {
    let digits = value.checked_ilog10().unwrap_or(0) as usize + 1;
    digits.div_ceil(2) + 1
}

/// The size of the attributes that are not numbers, in the item `key`.
pub fn fixed_bytes(key: &str, update: &Update) -> usize {
    text_bytes(ATTR_PATH, key) + text_bytes(ATTR_FIRST, &update.first) + text_bytes(ATTR_LAST, &update.last)
}

#[cfg(test)]
#[path = "hit_tests.rs"]
mod tests;
