//! Reads what GoatCounter exports as CSV: a header whose first column is `Path` with the version of the format in front
//! (`2Path`), then one line a page view. Columns are found by their names, whatever the version.
//!
//! A view counts in all, on its day and in its month. Its visitor is the session that GoatCounter gave it, once a day and
//! page, and once a day for the site.

use std::collections::{BTreeMap, HashMap, HashSet};

use hit_counter::moment::Moment;
use hitctl_config::contract::KEY_SITE;
use hitctl_engine::Fault;

use super::lines::{self, ImportOptions, LineErrors};
use super::reading::Reading;
use super::records::records;
use crate::model::{CountRow, LeftOut, Numbers, Tally};

/// The columns of a page view that a counter cannot keep.
const NOT_KEPT: &str = "titles, referrers, browsers, systems, screen sizes, locations";

/// Where the columns are that matter.
struct Columns {
    path: usize,
    event: usize,
    bot: usize,
    date: usize,
    session: Option<usize>,
    first_visit: Option<usize>,
}

/// Whether these are the columns of such an export.
pub(crate) fn is_header(cells: &[String]) -> bool {
    let version = cells.first().and_then(|cell| cell.strip_suffix("Path"));
    let numbered = version.is_some_and(|version| version.bytes().all(|byte| byte.is_ascii_digit()));
    numbered && cells.iter().any(|cell| cell == "Date")
}

impl Columns {
    fn of(cells: &[String]) -> Result<Self, String> {
        let find = |name: &str| cells.iter().position(|cell| cell.trim() == name);
        let path = cells.iter().position(|cell| {
            cell.trim_start_matches(|c: char| c.is_ascii_digit()) == "Path" || cell.trim() == "Path"
        });
        let places = [("Path", path), ("Event", find("Event")), ("Bot", find("Bot")), ("Date", find("Date"))];
        let missing: Vec<&str> =
            places.iter().filter(|(_, place)| place.is_none()).map(|(name, _)| *name).collect();
        let [(_, Some(path)), (_, Some(event)), (_, Some(bot)), (_, Some(date))] = places else {
            return Err(format!(
                "expected the columns of GoatCounter's export, found none named {}",
                missing.join(" or ")
            ));
        };
        Ok(Self { path, event, bot, date, session: find("Session"), first_visit: find("FirstVisit") })
    }
}

/// Who was seen where: each name is kept once.
#[derive(Default)]
struct Visitors {
    sessions: HashMap<String, usize>,
    paths: HashMap<String, usize>,
    seen: HashSet<(usize, u32, usize)>,
}

impl Visitors {
    /// Whether that session was not there before on that day; of a path, or of the site.
    fn is_new(&mut self, session: &str, day: u32, path: Option<&str>) -> bool {
        let next = self.sessions.len();
        let session = *self.sessions.entry(session.to_owned()).or_insert(next);
        // 0 is the site.
        let next = self.paths.len() + 1;
        let path = path.map_or(0, |path| *self.paths.entry(path.to_owned()).or_insert(next));
        self.seen.insert((session, day, path))
    }
}

/// Returns the counts of such an export; robots count only where they are to.
pub(crate) fn numbers(text: &str, taking: &ImportOptions) -> Result<(Numbers, Reading), Fault> {
    let mut records = records(text, ',', 1);
    let columns = match records.next() {
        Some((line, header)) => header.and_then(|cells| Columns::of(&cells)).map_err(|why| (line, why)),
        None => Err((1, "expected a header, found an empty file".to_owned())),
    };
    let columns = columns.map_err(|(line, why)| LineErrors::default().with(line, &why).failure())?;
    let mut wrong = LineErrors::default();
    let (mut rows, mut site) = (BTreeMap::new(), CountRow::zero(KEY_SITE));
    let (mut visitors, mut left_out, mut views) = (Visitors::default(), LeftOut::default(), 0);
    for (line, cells) in records {
        views += 1;
        let view = cells.and_then(|cells| View::of(&columns, &cells));
        let view = match view {
            Ok(view) => view,
            Err(why) => {
                wrong = wrong.with(line, &why);
                continue;
            }
        };
        if view.is_event {
            left_out.events += 1;
        } else if view.is_robot && !taking.robots {
            left_out.robots += 1;
        } else if let Ok(path) = lines::page_key(&view.path, &taking.keep_query) {
            let (on_page, on_site) = match &view.session {
                Some(session) => {
                    let day = view.at.day().number();
                    (visitors.is_new(session, day, Some(&path)), visitors.is_new(session, day, None))
                }
                // As far as is known: the first view of a page.
                None => (view.is_first, false),
            };
            rows.entry(path.clone())
                .or_insert_with(|| CountRow::zero(&path))
                .add(view.row(&path, 1, on_page));
            if on_site {
                site.add(CountRow { first: None, last: None, ..view.row(KEY_SITE, 0, true) });
            }
        } else {
            left_out.refused += 1;
        }
    }
    wrong.end()?;
    if views == 0 {
        return Err(no_views().hinted(
            "GoatCounter writes page views to CSV only while `Individual pageviews` is enabled in its settings, which it is not \
             by default; export JSON instead, and import that zip",
        ));
    }
    let numbers = Numbers { counts: rows.into_values().collect(), site, ..Numbers::default() };
    let mut reading = Reading {
        format: "GoatCounter's CSV export",
        lines: views,
        left_out,
        not_kept: vec![NOT_KEPT.to_owned()],
    };
    reading.beyond(&numbers);
    Ok((numbers, reading))
}

/// Returns the error for an export without page views: nothing would be imported, and nobody would know why.
pub(crate) fn no_views() -> Fault {
    Fault::fatal("no_page_views", "expected page views in GoatCounter's export, found none")
}

/// A line of the export.
struct View {
    path: String,
    at: Moment,
    is_event: bool,
    is_robot: bool,
    is_first: bool,
    session: Option<String>,
}

impl View {
    fn of(columns: &Columns, cells: &[String]) -> Result<Self, String> {
        let cell = |place: usize| {
            let cell = cells.get(place).map(|cell| cell.trim());
            cell.ok_or_else(|| format!("expected the cells of all columns, found {}", cells.len()))
        };
        let flag = |text: &str| match text {
            "" | "false" | "f" | "0" => Ok(false),
            "true" | "t" | "1" => Ok(true),
            _ => Err(format!("expected true or false, found {text:?}")),
        };
        let robot = cell(columns.bot)?;
        let robot: u32 = if robot.is_empty() { Ok(0) } else { robot.parse() }
            .map_err(|_| format!("expected a number in the column Bot, such as 0, found {robot:?}"))?;
        let date = cell(columns.date)?;
        let session = columns.session.map(cell).transpose()?.filter(|session| !session.is_empty());
        Ok(Self {
            path: cells.get(columns.path).cloned().unwrap_or_default(),
            at: lines::moment(date)?,
            is_event: flag(cell(columns.event)?)?,
            is_robot: robot > 0,
            is_first: columns.first_visit.map_or(Ok(false), |place| flag(cell(place)?))?,
            session: session.map(str::to_owned),
        })
    }

    /// It as the count of a path.
    fn row(&self, path: &str, hits: u64, is_visitor: bool) -> CountRow {
        CountRow::at(path, &self.at.rfc3339(), Tally { hits, uniques: u64::from(is_visitor) })
    }
}

#[cfg(test)]
#[path = "goatcounter_tests.rs"]
mod tests;
