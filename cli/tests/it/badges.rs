//! Pages with badges, and badges that count, with the default reserved concurrency of 1: no image is refused and no
//! view is lost. The same holds while a deploy adds or removes the reader function.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hitctl_emulators::Emulator;
use serde_json::json;

use crate::aws::AwsTestEnv;
use crate::browser::stub_server::{StubResponse, StubServer};
use crate::browser::webdriver::Browser;
use crate::support::{SetOnDrop, TestConnection, TestEnv, pause};

/// The number of page loads, one per second.
const LOADS: usize = 30;
/// The number of requests for counting badges.
const BADGES: usize = 1_000;
/// The number of concurrent requests.
const CLIENTS: usize = 32;
/// The maximum time until accepted hits are counted.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Counts bots, since a browser under `WebDriver` identifies itself as one. Counts repeats, so each load is a view.
const COUNT_BOTS: &str = "[counter]\nbots = \"count\"\nrepeat_window_s = 0\n";
/// Settings that throttle no badge, since the tests are about the functions and not about the throttle.
const UNTHROTTLED: &str = "[http]\nrate_per_second = 10000\nburst = 5000\n[counter]\nrepeat_window_s = 0\n";

/// Serves pages with the widget and four badges. The URLs of the images and the script differ for each load, so that
/// the browser fetches all of them again.
fn site(api: &str) -> StubServer {
    let api = api.to_owned();
    StubServer::start(move |request, _| {
        let load = request.target.split_once("load=").map_or("none", |(_, load)| load);
        let badges = ["path=/page", "path=/page&show=today", "path=/page&abbr=1", "path=/other"]
            .map(|query| format!("<img src='{api}/v1/badge.svg?{query}&label={load}'>"))
            .concat();
        let script = format!("<script defer src='{api}/v1/widget.js?load={load}'></script>");
        StubResponse::new(200, format!("<!doctype html><meta charset=utf-8><title>x</title>{badges}{script}"))
    })
}

/// Loads a page once per second and checks each image. Finally checks the number of views.
fn check_page_loads(browser: &Browser, url: &str, hits: &dyn Fn() -> u64) {
    let site = site(url);
    let begun = Instant::now();
    for load in 0..LOADS {
        let due = Duration::from_secs(load as u64);
        pause(due.saturating_sub(begun.elapsed()));
        browser.goto(&format!("{}/page?load={load}", site.url));
        browser.wait_for("[...document.images].every((image) => image.complete)");
        let drawn_images = "[...document.images].filter((image) => image.naturalWidth > 0).length";
        assert_eq!(browser.eval(drawn_images), json!(4), "load {load}");
    }
    wait_for(hits, LOADS as u64);
}

fn wait_for(hits: &dyn Fn() -> u64, expected: u64) {
    let since = Instant::now();
    while hits() < expected && since.elapsed() < TIMEOUT {
        pause(Duration::from_millis(200));
    }
    assert_eq!(hits(), expected);
}

/// Requests counting badges for many visitors at once. Asserts that each response shows a number.
fn request_badges(url: &str) {
    // The host ends before the third slash.
    let at = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
    let (server, base) = url.split_at(at);
    let (next, refused) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n >= BADGES {
                        return;
                    }
                    let agent =
                        format!("user-agent: Mozilla/5.0 (X11; rv:{n}.0) Gecko/20100101 Firefox/{n}.0\r\n");
                    let target = format!("{base}/v1/badge.svg?path=/page&hit=1");
                    let response = TestConnection::connect(server)
                        .and_then(|mut http| http.send("GET", &target, &agent, b""));
                    match response {
                        Ok(response) if response.status == 200 && !response.body.contains("n/a") => {}
                        other => refused.lock().unwrap().push(format!("{other:?}")),
                    }
                }
            });
        }
    });
    let refused = refused.into_inner().unwrap();
    assert!(refused.is_empty(), "{} of {BADGES} refused, such as {}", refused.len(), refused[0]);
}

fn hits_on_this_machine(test_env: &TestEnv) -> u64 {
    let listed = test_env.counts(&["get", "/page", "--json"]).json();
    listed["counts"][0]["hits"].as_u64().unwrap_or_default()
}

fn hits_on_emulator(aws_env: &AwsTestEnv) -> u64 {
    let listed = aws_env.run(&["counts", "get", "/page", "--json"]).json();
    listed["counts"][0]["hits"].as_u64().unwrap_or_default()
}

#[test]
fn page_with_widget_and_badges_is_complete_and_counted_on_this_machine() {
    let test_env = TestEnv::with_config(COUNT_BOTS);
    let Some(browser) = Browser::open(test_env.path()) else { return };
    let url = test_env.deploy();
    check_page_loads(&browser, &url, &|| hits_on_this_machine(&test_env));
}

#[test]
fn page_with_widget_and_badges_is_complete_and_counted_on_emulator() {
    let aws_env = AwsTestEnv::new(Emulator::ministack().endpoint(), "wholepage", COUNT_BOTS);
    let Some(browser) = Browser::open(aws_env.base.path()) else { return };
    let deployed = aws_env.deploy(&["--json"]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    let url = deployed.json()["outputs"]["url"].as_str().unwrap().to_owned();
    check_page_loads(&browser, &url, &|| hits_on_emulator(&aws_env));
}

#[test]
fn counting_badges_of_many_visitors_are_all_counted_on_this_machine() {
    let test_env = TestEnv::with_config(UNTHROTTLED);
    let url = test_env.deploy();
    request_badges(&url);
    wait_for(&|| hits_on_this_machine(&test_env), BADGES as u64);
}

#[test]
fn counting_badges_of_many_visitors_are_all_counted_on_emulator() {
    let aws_env = AwsTestEnv::new(Emulator::ministack().endpoint(), "manybadges", UNTHROTTLED);
    let deployed = aws_env.deploy(&["--json"]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    request_badges(deployed.json()["outputs"]["url"].as_str().unwrap());
    wait_for(&|| hits_on_emulator(&aws_env), BADGES as u64);
}

/// Reads a count repeatedly during a change and asserts that every response has status 200.
fn assert_reads_succeed_during(url: &str, change: impl FnOnce()) {
    // The host ends before the third slash.
    let at = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
    let (server, base) = url.split_at(at);
    let stop = AtomicBool::new(false);
    let responses = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut responses = Vec::new();
            while !stop.load(Ordering::SeqCst) {
                let response = TestConnection::connect(server).unwrap().send(
                    "GET",
                    &format!("{base}/v1/count?path=/a"),
                    "",
                    b"",
                );
                responses.push(
                    response
                        .map_err(|error| error.to_string())
                        .map(|response| (response.status, response.body)),
                );
            }
            responses
        });
        let stopped = SetOnDrop(&stop);
        change();
        drop(stopped);
        reading.join().unwrap()
    });
    assert!(!responses.is_empty());
    let refused: Vec<_> = responses.iter().filter(|response| !matches!(response, Ok((200, _)))).collect();
    assert!(refused.is_empty(), "{} of {}: {:?}", refused.len(), responses.len(), refused[0]);
}

/// Reserves no concurrency, so no reader is deployed.
const ONE_FUNCTION: &str =
    "function.reserved_concurrency = \"none\"\n[http]\nrate_per_second = 10000\nburst = 5000\n";
/// Reserves concurrency by default, so a reader is deployed too.
const WITH_READER: &str = "[http]\nrate_per_second = 10000\nburst = 5000\n";

#[test]
fn adding_and_removing_reader_refuses_no_request_on_this_machine() {
    let test_env = TestEnv::with_config(ONE_FUNCTION);
    let url = test_env.deploy();
    let has_reader = || test_env.run(&["status", "--json"]).stdout.contains("hits-local-reader");
    for (config, expected) in [(WITH_READER, true), (ONE_FUNCTION, false), (WITH_READER, true)] {
        test_env.write("hitctl.toml", config);
        assert_reads_succeed_during(&url, || assert_eq!(test_env.deploy(), url));
        assert_eq!(has_reader(), expected);
    }
}

/// The progress message of a deploy before it deletes the reader.
const DRAINING: &str = "waiting for in-flight requests to a removed integration";

#[test]
fn adding_and_removing_reader_refuses_no_request_on_emulator() {
    let aws_env = AwsTestEnv::new(Emulator::ministack().endpoint(), "readergoes", ONE_FUNCTION);
    let deployed = aws_env.deploy(&["--json"]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    let url = deployed.json()["outputs"]["url"].as_str().unwrap().to_owned();
    for config in [WITH_READER, ONE_FUNCTION] {
        aws_env.configure(config);
        assert_reads_succeed_during(&url, || {
            let changed = aws_env.deploy(&[]);
            assert_eq!(changed.code, 0, "{changed:?}");
            assert!(changed.stdout.contains(&url), "{changed:?}");
            // The deploy waits for the requests in flight before it deletes the reader.
            assert_eq!(changed.stderr.contains(DRAINING), config == ONE_FUNCTION, "{changed:?}");
        });
    }
    // A release that was already published with the reader can be deployed again.
    aws_env.configure(WITH_READER);
    assert_eq!(aws_env.deploy(&[]).code, 0);
}
