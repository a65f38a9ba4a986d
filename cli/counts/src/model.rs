//! The numbers of a counter as data: by path, by day and month, of the whole site, and what was not counted.

use std::collections::BTreeMap;

use hitctl_config::contract::KEY_SITE;
use serde::{Deserialize, Serialize, Serializer};

/// The counts of one path. What is exported is what is here, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CountRow {
    /// The key.
    pub path: String,
    /// Every hit.
    pub hits: u64,
    /// Visitors, as the sum over days: who comes on two days counts twice.
    pub uniques: u64,
    /// The day of the first hit, `2026-09-20`.
    pub first: Option<String>,
    /// The time of the last hit, `2026-09-20T10:00:00Z`.
    pub last: Option<String>,
    /// The days that are still kept, by date in UTC: `2026-09-20`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub days: BTreeMap<String, Tally>,
    /// The months that are still kept: `2026-09`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub months: BTreeMap<String, Tally>,
}

/// The numbers of a day or a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Every hit.
    pub hits: u64,
    /// Visitors; those of a month are the sum over its days.
    pub uniques: u64,
}

impl Tally {
    /// Adds another one to it.
    pub fn add(&mut self, other: Self) {
        self.hits = self.hits.saturating_add(other.hits);
        self.uniques = self.uniques.saturating_add(other.uniques);
    }
}

impl CountRow {
    /// A path that was never hit.
    pub fn zero(path: &str) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    /// The row of views that were counted at one time, such as `2026-09-20T10:00:00Z`.
    pub(crate) fn at(path: &str, time: &str, tally: Tally) -> Self {
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

    /// Adds the numbers of another one to it: sums, the earlier first and the later last time.
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

    /// Without days and months, as lists show it.
    #[must_use]
    pub fn brief(self) -> Self {
        Self { days: BTreeMap::new(), months: BTreeMap::new(), ..self }
    }
}

/// Views that were not counted: by month (`2026-11`) and by reason (`bot`).
pub type Dropped = BTreeMap<String, BTreeMap<String, u64>>;

/// Every number of a table, or of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Numbers {
    /// Every path, in the order of the paths.
    pub counts: Vec<CountRow>,
    /// The visitors of the whole site; its hits are those of its paths, and stand there.
    #[serde(skip_serializing_if = "is_nobody", serialize_with = "site")]
    pub site: CountRow,
    /// Views that were not counted.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: Dropped,
    /// The numbers of the budget of new paths, by name; of the table itself, and in no file.
    #[serde(skip)]
    pub budget: BTreeMap<String, u64>,
}

impl Default for Numbers {
    fn default() -> Self {
        let (site, dropped) = (CountRow::zero(KEY_SITE), Dropped::new());
        Self { counts: Vec::new(), site, dropped, budget: BTreeMap::new() }
    }
}

/// The hits of one path before and after a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CountChange {
    /// The key.
    pub path: String,
    /// The hits before; `None` where there was nothing.
    pub old: Option<u64>,
    /// The hits now; `None` where there is nothing any more.
    pub new: Option<u64>,
}

impl CountChange {
    /// A path's hits before and after.
    pub fn new(path: &str, old: Option<u64>, new: Option<u64>) -> Self {
        Self { path: path.to_owned(), old, new }
    }
}

/// The views of a file that are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Views of robots, by the word of whoever exported them.
    pub robots: u64,
    /// Events, which are no page views.
    pub events: u64,
    /// Views of paths that cannot be counted.
    pub refused: u64,
}

/// Nobody has ever come to the site, as far as is known.
pub(crate) fn is_nobody(site: &CountRow) -> bool {
    site.uniques == 0 && site.days.is_empty() && site.months.is_empty()
}

/// The site without what it does not count itself.
pub(crate) fn site<S: Serializer>(row: &CountRow, serializer: S) -> Result<S::Ok, S::Error> {
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
