//! The report of an import on its file: what was read, what was left out, and what cannot be kept.

use hit_counter::hit::{DAYS_MOST, MONTHS_KEPT};

use crate::model::{LeftOut, Numbers};

/// A file as it was read, with what of it is not counted or not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The format, for people.
    pub format: &'static str,
    /// The number of records: lines, or objects.
    pub lines: u64,
    /// The lines that were not counted.
    pub left_out: LeftOut,
    /// The parts that a counter cannot keep.
    pub not_kept: Vec<String>,
}

impl Reading {
    /// Notes the days and months that an item has no room for.
    pub fn beyond(&mut self, numbers: &Numbers) {
        let rows = || numbers.counts.iter().chain([&numbers.site]);
        if rows().any(|row| row.days.len() > DAYS_MOST) {
            self.not_kept.push(format!("all but the latest {DAYS_MOST} days of a path"));
        }
        if rows().any(|row| row.months.len() > MONTHS_KEPT) {
            self.not_kept.push(format!("all but the latest {MONTHS_KEPT} months of a path"));
        }
    }
}
