//! Reads GoatCounter's CSV export: a header whose first column is `Path` with the version of the format in front
//! (`2Path`), then one line per page view. Columns are found by name in every version.
//!
//! A view counts in total, on its day and in its month. A visitor is a session that GoatCounter assigned. It counts once per
//! day and page, and once per day for the site.

use std::collections::{BTreeMap, HashMap, HashSet};

use hit_counter::moment::Moment;
use hitctl_config::contract::KEY_SITE;
use hitctl_engine::Fault;

use super::import_report::ImportReport;
use super::lines::{self, ImportOptions, LineErrors};
use super::records::csv_records;
use crate::model::{CountRow, CounterData, SkippedViews, Tally};

/// The columns of a page view that a counter cannot keep.
const NOT_KEPT: &str = "titles, referrers, browsers, systems, screen sizes, locations";

/// The indexes of the columns that are read.
struct GoatCounterColumns {
    path: usize,
    event: usize,
    bot: usize,
    date: usize,
    session: Option<usize>,
    first_visit: Option<usize>,
}

/// Whether the cells are the header of a GoatCounter export.
pub(crate) fn is_header(cells: &[String]) -> bool {
    let version = cells.first().and_then(|cell| cell.strip_suffix("Path"));
    let numbered = version.is_some_and(|version| version.bytes().all(|byte| byte.is_ascii_digit()));
    numbered && cells.iter().any(|cell| cell == "Date")
}

impl GoatCounterColumns {
    fn find(cells: &[String]) -> Result<Self, String> {
        let find = |name: &str| cells.iter().position(|cell| cell.trim() == name);
        let path = cells.iter().position(|cell| {
            cell.trim_start_matches(|c: char| c.is_ascii_digit()) == "Path" || cell.trim() == "Path"
        });
        let positions =
            [("Path", path), ("Event", find("Event")), ("Bot", find("Bot")), ("Date", find("Date"))];
        let missing: Vec<&str> =
            positions.iter().filter(|(_, position)| position.is_none()).map(|(name, _)| *name).collect();
        let [(_, Some(path)), (_, Some(event)), (_, Some(bot)), (_, Some(date))] = positions else {
            return Err(format!(
                "expected the columns of GoatCounter's export, found none named {}",
                missing.join(" or ")
            ));
        };
        Ok(Self { path, event, bot, date, session: find("Session"), first_visit: find("FirstVisit") })
    }
}

/// The sessions that were already counted per day and path. Sessions and paths are numbered, so that each name is
/// stored once.
#[derive(Default)]
struct SeenSessions {
    sessions: HashMap<String, usize>,
    paths: HashMap<String, usize>,
    /// The number of the session, the day, and the number of the path.
    seen: HashSet<(usize, u32, usize)>,
}

impl SeenSessions {
    /// Records a session on a day and a path, or on the site if there is no path. Returns whether it is new there.
    fn insert(&mut self, session: &str, day: u32, path: Option<&str>) -> bool {
        let next = self.sessions.len();
        let session = *self.sessions.entry(session.to_owned()).or_insert(next);
        // The number 0 stands for the site.
        let next = self.paths.len() + 1;
        let path = path.map_or(0, |path| *self.paths.entry(path.to_owned()).or_insert(next));
        self.seen.insert((session, day, path))
    }
}

/// Parses a GoatCounter CSV export. Bots count only with `count_bots`.
pub(crate) fn parse_goatcounter_csv(
    text: &str,
    options: &ImportOptions,
) -> Result<(CounterData, ImportReport), Fault> {
    let mut records = csv_records(text, ',', 1);
    let columns = match records.next() {
        Some((line, header)) => {
            header.and_then(|cells| GoatCounterColumns::find(&cells)).map_err(|why| (line, why))
        }
        None => Err((1, "expected a header, found an empty file".to_owned())),
    };
    let columns = columns.map_err(|(line, why)| LineErrors::default().with_error(line, &why).into_fault())?;
    let mut errors = LineErrors::default();
    let (mut rows, mut site) = (BTreeMap::new(), CountRow::zero(KEY_SITE));
    let (mut seen_sessions, mut skipped, mut views) = (SeenSessions::default(), SkippedViews::default(), 0);
    for (line, cells) in records {
        views += 1;
        let view = cells.and_then(|cells| GoatCounterView::parse(&columns, &cells));
        let view = match view {
            Ok(view) => view,
            Err(why) => {
                errors = errors.with_error(line, &why);
                continue;
            }
        };
        if view.is_event {
            skipped.events += 1;
        } else if view.is_robot && !options.count_bots {
            skipped.robots += 1;
        } else if let Ok(path) = lines::page_key(&view.path, &options.keep_query) {
            let (is_page_visitor, is_site_visitor) = match &view.session {
                Some(session) => {
                    let day = view.at.day().number();
                    (
                        seen_sessions.insert(session, day, Some(&path)),
                        seen_sessions.insert(session, day, None),
                    )
                }
                // Without a session, the only information is whether this is the first view of the page.
                None => (view.is_first, false),
            };
            rows.entry(path.clone()).or_insert_with(|| CountRow::zero(&path)).add(view.row(
                &path,
                1,
                is_page_visitor,
            ));
            if is_site_visitor {
                site.add(CountRow { first: None, last: None, ..view.row(KEY_SITE, 0, true) });
            }
        } else {
            skipped.refused += 1;
        }
    }
    errors.into_result()?;
    if views == 0 {
        return Err(no_page_views().hinted(
            "export JSON instead, and import that zip; GoatCounter exports page views as CSV only while `Individual pageviews` \
             is enabled in its settings",
        ));
    }
    let numbers = CounterData { counts: rows.into_values().collect(), site, ..CounterData::default() };
    let mut report = ImportReport {
        format: "GoatCounter's CSV export",
        lines: views,
        skipped,
        not_kept: vec![NOT_KEPT.to_owned()],
    };
    report.note_truncated_history(&numbers);
    Ok((numbers, report))
}

/// Returns the error for an export without page views, because an import that changes nothing would be confusing.
pub(crate) fn no_page_views() -> Fault {
    Fault::fatal("no_page_views", "expected page views in GoatCounter's export, found none")
}

/// A page view: one line of the export.
struct GoatCounterView {
    path: String,
    at: Moment,
    is_event: bool,
    is_robot: bool,
    is_first: bool,
    session: Option<String>,
}

impl GoatCounterView {
    fn parse(columns: &GoatCounterColumns, cells: &[String]) -> Result<Self, String> {
        let cell = |index: usize| {
            let cell = cells.get(index).map(|cell| cell.trim());
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
            at: lines::parse_moment(date)?,
            is_event: flag(cell(columns.event)?)?,
            is_robot: robot > 0,
            is_first: columns.first_visit.map_or(Ok(false), |index| flag(cell(index)?))?,
            session: session.map(str::to_owned),
        })
    }

    /// Returns the view as a row with the given path and number of hits.
    fn row(&self, path: &str, hits: u64, is_visitor: bool) -> CountRow {
        CountRow::at_time(path, &self.at.rfc3339(), Tally { hits, uniques: u64::from(is_visitor) })
    }
}

#[cfg(test)]
mod tests;
