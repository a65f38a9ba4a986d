//! Every number of a table, as it is exported: as CSV for spreadsheets, as NDJSON to be imported elsewhere without a loss.

use std::borrow::Cow;
use std::fmt::Write as _;

use hitctl_config::contract::KEY_SITE;
use serde::Serialize;

use crate::model::{CountRow, Dropped, Numbers, is_nobody, site};

/// The counts as CSV (RFC 4180): a header, then one line a path. Days, months and the site are not in it.
pub fn csv(counts: &[CountRow]) -> String {
    let mut out = "path,hits,uniques,first,last\r\n".to_owned();
    for row in counts {
        let first = cell(row.first.as_deref().unwrap_or_default());
        let last = cell(row.last.as_deref().unwrap_or_default());
        let _ = write!(out, "{},{},{},{first},{last}\r\n", cell(&row.path), row.hits, row.uniques);
    }
    out
}

/// All of it as NDJSON: one object a path; then one of the site, `{"site":{..}}`, and one of what was not counted,
/// `{"dropped":{..}}`, where there is anything to say.
pub fn ndjson(numbers: &Numbers) -> String {
    #[derive(Serialize)]
    struct Of<'a> {
        #[serde(skip_serializing_if = "is_nobody", serialize_with = "site")]
        site: &'a CountRow,
        #[serde(skip_serializing_if = "Dropped::is_empty")]
        dropped: &'a Dropped,
    }
    let (nobody, nothing) = (CountRow::zero(KEY_SITE), Dropped::new());
    let rest =
        [Of { site: &numbers.site, dropped: &nothing }, Of { site: &nobody, dropped: &numbers.dropped }];
    // Strings and numbers only: this cannot fail.
    let lines = numbers.counts.iter().map(|row| serde_json::to_string(row).unwrap_or_default());
    let rest = rest.iter().map(|rest| serde_json::to_string(rest).unwrap_or_default());
    let lines = lines.chain(rest.filter(|line| line != "{}"));
    lines.fold(String::new(), |text, line| text + &line + "\n")
}

/// Returns a cell, quoted where a reader could misread it: separators of any kind, quotes, line ends, blanks at an end, and the `#`
/// that some readers take for a comment.
fn cell(text: &str) -> String {
    // What visitors send is counted as it is, and may be a formula: an apostrophe in front makes a spreadsheet show it as text.
    let text = if is_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) };
    let quote = text.contains([',', ';', '\t', '"', '\r', '\n', '#']) || text.trim() != text;
    if quote { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.into_owned() }
}

/// Whether a spreadsheet would take a cell for a formula; also behind apostrophes, so that the one that `cell` puts in front can be
/// told from those that were there.
pub fn is_formula(text: &str) -> bool {
    let behind = text.trim_start_matches('\'');
    behind.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::Tally;

    fn numbers() -> Numbers {
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
        let dropped = Dropped::from([("2026-09".to_owned(), BTreeMap::from([("bot".to_owned(), 9)]))]);
        Numbers { counts, site, dropped, ..Numbers::default() }
    }

    #[test]
    fn csv_has_a_line_a_path() {
        insta::assert_snapshot!(csv(&numbers().counts).replace('\r', "<CR>"), @r#"
        path,hits,uniques,first,last<CR>
        /,1234567,3,2026-09-20,2026-09-20T10:00:00Z<CR>
        "a[2J ""quoted"", path
        ",0,0,,<CR>
        "#);
    }

    #[test]
    fn csv_has_no_formula() {
        for (path, written) in [
            ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "\"'\t=1\""),
            ("＝1", "'＝1"),
            ("'=1", "''=1"),
            ("=A(\"x\",1)", "\"'=A(\"\"x\"\",1)\""),
            // In many countries a semicolon ends a cell.
            ("/a;=1", "\"/a;=1\""),
            ("'quoted'", "'quoted'"),
            ("/a=1", "/a=1"),
        ] {
            assert_eq!(cell(path), written);
        }
    }

    #[test]
    fn ndjson_has_all_of_it() {
        insta::assert_snapshot!(ndjson(&numbers()), @r#"
        {"path":"/","hits":1234567,"uniques":3,"first":"2026-09-20","last":"2026-09-20T10:00:00Z","months":{"2026-09":{"hits":5,"uniques":3}}}
        {"path":"a\u001b[2J \"quoted\", path\n","hits":0,"uniques":0,"first":null,"last":null}
        {"site":{"uniques":3,"days":{},"months":{"2026-09":3}}}
        {"dropped":{"2026-09":{"bot":9}}}
        "#);
        let numbers = Numbers { counts: vec![CountRow::zero("/")], ..Numbers::default() };
        assert_eq!(
            ndjson(&numbers),
            "{\"path\":\"/\",\"hits\":0,\"uniques\":0,\"first\":null,\"last\":null}\n"
        );
    }
}
