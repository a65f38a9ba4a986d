//! The report on an imported file: its format, the skipped views, and the data that a counter cannot keep.

use hit_counter::hit::{MAX_DAYS, MONTHS_KEPT};

use crate::model::{CounterData, SkippedViews};

/// The report on an imported file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// The name of the format, for messages.
    pub format: &'static str,
    /// The number of records: lines or objects.
    pub lines: u64,
    /// The views that were not counted.
    pub skipped: SkippedViews,
    /// The parts of the file that a counter cannot keep.
    pub not_kept: Vec<String>,
}

impl ImportReport {
    /// Adds a note to `not_kept` if there are more days or months than an item keeps.
    pub fn note_truncated_history(&mut self, numbers: &CounterData) {
        let rows = || numbers.counts.iter().chain([&numbers.site]);
        if rows().any(|row| row.days.len() > MAX_DAYS) {
            self.not_kept.push(format!("all but the latest {MAX_DAYS} days of a path"));
        }
        if rows().any(|row| row.months.len() > MONTHS_KEPT) {
            self.not_kept.push(format!("all but the latest {MONTHS_KEPT} months of a path"));
        }
    }
}
