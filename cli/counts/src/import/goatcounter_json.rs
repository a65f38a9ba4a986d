//! Reads what GoatCounter 2.7 and later exports as JSON: a zip in which `paths.jsonl` names the paths and `hit_stats.jsonl` has
//! the views of each hour, path and referrer. It has no visitors.

use std::collections::{BTreeMap, HashMap};

use hitctl_engine::Fault;

use super::archive::Archive;
use super::goatcounter::no_views;
use super::lines::{self, ImportOptions, LineErrors};
use super::reading::Reading;
use crate::fields::{self, Fields};
use crate::model::{CountRow, LeftOut, Numbers, Tally};

/// The file of paths.
const PATHS: &str = "paths.jsonl";
/// The file of views.
const STATS: &str = "hit_stats.jsonl";
/// The file that says what the export is.
const INFO: &str = "info.json";
/// The parts of the export that a counter cannot keep.
const NOT_KEPT: &str =
    "hours, titles, referrers, campaigns, browsers, systems, screen sizes, locations, languages";

/// A path of the export.
struct Page {
    path: String,
    is_event: bool,
}

/// The views of a path in an hour.
struct Stat {
    page: u64,
    hour: String,
    views: u64,
}

/// Whether an archive is such an export.
pub(crate) fn is_one(archive: &Archive) -> bool {
    archive.has(STATS) && archive.has(PATHS)
}

/// Returns the counts of such an export.
pub(crate) fn numbers(archive: &mut Archive, taking: &ImportOptions) -> Result<(Numbers, Reading), Fault> {
    if let Some(info) = archive.text(INFO)? {
        check_version(&info)?;
    }
    let paths = archive.text(PATHS)?.unwrap_or_default();
    let stats = archive.text(STATS)?.unwrap_or_default();
    let pages: HashMap<u64, Page> = lines(PATHS, &paths, page)?.into_iter().collect();
    let mut rows: BTreeMap<String, CountRow> = BTreeMap::new();
    let mut reading = Reading {
        format: "GoatCounter's JSON export",
        not_kept: vec![NOT_KEPT.to_owned()],
        ..Reading::default()
    };
    let mut nameless = Vec::new();
    for Stat { page, hour, views } in lines(STATS, &stats, stat)? {
        reading.lines += 1;
        match pages.get(&page) {
            Some(page) if page.is_event => {
                reading.left_out.events = reading.left_out.events.saturating_add(views);
            }
            // A path that was deleted there while views of it were kept has no name.
            None => nameless.push(views),
            Some(page) => match lines::page_key(&page.path, &taking.keep_query) {
                Ok(path) => {
                    let row = rows.entry(path.clone()).or_insert_with(|| CountRow::zero(&path));
                    // When in the hour the last one was is not known: at its beginning, at least.
                    row.add(CountRow::at(&path, &hour, Tally { hits: views, uniques: 0 }));
                    lines::countable(row)
                        .map_err(|why| in_file(STATS, LineErrors::default().with(1, &why)))?;
                }
                Err(_) => nameless.push(views),
            },
        }
    }
    let LeftOut { refused, .. } = &mut reading.left_out;
    *refused = nameless.into_iter().fold(0, u64::saturating_add);
    if reading.lines == 0 {
        return Err(no_views().hinted("export once more from a time at which the site had views"));
    }
    let numbers = Numbers { counts: rows.into_values().collect(), ..Numbers::default() };
    reading.beyond(&numbers);
    Ok((numbers, reading))
}

fn check_version(info: &str) -> Result<(), Fault> {
    let version = Fields::parse(info).and_then(|mut fields| fields.text("export_version"));
    let version = version.map_err(|why| in_file(INFO, LineErrors::default().with(1, &why)))?;
    match version.as_deref() {
        None => Ok(()),
        Some(version) if version.split('.').next() == Some("1") => Ok(()),
        Some(other) => Err(Fault::fatal(
            "bad_file",
            format!("expected version 1 of GoatCounter's JSON export, found {}", fields::quoted(other)),
        )
        .hinted("a newer hitctl may read it")),
    }
}

/// Reads each line of a file of the export. Each bad line is reported.
fn lines<T>(name: &str, text: &str, read: impl Fn(Fields) -> Result<T, String>) -> Result<Vec<T>, Fault> {
    let (mut all, mut wrong) = (Vec::new(), None::<LineErrors>);
    for (n, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        match Fields::parse(line).and_then(&read) {
            Ok(one) => all.push(one),
            Err(why) => wrong = Some(wrong.unwrap_or_default().with(n, &why)),
        }
    }
    wrong.map_or(Ok(all), |wrong| Err(in_file(name, wrong)))
}

/// Returns a failure that names the file of the archive.
fn in_file(name: &str, wrong: LineErrors) -> Fault {
    let failure = wrong.failure();
    let message =
        failure.message.lines().map(|line| format!("{name}, {line}")).collect::<Vec<_>>().join("\n");
    let named = Fault::fatal("bad_file", message);
    match failure.hint.clone() {
        Some(hint) => named.hinted(hint),
        None => named,
    }
}

fn page(mut fields: Fields) -> Result<(u64, Page), String> {
    let id = fields.count("id")?.ok_or_else(|| fields::missing("id"))?;
    let path = fields.text("path")?.ok_or_else(|| fields::missing("path"))?;
    let is_event = match fields.take("event") {
        None => false,
        Some(serde_json::Value::Bool(is_event)) => is_event,
        Some(other) => {
            return Err(format!("expected true or false in \"event\", found {}", fields::found(&other)));
        }
    };
    Ok((id, Page { path, is_event }))
}

fn stat(mut fields: Fields) -> Result<Stat, String> {
    let hour = fields.text("hour")?.ok_or_else(|| fields::missing("hour"))?;
    let views = fields.count("count")?.ok_or_else(|| fields::missing("count"))?;
    let page = fields.count("path_id")?.ok_or_else(|| fields::missing("path_id"))?;
    Ok(Stat { page, hour: lines::moment(&hour)?.rfc3339(), views })
}
