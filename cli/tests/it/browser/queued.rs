//! A page whose hits go onto the queue: they are counted without the function being asked, and the page shows the numbers.

use super::stand::{Reply, Stand};
use super::webdriver::Browser;
use crate::examples::comes_to;
use crate::support::Yard;

/// Batches of a second, and a browser under a driver that counts as a visitor.
const RULES: &str = "[counter]\nbots = \"count\"\nrepeat_window_s = 0\n\
                     [http]\nrate_per_second = 1000\nburst = 1000\n\
                     [function]\nreserved_concurrency = \"none\"\n[queue]\nenabled = true\ningest = \"http\"\nwindow_s = 1\n";
const HITS: &str = "document.querySelector('[data-hitctl=hits]').textContent";

/// A site whose pages show their hits; under `/quiet` the visitor asks not to be followed.
fn site(api: &str) -> Stand {
    let api = api.to_owned();
    Stand::open(move |asked, _| {
        let asks =
            "<script>Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })</script>";
        let asks = if asked.target.starts_with("/quiet") { asks } else { "" };
        Reply::new(
            200,
            format!(
                "<!doctype html><meta charset=utf-8><title>x</title>{asks}<b data-hitctl=hits>many</b>\
                 <script defer src='{api}/v1/widget.js'></script>"
            ),
        )
    })
}

#[test]
fn hits_of_a_page_go_onto_the_queue_and_its_numbers_come_from_the_table() {
    let yard = Yard::with(RULES);
    let Some(browser) = Browser::open(yard.path()) else { return };
    let site = site(&yard.deploy());
    let run = |args: &[&str]| yard.run(args);
    for (path, key) in [("/about/", "/about"), ("/quiet", "/quiet")] {
        yard.counts(&["add", key, "7"]);
        browser.goto(&format!("{}{path}", site.url));
        // The numbers are those of before this hit, which waits for its batch.
        browser.wait_for(&format!("{HITS} === '7'"));
        comes_to(&run, &["counts", "get", key], 8);
        browser.reload();
        comes_to(&run, &["counts", "get", key], 9);
    }
    assert_eq!(browser.console(), Vec::<String>::new());
    let uniques = |key| yard.counts(&["get", key, "--json"]).json()["counts"][0]["uniques"].clone();
    assert_eq!(
        (uniques("/about"), uniques("/quiet")),
        (1.into(), 0.into()),
        "nothing is made of who asks for that"
    );
    assert_eq!(yard.run(&["dlq", "list", "--json"]).json()["messages"], serde_json::json!([]));
}
