//! The numbers that people see are the same everywhere, and right: on a page with the widget, on a badge in a README, in
//! `hitctl report` and in the page that it writes. On the cloud of this machine and on an emulator of AWS.

use hitctl_emulators::Emulator;
use serde_json::Value as Json;

use super::stand::{Reply, Stand};
use super::webdriver::Browser;
use crate::aws::AwsYard;
use crate::support::{Http, Ran, Yard};

/// A browser under a driver says that it is one; here it is a visitor.
const RULES: &str = "[counter]\nbots = \"count\"\nrepeat_window_s = 0\n\
                     [http]\nrate_per_second = 1000\nburst = 1000\n";
const HITS: &str = "document.querySelector('[data-hitctl=hits]').textContent";
const UNIQUES: &str = "document.querySelector('[data-hitctl=uniques]').textContent";

/// A site whose every page shows its numbers.
fn site(api: &str) -> Stand {
    let page = format!(
        "<!doctype html><meta charset=utf-8><title>x</title><b data-hitctl=hits>many</b> \
         <b data-hitctl=uniques>some</b><script defer src='{api}/v1/widget.js'></script>"
    );
    Stand::open(move |_, _| Reply::new(200, page.clone()))
}

fn get(url: &str, target: &str) -> String {
    let at = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
    let (server, base) = url.split_at(at);
    Http::connect(server).unwrap().ask("GET", &format!("{base}{target}"), "", b"").unwrap().body
}

/// Views three pages by the widget, and asks everybody for the numbers.
fn everybody_says_the_same(browser: &Browser, url: &str, run: &dyn Fn(&[&str]) -> Ran) {
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
    assert!(shown.contains("4 views, 1 visitor on 2 pages"), "{shown}");
    let listed = run(&["counts", "get", "/about", "--json"]).json();
    assert_eq!(listed["counts"][0]["uniques"], 1);
}

/// The page that `report` writes draws what is counted, and asks nobody for anything.
fn the_page_of_the_report_is_whole(browser: &Browser, yard: &Yard, run: &dyn Fn(&[&str]) -> Ran) {
    assert_eq!(run(&["report", "--html", "report.html"]).code, 0);
    browser.goto(&format!("file://{}", yard.path().join("report.html").display()));
    let facts = browser.eval("[...document.querySelectorAll('dd')].map((fact) => fact.textContent)");
    assert_eq!(facts, serde_json::json!(["4", "1", "4", "1", "2"]));
    let high = browser.eval("document.querySelector('rect.views').getBoundingClientRect().height > 50");
    assert_eq!(high, Json::Bool(true), "today's column fills its plot");
    let asked = browser.eval("performance.getEntriesByType('resource').length");
    assert_eq!(asked, 0);
    assert_eq!(browser.console(), Vec::<String>::new());
    let again = run(&["report", "--html", "report.html"]);
    assert!(again.code != 0 && again.stderr.contains("there already"), "{again:?}");
}

#[test]
fn page_badge_and_report_show_the_same_numbers_on_this_machine() {
    let yard = Yard::with(RULES);
    let Some(browser) = Browser::open(yard.path()) else { return };
    let url = yard.deploy();
    let run = |args: &[&str]| yard.run(args);
    everybody_says_the_same(&browser, &url, &run);
    the_page_of_the_report_is_whole(&browser, &yard, &run);
}

#[test]
fn page_badge_and_report_show_the_same_numbers_on_an_emulator_of_aws() {
    let emulator = Emulator::ministack();
    let aws = AwsYard::new(emulator.endpoint(), "same-numbers", RULES);
    let Some(browser) = Browser::open(aws.yard.path()) else { return };
    let deployed = aws.deploy(&["--json", "--yes"]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    let url = deployed.json()["outputs"]["url"].as_str().unwrap().to_owned();
    everybody_says_the_same(&browser, &url, &|args| aws.run(args));
    assert_eq!(aws.run(&["destroy", "--yes", "--delete-data", "--confirm", "test"]).code, 0);
}
