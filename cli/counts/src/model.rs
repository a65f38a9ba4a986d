//! The counts of a counter as data: by path, day and month, for the whole site, and the views that were not counted.

use std::collections::BTreeMap;

use hitctl_config::contract::KEY_SITE;
use serde::{Deserialize, Serialize, Serializer};

/// The counts of one path. Exports contain these fields in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CountRow {
    /// The key of the path.
    pub path: String,
    /// The number of hits.
    pub hits: u64,
    /// The number of visitors, as the sum over days. A visitor who returns on another day counts again.
    pub uniques: u64,
    /// The day of the first hit, `2026-09-20`.
    pub first: Option<String>,
    /// The time of the last hit, `2026-09-20T10:00:00Z`.
    pub last: Option<String>,
    /// The stored days, by date in UTC: `2026-09-20`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub days: BTreeMap<String, Tally>,
    /// The stored months: `2026-09`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub months: BTreeMap<String, Tally>,
}

/// The counts of a day or a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// The number of hits.
    pub hits: u64,
    /// The number of visitors. For a month, it is the sum over the days.
    pub uniques: u64,
}

impl Tally {
    /// Adds another tally.
    pub fn add(&mut self, other: Self) {
        self.hits = self.hits.saturating_add(other.hits);
        self.uniques = self.uniques.saturating_add(other.uniques);
    }
}

impl CountRow {
    /// Creates the row of a path without hits.
    pub fn zero(path: &str) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    /// Creates the row of views at one time, such as `2026-09-20T10:00:00Z`.
    pub(crate) fn at_time(path: &str, time: &str, tally: Tally) -> Self {
        let (day, month) = (time[..10].to_owned(), time[..7].to_owned());
        Self {
            path: path.to_owned(),
            hits: tally.hits,
            uniques: tally.uniques,
            first: Some(day.clone()),
            last: Some(time.to_owned()),
            days: BTreeMap::from([(day, tally)]),
            months: BTreeMap::from([(month, tally)]),
        }
    }

    /// Adds another row: sums the numbers, and keeps the earlier first and the later last time.
    pub fn add(&mut self, other: Self) {
        self.hits = self.hits.saturating_add(other.hits);
        self.uniques = self.uniques.saturating_add(other.uniques);
        self.first = [self.first.take(), other.first].into_iter().flatten().min();
        self.last = [self.last.take(), other.last].into_iter().flatten().max();
        for (day, tally) in other.days {
            self.days.entry(day).or_default().add(tally);
        }
        for (month, tally) in other.months {
            self.months.entry(month).or_default().add(tally);
        }
    }

    /// Removes days and months, which lists do not show.
    #[must_use]
    pub fn without_history(self) -> Self {
        Self { days: BTreeMap::new(), months: BTreeMap::new(), ..self }
    }
}

/// The number of views that were not counted, by month (`2026-11`) and reason (`bot`).
pub type DroppedViews = BTreeMap<String, BTreeMap<String, u64>>;

/// All counts of a table or a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CounterData {
    /// The rows of all paths, sorted by path.
    pub counts: Vec<CountRow>,
    /// The visitors of the whole site. Its hits are in the rows of the paths.
    #[serde(skip_serializing_if = "has_no_visitors", serialize_with = "serialize_site")]
    pub site: CountRow,
    /// The views that were not counted.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: DroppedViews,
    /// The numbers of the budget of new paths, by attribute. Read from a table only; no file contains them.
    #[serde(skip)]
    pub budget: BTreeMap<String, u64>,
}

impl Default for CounterData {
    fn default() -> Self {
        let (site, dropped) = (CountRow::zero(KEY_SITE), DroppedViews::new());
        Self { counts: Vec::new(), site, dropped, budget: BTreeMap::new() }
    }
}

/// The hits of one path before and after a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CountChange {
    /// The key of the path.
    pub path: String,
    /// The hits before the change; `None` if there was no item.
    pub old: Option<u64>,
    /// The hits after the change; `None` if there is no item.
    pub new: Option<u64>,
}

impl CountChange {
    /// Creates a change.
    pub fn new(path: &str, old: Option<u64>, new: Option<u64>) -> Self {
        Self { path: path.to_owned(), old, new }
    }
}

/// The number of views in a file that are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SkippedViews {
    /// Views that the exporting program marked as views of bots.
    pub robots: u64,
    /// Events, which are not page views.
    pub events: u64,
    /// Views of paths that cannot be counted.
    pub refused: u64,
}

/// Whether no visitor of the site was ever counted.
pub(crate) fn has_no_visitors(site: &CountRow) -> bool {
    site.uniques == 0 && site.days.is_empty() && site.months.is_empty()
}

/// Serialises the site with only the numbers that its row contains.
pub(crate) fn serialize_site<S: Serializer>(row: &CountRow, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Site<'a> {
        uniques: u64,
        days: BTreeMap<&'a str, u64>,
        months: BTreeMap<&'a str, u64>,
    }
    fn uniques(tallies: &BTreeMap<String, Tally>) -> BTreeMap<&str, u64> {
        tallies.iter().map(|(when, tally)| (when.as_str(), tally.uniques)).collect()
    }
    Site { uniques: row.uniques, days: uniques(&row.days), months: uniques(&row.months) }
        .serialize(serializer)
}
