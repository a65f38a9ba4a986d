//! Reads the JSON export of GoatCounter 2.7 and later: a zip in which `paths.jsonl` contains the paths, and `hit_stats.jsonl` the
//! views per hour, path and referrer. It contains no visitors.

use std::collections::{BTreeMap, HashMap};

use hitctl_engine::Fault;

use super::archive::Archive;
use super::goatcounter::no_page_views;
use super::import_report::ImportReport;
use super::lines::{self, ImportOptions, LineErrors};
use crate::fields::{self, JsonFields};
use crate::model::{CountRow, CounterData, Tally};

/// The file with the paths.
const PATHS: &str = "paths.jsonl";
/// The file with the views.
const STATS: &str = "hit_stats.jsonl";
/// The file with the version of the export.
const INFO: &str = "info.json";
/// The parts of the export that a counter cannot keep.
const NOT_KEPT: &str =
    "hours, titles, referrers, campaigns, browsers, systems, screen sizes, locations, languages";

/// A path of the export.
struct ExportedPath {
    path: String,
    is_event: bool,
}

/// The views of a path in one hour.
struct HourlyViews {
    path_id: u64,
    hour: String,
    views: u64,
}

/// Whether an archive is a GoatCounter JSON export.
pub(crate) fn is_goatcounter_export(archive: &Archive) -> bool {
    archive.has(STATS) && archive.has(PATHS)
}

/// Reads the counts of a GoatCounter JSON export.
pub(crate) fn parse_goatcounter_json(
    archive: &mut Archive,
    options: &ImportOptions,
) -> Result<(CounterData, ImportReport), Fault> {
    if let Some(info) = archive.text(INFO)? {
        check_version(&info)?;
    }
    let paths = archive.text(PATHS)?.unwrap_or_default();
    let stats = archive.text(STATS)?.unwrap_or_default();
    let paths_by_id: HashMap<u64, ExportedPath> =
        read_lines(PATHS, &paths, parse_path)?.into_iter().collect();
    let mut rows: BTreeMap<String, CountRow> = BTreeMap::new();
    let mut report = ImportReport {
        format: "GoatCounter's JSON export",
        not_kept: vec![NOT_KEPT.to_owned()],
        ..ImportReport::default()
    };
    let mut uncountable_views = Vec::new();
    for HourlyViews { path_id, hour, views } in read_lines(STATS, &stats, parse_stat)? {
        report.lines += 1;
        match paths_by_id.get(&path_id) {
            Some(path) if path.is_event => {
                report.skipped.events = report.skipped.events.saturating_add(views);
            }
            // The path was deleted in GoatCounter, but its views were kept.
            None => uncountable_views.push(views),
            Some(path) => match lines::page_key(&path.path, &options.keep_query) {
                Ok(path) => {
                    let row = rows.entry(path.clone()).or_insert_with(|| CountRow::zero(&path));
                    // The exact time within the hour is unknown, so the beginning of the hour is used.
                    row.add(CountRow::at_time(&path, &hour, Tally { hits: views, uniques: 0 }));
                    lines::check_limit(row)
                        .map_err(|why| with_file_name(STATS, LineErrors::default().with_error(1, &why)))?;
                }
                Err(_) => uncountable_views.push(views),
            },
        }
    }
    report.skipped.refused = uncountable_views.into_iter().fold(0, u64::saturating_add);
    if report.lines == 0 {
        return Err(no_page_views().hinted("create a new export whose date range contains page views"));
    }
    let numbers = CounterData { counts: rows.into_values().collect(), ..CounterData::default() };
    report.note_truncated_history(&numbers);
    Ok((numbers, report))
}

fn check_version(info: &str) -> Result<(), Fault> {
    let version = JsonFields::parse(info).and_then(|mut fields| fields.text("export_version"));
    let version = version.map_err(|why| with_file_name(INFO, LineErrors::default().with_error(1, &why)))?;
    match version.as_deref() {
        None => Ok(()),
        Some(version) if version.split('.').next() == Some("1") => Ok(()),
        Some(other) => Err(Fault::fatal(
            "bad_file",
            format!("expected version 1 of GoatCounter's JSON export, found {}", fields::quoted(other)),
        )
        .hinted("update hitctl; a newer version may support it")),
    }
}

/// Reads all lines of a file of the export. The error lists all invalid lines.
fn read_lines<T>(
    name: &str,
    text: &str,
    read: impl Fn(JsonFields) -> Result<T, String>,
) -> Result<Vec<T>, Fault> {
    let (mut all, mut errors) = (Vec::new(), None::<LineErrors>);
    for (n, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        match JsonFields::parse(line).and_then(&read) {
            Ok(one) => all.push(one),
            Err(why) => errors = Some(errors.unwrap_or_default().with_error(n, &why)),
        }
    }
    errors.map_or(Ok(all), |errors| Err(with_file_name(name, errors)))
}

/// Returns a fault whose message names the file in the archive for each invalid line.
fn with_file_name(name: &str, errors: LineErrors) -> Fault {
    let failure = errors.into_fault();
    let message =
        failure.message.lines().map(|line| format!("{name}, {line}")).collect::<Vec<_>>().join("\n");
    let named = Fault::fatal("bad_file", message);
    match failure.hint.clone() {
        Some(hint) => named.hinted(hint),
        None => named,
    }
}

fn parse_path(mut fields: JsonFields) -> Result<(u64, ExportedPath), String> {
    let id = fields.count("id")?.ok_or_else(|| fields::missing_field("id"))?;
    let path = fields.text("path")?.ok_or_else(|| fields::missing_field("path"))?;
    let is_event = match fields.take("event") {
        None => false,
        Some(serde_json::Value::Bool(is_event)) => is_event,
        Some(other) => {
            return Err(format!("expected true or false in \"event\", found {}", fields::describe(&other)));
        }
    };
    Ok((id, ExportedPath { path, is_event }))
}

fn parse_stat(mut fields: JsonFields) -> Result<HourlyViews, String> {
    let hour = fields.text("hour")?.ok_or_else(|| fields::missing_field("hour"))?;
    let views = fields.count("count")?.ok_or_else(|| fields::missing_field("count"))?;
    let path_id = fields.count("path_id")?.ok_or_else(|| fields::missing_field("path_id"))?;
    Ok(HourlyViews { path_id, hour: lines::parse_moment(&hour)?.rfc3339(), views })
}
