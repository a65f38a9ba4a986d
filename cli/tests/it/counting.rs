//! Real hits through the gateway, the function and the table: every one that was answered with 200 is counted, once.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::{Http, Yard, get};

/// Nothing that limits: the count must be exact at full speed.
const OPEN: &str = r#"
[function]
reserved_concurrency = "none"

[http]
rate_per_second = 100000
burst = 100000
"#;

const CLIENTS: usize = 32;
const HITS: u64 = 10_000;

#[test]
fn ten_thousand_hits_at_32_at_once_are_counted_exactly() {
    let yard = Yard::with(OPEN);
    let url = yard.deploy();
    let left = AtomicU64::new(HITS);
    let barrier = Barrier::new(CLIENTS);
    let mut numbers = BTreeSet::new();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut http = Http::connect(&url).unwrap();
                    let mut seen = Vec::new();
                    barrier.wait();
                    while left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                        .is_ok()
                    {
                        let answer = http.ask("GET", "/counter?path=/", "", b"").unwrap();
                        assert_eq!(answer.status, 200, "{answer:?}");
                        seen.push(answer.json()["hits"].as_u64().unwrap());
                    }
                    seen
                })
            })
            .collect();
        for client in clients {
            numbers.extend(client.join().unwrap());
        }
    });
    // Every answer told another number, and together they are 1 to 10,000: nothing lost, nothing twice.
    assert_eq!(numbers.len() as u64, HITS);
    assert_eq!((numbers.first(), numbers.last()), (Some(&1), Some(&HITS)));
    assert_eq!(get(&url, "/v1/count?path=/").json()["hits"], HITS);
    assert_eq!(yard.run(&["counts", "get", "/", "--json"]).json()["counts"][0]["hits"], HITS);
}

#[test]
fn sigkill_of_the_cloud_loses_no_answered_hit() {
    let yard = Yard::with(OPEN);
    let url = yard.deploy();
    let (answered, sent) = (AtomicU64::new(0), AtomicU64::new(0));
    for round in 0..4 {
        std::thread::scope(|scope| {
            let hitters: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let Ok(mut http) = Http::connect(&url) else { return };
                        loop {
                            sent.fetch_add(1, Ordering::SeqCst);
                            match http.ask("GET", "/counter?path=/kill", "", b"") {
                                Ok(answer) if answer.status == 200 => answered.fetch_add(1, Ordering::SeqCst),
                                _ => return,
                            };
                        }
                    })
                })
                .collect();
            // Somewhere in the middle of it: as soon as so many more are answered.
            let goal = answered.load(Ordering::SeqCst) + 150 + 60 * round;
            while answered.load(Ordering::SeqCst) < goal
                && !hitters.iter().all(std::thread::ScopedJoinHandle::is_finished)
            {
                std::thread::yield_now();
            }
            kill(&yard);
        });
        let ran = yard.run(&["local", "start", "--json"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let hits = get(&url, "/v1/count?path=/kill").json()["hits"].as_u64().unwrap();
        let (answered, sent) = (answered.load(Ordering::SeqCst), sent.load(Ordering::SeqCst));
        assert!(answered <= hits && hits <= sent, "answered {answered}, counted {hits}, sent {sent}");
    }
    assert!(answered.load(Ordering::SeqCst) > 300, "too few hits to prove anything");
}

#[test]
fn with_reserved_concurrency_1_a_hit_in_between_is_refused_and_not_counted() {
    let yard = Yard::with("[http]\nrate_per_second = 100000\nburst = 100000\n");
    let url = yard.deploy();
    let (counted, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut http = Http::connect(&url).unwrap();
                for _ in 0..25 {
                    let answer = http.ask("GET", "/counter?path=/", "", b"").unwrap();
                    match answer.status {
                        200 => counted.fetch_add(1, Ordering::SeqCst),
                        503 => {
                            assert_eq!(answer.body, r#"{"message":"Service Unavailable"}"#);
                            refused.fetch_add(1, Ordering::SeqCst)
                        }
                        _ => panic!("{answer:?}"),
                    };
                }
            });
        }
    });
    let (counted, refused) = (counted.into_inner(), refused.into_inner());
    assert_eq!(counted + refused, 400);
    assert!(counted > 0 && refused > 0, "{counted} counted, {refused} refused");
    assert_eq!(get(&url, "/v1/count?path=/").json()["hits"], counted);
}

#[test]
fn the_stage_lets_a_burst_through_and_no_more() {
    let yard = Yard::with("[http]\nrate_per_second = 0.001\nburst = 5\n");
    let url = yard.deploy();
    // The check of the live URL has taken three of the five.
    let statuses: Vec<u16> = (0..8).map(|_| get(&url, "/counter?path=/").status).collect();
    assert_eq!(statuses, [200, 200, 429, 429, 429, 429, 429, 429]);
}

#[test]
fn every_route_answers_as_the_contract_says() {
    let yard = Yard::with(OPEN);
    let url = yard.deploy();
    let mut http = Http::connect(&url).unwrap();
    let mut ask = |method: &str, target: &str| http.ask(method, target, "", b"").unwrap();

    let first = ask("GET", "/counter?path=/a/index.html");
    assert_eq!(first.status, 200);
    assert_eq!(first.json()["path"], "/a");
    assert_eq!(
        (&first.json()["v"], &first.json()["hits"], &first.json()["counted"]),
        (&1.into(), &1.into(), &true.into())
    );
    assert_eq!(first.json()["today"]["hits"], 1);
    assert_eq!(first.headers["cache-control"], "no-store");
    assert_eq!(first.headers["x-content-type-options"], "nosniff");

    assert_eq!(ask("GET", "/counter?path=/a&ro=1").json()["hits"], 1);
    assert_eq!(ask("HEAD", "/counter?path=/a").status, 200);
    assert_eq!(ask("GET", "/counter?path=/a").json()["hits"], 2);
    assert_eq!(ask("GET", "/counter?path=/never&ro=1").json()["hits"], 0);
    assert_eq!(ask("GET", "/v1/count").json()["hits"], 2);
    assert_eq!(ask("GET", "/healthz").status, 200);

    let wrong = ask("POST", "/counter?path=/a");
    assert_eq!((wrong.status, wrong.headers["allow"].as_str()), (405, "GET, HEAD"));
    assert_eq!(ask("GET", "/wp-login.php").body, r#"{"message":"Not Found"}"#);
    let long = format!("/counter?path=/{}", "x".repeat(512));
    assert_eq!(
        (ask("GET", &long).status, ask("GET", &long).json()["error"].clone()),
        (414, "path_too_long".into())
    );
    for bad in [
        "/counter",
        "/counter?path=/%00",
        "/counter?path=%FF",
        "/counter?path=!lease",
        "/counter?path=/a%5Cb",
    ] {
        assert_eq!(ask("GET", bad).status, 400, "{bad}");
    }
    assert_eq!(ask("GET", "/v1/count").json()["hits"], 2, "what was refused was not counted");
}

#[test]
fn a_page_of_another_origin_may_read_the_answer_and_the_errors() {
    let yard = Yard::with("[http]\nallow_origins = [\"https://me.example\"]\n");
    let url = yard.deploy();
    let mut http = Http::connect(&url).unwrap();
    let mut ask = |method: &str, target: &str, origin: &str| {
        let headers = format!("origin: {origin}\r\naccess-control-request-method: GET\r\n");
        http.ask(method, target, &headers, b"").unwrap()
    };
    for target in ["/counter?path=/", "/counter?path=/%00", "/nowhere"] {
        let answer = ask("GET", target, "https://me.example");
        assert_eq!(answer.headers["access-control-allow-origin"], "https://me.example", "{target}");
        let other = ask("GET", target, "https://other.example");
        assert!(!other.headers.contains_key("access-control-allow-origin"), "{target}: {other:?}");
    }
    assert_eq!(ask("OPTIONS", "/counter", "https://me.example").status, 204);

    // JSON is for the site's own pages; a badge shows its number to every page, and counts no view of another site.
    for target in ["/v1/count", "/v1/count?path=/", "/counter?path=/&ro=1"] {
        assert_eq!(ask("GET", target, "https://other.example").status, 403, "{target}");
        assert_eq!(ask("GET", target, "https://me.example").status, 200, "{target}");
    }
    let mut badge = |headers: &str| {
        let answer = http.ask("GET", "/v1/badge.svg?path=/b&hit=1", headers, b"").unwrap();
        assert_eq!((answer.status, answer.headers["content-type"].starts_with("image/svg")), (200, true));
        answer.headers.get("hitctl-ignored").cloned()
    };
    assert_eq!(badge("referer: https://other.example/x\r\n").as_deref(), Some("origin"));
    assert_eq!(badge("sec-fetch-site: cross-site\r\n").as_deref(), Some("origin"));
    assert_eq!(
        badge(
            "referer: https://ME.example:443/x\r\nuser-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
        ),
        None
    );
    assert_eq!(badge("user-agent: github-camo (0123abcd)\r\n").filter(|why| why == "origin"), None);
}

#[test]
fn one_client_does_not_shut_out_new_pages_and_status_warns() {
    let config = OPEN.to_owned() + "[counter]\nnew_paths_per_day = 100\nbots = \"count\"\n";
    let yard = Yard::with(&config);
    let url = yard.deploy();
    assert_eq!(yard.run(&["counts", "add", "/synced", "1"]).code, 0);
    let calm = yard.run(&["status", "--json"]).json();
    assert_eq!((&calm["new_paths"]["per_day"], calm.get("warnings")), (&100.into(), None), "{calm}");
    let mut http = Http::connect(&url).unwrap();
    let mut view = |path: &str, agent: &str| {
        let headers = format!("user-agent: {agent}\r\n");
        http.ask("GET", &format!("/counter?path={path}"), &headers, b"").unwrap().json()
    };
    let counted = (0..150).filter(|n| view(&format!("/invented/{n}"), "a")["counted"] == true).count();
    assert_eq!(counted, 10, "a visitor takes a tenth");
    assert_eq!(view("/invented/149", "a")["why"], "full");
    for known in ["/synced", "/invented/3"] {
        assert_eq!(view(known, "b")["counted"], true, "{known}");
    }
    // Somebody from another network.
    let event = serde_json::json!({
        "version": "2.0", "routeKey": "ANY /counter", "rawPath": "/counter", "rawQueryString": "path=/new",
        "headers": {"user-agent": "c"},
        "requestContext": {"http": {"method": "GET", "path": "/counter", "sourceIp": "203.0.113.9"}, "stage": "$default"},
        "isBase64Encoded": false,
    });
    yard.write("event.json", &event.to_string());
    let invoked = yard.run(&["invoke", "--payload", "event.json", "--json"]).json();
    assert_eq!(invoked["body"]["counted"], true, "{invoked}");
    let status = yard.run(&["status", "--json"]).json();
    assert_eq!(
        (&status["new_paths"]["today"], &status["new_paths"]["shares_spent"]),
        (&11.into(), &1.into())
    );
    assert!(status["warnings"][0].as_str().unwrap().contains("share of today's new paths"), "{status}");
    assert!(yard.run(&["status"]).stdout.contains("  warn  "));
}

#[test]
fn a_body_of_ten_megabytes_is_refused() {
    let yard = Yard::with(OPEN);
    let url = yard.deploy();
    let body = vec![b'x'; 10 * 1024 * 1024 + 1];
    let status = Http::connect(&url).unwrap().ask("POST", "/counter", "", &body).map(|answer| answer.status);
    // The gateway may close the connection before it has read all: some systems then show no answer at all.
    assert!(status.as_ref().map_or(true, |status| *status == 413), "{status:?}");
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 1);
}

/// Kills the local cloud as the kernel would when memory runs out, and waits until it is gone.
fn kill(yard: &Yard) {
    let pid = yard.run(&["local", "status", "--json"]).json()["pid"].as_u64().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    // A process that init has to reap is still there for a moment.
    let gone = || yard.run(&["local", "status", "--json"]).json()["running"] == false;
    for _ in 0..200 {
        if gone() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("the local cloud outlived SIGKILL");
}
