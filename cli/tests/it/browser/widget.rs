//! The widget in a real browser on test pages, with a stub server in place of the counter.

use hit_counter::widget::SCRIPT;
use serde_json::{Value as Json, json};

use super::stub_server::{RecordedRequest, StubResponse, StubServer};
use super::webdriver::Browser;

/// The response of a counter to a hit.
pub(super) const HIT_RESPONSE: &str =
    r#"{"v":1,"path":"/","hits":1234,"uniques":980,"today":{"hits":12,"uniques":9},"counted":true}"#;

/// Elements of a test page, each with its initial text. The widget fills all of them except `v2`, which is not a number
/// of the response, and `.views`, which it fills only if `data-show` selects it.
pub(super) const SPOTS: &str = "<p><b data-hitctl=hits>many</b> <b data-hitctl=uniques>some</b> <b data-hitctl=today>few</b> \
                     <b data-hitctl=site>all</b> <b data-hitctl>plain</b> <b data-hitctl=v2>odd</b> <i class=views>shown</i>";
/// A JavaScript expression for the texts of these elements.
pub(super) const TEXTS: &str = "[...document.querySelectorAll('b,i')].map((spot) => spot.textContent)";
/// The texts of the elements before the widget fills them.
pub(super) const UNTOUCHED: [&str; 7] = ["many", "some", "few", "all", "plain", "odd", "shown"];

/// The beginning of a test page. `Math.random` returns 0, so the widget retries without a pause. Uncaught errors are
/// collected in `window.wrong`.
pub(super) const HEAD: &str = "<!doctype html><meta charset=utf-8><title>x</title><script>\
                    Math.random = () => 0; window.wrong = []; \
                    addEventListener('error', (event) => wrong.push(String(event.message))); \
                    addEventListener('unhandledrejection', (event) => wrong.push(String(event.reason)));</script>";

/// A JavaScript expression for the number of completed hits, successful or not.
pub(super) const SENT: &str =
    "performance.getEntriesByType('resource').filter((entry) => /v1\\/hit$/.test(entry.name)).length";

/// Starts a counter that accepts every hit.
pub(super) fn counter() -> StubServer {
    StubServer::start(|request, _| respond(request))
}

pub(super) fn respond(request: &RecordedRequest) -> StubResponse {
    match request.target.as_str() {
        "/v1/widget.js" => StubResponse::new(200, SCRIPT),
        "/v1/hit" => StubResponse::new(200, HIT_RESPONSE),
        "/v1/count" => StubResponse::new(200, r#"{"v":1,"hits":56789,"today":{"hits":70}}"#),
        _ => StubResponse::new(404, r#"{"error":"not_found"}"#),
    }
}

/// Starts a counter that returns these responses to hits in order, and then always the last one.
pub(super) fn counter_with_responses(responses: &'static [(u16, &'static str)]) -> StubServer {
    StubServer::start(move |request, previous| {
        if request.target != "/v1/hit" {
            return respond(request);
        }
        let at = hits(previous).len().min(responses.len() - 1);
        let (status, body) = responses[at];
        StubResponse::new(status, body)
    })
}

/// Serves this page under every path.
pub(super) fn site(page: &str) -> StubServer {
    let page = page.to_owned();
    StubServer::start(move |_, _| StubResponse::new(200, page.clone()))
}

/// Returns the script element of the widget, with `more` attributes.
pub(super) fn tag(api: &StubServer, more: &str) -> String {
    format!("<script defer src='{}/v1/widget.js' {more}></script>", api.url)
}

pub(super) fn page(api: &StubServer, more: &str) -> String {
    format!("{HEAD}{}{SPOTS}", tag(api, more))
}

/// Renames the element for the site's count. Otherwise the widget would fill it even after a failed hit, because its
/// number comes from another request (`/v1/count`).
pub(super) fn without_site_count(page: &str) -> String {
    page.replace("=site", "=none")
}

/// Returns the bodies of the hits among these requests.
pub(super) fn hits(requests: &[RecordedRequest]) -> Vec<Json> {
    let hits = requests.iter().filter(|request| request.target == "/v1/hit");
    hits.map(|hit| serde_json::from_str(&hit.body).unwrap_or_else(|error| panic!("{error}: {hit:?}")))
        .collect()
}

pub(super) fn paths(api: &StubServer) -> Vec<String> {
    hits(&api.requests()).iter().map(|hit| hit["p"].as_str().unwrap().to_owned()).collect()
}

pub(super) fn open() -> Option<(Browser, tempfile::TempDir)> {
    let home = tempfile::tempdir().unwrap();
    Some((Browser::open(home.path())?, home))
}

/// Asserts that the page threw no error and that the console is empty.
pub(super) fn assert_silent(browser: &Browser) {
    assert_eq!(browser.eval("window.wrong"), json!([]));
    assert_eq!(browser.console(), Vec::<String>::new());
}

/// Asserts that the page has sent `sent` hits, threw no error, and still shows its initial texts.
pub(super) fn assert_untouched_after(browser: &Browser, sent: u32) {
    browser.wait_for(&format!("{SENT} === {sent}"));
    run_pending_tasks(browser);
    assert_eq!(browser.eval(SENT), sent);
    assert_eq!(browser.eval(TEXTS), json!(UNTOUCHED));
    assert_eq!(browser.eval("window.wrong"), json!([]));
}

/// Waits for the pending work of the page: timers, and then a round trip to a server.
pub(super) fn run_pending_tasks(browser: &Browser) {
    let tick = "new Promise((go) => setTimeout(go))";
    browser.wait_for(&format!(
        "{tick}.then(() => {tick}).then(() => fetch('/settle').catch(() => 0)).then(() => {tick})\
                               .then(() => true)"
    ));
}

#[test]
fn page_is_counted_once_and_shows_its_numbers() {
    let Some((browser, _home)) = open() else { return };
    let api = counter();
    let site = site(&page(&api, "data-show=.views"));
    browser.goto(&format!("{}/a/b.html?utm_source=x#y", site.url));
    browser.wait_for("document.querySelector('[data-hitctl=site]').textContent != 'all'");
    browser.wait_for("document.querySelector('.views').textContent != 'shown'");
    assert_eq!(browser.eval(TEXTS), json!(["1,234", "980", "12", "56,789", "1,234", "odd", "1,234"]));

    let requests = api.requests();
    let list: Vec<_> = requests
        .iter()
        .map(|request| (request.method.as_str(), request.target.as_str(), request.body.as_str()))
        .collect();
    // A browser under WebDriver identifies itself as a bot, which the widget reports as `b`.
    let expected = [
        ("GET", "/v1/widget.js", ""),
        ("POST", "/v1/hit", r#"{"p":"/a/b.html","b":1}"#),
        ("GET", "/v1/count", ""),
    ];
    assert_eq!(list, expected);
    assert_eq!(requests[1].header("content-type"), Some("text/plain;charset=UTF-8"), "no preflight");
    assert_eq!(requests[1].header("origin"), Some(site.url.as_str()));
    assert!(requests.iter().all(|request| request.header("cookie").is_none()));

    assert_eq!(
        browser.eval("[localStorage.length, sessionStorage.length, document.cookie]"),
        json!([0, 0, ""])
    );
    assert_eq!(browser.wait_for("Promise.all([indexedDB.databases(), caches.keys()])"), json!([[], []]));
    assert_silent(&browser);
}

#[test]
fn elements_without_a_number_keep_their_text() {
    let Some((browser, _home)) = open() else { return };
    for body in [
        r#"{"v":1,"path":"/","hits":0,"today":{"hits":0},"counted":false,"why":"bot"}"#,
        r#"{"v":1,"path":"/","hits":0,"uniques":null,"today":{"hits":0},"counted":true}"#,
    ] {
        let api = counter_with_responses(Box::leak(Box::new([(200, body)])));
        browser.goto(&site(&page(&api, "")).url);
        browser.wait_for("document.querySelector('[data-hitctl=site]').textContent != 'all'");
        browser.wait_for("document.querySelector('[data-hitctl=\"\"]').textContent != 'plain'");
        assert_eq!(browser.eval(TEXTS), json!(["0", "some", "0", "56,789", "0", "odd", "shown"]));
        assert_silent(&browser);
    }
}

#[test]
fn canonical_link_of_same_host_is_the_path() {
    let Some((browser, _home)) = open() else { return };
    let api = counter();
    let site = StubServer::start({
        let page = page(&api, "");
        move |request, _| {
            let canonical = match request.target.as_str() {
                "/one?page=2" => "/canonical/?x=1#y",
                "/two" => "https://elsewhere.example/canonical",
                "/three" => "",
                _ => return StubResponse::new(200, page.clone()),
            };
            StubResponse::new(200, format!("{page}<link rel=canonical href='{canonical}'>"))
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
    assert_silent(&browser);
}

/// The response of a counter whose table is throttling writes.
const BUSY: (u16, &str) = (503, r#"{"error":"busy"}"#);

#[test]
fn busy_or_throttled_hit_is_retried_five_times() {
    let Some((browser, _home)) = open() else { return };
    for responses in [
        &[BUSY, (429, r#"{"message":"Too Many Requests"}"#), (200, HIT_RESPONSE)] as &[_],
        &[BUSY, (200, HIT_RESPONSE)],
    ] {
        let api = counter_with_responses(responses);
        browser.goto(&site(&page(&api, "")).url);
        assert_eq!(browser.wait_for("document.querySelector('b').textContent.match(/1,234/)?.[0]"), "1,234");
        assert_eq!(hits(&api.requests()).len(), responses.len());
        assert_eq!(browser.eval("window.wrong"), json!([]));
    }
    let api = counter_with_responses(&[BUSY]);
    browser.goto(&site(&without_site_count(&page(&api, ""))).url);
    assert_untouched_after(&browser, 6);
    assert_eq!(hits(&api.requests()).len(), 6);
}

#[test]
fn other_failures_are_not_retried() {
    let Some((browser, _home)) = open() else { return };
    for response in [
        (500, r#"{"error":"internal"}"#),
        (403, r#"{"error":"origin_not_allowed","message":"no"}"#),
        (502, "<html>"),
        (200, "<html>"),
        (200, "null"),
        (200, "{}"),
    ] {
        let api = counter_with_responses(Box::leak(Box::new([response])));
        browser.goto(&site(&without_site_count(&page(&api, ""))).url);
        assert_untouched_after(&browser, 1);
        assert_eq!(hits(&api.requests()).len(), 1, "{response:?}");
    }
}
