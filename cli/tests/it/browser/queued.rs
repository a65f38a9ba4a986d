//! A page whose hits go to the queue: the API queues them without a call of the function, and the page shows the
//! numbers of the table.

use super::stub_server::{StubResponse, StubServer};
use super::webdriver::Browser;
use crate::examples::wait_for_count;
use crate::support::TestEnv;

/// One-second batches. Bots are counted, since a browser under `WebDriver` identifies itself as one.
const RULES: &str = "[counter]\nbots = \"count\"\nrepeat_window_s = 0\n\
                     [http]\nrate_per_second = 1000\nburst = 1000\n\
                     [function]\nreserved_concurrency = \"none\"\n[queue]\nenabled = true\ningest = \"http\"\nwindow_s = 1\n";
const HITS: &str = "document.querySelector('[data-hitctl=hits]').textContent";

/// Serves pages that show their hits. Under `/quiet` the browser sends Global Privacy Control.
fn site(api: &str) -> StubServer {
    let api = api.to_owned();
    StubServer::start(move |request, _| {
        let gpc_script =
            "<script>Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })</script>";
        let gpc_script = if request.target.starts_with("/quiet") { gpc_script } else { "" };
        StubResponse::new(
            200,
            format!(
                "<!doctype html><meta charset=utf-8><title>x</title>{gpc_script}<b data-hitctl=hits>many</b>\
                 <script defer src='{api}/v1/widget.js'></script>"
            ),
        )
    })
}

#[test]
fn page_hits_are_queued_and_numbers_come_from_table() {
    let test_env = TestEnv::with_config(RULES);
    let Some(browser) = Browser::open(test_env.path()) else { return };
    let site = site(&test_env.deploy());
    let run = |args: &[&str]| test_env.run(args);
    for (path, key) in [("/about/", "/about"), ("/quiet", "/quiet")] {
        test_env.counts(&["add", key, "7"]);
        browser.goto(&format!("{}{path}", site.url));
        // The number excludes this hit, which waits for its batch.
        browser.wait_for(&format!("{HITS} === '7'"));
        wait_for_count(&run, &["counts", "get", key], 8);
        browser.reload();
        wait_for_count(&run, &["counts", "get", key], 9);
    }
    assert_eq!(browser.console(), Vec::<String>::new());
    let uniques = |key| test_env.counts(&["get", key, "--json"]).json()["counts"][0]["uniques"].clone();
    assert_eq!(
        (uniques("/about"), uniques("/quiet")),
        (1.into(), 0.into()),
        "a visitor with Global Privacy Control is not identified"
    );
    assert_eq!(test_env.run(&["dlq", "list", "--json"]).json()["messages"], serde_json::json!([]));
}
