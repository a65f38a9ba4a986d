//! Tests with valid and invalid GoatCounter CSV exports of versions 1 and 2.

use super::*;

const V1: &str =
    "1Path,Title,Event,Bot,Session,FirstVisit,Referrer,Referrer scheme,Browser,Screen size,Location,Date\n";
const V2: &str = "2Path,Title,Event,UserAgent,Browser,System,Session,Bot,Referrer,Referrer scheme,Screen size,Location,FirstVisit,Date\n";

/// Returns a line of an export of version 2.
fn view(path: &str, event: &str, session: &str, bot: &str, date: &str) -> String {
    format!(
        "{path},\"A, title\",{event},Mozilla/5.0 Gecko,Firefox 130,Linux,{session},{bot},,,\"1920,1080,1\",DE,true,{date}\n"
    )
}

fn read(text: &str, count_robots: bool) -> (CounterData, ImportReport) {
    parse_goatcounter_csv(text, &ImportOptions { count_bots: count_robots, ..ImportOptions::default() })
        .unwrap()
}

#[test]
fn views_count_by_path_day_and_month_and_sessions_once_per_day() {
    let text = [
        V2.to_owned(),
        view("/", "false", "a1", "0", "2026-09-20T10:00:00Z"),
        view("/index.html?utm_source=x", "false", "a1", "0", "2026-09-20T11:00:00Z"),
        view("/", "false", "b2", "0", "2026-09-20T12:00:00Z"),
        view("/b", "false", "b2", "0", "2026-09-20T12:00:01Z"),
        // The same session after midnight, and in another month because of the time zone.
        view("/", "false", "a1", "0", "2026-09-21T00:00:00Z"),
        view("/", "false", "a1", "0", "2026-09-30T23:30:00-02:00"),
        view("/", "false", "c3", "3", "2026-09-20T13:00:00Z"),
        view("click", "true", "c3", "0", "2026-09-20T13:00:00Z"),
        view("/\u{1}", "false", "c3", "0", "2026-09-20T13:00:00Z"),
    ];
    let (numbers, report) = read(&text.concat(), false);
    assert_eq!((report.lines, report.format), (9, "GoatCounter's CSV export"));
    assert_eq!(report.skipped, SkippedViews { robots: 1, events: 1, refused: 1 });
    assert_eq!(report.not_kept, ["titles, referrers, browsers, systems, screen sizes, locations"]);
    insta::assert_snapshot!(crate::export::to_ndjson(&numbers), @r#"
    {"path":"/","hits":5,"uniques":4,"first":"2026-09-20","last":"2026-10-01T01:30:00Z","days":{"2026-09-20":{"hits":3,"uniques":2},"2026-09-21":{"hits":1,"uniques":1},"2026-10-01":{"hits":1,"uniques":1}},"months":{"2026-09":{"hits":4,"uniques":3},"2026-10":{"hits":1,"uniques":1}}}
    {"path":"/b","hits":1,"uniques":1,"first":"2026-09-20","last":"2026-09-20T12:00:01Z","days":{"2026-09-20":{"hits":1,"uniques":1}},"months":{"2026-09":{"hits":1,"uniques":1}}}
    {"site":{"uniques":4,"days":{"2026-09-20":2,"2026-09-21":1,"2026-10-01":1},"months":{"2026-09":3,"2026-10":1}}}
    "#);
    let (numbers, report) = read(&text.concat(), true);
    assert_eq!((numbers.counts[0].hits, numbers.counts[0].uniques, report.skipped.robots), (6, 5, 0));
}

#[test]
fn version_1_without_sessions_counts_first_visits_as_visitors() {
    let lines = "/a,,false,0,uuid-1,true,,,,,,2021-01-02T03:04:05Z\n/a,,0,0,,1,,,,,,2021-01-02T03:04:05Z\n/a,,f,,,0,,,,,,2021-01-02T03:04:06Z\n";
    let (numbers, report) = read(&format!("{V1}{lines}"), false);
    assert_eq!(report.skipped, SkippedViews::default());
    let row = &numbers.counts[0];
    assert_eq!((row.path.as_str(), row.hits, row.uniques), ("/a", 3, 2));
    assert_eq!(
        (row.first.as_deref(), row.last.as_deref()),
        (Some("2021-01-02"), Some("2021-01-02T03:04:06Z"))
    );
    assert_eq!(numbers.site.uniques, 1);
}

#[test]
fn is_header_recognises_export_header() {
    let cells = |text: &str| csv_records(text, ',', 1).next().unwrap().1.unwrap();
    for header in [V1, V2, "3Path,New,Date\n", "Path,Date\n"] {
        assert!(is_header(&cells(header)), "{header}");
    }
    for header in ["path,hits,first,last\n", "path,hits,Date\n", "xPath,Date\n", "1Path,hits\n", "/Path,1\n"]
    {
        assert!(!is_header(&cells(header)), "{header}");
    }
}

#[test]
fn invalid_lines_are_reported_by_number() {
    let refused =
        |text: &str| parse_goatcounter_csv(text, &ImportOptions::default()).unwrap_err().message.clone();
    assert_eq!(
        refused("4Path,Date\n"),
        "line 1: expected the columns of GoatCounter's export, found none named Event or Bot"
    );
    assert_eq!(refused(""), "line 1: expected a header, found an empty file");
    let good = "2026-09-20T10:00:00Z";
    let lines = [
        view("/", "maybe", "a", "0", good),
        view("/", "false", "a", "x", good),
        view("/", "false", "a", "0", "yesterday"),
        view("/", "false", "a", "0", "1999-12-31T23:59:59Z"),
        "/,short\n".to_owned(),
        view("/", "false", "a", "0", good),
    ];
    insta::assert_snapshot!(refused(&format!("{V2}{}", lines.concat())), @r#"
    line 2: expected true or false, found "maybe"
    line 3: expected a number in the column Bot, such as 0, found "x"
    line 4: expected a time such as 2026-09-20T10:00:00Z, found "yesterday"
    line 5: expected a year from 2000 to 2099, found "1999-12-31"
    line 6: expected the cells of all columns, found 2
    "#);
}

#[test]
fn export_without_page_views_explains_setting() {
    let failure = parse_goatcounter_csv(V2, &ImportOptions::default()).unwrap_err();
    assert_eq!(failure.code, "no_page_views");
    assert_eq!(failure.message, "expected page views in GoatCounter's export, found none");
    let hint = failure.hint.clone().unwrap_or_default();
    assert!(hint.contains("`Individual pageviews`") && hint.contains("export JSON instead"), "{hint}");
}
