//! The example page and the widget in a real browser: a reload increases the number by one, and a failing counter
//! leaves the page unchanged.

mod numbers;
mod page_lifecycle;
mod queued;
pub(crate) mod stub_server;
pub(crate) mod webdriver;
mod widget;

use std::path::PathBuf;

use crate::support::{TestEnv, checkout, env_var, get};
use stub_server::{StubResponse, StubServer};
use webdriver::{Browser, VIEWPORT};

/// A JavaScript expression for the number, once it is shown.
const NUMBER: &str = r#"document.querySelector("[data-hitctl]").textContent.match(/^[0-9,.]+$/)?.[0]"#;

/// Counts bots and repeats, without a rate limit. A browser under `WebDriver` identifies itself as a bot.
const CONFIG: &str =
    "[http]\nrate_per_second = 1000\nburst = 1000\n[counter]\nbots = \"count\"\nrepeat_window_s = 0\n";

#[test]
fn example_page_shows_count_and_reload_increases_it() {
    let test_env = TestEnv::with_config(CONFIG);
    let Some(browser) = Browser::open(test_env.path()) else { return };
    let url = test_env.deploy();
    for _ in 0..40 {
        assert_eq!(get(&url, "/counter?path=/").status, 200);
    }
    let site = example(&url);

    browser.goto(&site.url);
    assert_eq!(browser.wait_for(NUMBER), "41");
    browser.reload();
    assert_eq!(browser.wait_for(NUMBER), "42");
    assert_eq!(
        browser.wait_for("document.querySelector('h1').innerText"),
        "This page has been read\n42\ntimes."
    );
    assert_eq!(get(&url, "/v1/count?path=/").json()["hits"], 42, "the table contains the displayed number");
    save_screenshot(&browser.screenshot());
    // The code to copy is the same as in the README.
    let code = browser.eval("document.getElementById('code').textContent");
    let readme = std::fs::read_to_string(page_dir().join("README.md")).unwrap();
    for line in code.as_str().unwrap().lines().filter(|line| !line.is_empty()) {
        assert!(readme.contains(&format!("\n{line}\n")), "README.md has no line {line}");
    }

    // Another page of the site has its own count.
    browser.goto(&format!("{}/about/", site.url));
    assert_eq!(browser.wait_for(NUMBER), "1");
    assert_eq!(get(&url, "/v1/count?path=/about").json()["hits"], 1);
    assert_eq!(browser.console(), Vec::<String>::new());

    // The unedited page works with the URL of the counter in the query string, as its README says.
    let plain = std::fs::read_to_string(page()).unwrap();
    let plain = StubServer::start(move |_, _| StubResponse::new(200, plain.clone()));
    browser.goto(&format!("{}/?api={url}", plain.url));
    assert_eq!(browser.wait_for(NUMBER), "43");
}

/// Pastes the output of `hitctl snippet` into a page. The widget and the pixel for browsers without scripts increase
/// the same count, which the badge shows.
#[test]
fn snippet_output_counts_when_pasted() {
    let test_env = TestEnv::with_config(CONFIG);
    let missing = test_env.run(&["snippet"]);
    assert_eq!(missing.code, 1, "{missing:?}");
    insta::assert_snapshot!(missing.stderr, @"
    error: no counter with a URL is deployed in environment local

    hint: run `hitctl deploy --env local` first
    ");
    let Some(browser) = Browser::open(test_env.path()) else { return };
    let url = test_env.deploy();
    let output = test_env.run(&["snippet"]);
    insta::assert_snapshot!(output.stdout.replace(&url, "URL"), @r#"
    Add to your page, the script only once:

    <span data-hitctl="hits">many</span>
    <script defer src="URL/v1/widget.js"></script>

    For browsers without JavaScript, on the page of this path:

    <noscript><img src="URL/v1/badge.svg?path=/&amp;style=none&amp;hit=1" width="1" height="1" alt=""></noscript>

    In a README:

    ![views](URL/v1/badge.svg?path=/)
    "#);
    let badge =
        test_env.run(&["snippet", "--badge", "--path", "/a/index.html", "--label", "page views", "--count"]);
    insta::assert_snapshot!(badge.stdout.replace(&url, "URL"), @"![page views](URL/v1/badge.svg?path=/a&label=page%20views&hit=1)");
    let snippet = test_env.run(&["snippet", "--json", "--spa"]).json();
    let part = |name: &str| snippet[name].as_str().unwrap().to_owned();
    assert_eq!(part("url"), url);

    let page = format!("<!doctype html><title>x</title>{}{}", part("html"), part("noscript"));
    let site = StubServer::start(move |_, _| StubResponse::new(200, page.clone()));
    browser.goto(&site.url);
    assert_eq!(browser.wait_for(NUMBER), "1");
    let pixel = part("noscript").replace("&amp;", "&");
    let pixel = pixel.split('"').find(|part| part.starts_with(&url)).unwrap().to_owned();
    // Requested directly, as a browser without scripts would.
    let response = get(&url, &pixel[url.len()..]);
    assert_eq!((response.status, response.body.contains("width=\"1\"")), (200, true), "{response:?}");
    // The reader forwards the hit to the counter, which counts it asynchronously.
    let hits = || get(&url, "/v1/count?path=/").json()["hits"].as_u64();
    let since = std::time::Instant::now();
    while hits() != Some(2) && since.elapsed().as_secs() < 30 {
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    assert_eq!(hits(), Some(2));
    let badge = part("badge");
    let badge = badge.split_once("](").unwrap().1.trim_end_matches(')');
    assert!(get(&url, &badge[url.len()..]).body.contains("aria-label=\"views: 2\""));
    browser.goto(badge);
    assert_eq!(browser.wait_for("document.documentElement.getAttribute('aria-label')"), "views: 2");
}

fn page_dir() -> PathBuf {
    checkout().join("examples/counter")
}

fn page() -> PathBuf {
    page_dir().join("index.html")
}

/// Serves the example page with the URL of the counter filled in.
fn example(api: &str) -> StubServer {
    let page = std::fs::read_to_string(page()).unwrap();
    let edited = page.replacen("https://YOUR-URL", api, 1);
    assert_ne!(page, edited, "the page contains the placeholder for the URL");
    StubServer::start(move |_, _| StubResponse::new(200, edited.clone()))
}

/// Saves the screenshot in the build directory or, if `HITCTL_UPDATE_SCREENSHOT` is set, next to the README that shows
/// it.
fn save_screenshot(picture: &[u8]) {
    // A PNG has its width and height at fixed offsets.
    let number = |at: usize| u32::from_be_bytes(picture[at..at + 4].try_into().unwrap());
    assert_eq!(&picture[1..4], b"PNG");
    assert_eq!((number(16), number(20)), VIEWPORT);
    let dir = match env_var("HITCTL_UPDATE_SCREENSHOT") {
        Some(_) => page_dir(),
        None => PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
    };
    std::fs::write(dir.join("screenshot.png"), picture).unwrap();
}
