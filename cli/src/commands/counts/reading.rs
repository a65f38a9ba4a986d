//! The report of an import on its file: what was read, what was left out, and what cannot be kept.

use hit_counter::hit::{DAYS_MOST, MONTHS_KEPT};

use crate::report::{LeftOut, Numbers, plural};

/// A file as it was read, with what of it is not counted or not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// The format, for people.
    pub(super) format: &'static str,
    /// How many records there were: lines, or objects.
    pub(super) lines: u64,
    /// The lines that were not counted.
    pub(super) left_out: LeftOut,
    /// The parts that a counter cannot keep.
    pub(super) not_kept: Vec<String>,
}

impl Reading {
    /// Notes the days and months that an item has no room for.
    pub(super) fn beyond(&mut self, numbers: &Numbers) {
        let rows = || numbers.counts.iter().chain([&numbers.site]);
        if rows().any(|row| row.days.len() > DAYS_MOST) {
            self.not_kept.push(format!("all but the latest {DAYS_MOST} days of a path"));
        }
        if rows().any(|row| row.months.len() > MONTHS_KEPT) {
            self.not_kept.push(format!("all but the latest {MONTHS_KEPT} months of a path"));
        }
    }

    /// Puts it into lines of text.
    pub(super) fn told(&self) -> Vec<String> {
        let LeftOut { robots, events, refused } = self.left_out;
        let left_out = [
            (robots > 0).then(|| format!("{} of robots", plural(robots, "view"))),
            (events > 0).then(|| plural(events, "event")),
            (refused > 0).then(|| format!("{} of paths that cannot be counted", plural(refused, "view"))),
        ];
        let left_out: Vec<String> = left_out.into_iter().flatten().collect();
        let told = [
            (!self.format.is_empty())
                .then(|| format!("read {} of {}", plural(self.lines, "record"), self.format)),
            (!left_out.is_empty()).then(|| format!("left out: {}", left_out.join(", "))),
            (!self.not_kept.is_empty()).then(|| format!("cannot keep: {}", self.not_kept.join(", "))),
        ];
        told.into_iter().flatten().collect()
    }
}
