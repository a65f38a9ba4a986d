//! Files of counts, good and bad.

use proptest::prelude::*;

use super::*;
use crate::report;

fn row(path: &str, hits: u64, first: Option<&str>, last: Option<&str>) -> CountRow {
    let own = |text: Option<&str>| text.map(str::to_owned);
    CountRow { hits, first: own(first), last: own(last), ..CountRow::zero(path) }
}

fn read(content: &[u8]) -> Result<Numbers, Failure> {
    numbers(content, Input::Auto, &Taking::default()).map(|(numbers, _)| numbers)
}

fn rows(content: &[u8]) -> Result<Vec<CountRow>, Failure> {
    read(content).map(|numbers| numbers.counts)
}

fn refused(text: &str) -> String {
    rows(text.as_bytes()).unwrap_err().message.clone()
}

#[test]
fn what_was_exported_is_read() {
    let all = vec![
        row("/", 7, Some("2026-09-20"), Some("2026-09-21T10:00:00Z")),
        row("a \"b\", c", 0, None, None),
        row("#", 1, None, Some("2026-09-21T10:00:00Z")),
    ];
    let mut sorted = all.clone();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(rows(report::csv(&all).as_bytes()).unwrap(), sorted);
    let ndjson = report::ndjson(&Numbers { counts: all.clone(), ..Numbers::default() });
    assert_eq!(rows(ndjson.as_bytes()).unwrap(), sorted);
    let object = serde_json::json!({ "v": 1, "counts": all }).to_string();
    assert_eq!(rows(object.as_bytes()).unwrap(), sorted);
}

#[test]
fn files_of_others_are_read() {
    // No header, no times, blanks, LF alone, a byte order mark, no end of the last line.
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
fn columns_of_visitors_are_read_with_and_without_a_header() {
    let with = |uniques| CountRow { uniques, ..row("/a", 9, Some("2026-09-20"), None) };
    assert_eq!(rows(b"path,hits,uniques,first,last\n/a,9,4,2026-09-20,\n").unwrap(), [with(4)]);
    assert_eq!(rows(b"path,hits,uniques,first\n/a,9,,2026-09-20\n").unwrap(), [with(0)]);
    assert_eq!(rows(b"/a,9,4,2026-09-20,\n").unwrap(), [with(4)]);
    assert_eq!(rows(b"/a,9,2026-09-20,\n").unwrap(), [with(0)]);
    assert_eq!(rows(b"/a,9,4\n").unwrap(), [CountRow { first: None, ..with(4) }]);
    let why = refused("path,hits,uniques\n/a,9,some\n");
    assert_eq!(why, "line 2: \"some\" is no number of visitors");
}

#[test]
fn objects_carry_days_months_the_site_and_what_was_dropped() {
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
    line 1: "yesterday" is no time, such as 2026-09-20T10:00:00Z
    line 2: "1999-12-31" is not between the years 2000 and 2099
    line 3: "2026-13" is no month, such as 2026-09
    line 4: "2126-12" is not between the years 2000 and 2099
    line 5: missing field `uniques`
    line 6: "hits!" is no reason why something is not counted
    "#);
}

#[test]
fn parameters_that_belong_to_a_path_stay() {
    let taking = Taking { keep_query: vec!["id".to_owned()], robots: false };
    let (read, _) = numbers(b"/a?x=1&id=2,3\n", Input::Auto, &taking).unwrap();
    assert_eq!(read.counts, [row("/a?id=2", 3, None, None)]);
}

#[test]
fn one_path_under_several_names_is_added_up() {
    let text =
        "/a/,3,2026-09-20,2026-09-21T10:00:00Z\n/a/index.html,4,2026-09-19,2026-09-20T10:00:00Z\n/a,1\n";
    let sum = row("/a", 8, Some("2026-09-19"), Some("2026-09-21T10:00:00Z"));
    assert_eq!(rows(text.as_bytes()).unwrap(), [sum]);
}

#[test]
fn every_bad_line_is_told() {
    let text = "path,hits,first\n/a,1,\n/b,-1,\n!lease,1,\n/c,1,yesterday\n\"/d\"x,1,\n/e\n/f,1,,,\n\"/g\n";
    insta::assert_snapshot!(refused(text), @r#"
    line 3: "-1" is no number of hits
    line 4: "!lease" is not counted: the path begins with `!`, which is reserved
    line 5: "yesterday" is no time, such as 2026-09-20T10:00:00Z
    line 6: something follows a closing quote
    line 7: it has no path or no hits
    line 8: it has 5 cells, but there are 3 columns
    line 9: a quote is not closed
    "#);
    insta::assert_snapshot!(refused("{\"path\":\"/a\",\"hits\":1}\n{\"path\":\"/b\"}\n{\"path\":\"/c\",\"hits\":1.5}\nx\n"), @r"
    line 2: missing field `hits`
    line 3: invalid type: floating point `1.5`, expected u64
    line 4: expected value
    ");
    insta::assert_snapshot!(refused("page,count\n/a,1\n"), @"line 1: the header has no column path and hits");
    let why = rows(b"/a,1\n/\xff,1\n").unwrap_err().message.clone();
    assert_eq!(why, "line 2: it is not UTF-8");
    let many = refused(&format!("path,hits\n{}", "/a,x\n".repeat(30)));
    assert_eq!(many.lines().count(), 21);
    assert!(many.ends_with("\nand 10 more"), "{many}");
}

#[test]
fn a_number_of_a_line_counts_lines_within_quotes() {
    insta::assert_snapshot!(refused("path,hits\n\"a\nb\",1\n/c,x\n"), @r#"
    line 2: "a\nb" is not counted: the path holds a control character
    line 4: "x" is no number of hits
    "#);
}

proptest! {
    /// Whatever is in a cell comes back out of the CSV.
    #[test]
    fn csv_comes_back(cells in prop::collection::vec(any::<(String, u64)>(), 1..20)) {
        let all: Vec<CountRow> = cells.iter().map(|(path, hits)| row(path, *hits, None, None)).collect();
        let read: Vec<Vec<String>> = records(&report::csv(&all)).map(|(_, cells)| cells.unwrap()).collect();
        prop_assert_eq!(read.len(), all.len() + 1);
        for (cells, row) in read[1..].iter().zip(&all) {
            prop_assert_eq!(&cells[0], &row.path);
            prop_assert_eq!(&cells[1], &row.hits.to_string());
        }
    }

    /// Nothing makes it panic.
    #[test]
    fn anything_is_read_or_refused(content in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(rows(&content));
    }
}
