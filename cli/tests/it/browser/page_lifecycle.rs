//! The widget on pages that scripts change or that the browser caches or prerenders, in background tabs and in frames.
//! Also the cases in which it must send nothing, or must leave the page unchanged.

use serde_json::json;

use super::stub_server::{StubResponse, StubServer};
use super::widget::{
    HEAD, HIT_RESPONSE, SENT, SPOTS, TEXTS, UNTOUCHED, assert_silent, assert_untouched_after, counter,
    counter_with_responses, hits, open, page, paths, run_pending_tasks, site, tag, without_site_count,
};

/// A JavaScript expression for the text of the first element, once it shows a number.
const SHOWN: &str =
    "document.querySelector('b').textContent.match(/^[0-9]/) && document.querySelector('b').textContent";

#[test]
fn spa_navigation_with_data_spa_is_counted() {
    let Some((browser, _home)) = open() else { return };
    let api = counter();
    // No script updates the canonical link, so it remains that of the first page.
    let page = format!("{}<link rel=canonical href=/>", page(&api, "data-spa"));
    let site = site(&page);
    browser.goto(&format!("{}/a", site.url));
    let wait_until_sent = |sent: u32| browser.wait_for(&format!("{SENT} === {sent}"));
    wait_until_sent(1);
    let pushed =
        browser.eval("(history.pushState({n: 1}, '', '/b?x=1'), [location.pathname, history.state.n])");
    assert_eq!(pushed, json!(["/b", 1]), "`pushState` still works for the page");
    wait_until_sent(2);
    browser.eval("history.pushState({}, '', '/b?x=2#y')");
    browser.eval("history.replaceState({}, '', '/replaced')");
    browser.eval("document.dispatchEvent(new Event('visibilitychange'))");
    run_pending_tasks(&browser);
    browser.eval("history.pushState({}, '', '/c')");
    wait_until_sent(3);
    browser.eval("history.go(-3)");
    wait_until_sent(4);
    assert_eq!(paths(&api), ["/a", "/b", "/c", "/a"]);
    // Errors of `pushState` still reach the page.
    let refused = "(() => { try { history.pushState(() => 0, '') } catch (error) { return error.name } })()";
    assert_eq!(browser.eval(refused), "DataCloneError");
    assert_silent(&browser);
}

#[test]
fn spa_navigation_without_data_spa_is_not_counted() {
    let Some((browser, _home)) = open() else { return };
    let api = counter();
    let site = site(&page(&api, ""));
    browser.goto(&format!("{}/a", site.url));
    browser.wait_for(&format!("{SENT} === 1"));
    browser.eval("history.pushState({}, '', '/b')");
    browser.eval("history.back()");
    browser.eval("document.dispatchEvent(new Event('visibilitychange'))");
    run_pending_tasks(&browser);
    browser.goto(&format!("{}/c", site.url));
    browser.wait_for(&format!("{SENT} === 1"));
    assert_eq!(paths(&api), ["/a", "/c"]);
}

/// A late response for the previous page must not replace the number of the current page.
#[test]
fn late_response_for_previous_page_is_not_shown() {
    let Some((browser, _home)) = open() else { return };
    let late = HIT_RESPONSE.replace("1234", "1");
    let api =
        StubServer::start(move |request, previous| match (request.target.as_str(), hits(previous).len()) {
            // The hit is retried while the other page is counted.
            ("/v1/hit", 0) => StubResponse::new(503, "{}"),
            ("/v1/hit", _) if request.body.contains("/a") => StubResponse::new(200, late.clone()),
            _ => super::widget::respond(request),
        });
    // The page holds the widget's retry timer until the test releases it. The fixed random number makes the delay of
    // this timer 63 ms (see `widget/source.js`).
    let held = "<script>Math.random = () => .021; window.held = []; const wait = setTimeout; \
                window.setTimeout = (go, ms) => ms > 60 && ms < 70 ? held.push(go) : wait(go, ms)</script>";
    let page = without_site_count(&page(&api, "data-spa"));
    browser.goto(&format!("{}/a", site(&format!("{page}{held}")).url));
    browser.wait_for("held.length === 1");
    browser.eval("history.pushState({}, '', '/b')");
    assert_eq!(browser.wait_for(SHOWN), "1,234");
    browser.eval("held[0]()");
    browser.wait_for(&format!("{SENT} === 3"));
    run_pending_tasks(&browser);
    assert_eq!(browser.eval(SHOWN), "1,234");
    assert_eq!(paths(&api), ["/a", "/b", "/a"]);
}

#[test]
fn page_from_back_forward_cache_is_not_counted_again() {
    let Some((browser, _home)) = open() else { return };
    let api = counter();
    let cached =
        "<script>addEventListener('pageshow', (event) => { window.kept = event.persisted })</script>";
    let site = site(&format!("{}{cached}", page(&api, "")));
    for path in ["/a", "/b"] {
        browser.goto(&format!("{}{path}", site.url));
        browser.wait_for(SHOWN);
    }
    browser.back();
    assert_eq!(browser.wait_for("window.kept"), true, "the page came from the back/forward cache");
    run_pending_tasks(&browser);
    assert_eq!(browser.eval("location.pathname"), "/a");
    browser.goto(&format!("{}/c", site.url));
    browser.wait_for(SHOWN);
    assert_eq!(paths(&api), ["/a", "/b", "/c"]);
    assert_silent(&browser);
}

#[test]
fn background_tab_is_counted_when_shown() {
    let Some((browser, _home)) = open() else { return };
    let api = counter();
    let site = site(&page(&api, ""));
    browser.goto(&format!("{}/front", site.url));
    browser.wait_for(SHOWN);
    let behind = json!({"url": format!("{}/behind", site.url), "background": true});
    let behind = browser.devtools("Target.createTarget", &behind)["targetId"].as_str().unwrap().to_owned();
    // Waits until the background tab has loaded the page and its script.
    while site.requests().len() < 2
        || api.requests().iter().filter(|request| request.target == "/v1/widget.js").count() < 2
    {
        std::thread::yield_now();
    }
    run_pending_tasks(&browser);
    assert_eq!(paths(&api), ["/front"]);
    // Switching to the tab brings it to the front.
    browser.switch_to(&behind);
    assert_eq!(browser.wait_for(SHOWN), "1,234");
    assert_eq!(paths(&api), ["/front", "/behind"]);
}

#[test]
fn prerendered_page_is_counted_when_shown() {
    let Some((browser, _home)) = open() else { return };
    let api = counter();
    let rules = "<script type=speculationrules>{\"prerender\":[{\"urls\":[\"/next\"],\"eagerness\":\"immediate\"}]}</script>";
    let site = site(&format!("{}{rules}<a href=/next>next</a>", page(&api, "")));
    browser.goto(&format!("{}/first", site.url));
    browser.wait_for(SHOWN);
    let prerendered = || {
        let requests = api.requests();
        requests
            .iter()
            .any(|request| request.header("sec-purpose").is_some_and(|purpose| purpose.contains("prerender")))
    };
    while !prerendered() {
        std::thread::yield_now();
    }
    run_pending_tasks(&browser);
    assert_eq!(paths(&api), ["/first"]);
    browser.eval("document.querySelector('a').click()");
    browser.wait_for("location.pathname === '/next'");
    assert_eq!(browser.wait_for(SHOWN), "1,234");
    assert_eq!(paths(&api), ["/first", "/next"]);
    let hits: Vec<_> = api.requests().into_iter().filter(|request| request.target == "/v1/hit").collect();
    assert_eq!(hits[1].header("sec-purpose"), None, "a prefetch would not be counted");
}

#[test]
fn page_in_frame_is_not_counted() {
    let Some((browser, _home)) = open() else { return };
    let api = counter();
    let inner = site(&page(&api, ""));
    let outer = site(&format!("{HEAD}<iframe src='{}/inner'></iframe>", inner.url));
    browser.goto(&outer.url);
    // The frame is loaded with the page, so its widget has run when the pending tasks are done.
    run_pending_tasks(&browser);
    browser.goto(&format!("{}/outer", inner.url));
    browser.wait_for(SHOWN);
    assert_eq!(paths(&api), ["/outer"]);
}

#[test]
fn file_url_sends_nothing() {
    let Some((browser, home)) = open() else { return };
    let api = counter();
    let file = home.path().join("page.html");
    std::fs::write(&file, page(&api, "data-spa")).unwrap();
    browser.goto(&format!("file://{}", file.display()));
    run_pending_tasks(&browser);
    assert_untouched_after(&browser, 0);
    let requests: Vec<_> = api.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(requests, ["/v1/widget.js"]);
}

#[test]
fn page_is_unchanged_when_counter_is_unreachable() {
    let Some((browser, _home)) = open() else { return };
    // A port without a listener. The script comes from another server, as from a cache.
    let closed_port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let script = StubServer::start(|request, _| super::widget::respond(request));
    let redirect_hits = format!(
        "<script>const ask = fetch; window.fetch = (url, init) => ask(String(url).replace('{}', 'http://{closed_port}'), init)</script>",
        script.url
    );
    browser.goto(&site(&format!("{redirect_hits}{}", without_site_count(&page(&script, "")))).url);
    assert_untouched_after(&browser, 6);

    // The script itself is missing.
    let missing_script = StubServer::start(|_, _| StubResponse::new(404, ""));
    browser.goto(&site(&page(&missing_script, "")).url);
    assert_untouched_after(&browser, 0);

    // A browser without `fetch`, a script loaded as a module, and an invalid selector.
    for (before, more) in [("<script>window.fetch = undefined</script>", ""), ("", "type=module")] {
        let api = counter();
        browser.goto(&site(&format!("{before}{}", page(&api, more))).url);
        browser.wait_for("document.readyState === 'complete'");
        assert_eq!(browser.eval(TEXTS), json!(UNTOUCHED));
        assert_eq!(browser.eval("window.wrong"), json!([]));
        assert_eq!(paths(&api), [""; 0]);
    }
    let api = counter_with_responses(&[(200, HIT_RESPONSE)]);
    browser.goto(&site(&page(&api, "data-show='..'")).url);
    assert_untouched_after(&browser, 1);
}

#[test]
fn content_security_policy_is_obeyed_silently() {
    let Some((browser, _home)) = open() else { return };
    let api = counter();
    let needed = format!(
        "default-src 'self' 'unsafe-inline'; script-src 'unsafe-inline' {0}; connect-src 'self'",
        api.url
    );
    let with = |policy: String| {
        let page = format!("{HEAD}{}{}", tag(&api, ""), without_site_count(SPOTS));
        StubServer::start(move |_, _| {
            StubResponse::new(200, page.clone()).with_header("content-security-policy", &policy)
        })
    };
    // The policy allows neither script nor connection, then only the script, then both, as the README requires.
    browser.goto(&with("default-src 'self' 'unsafe-inline'".to_owned()).url);
    assert_untouched_after(&browser, 0);
    browser.goto(&with(needed.clone()).url);
    run_pending_tasks(&browser);
    browser.wait_for("document.readyState === 'complete'");
    assert_eq!(browser.eval(TEXTS), json!(UNTOUCHED));
    assert_eq!(browser.eval("window.wrong"), json!([]));
    assert_eq!(paths(&api), [""; 0]);
    browser.console();
    browser.goto(&with(format!("{needed} {}", api.url)).url);
    assert_eq!(browser.wait_for(SHOWN), "1,234");
    assert_silent(&browser);
}
