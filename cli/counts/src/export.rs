//! Exports all counts of a table: as CSV for spreadsheets, and as NDJSON for a lossless import elsewhere.

use std::borrow::Cow;
use std::fmt::Write as _;

use hitctl_config::contract::KEY_SITE;
use serde::Serialize;

use crate::model::{CountRow, CounterData, DroppedViews, has_no_visitors, serialize_site};

/// Returns the counts as CSV (RFC 4180): a header, then one line per path. Omits days, months and the site.
pub fn to_csv(counts: &[CountRow]) -> String {
    let mut out = "path,hits,uniques,first,last\r\n".to_owned();
    for row in counts {
        let first = cell(row.first.as_deref().unwrap_or_default());
        let last = cell(row.last.as_deref().unwrap_or_default());
        let _ = write!(out, "{},{},{},{first},{last}\r\n", cell(&row.path), row.hits, row.uniques);
    }
    out
}

/// Returns all counts as NDJSON: one object per path, then `{"site":{..}}` with the site and `{"dropped":{..}}` with the views
/// that were not counted, unless they are empty.
pub fn to_ndjson(numbers: &CounterData) -> String {
    #[derive(Serialize)]
    struct SiteOrDropped<'a> {
        #[serde(skip_serializing_if = "has_no_visitors", serialize_with = "serialize_site")]
        site: &'a CountRow,
        #[serde(skip_serializing_if = "DroppedViews::is_empty")]
        dropped: &'a DroppedViews,
    }
    let (empty_site, empty_dropped) = (CountRow::zero(KEY_SITE), DroppedViews::new());
    let summaries = [
        SiteOrDropped { site: &numbers.site, dropped: &empty_dropped },
        SiteOrDropped { site: &empty_site, dropped: &numbers.dropped },
    ];
    // Serialisation cannot fail: there are only strings and numbers.
    let lines = numbers.counts.iter().map(|row| serde_json::to_string(row).unwrap_or_default());
    let summaries = summaries.iter().map(|summary| serde_json::to_string(summary).unwrap_or_default());
    let lines = lines.chain(summaries.filter(|line| line != "{}"));
    lines.fold(String::new(), |text, line| text + &line + "\n")
}

/// Returns a cell, in quotes if a program could misread it: if it contains a separator of any kind, a quote or a line
/// end, begins or ends with a blank, or contains `#`, with which a comment begins for some programs.
fn cell(text: &str) -> String {
    // Paths come from visitors and may be formulas. A leading apostrophe makes a spreadsheet show the cell as text.
    let text = if is_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) };
    let quote = text.contains([',', ';', '\t', '"', '\r', '\n', '#']) || text.trim() != text;
    if quote { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.into_owned() }
}

/// Whether a spreadsheet would treat a cell as a formula. Leading apostrophes are ignored, so that an export adds
/// exactly one apostrophe to each such path, and an import removes it.
pub fn is_formula(text: &str) -> bool {
    let after_apostrophes = text.trim_start_matches('\'');
    // The full-width characters also begin a formula in some spreadsheets.
    after_apostrophes.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::Tally;

    fn numbers() -> CounterData {
        let row = |path: &str, hits, first: Option<&str>| CountRow {
            hits,
            first: first.map(str::to_owned),
            last: first.map(|day| format!("{day}T10:00:00Z")),
            ..CountRow::zero(path)
        };
        let tally = |hits| BTreeMap::from([("2026-09".to_owned(), Tally { hits, uniques: 3 })]);
        let counts = vec![
            CountRow { uniques: 3, months: tally(5), ..row("/", 1_234_567, Some("2026-09-20")) },
            row("a\u{1b}[2J \"quoted\", path\n", 0, None),
        ];
        let site = CountRow { uniques: 3, months: tally(0), ..CountRow::zero(KEY_SITE) };
        let dropped = DroppedViews::from([("2026-09".to_owned(), BTreeMap::from([("bot".to_owned(), 9)]))]);
        CounterData { counts, site, dropped, ..CounterData::default() }
    }

    #[test]
    fn csv_has_one_line_per_path() {
        insta::assert_snapshot!(to_csv(&numbers().counts).replace('\r', "<CR>"), @r#"
        path,hits,uniques,first,last<CR>
        /,1234567,3,2026-09-20,2026-09-20T10:00:00Z<CR>
        "a[2J ""quoted"", path
        ",0,0,,<CR>
        "#);
    }

    #[test]
    fn csv_escapes_formulas() {
        for (path, written) in [
            ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "\"'\t=1\""),
            ("＝1", "'＝1"),
            ("'=1", "''=1"),
            ("=A(\"x\",1)", "\"'=A(\"\"x\"\",1)\""),
            // In many locales a semicolon separates cells.
            ("/a;=1", "\"/a;=1\""),
            ("'quoted'", "'quoted'"),
            ("/a=1", "/a=1"),
        ] {
            assert_eq!(cell(path), written);
        }
    }

    #[test]
    fn ndjson_contains_all_counts() {
        insta::assert_snapshot!(to_ndjson(&numbers()), @r#"
        {"path":"/","hits":1234567,"uniques":3,"first":"2026-09-20","last":"2026-09-20T10:00:00Z","months":{"2026-09":{"hits":5,"uniques":3}}}
        {"path":"a\u001b[2J \"quoted\", path\n","hits":0,"uniques":0,"first":null,"last":null}
        {"site":{"uniques":3,"days":{},"months":{"2026-09":3}}}
        {"dropped":{"2026-09":{"bot":9}}}
        "#);
        let numbers = CounterData { counts: vec![CountRow::zero("/")], ..CounterData::default() };
        assert_eq!(
            to_ndjson(&numbers),
            "{\"path\":\"/\",\"hits\":0,\"uniques\":0,\"first\":null,\"last\":null}\n"
        );
    }
}
