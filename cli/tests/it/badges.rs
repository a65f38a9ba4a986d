//! Pages with badges, and badges that count, with the default reservation of one invocation at a time: no picture is refused
//! and no view is lost.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hitctl_emulators::Emulator;
use serde_json::json;

use crate::aws::AwsYard;
use crate::browser::stand::{Reply, Stand};
use crate::browser::webdriver::Browser;
use crate::support::{Http, SetOnDrop, Yard};

/// The page loads, one per second.
const LOADS: usize = 30;
/// The counting badges, and how many are asked for at once.
const BADGES: usize = 1_000;
const AT_ONCE: usize = 32;
/// How long the counter may take for what was accepted.
const PATIENCE: Duration = Duration::from_mins(1);

/// A browser under a driver says that it is one; here it is a visitor, and each load is a view.
const VISITOR: &str = "[counter]\nbots = \"count\"\nrepeat_window_s = 0\n";
/// Settings under which all badges pass at once: the functions are measured, not the throttle.
const UNTHROTTLED: &str = "[http]\nrate_per_second = 10000\nburst = 5000\n[counter]\nrepeat_window_s = 0\n";

/// A site whose every page has the widget and four badges. The pictures and the script of each load have addresses of their
/// own, so that a browser fetches all of them, as a new visitor's would.
fn site(api: &str) -> Stand {
    let api = api.to_owned();
    Stand::open(move |asked, _| {
        let load = asked.target.split_once("load=").map_or("none", |(_, load)| load);
        let badges = ["path=/page", "path=/page&show=today", "path=/page&abbr=1", "path=/other"]
            .map(|query| format!("<img src='{api}/v1/badge.svg?{query}&label={load}'>"))
            .concat();
        let script = format!("<script defer src='{api}/v1/widget.js?load={load}'></script>");
        Reply::new(200, format!("<!doctype html><meta charset=utf-8><title>x</title>{badges}{script}"))
    })
}

/// Loads a page once a second, and checks each picture and, in the end, the number of views.
fn loads_break_no_picture_and_all_count(browser: &Browser, url: &str, hits: &dyn Fn() -> u64) {
    let site = site(url);
    let begun = Instant::now();
    for load in 0..LOADS {
        let due = Duration::from_secs(load as u64);
        pause(due.saturating_sub(begun.elapsed()));
        browser.goto(&format!("{}/page?load={load}", site.url));
        browser.wait_for("[...document.images].every((image) => image.complete)");
        let drawn = "[...document.images].filter((image) => image.naturalWidth > 0).length";
        assert_eq!(browser.eval(drawn), json!(4), "load {load}");
    }
    wait_for(hits, LOADS as u64);
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pace of visitors, and of a look at what another process does"
)]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

fn wait_for(hits: &dyn Fn() -> u64, expected: u64) {
    let since = Instant::now();
    while hits() < expected && since.elapsed() < PATIENCE {
        pause(Duration::from_millis(200));
    }
    assert_eq!(hits(), expected);
}

/// Asks for counting badges from many visitors at once; every one is drawn.
fn ask_for_badges(url: &str) {
    let at = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
    let (server, base) = url.split_at(at);
    let (next, refused) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n >= BADGES {
                        return;
                    }
                    let agent =
                        format!("user-agent: Mozilla/5.0 (X11; rv:{n}.0) Gecko/20100101 Firefox/{n}.0\r\n");
                    let target = format!("{base}/v1/badge.svg?path=/page&hit=1");
                    let answer =
                        Http::connect(server).and_then(|mut http| http.ask("GET", &target, &agent, b""));
                    match answer {
                        Ok(answer) if answer.status == 200 && !answer.body.contains("n/a") => {}
                        other => refused.lock().unwrap().push(format!("{other:?}")),
                    }
                }
            });
        }
    });
    let refused = refused.into_inner().unwrap();
    assert!(refused.is_empty(), "{} of {BADGES} refused, such as {}", refused.len(), refused[0]);
}

fn hits_on_this_machine(yard: &Yard) -> u64 {
    let listed = yard.counts(&["get", "/page", "--json"]).json();
    listed["counts"][0]["hits"].as_u64().unwrap_or_default()
}

fn hits_on_emulator(yard: &AwsYard) -> u64 {
    let listed = yard.run(&["counts", "get", "/page", "--json"]).json();
    listed["counts"][0]["hits"].as_u64().unwrap_or_default()
}

#[test]
fn page_with_widget_and_badges_is_whole_and_counted_on_this_machine() {
    let yard = Yard::with(VISITOR);
    let Some(browser) = Browser::open(yard.path()) else { return };
    let url = yard.deploy();
    loads_break_no_picture_and_all_count(&browser, &url, &|| hits_on_this_machine(&yard));
}

#[test]
fn page_with_widget_and_badges_is_whole_and_counted_on_an_emulator() {
    let yard = AwsYard::new(Emulator::ministack().endpoint(), "wholepage", VISITOR);
    let Some(browser) = Browser::open(yard.yard.path()) else { return };
    let deployed = yard.deploy(&["--json"]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    let url = deployed.json()["outputs"]["url"].as_str().unwrap().to_owned();
    loads_break_no_picture_and_all_count(&browser, &url, &|| hits_on_emulator(&yard));
}

#[test]
fn counting_badges_of_many_visitors_are_all_counted_on_this_machine() {
    let yard = Yard::with(UNTHROTTLED);
    let url = yard.deploy();
    ask_for_badges(&url);
    wait_for(&|| hits_on_this_machine(&yard), BADGES as u64);
}

#[test]
fn counting_badges_of_many_visitors_are_all_counted_on_an_emulator() {
    let yard = AwsYard::new(Emulator::ministack().endpoint(), "manybadges", UNTHROTTLED);
    let deployed = yard.deploy(&["--json"]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    ask_for_badges(deployed.json()["outputs"]["url"].as_str().unwrap());
    wait_for(&|| hits_on_emulator(&yard), BADGES as u64);
}

/// Reads a count again and again while something is changed; every answer is 200.
fn reads_go_on_while(url: &str, change: impl FnOnce()) {
    let at = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
    let (server, base) = url.split_at(at);
    let stop = AtomicBool::new(false);
    let answers = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut answers = Vec::new();
            while !stop.load(Ordering::SeqCst) {
                let answer =
                    Http::connect(server).unwrap().ask("GET", &format!("{base}/v1/count?path=/a"), "", b"");
                answers.push(
                    answer.map_err(|error| error.to_string()).map(|answer| (answer.status, answer.body)),
                );
            }
            answers
        });
        let stopped = SetOnDrop(&stop);
        change();
        drop(stopped);
        reading.join().unwrap()
    });
    assert!(!answers.is_empty());
    let refused: Vec<_> = answers.iter().filter(|answer| !matches!(answer, Ok((200, _)))).collect();
    assert!(refused.is_empty(), "{} of {}: {:?}", refused.len(), answers.len(), refused[0]);
}

const ONE_FUNCTION: &str =
    "function.reserved_concurrency = \"none\"\n[http]\nrate_per_second = 10000\nburst = 5000\n";
const WITH_READER: &str = "[http]\nrate_per_second = 10000\nburst = 5000\n";

#[test]
fn reader_comes_and_goes_without_a_refused_request_on_this_machine() {
    let yard = Yard::with(ONE_FUNCTION);
    let url = yard.deploy();
    let has_reader = || yard.run(&["status", "--json"]).stdout.contains("hits-local-reader");
    for (config, expected) in [(WITH_READER, true), (ONE_FUNCTION, false), (WITH_READER, true)] {
        yard.write("hitctl.toml", config);
        reads_go_on_while(&url, || assert_eq!(yard.deploy(), url));
        assert_eq!(has_reader(), expected);
    }
}

const DRAINING: &str = "waiting for in-flight requests to a removed integration";

#[test]
fn reader_comes_and_goes_without_a_refused_request_on_an_emulator() {
    let yard = AwsYard::new(Emulator::ministack().endpoint(), "readergoes", ONE_FUNCTION);
    let deployed = yard.deploy(&["--json"]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    let url = deployed.json()["outputs"]["url"].as_str().unwrap().to_owned();
    for config in [WITH_READER, ONE_FUNCTION] {
        yard.configure(config);
        reads_go_on_while(&url, || {
            let again = yard.deploy(&[]);
            assert_eq!(again.code, 0, "{again:?}");
            assert!(again.stdout.contains(&url), "{again:?}");
            // The deploy waits for the requests in flight before it deletes the reader.
            assert_eq!(again.stderr.contains(DRAINING), config == ONE_FUNCTION, "{again:?}");
        });
    }
    // What was published with the reader is switched together with it.
    yard.configure(WITH_READER);
    assert_eq!(yard.deploy(&[]).code, 0);
}
