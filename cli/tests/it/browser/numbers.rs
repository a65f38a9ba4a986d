//! The displayed numbers are correct and the same everywhere: on a page with the widget, on a badge, in `hitctl report`
//! and in its HTML page. Tested on the local cloud and on an AWS emulator.

use hitctl_emulators::Emulator;
use serde_json::Value as Json;

use super::stub_server::{StubResponse, StubServer};
use super::webdriver::Browser;
use crate::aws::AwsTestEnv;
use crate::support::{CommandOutput, TestConnection, TestEnv};

/// Counts bots, since a browser under `WebDriver` identifies itself as one.
const RULES: &str = "[counter]\nbots = \"count\"\nrepeat_window_s = 0\n\
                     [http]\nrate_per_second = 1000\nburst = 1000\n";
const HITS: &str = "document.querySelector('[data-hitctl=hits]').textContent";
const UNIQUES: &str = "document.querySelector('[data-hitctl=uniques]').textContent";

/// Serves pages that show their numbers.
fn site(api: &str) -> StubServer {
    let page = format!(
        "<!doctype html><meta charset=utf-8><title>x</title><b data-hitctl=hits>many</b> \
         <b data-hitctl=uniques>some</b><script defer src='{api}/v1/widget.js'></script>"
    );
    StubServer::start(move |_, _| StubResponse::new(200, page.clone()))
}

fn get(url: &str, target: &str) -> String {
    // The host ends before the third slash.
    let at = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
    let (server, base) = url.split_at(at);
    TestConnection::connect(server).unwrap().send("GET", &format!("{base}{target}"), "", b"").unwrap().body
}

/// Views pages with the widget. Checks the numbers of the page, the badge, the report and the counts.
fn check_numbers_agree(browser: &Browser, url: &str, run: &dyn Fn(&[&str]) -> CommandOutput) {
    let site = site(url);
    for views in 1..=3 {
        browser.goto(&format!("{}/about/", site.url));
        browser.wait_for(&format!("{HITS} === '{views}'"));
    }
    browser.wait_for(&format!("{UNIQUES} === '1'"));
    browser.goto(&format!("{}/", site.url));
    browser.wait_for(&format!("{HITS} === '1'"));

    let badge = get(url, "/v1/badge.svg?path=/about");
    assert!(badge.contains("<title>views: 3</title>"), "{badge}");
    let badge = get(url, "/v1/badge.json?path=/about&show=unique");
    assert!(badge.contains(r#""message":"1""#), "{badge}");

    let report = run(&["report", "--json"]).json();
    assert_eq!((&report["hits"], &report["uniques"], &report["paths"]), (&4.into(), &1.into(), &2.into()));
    assert_eq!((&report["top"][0]["path"], &report["top"][0]["hits"]), (&"/about".into(), &3.into()));
    let today = report["days"].as_array().and_then(|days| days.last()).unwrap();
    assert_eq!((&today["hits"], &today["uniques"]), (&4.into(), &1.into()));

    let shown = run(&["report"]).stdout;
    assert!(shown.contains("4 views, 1 visitor on 2 paths"), "{shown}");
    let listed = run(&["counts", "get", "/about", "--json"]).json();
    assert_eq!(listed["counts"][0]["uniques"], 1);
}

/// Checks that the HTML page of `report` shows the counts and loads no other resource.
fn check_report_page(browser: &Browser, test_env: &TestEnv, run: &dyn Fn(&[&str]) -> CommandOutput) {
    assert_eq!(run(&["report", "--html", "report.html"]).code, 0);
    browser.goto(&format!("file://{}", test_env.path().join("report.html").display()));
    let facts = browser.eval("[...document.querySelectorAll('dd')].map((fact) => fact.textContent)");
    assert_eq!(facts, serde_json::json!(["4", "1", "4", "1", "2"]));
    let high = browser.eval("document.querySelector('rect.views').getBoundingClientRect().height > 50");
    assert_eq!(high, Json::Bool(true), "today's column fills its plot");
    let loaded = browser.eval("performance.getEntriesByType('resource').length");
    assert_eq!(loaded, 0);
    assert_eq!(browser.console(), Vec::<String>::new());
    let second = run(&["report", "--html", "report.html"]);
    assert!(second.code != 0 && second.stderr.contains("already exists"), "{second:?}");
}

#[test]
fn page_badge_and_report_show_the_same_numbers_on_this_machine() {
    let test_env = TestEnv::with_config(RULES);
    let Some(browser) = Browser::open(test_env.path()) else { return };
    let url = test_env.deploy();
    let run = |args: &[&str]| test_env.run(args);
    check_numbers_agree(&browser, &url, &run);
    check_report_page(&browser, &test_env, &run);
}

#[test]
fn page_badge_and_report_show_the_same_numbers_on_aws_emulator() {
    let emulator = Emulator::ministack();
    let aws_env = AwsTestEnv::new(emulator.endpoint(), "same-numbers", RULES);
    let Some(browser) = Browser::open(aws_env.base.path()) else { return };
    let deployed = aws_env.deploy(&["--json", "--yes"]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    let url = deployed.json()["outputs"]["url"].as_str().unwrap().to_owned();
    check_numbers_agree(&browser, &url, &|args| aws_env.run(args));
    assert_eq!(aws_env.run(&["destroy", "--yes", "--delete-data", "--confirm", "test"]).code, 0);
}
