//! The widget in a real browser, on pages of a test's own, with a server in the place of the counter that keeps what it was
//! asked.

use hit_counter::widget::SCRIPT;
use serde_json::{Value as Json, json};

use super::stand::{Asked, Reply, Stand};
use super::webdriver::Browser;

/// What a counter answers to the hit of a path.
pub(super) const ANSWER: &str =
    r#"{"v":1,"path":"/","hits":1234,"uniques":980,"today":{"hits":12,"uniques":9},"counted":true}"#;

/// One element a value.
pub(super) const SPOTS: &str = "<p><b data-hitctl=hits>many</b> <b data-hitctl=uniques>some</b> <b data-hitctl=today>few</b> \
                     <b data-hitctl=site>all</b> <b data-hitctl>plain</b> <b data-hitctl=v2>odd</b> <i class=views>shown</i>";
/// Their texts.
pub(super) const TEXTS: &str = "[...document.querySelectorAll('b,i')].map((spot) => spot.textContent)";
/// What the author wrote.
pub(super) const UNTOUCHED: [&str; 7] = ["many", "some", "few", "all", "plain", "odd", "shown"];

/// Before all else on a page: waits are over at once, and what goes wrong unseen is kept.
pub(super) const HEAD: &str = "<!doctype html><meta charset=utf-8><title>x</title><script>\
                    Math.random = () => 0; window.wrong = []; \
                    addEventListener('error', (event) => wrong.push(String(event.message))); \
                    addEventListener('unhandledrejection', (event) => wrong.push(String(event.reason)));</script>";

/// How many hits the page has sent and seen the end of, well or not.
pub(super) const SENT: &str =
    "performance.getEntriesByType('resource').filter((entry) => /v1\\/hit$/.test(entry.name)).length";

/// A counter that answers every hit.
pub(super) fn counter() -> Stand {
    Stand::open(|asked, _| answer(asked))
}

pub(super) fn answer(asked: &Asked) -> Reply {
    match asked.target.as_str() {
        "/v1/widget.js" => Reply::new(200, SCRIPT),
        "/v1/hit" => Reply::new(200, ANSWER),
        "/v1/count" => Reply::new(200, r#"{"v":1,"hits":56789,"today":{"hits":70}}"#),
        _ => Reply::new(404, r#"{"error":"not_found"}"#),
    }
}

/// A counter that gives the answers of a list to hits, and then the last of them for ever.
pub(super) fn counter_that_answers(answers: &'static [(u16, &'static str)]) -> Stand {
    Stand::open(move |asked, before| {
        if asked.target != "/v1/hit" {
            return answer(asked);
        }
        let at = hits(before).len().min(answers.len() - 1);
        let (status, body) = answers[at];
        Reply::new(status, body)
    })
}

/// A site whose every page is this one.
pub(super) fn site(page: &str) -> Stand {
    let page = page.to_owned();
    Stand::open(move |_, _| Reply::new(200, page.clone()))
}

/// The element of the script, with more attributes.
pub(super) fn tag(api: &Stand, more: &str) -> String {
    format!("<script defer src='{}/v1/widget.js' {more}></script>", api.url)
}

pub(super) fn page(api: &Stand, more: &str) -> String {
    format!("{HEAD}{}{SPOTS}", tag(api, more))
}

/// The bodies of the hits among these.
pub(super) fn hits(asked: &[Asked]) -> Vec<Json> {
    let hits = asked.iter().filter(|asked| asked.target == "/v1/hit");
    hits.map(|hit| serde_json::from_str(&hit.body).unwrap_or_else(|why| panic!("{why}: {hit:?}"))).collect()
}

pub(super) fn paths(api: &Stand) -> Vec<String> {
    hits(&api.asked()).iter().map(|hit| hit["p"].as_str().unwrap().to_owned()).collect()
}

pub(super) fn open() -> Option<(Browser, tempfile::TempDir)> {
    let home = tempfile::tempdir().unwrap();
    Some((Browser::open(home.path())?, home))
}

/// Nothing was thrown on the page, and the console says nothing.
pub(super) fn is_silent(browser: &Browser) {
    assert_eq!(browser.eval("window.wrong"), json!([]));
    assert_eq!(browser.console(), Vec::<String>::new());
}

/// The page has sent so many hits, nothing was thrown, and all is as its author wrote it.
pub(super) fn is_untouched_after(browser: &Browser, sent: u32) {
    browser.wait_for(&format!("{SENT} === {sent}"));
    settle(browser);
    assert_eq!(browser.eval(SENT), sent);
    assert_eq!(browser.eval(TEXTS), json!(UNTOUCHED));
    assert_eq!(browser.eval("window.wrong"), json!([]));
}

/// Gives whatever the page would still do its turn: timers, and then a way to a server and back.
pub(super) fn settle(browser: &Browser) {
    let turn = "new Promise((go) => setTimeout(go))";
    browser.wait_for(&format!(
        "{turn}.then(() => {turn}).then(() => fetch('/settle').catch(() => 0)).then(() => {turn})\
                               .then(() => true)"
    ));
}

#[test]
fn a_page_is_counted_once_and_shows_its_numbers() {
    let Some((browser, _home)) = open() else { return };
    let api = counter();
    let site = site(&page(&api, "data-show=.views"));
    browser.goto(&format!("{}/a/b.html?utm_source=x#y", site.url));
    browser.wait_for("document.querySelector('[data-hitctl=site]').textContent != 'all'");
    browser.wait_for("document.querySelector('.views').textContent != 'shown'");
    assert_eq!(browser.eval(TEXTS), json!(["1,234", "980", "12", "56,789", "1,234", "odd", "1,234"]));

    let asked = api.asked();
    let list: Vec<_> = asked
        .iter()
        .map(|asked| (asked.method.as_str(), asked.target.as_str(), asked.body.as_str()))
        .collect();
    // A browser that a test drives says that it is a robot, and so does the widget.
    let wanted = [
        ("GET", "/v1/widget.js", ""),
        ("POST", "/v1/hit", r#"{"p":"/a/b.html","b":1}"#),
        ("GET", "/v1/count", ""),
    ];
    assert_eq!(list, wanted);
    assert_eq!(asked[1].header("content-type"), Some("text/plain;charset=UTF-8"), "no preflight");
    assert_eq!(asked[1].header("origin"), Some(site.url.as_str()));
    assert!(asked.iter().all(|asked| asked.header("cookie").is_none()));

    assert_eq!(
        browser.eval("[localStorage.length, sessionStorage.length, document.cookie]"),
        json!([0, 0, ""])
    );
    assert_eq!(browser.wait_for("Promise.all([indexedDB.databases(), caches.keys()])"), json!([[], []]));
    is_silent(&browser);
}

#[test]
fn without_visitors_what_has_no_number_keeps_its_text() {
    let Some((browser, _home)) = open() else { return };
    for body in [
        r#"{"v":1,"path":"/","hits":0,"today":{"hits":0},"counted":false,"why":"bot"}"#,
        r#"{"v":1,"path":"/","hits":0,"uniques":null,"today":{"hits":0},"counted":true}"#,
    ] {
        let api = counter_that_answers(Box::leak(Box::new([(200, body)])));
        browser.goto(&site(&page(&api, "")).url);
        browser.wait_for("document.querySelector('[data-hitctl=site]').textContent != 'all'");
        browser.wait_for("document.querySelector('[data-hitctl=\"\"]').textContent != 'plain'");
        assert_eq!(browser.eval(TEXTS), json!(["0", "some", "0", "56,789", "0", "odd", "shown"]));
        is_silent(&browser);
    }
}

#[test]
fn a_canonical_link_of_the_same_host_is_the_path() {
    let Some((browser, _home)) = open() else { return };
    let api = counter();
    let site = Stand::open({
        let page = page(&api, "");
        move |asked, _| {
            let canonical = match asked.target.as_str() {
                "/one?page=2" => "/canonical/?x=1#y",
                "/two" => "https://elsewhere.example/canonical",
                "/three" => "",
                _ => return Reply::new(200, page.clone()),
            };
            Reply::new(200, format!("{page}<link rel=canonical href='{canonical}'>"))
        }
    });
    for path in ["/one?page=2", "/two", "/three", "/four/%22%5C'\u{e9} x"] {
        browser.goto(&format!("{}{path}", site.url));
        browser.wait_for("document.querySelector('b').textContent != 'many'");
        assert_eq!(browser.eval("window.wrong"), json!([]));
    }
    assert_eq!(paths(&api), ["/canonical/", "/two", "/three", "/four/%22%5C'%C3%A9%20x"]);
}

#[test]
fn two_widgets_of_one_counter_count_once() {
    let Some((browser, _home)) = open() else { return };
    let (api, other) = (counter(), counter());
    let twice = format!("{}{}{}", page(&api, ""), tag(&api, ""), tag(&other, "data-spa"));
    browser.goto(&format!("{}/x", site(&twice).url));
    browser.wait_for(&format!("{SENT} === 2"));
    browser.eval("history.pushState({}, '', '/y')");
    browser.wait_for(&format!("{SENT} === 3"));
    assert_eq!((paths(&api), paths(&other)), (vec!["/x".to_owned()], vec!["/x".to_owned(), "/y".to_owned()]));
    is_silent(&browser);
}

/// What a counter says that is serving somebody else.
const BUSY: (u16, &str) = (503, r#"{"error":"busy"}"#);

#[test]
fn busy_or_throttled_hit_is_sent_again_five_times() {
    let Some((browser, _home)) = open() else { return };
    for answers in
        [&[BUSY, (429, r#"{"message":"Too Many Requests"}"#), (200, ANSWER)] as &[_], &[BUSY, (200, ANSWER)]]
    {
        let api = counter_that_answers(answers);
        browser.goto(&site(&page(&api, "")).url);
        assert_eq!(browser.wait_for("document.querySelector('b').textContent.match(/1,234/)?.[0]"), "1,234");
        assert_eq!(hits(&api.asked()).len(), answers.len());
        assert_eq!(browser.eval("window.wrong"), json!([]));
    }
    let api = counter_that_answers(&[BUSY]);
    browser.goto(&site(&page(&api, "").replace("=site", "=none")).url);
    is_untouched_after(&browser, 6);
    assert_eq!(hits(&api.asked()).len(), 6);
}

#[test]
fn what_fails_otherwise_is_not_asked_again() {
    let Some((browser, _home)) = open() else { return };
    for answer in [
        (500, r#"{"error":"internal"}"#),
        (403, r#"{"error":"origin_not_allowed","message":"no"}"#),
        (502, "<html>"),
        (200, "<html>"),
        (200, "null"),
        (200, "{}"),
    ] {
        let api = counter_that_answers(Box::leak(Box::new([answer])));
        browser.goto(&site(&page(&api, "").replace("=site", "=none")).url);
        is_untouched_after(&browser, 1);
        assert_eq!(hits(&api.asked()).len(), 1, "{answer:?}");
    }
}
