//! The widget where pages come and go: changed by scripts, kept by the browser, prerendered, behind other tabs, in frames; and
//! where it must not work.

use serde_json::json;

use super::stand::{Reply, Stand};
use super::widget::{
    ANSWER, HEAD, SENT, SPOTS, TEXTS, UNTOUCHED, counter, counter_that_answers, hits, is_silent,
    is_untouched_after, open, page, paths, settle, site, tag,
};

/// The texts of the first spot, once it shows a number.
const SHOWN: &str =
    "document.querySelector('b').textContent.match(/^[0-9]/) && document.querySelector('b').textContent";

#[test]
fn pages_that_a_script_changes_are_counted_where_that_is_wanted() {
    let Some((browser, _home)) = open() else { return };
    let api = counter();
    // A canonical link that no script keeps up is that of the first page for ever.
    let page = format!("{}<link rel=canonical href=/>", page(&api, "data-spa"));
    let site = site(&page);
    browser.goto(&format!("{}/a", site.url));
    let after = |sent: u32| browser.wait_for(&format!("{SENT} === {sent}"));
    after(1);
    let pushed =
        browser.eval("(history.pushState({n: 1}, '', '/b?x=1'), [location.pathname, history.state.n])");
    assert_eq!(pushed, json!(["/b", 1]), "the page's own call does what it did");
    after(2);
    browser.eval("history.pushState({}, '', '/b?x=2#y')");
    browser.eval("history.replaceState({}, '', '/replaced')");
    browser.eval("document.dispatchEvent(new Event('visibilitychange'))");
    settle(&browser);
    browser.eval("history.pushState({}, '', '/c')");
    after(3);
    browser.eval("history.go(-3)");
    after(4);
    assert_eq!(paths(&api), ["/a", "/b", "/c", "/a"]);
    // What the browser cannot do is the page's to hear of, as without the widget.
    let refused = "(() => { try { history.pushState(() => 0, '') } catch (error) { return error.name } })()";
    assert_eq!(browser.eval(refused), "DataCloneError");
    is_silent(&browser);
}

#[test]
fn pages_that_a_script_changes_are_one_page_otherwise() {
    let Some((browser, _home)) = open() else { return };
    let api = counter();
    let site = site(&page(&api, ""));
    browser.goto(&format!("{}/a", site.url));
    browser.wait_for(&format!("{SENT} === 1"));
    browser.eval("history.pushState({}, '', '/b')");
    browser.eval("history.back()");
    browser.eval("document.dispatchEvent(new Event('visibilitychange'))");
    settle(&browser);
    browser.goto(&format!("{}/c", site.url));
    browser.wait_for(&format!("{SENT} === 1"));
    assert_eq!(paths(&api), ["/a", "/c"]);
}

/// A reader who has gone on sees the number of the page that is there, though the answer for the one before comes later.
#[test]
fn an_answer_that_comes_too_late_is_not_shown() {
    let Some((browser, _home)) = open() else { return };
    let late = ANSWER.replace("1234", "1");
    let api = Stand::open(move |asked, before| match (asked.target.as_str(), hits(before).len()) {
        // Asked again while the other page is counted.
        ("/v1/hit", 0) => Reply::new(503, "{}"),
        ("/v1/hit", _) if asked.body.contains("/a") => Reply::new(200, late.clone()),
        _ => super::widget::answer(asked),
    });
    // The widget's wait is held until it is let go.
    let held = "<script>Math.random = () => .021; window.held = []; const wait = setTimeout; \
                window.setTimeout = (go, ms) => ms > 60 && ms < 70 ? held.push(go) : wait(go, ms)</script>";
    let page = page(&api, "data-spa").replace("=site", "=none");
    browser.goto(&format!("{}/a", site(&format!("{page}{held}")).url));
    browser.wait_for("held.length === 1");
    browser.eval("history.pushState({}, '', '/b')");
    assert_eq!(browser.wait_for(SHOWN), "1,234");
    browser.eval("held[0]()");
    browser.wait_for(&format!("{SENT} === 3"));
    settle(&browser);
    assert_eq!(browser.eval(SHOWN), "1,234");
    assert_eq!(paths(&api), ["/a", "/b", "/a"]);
}

#[test]
fn a_page_from_the_back_forward_cache_is_not_counted_again() {
    let Some((browser, _home)) = open() else { return };
    let api = counter();
    let kept = "<script>addEventListener('pageshow', (event) => { window.kept = event.persisted })</script>";
    let site = site(&format!("{}{kept}", page(&api, "")));
    for path in ["/a", "/b"] {
        browser.goto(&format!("{}{path}", site.url));
        browser.wait_for(SHOWN);
    }
    browser.back();
    assert_eq!(browser.wait_for("window.kept"), true, "it came from that cache");
    settle(&browser);
    assert_eq!(browser.eval("location.pathname"), "/a");
    browser.goto(&format!("{}/c", site.url));
    browser.wait_for(SHOWN);
    assert_eq!(paths(&api), ["/a", "/b", "/c"]);
    is_silent(&browser);
}

#[test]
fn a_tab_behind_others_is_counted_when_it_is_looked_at() {
    let Some((browser, _home)) = open() else { return };
    let api = counter();
    let site = site(&page(&api, ""));
    browser.goto(&format!("{}/front", site.url));
    browser.wait_for(SHOWN);
    let behind = json!({"url": format!("{}/behind", site.url), "background": true});
    let behind = browser.devtools("Target.createTarget", &behind)["targetId"].as_str().unwrap().to_owned();
    // The tab has loaded the page and its script, and has had as much time as one in front takes.
    while site.asked().len() < 2
        || api.asked().iter().filter(|asked| asked.target == "/v1/widget.js").count() < 2
    {
        std::thread::yield_now();
    }
    settle(&browser);
    assert_eq!(paths(&api), ["/front"]);
    // Looking at it brings it to the front.
    browser.switch_to(&behind);
    assert_eq!(browser.wait_for(SHOWN), "1,234");
    assert_eq!(paths(&api), ["/front", "/behind"]);
}

#[test]
fn a_prerendered_page_is_counted_when_it_is_seen() {
    let Some((browser, _home)) = open() else { return };
    let api = counter();
    let rules = "<script type=speculationrules>{\"prerender\":[{\"urls\":[\"/next\"],\"eagerness\":\"immediate\"}]}</script>";
    let site = site(&format!("{}{rules}<a href=/next>next</a>", page(&api, "")));
    browser.goto(&format!("{}/first", site.url));
    browser.wait_for(SHOWN);
    let prerendered = || {
        let asked = api.asked();
        asked.iter().any(|asked| asked.header("sec-purpose").is_some_and(|why| why.contains("prerender")))
    };
    while !prerendered() {
        std::thread::yield_now();
    }
    settle(&browser);
    assert_eq!(paths(&api), ["/first"]);
    browser.eval("document.querySelector('a').click()");
    browser.wait_for("location.pathname === '/next'");
    assert_eq!(browser.wait_for(SHOWN), "1,234");
    assert_eq!(paths(&api), ["/first", "/next"]);
    let hits: Vec<_> = api.asked().into_iter().filter(|asked| asked.target == "/v1/hit").collect();
    assert_eq!(hits[1].header("sec-purpose"), None, "a prefetch would not be counted");
}

#[test]
fn a_page_in_a_frame_is_no_page() {
    let Some((browser, _home)) = open() else { return };
    let api = counter();
    let inner = site(&page(&api, ""));
    let outer = site(&format!("{HEAD}<iframe src='{}/inner'></iframe>", inner.url));
    browser.goto(&outer.url);
    // The frame is loaded when the page is; its widget had its turn before this page's, which comes now.
    settle(&browser);
    browser.goto(&format!("{}/outer", inner.url));
    browser.wait_for(SHOWN);
    assert_eq!(paths(&api), ["/outer"]);
}

#[test]
fn a_file_sends_nothing() {
    let Some((browser, home)) = open() else { return };
    let api = counter();
    let file = home.path().join("page.html");
    std::fs::write(&file, page(&api, "data-spa")).unwrap();
    browser.goto(&format!("file://{}", file.display()));
    settle(&browser);
    is_untouched_after(&browser, 0);
    let asked: Vec<_> = api.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(asked, ["/v1/widget.js"]);
}

#[test]
fn where_the_counter_cannot_be_reached_the_page_stays_as_it_is() {
    let Some((browser, _home)) = open() else { return };
    // A port that was free a moment ago: nobody listens. The script came from elsewhere, as from a cache.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let script = Stand::open(|asked, _| super::widget::answer(asked));
    let aim = format!(
        "<script>const ask = fetch; window.fetch = (url, init) => ask(String(url).replace('{}', 'http://{gone}'), init)</script>",
        script.url
    );
    browser.goto(&site(&format!("{aim}{}", page(&script, "").replace("=site", "=none"))).url);
    is_untouched_after(&browser, 6);

    // The script itself is not there.
    let nothing = Stand::open(|_, _| Reply::new(404, ""));
    browser.goto(&site(&page(&nothing, "")).url);
    is_untouched_after(&browser, 0);

    // A browser without `fetch`, a script as a module, a selector that is none.
    for (before, more) in [("<script>window.fetch = undefined</script>", ""), ("", "type=module")] {
        let api = counter();
        browser.goto(&site(&format!("{before}{}", page(&api, more))).url);
        browser.wait_for("document.readyState === 'complete'");
        assert_eq!(browser.eval(TEXTS), json!(UNTOUCHED));
        assert_eq!(browser.eval("window.wrong"), json!([]));
        assert_eq!(paths(&api), [""; 0]);
    }
    let api = counter_that_answers(&[(200, ANSWER)]);
    browser.goto(&site(&page(&api, "data-show='..'")).url);
    is_untouched_after(&browser, 1);
}

#[test]
fn a_policy_that_forbids_it_is_obeyed_in_silence() {
    let Some((browser, _home)) = open() else { return };
    let api = counter();
    let needed = format!(
        "default-src 'self' 'unsafe-inline'; script-src 'unsafe-inline' {0}; connect-src 'self'",
        api.url
    );
    let with = |policy: String| {
        let page = format!("{HEAD}{}{}", tag(&api, ""), SPOTS.replace("=site", "=none"));
        Stand::open(move |_, _| Reply::new(200, page.clone()).with("content-security-policy", &policy))
    };
    // Neither script nor connection, then the script alone, then both: what the README says a page needs.
    browser.goto(&with("default-src 'self' 'unsafe-inline'".to_owned()).url);
    is_untouched_after(&browser, 0);
    browser.goto(&with(needed.clone()).url);
    settle(&browser);
    browser.wait_for("document.readyState === 'complete'");
    assert_eq!(browser.eval(TEXTS), json!(UNTOUCHED));
    assert_eq!(browser.eval("window.wrong"), json!([]));
    assert_eq!(paths(&api), [""; 0]);
    browser.console();
    browser.goto(&with(format!("{needed} {}", api.url)).url);
    assert_eq!(browser.wait_for(SHOWN), "1,234");
    is_silent(&browser);
}
