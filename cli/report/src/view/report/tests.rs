//! Tests of the report: its charts, its JSON, and the escaping of texts in its page.

use super::*;
use crate::render::Renderable;
use crate::test_styles::{NARROW, WIDE, fits};

fn row(path: &str, hits: u64, uniques: u64, days: &[(&str, u64, u64)]) -> CountRow {
    let tally = |hits, uniques| Tally { hits, uniques };
    CountRow {
        hits,
        uniques,
        days: days.iter().map(|(day, hits, uniques)| ((*day).to_owned(), tally(*hits, *uniques))).collect(),
        months: BTreeMap::from([("2026-11".to_owned(), tally(hits, uniques))]),
        ..CountRow::zero(path)
    }
}

fn range() -> ReportRange {
    let days = (15..=21).map(|day| format!("2026-11-{day}")).collect();
    ReportRange { days, months: vec!["2026-10".to_owned(), "2026-11".to_owned()], top: 2 }
}

fn report() -> ReportView {
    let counts = vec![
        row("/about", 300, 200, &[("2026-11-20", 100, 80), ("2026-11-21", 20, 15)]),
        row("/", 1234, 800, &[("2026-11-15", 4, 3), ("2026-11-20", 400, 250), ("2026-11-21", 30, 12)]),
        row("/<script>alert(1)</script>", 7, 7, &[]),
    ];
    let site = row("!site", 0, 900, &[("2026-11-15", 0, 3), ("2026-11-20", 0, 300), ("2026-11-21", 0, 20)]);
    let reasons =
        |pairs: &[(&str, u64)]| pairs.iter().map(|(reason, n)| ((*reason).to_owned(), *n)).collect();
    let dropped = BTreeMap::from([
        ("2026-10".to_owned(), reasons(&[("bot", 40)])),
        ("2026-11".to_owned(), reasons(&[("bot", 25), ("dup", 9), ("gpc", 0)])),
    ]);
    let report = ReportView::new("blog", "prod", &range(), true).with_counts(counts, &site, &range());
    ReportView { dropped, ..report }
}

#[test]
fn report_shows_charts_in_terminal() {
    insta::assert_snapshot!(report().to_text(WIDE), @"
    blog prod: 1,541 views, 900 visitors on 3 paths; today 50 views, 20 visitors

    Views per day, 2026-11-15 to 2026-11-21, maximum 500
                     ██
                     ██
                     ██
                     ██
                     ██
      ▁▁             ██ ▅▅
      ────────────────────

    Visitors per day, 2026-11-15 to 2026-11-21, maximum 300
                     ██
                     ██
                     ██
                     ██
                     ██
      ▁▁             ██ ▃▃
      ────────────────────

    Views per month, 2026-10 to 2026-11, maximum 1,541
         ██
         ██
         ██
         ██
         ██
         ██
      ─────

    PATH    VIEWS  VISITORS
    /       1,234       800  ████████████████████████
    /about    300       200  █████▉

    NOT COUNTED  VIEWS
    bot             65  ████████████████████████
    dup              9  ███▍
    ");
    assert!(fits(&report().to_text(NARROW), NARROW), "{}", report().to_text(NARROW));
    let ascii = report().to_text(TextStyle { unicode: false, ..WIDE });
    assert!(ascii.is_ascii(), "{ascii}");
}

#[test]
fn report_without_views_suggests_snippet() {
    let empty = ReportView::new("blog", "prod", &range(), false);
    insta::assert_snapshot!(empty.to_text(WIDE), @"
    blog prod: 0 views on 0 paths; today 0 views
    No views yet. `hitctl snippet` prints the lines for your pages.
    ");
}

#[test]
fn report_json_contains_uniques_only_if_visitors_are_counted() {
    let mut report = report();
    report.days.truncate(1);
    insta::assert_snapshot!(report.to_json(), @r#"{"v":1,"app":"blog","env":"prod","hits":1541,"uniques":900,"paths":3,"days":[{"time":"2026-11-15","hits":4,"uniques":3}],"months":[{"time":"2026-10","hits":0,"uniques":0},{"time":"2026-11","hits":1541,"uniques":900}],"top":[{"path":"/","hits":1234,"uniques":800,"first":null,"last":null},{"path":"/about","hits":300,"uniques":200,"first":null,"last":null}],"dropped":{"2026-10":{"bot":40},"2026-11":{"bot":25,"dup":9,"gpc":0}}}"#);
    let without_visitors =
        ReportView::new("blog", "prod", &ReportRange { days: vec![], months: vec![], top: 1 }, false);
    assert!(
        !without_visitors.to_json().contains("uniques") && !without_visitors.to_json().contains("addresses")
    );
}

#[test]
fn site_visitors_are_not_sum_over_paths() {
    let report = report();
    assert_eq!((report.hits, report.uniques), (1541, Some(900)));
    assert_eq!(report.today(), Tally { hits: 50, uniques: 20 });
    assert_eq!(report.drop_reasons(), [("bot", 65), ("dup", 9)]);
}

#[test]
fn html_page_is_self_contained_and_escaped() {
    let mut report = report();
    report.addresses = vec![VisitorIpRow { address: "\"><b>".to_owned(), hits: 1, first: None, last: None }];
    report.top = vec![row("/<script>alert(1)</script>", 7, 7, &[]), row("a\"b'c&d", 1, 1, &[])];
    let page = report.page();
    assert!(!page.contains("<script") && !page.contains("\"><b>"), "{page}");
    assert!(page.contains("/&lt;script&gt;alert(1)&lt;/script&gt;") && page.contains("a&quot;b&#39;c&amp;d"));
    for other_host in ["http:", "https:", "//", "@import", "url("] {
        let position = page.find(other_host);
        assert!(position.is_none(), "{other_host}: {}", &page[position.unwrap_or(0)..][..60]);
    }
    assert_eq!(page.matches("<rect").count(), 2 * 3 + 2, "views and visitors of three days, and of a month");
    assert!(page.contains("<title>2026-11-20: 500 views, 300 visitors</title>"));
}
