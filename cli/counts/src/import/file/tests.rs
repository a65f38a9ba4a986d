//! Tests with valid and invalid files of counts.

use proptest::prelude::*;

use super::super::csv;
use super::*;
use crate::export;
use crate::model::Tally;

fn row(path: &str, hits: u64, first: Option<&str>, last: Option<&str>) -> CountRow {
    let own = |text: Option<&str>| text.map(str::to_owned);
    CountRow { hits, first: own(first), last: own(last), ..CountRow::zero(path) }
}

fn read(content: &[u8]) -> Result<CounterData, Fault> {
    parse_counts(content, None, &ImportOptions::default()).map(|(numbers, _)| numbers)
}

fn rows(content: &[u8]) -> Result<Vec<CountRow>, Fault> {
    read(content).map(|numbers| numbers.counts)
}

/// Returns the error message for an invalid file.
fn refused(text: &str) -> String {
    rows(text.as_bytes()).unwrap_err().message.clone()
}

#[test]
fn exported_file_is_read() {
    let all = vec![
        row("/", 7, Some("2026-09-20"), Some("2026-09-21T10:00:00Z")),
        row("a \"b\", c", 0, None, None),
        row("#", 1, None, Some("2026-09-21T10:00:00Z")),
    ];
    let mut sorted = all.clone();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(rows(export::to_csv(&all).as_bytes()).unwrap(), sorted);
    let ndjson = export::to_ndjson(&CounterData { counts: all.clone(), ..CounterData::default() });
    assert_eq!(rows(ndjson.as_bytes()).unwrap(), sorted);
    let object = serde_json::json!({ "v": 1, "counts": all }).to_string();
    assert_eq!(rows(object.as_bytes()).unwrap(), sorted);
}

#[test]
fn file_of_other_program_is_read() {
    // No header, no times, blank lines, LF line ends, a byte order mark, no line end at the end.
    let plain = rows("\u{feff}/a,3\n\n/b, 4\n".as_bytes()).unwrap();
    assert_eq!(plain, [row("/a", 3, None, None), row("/b", 4, None, None)]);
    let named =
        rows(b"Last,views,HITS,path\n2026-09-21T12:00:00+02:00,x,5,https://a.example/x/?q\n").unwrap();
    assert_eq!(named, [row("/x", 5, None, Some("2026-09-21T10:00:00Z"))]);
    assert_eq!(rows(b"").unwrap(), []);
    assert_eq!(rows(b"path,hits\n").unwrap(), []);
    let days = rows(b"/,1,2026-09-20T23:00:00-05:00,2026-09-22").unwrap();
    assert_eq!(days, [row("/", 1, Some("2026-09-21"), Some("2026-09-22T00:00:00Z"))]);
}

#[test]
fn visitor_columns_are_read_with_and_without_header() {
    let with = |uniques| CountRow { uniques, ..row("/a", 9, Some("2026-09-20"), None) };
    assert_eq!(rows(b"path,hits,uniques,first,last\n/a,9,4,2026-09-20,\n").unwrap(), [with(4)]);
    assert_eq!(rows(b"path,hits,uniques,first\n/a,9,,2026-09-20\n").unwrap(), [with(0)]);
    assert_eq!(rows(b"/a,9,4,2026-09-20,\n").unwrap(), [with(4)]);
    assert_eq!(rows(b"/a,9,2026-09-20,\n").unwrap(), [with(0)]);
    assert_eq!(rows(b"/a,9,4\n").unwrap(), [CountRow { first: None, ..with(4) }]);
    let why = refused("path,hits,uniques\n/a,9,some\n");
    assert_eq!(
        why,
        "line 2: expected a whole number from 0 to 9007199254740991 in \"uniques\", found \"some\""
    );
}

#[test]
fn objects_contain_days_months_site_and_dropped_views() {
    let text = r#"{"path":"/a","hits":3,"days":{"2026-09-20":{"hits":2,"uniques":1}},"months":{"2026-09":{"hits":3}}}
{"path":"/a/","hits":1,"days":{"2026-09-20":{"hits":1}}}
{"site":{"uniques":5,"days":{"2026-09-20":4},"months":{"2026-09":5}}}
{"site":{"uniques":1},"dropped":{"2026-09":{"bot":2}}}
{"counts":[{"path":"/b","hits":1}],"dropped":{"2026-09":{"bot":1,"dup":1}}}
"#;
    let numbers = read(text.as_bytes()).unwrap();
    assert_eq!((numbers.counts[0].hits, numbers.counts[1].hits), (4, 1));
    assert_eq!(numbers.counts[0].days["2026-09-20"], Tally { hits: 3, uniques: 1 });
    assert_eq!(numbers.counts[0].months["2026-09"], Tally { hits: 3, uniques: 0 });
    assert_eq!((numbers.site.uniques, numbers.site.days["2026-09-20"].uniques), (6, 4));
    assert_eq!(numbers.dropped["2026-09"], BTreeMap::from([("bot".to_owned(), 3), ("dup".to_owned(), 1)]));
    insta::assert_snapshot!(refused(r#"{"path":"/a","hits":1,"days":{"yesterday":{"hits":1}}}
{"path":"/a","hits":1,"days":{"1999-12-31":{"hits":1}}}
{"path":"/a","hits":1,"months":{"2026-13":{"hits":1}}}
{"path":"/a","hits":1,"months":{"2126-12":{"hits":1}}}
{"site":{"days":{}}}
{"dropped":{"2026-09":{"path":1,"hits!":2}}}
"#), @r#"
    line 1: expected a time such as 2026-09-20T10:00:00Z, found "yesterday"
    line 2: expected a year from 2000 to 2099, found "1999-12-31"
    line 3: expected a month such as 2026-09, found "2026-13"
    line 4: expected a year from 2000 to 2099, found "2126-12"
    line 5: expected a field "uniques", found none
    line 6: expected a reason such as bot, found "hits!"
    "#);
}

#[test]
fn kept_query_parameters_stay_in_path() {
    let options = ImportOptions { keep_query: vec!["id".to_owned()], count_bots: false };
    let (read, _) = parse_counts(b"/a?x=1&id=2,3\n", None, &options).unwrap();
    assert_eq!(read.counts, [row("/a?id=2", 3, None, None)]);
}

#[test]
fn spreadsheet_separators_are_detected() {
    let both = [row("/a", 12, None, None), row("/b", 3, None, None)];
    for text in [
        "path;hits\r\n/a;12\r\n/b;3\r\n",
        "\u{feff}path;hits\r\n/a;12\r\n/b;3\r\n",
        "path\thits\n/a\t12\n/b\t3\n",
        "sep=;\npath;hits\n/a;12\n/b;3\n",
        "\"sep=;\"\r\n\"path\";\"hits\"\r\n\"/a\";\"12\"\r\n/b;3;;\r\n",
        "SEP=|\npath|hits\n/a|12\n/b|3\n",
        "/a;12\n/b;3",
        "Hits;Seite;Path\n12;x;/a\n3;y;/b\n",
    ] {
        assert_eq!(rows(text.as_bytes()).unwrap(), both, "{text:?}");
    }
    // Excel's format "Unicode Text".
    let text = "path\thits\r\n/é\t12\r\n";
    let little = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes));
    let big = [0xfe, 0xff].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes));
    for content in [little.collect::<Vec<u8>>(), big.collect()] {
        assert_eq!(rows(&content).unwrap(), [row("/%C3%A9", 12, None, None)]);
    }
    // Lines after `sep=` keep their numbers, and a path may contain the other separators.
    assert_eq!(
        refused("sep=;\npath;hits\n/a;x\n"),
        "line 3: expected a whole number from 0 to 9007199254740991 in \"hits\", found \"x\""
    );
    assert_eq!(rows(b"/a;b,3").unwrap(), [row("/a;b", 3, None, None)]);
}

#[test]
fn paths_are_trimmed_and_empty_paths_rejected() {
    let text = "path,hits\n/a ,1\n /a,2\n\"/a b\",3\n/a%20b,4\n \"/c\" , 5\n";
    assert_eq!(
        rows(text.as_bytes()).unwrap(),
        [row("/a", 3, None, None), row("/a%20b", 7, None, None), row("/c", 5, None, None)]
    );
    // An export quotes a path with blanks at its ends; they are part of the path.
    assert_eq!(rows(b"path,hits\n\" x \",1\n").unwrap(), [row(" x ", 1, None, None)]);
    for text in [
        "path,hits\n,5\n/b,3\n",
        "path,hits\n\"\",5\n",
        "path,hits\n\"  \",5\n",
        "\n{\"path\":\"\",\"hits\":1}",
    ] {
        assert_eq!(refused(text), "line 2: expected a path, found an empty one", "{text:?}");
    }
}

#[test]
fn escaped_formulas_are_read_as_paths() {
    for path in
        ["=HYPERLINK(\"http://evil.example/\",\"Totals\")", "+1", "-1", "@x", "'=1", "''-1", "'a'", "=", "'"]
    {
        let csv = export::to_csv(&[row(path, 1, None, None)]);
        assert_eq!(rows(csv.as_bytes()).unwrap(), [row(path, 1, None, None)], "{csv}");
    }
}

#[test]
fn multi_line_json_and_lists_are_read() {
    let pretty = "{\n    \"v\": 1,\n    \"counts\": [\n        {\n            \"path\": \"/a\",\n            \"hits\": 3\n        },\n        {\n            \"path\": \"/b\",\n            \"hits\": 1\n        }\n    ]\n}\n";
    let both = [row("/a", 3, None, None), row("/b", 1, None, None)];
    assert_eq!(rows(pretty.as_bytes()).unwrap(), both);
    for text in [
        "[{\"path\":\"/a\",\"hits\":3},{\"path\":\"/b\",\"hits\":1}]",
        "[\n{\"path\":\"/a\",\"hits\":3},\n{\"path\":\"/b\",\"hits\":1}\n]\n",
        "[{\"path\":\"/a\",\"hits\":3}]\n[{\"path\":\"/b\",\"hits\":1}]\n",
    ] {
        assert_eq!(rows(text.as_bytes()).unwrap(), both, "{text}");
    }
    insta::assert_snapshot!(refused(&pretty.replace("1\n", "-1\n").replace("\"/a\"", "7")), @r#"
    line 4: expected a string in "path", found 7
    line 8: expected a whole number from 0 to 9007199254740991 in "hits", found -1
    "#);
    insta::assert_snapshot!(refused("{\n  \"counts\": [\n    {]\n}\n"), @"line 3: expected JSON, found a syntax error at column 6");
    insta::assert_snapshot!(refused("[\n  {\n"), @"line 2: expected more JSON, found the end of the text");
    insta::assert_snapshot!(refused("[7]\n{\"counts\":{}}\n{\"path\":\"/a\",\"hits\":1,\"days\":[]}"), @r#"
    line 1: expected a JSON object, found 7
    line 2: expected a list in "counts", found an object
    line 3: expected an object in "days", found a list
    "#);
}

#[test]
fn numbers_above_largest_count_are_rejected() {
    let max = 9_007_199_254_740_991_u64;
    assert_eq!(rows(format!("/a,{max}").as_bytes()).unwrap()[0].hits, max);
    for text in [format!("/a,{}", max + 1), "{\"path\":\"/a\",\"hits\":18446744073709551615}".to_owned()] {
        let why = refused(&text);
        assert!(
            why.starts_with("line 1: expected a whole number from 0 to 9007199254740991 in \"hits\", found "),
            "{why}"
        );
    }
    assert_eq!(
        refused(&format!("/a,{max}\n/a/,1\n")),
        "line 2: expected at most 9007199254740991 views of \"/a\" in all lines, found more"
    );
}

#[test]
fn unread_columns_are_reported() {
    let (_, report) =
        parse_counts(b"path,hits,title\n/a,1,x\n/b,2,y\n", None, &ImportOptions::default()).unwrap();
    assert_eq!((report.lines, report.format), (2, "CSV"));
    assert_eq!(report.not_kept, ["the column title"]);
}

#[test]
fn rows_of_equivalent_paths_are_added() {
    let text =
        "/a/,3,2026-09-20,2026-09-21T10:00:00Z\n/a/index.html,4,2026-09-19,2026-09-20T10:00:00Z\n/a,1\n";
    let sum = row("/a", 8, Some("2026-09-19"), Some("2026-09-21T10:00:00Z"));
    assert_eq!(rows(text.as_bytes()).unwrap(), [sum]);
}

#[test]
fn every_invalid_line_is_reported() {
    let text = "path,hits,first\n/a,1,\n/b,-1,\n!lease,1,\n/c,1,yesterday\n\"/d\"x,1,\n/e\n/f,1,,,x\n\"/g\n";
    insta::assert_snapshot!(refused(text), @r#"
    line 3: expected a whole number from 0 to 9007199254740991 in "hits", found "-1"
    line 4: expected a path that can be counted, found "!lease": the path begins with `!`, which is reserved
    line 5: expected a time such as 2026-09-20T10:00:00Z, found "yesterday"
    line 6: expected a separator or the end of the line after a closing quote, found 'x'
    line 7: expected cells for path and hits, found fewer
    line 8: expected at most 3 cells, found 5
    line 9: expected a closing quote, found the end of the file
    "#);
    insta::assert_snapshot!(refused("{\"path\":\"/a\",\"hits\":1}\n{\"path\":\"/b\"}\n{\"path\":\"/c\",\"hits\":1.5}\nx\n"), @r#"
    line 2: expected a field "hits", found none
    line 3: expected a whole number from 0 to 9007199254740991 in "hits", found 1.5
    line 4: expected JSON, found a syntax error at column 1
    "#);
    insta::assert_snapshot!(refused("page,count\n/a,1\n"), @"line 1: expected a header with the columns path and hits, found none named path or hits");
    let why = rows(b"/a,1\n/\xff,1\n").unwrap_err().message.clone();
    assert_eq!(why, "line 2: expected UTF-8, found invalid bytes");
    let many = refused(&format!("path,hits\n{}", "/a,x\n".repeat(30)));
    assert_eq!(many.lines().count(), 21);
    assert!(many.ends_with("\nand 10 more"), "{many}");
}

#[test]
fn line_numbers_count_line_ends_within_quotes() {
    insta::assert_snapshot!(refused("path,hits\n\"a\nb\",1\n/c,x\n"), @r#"
    line 2: expected a path that can be counted, found "a\nb": the path contains a control character
    line 4: expected a whole number from 0 to 9007199254740991 in "hits", found "x"
    "#);
}

proptest! {
    /// Checks that every cell is unchanged after a round trip through CSV.
    #[test]
    fn csv_round_trip_keeps_cells(cells in prop::collection::vec(any::<(String, u64)>(), 1..20)) {
        let all: Vec<CountRow> = cells.iter().map(|(path, hits)| row(path, *hits, None, None)).collect();
        let read: Vec<Vec<String>> = csv_records(&export::to_csv(&all), ',', 1).map(|(_, cells)| cells.unwrap()).collect();
        prop_assert_eq!(read.len(), all.len() + 1);
        for (cells, row) in read[1..].iter().zip(&all) {
            prop_assert_eq!(&csv::unescape_formula(cells[0].clone()), &row.path);
            prop_assert!(!cells[0].starts_with(['=', '+', '-', '@', '\t', '\r']));
            prop_assert_eq!(&cells[1], &row.hits.to_string());
        }
    }

    /// Checks that the parser does not panic for any input.
    #[test]
    fn parse_counts_of_random_bytes_does_not_panic(content in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(rows(&content));
    }
}
