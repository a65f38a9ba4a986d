//! Real hits through the gateway, the function and the table: each one with response 200 is counted exactly once.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::{TestConnection, TestEnv, get};

/// Settings whose limits no test reaches: the count must be exact at full speed.
const UNLIMITED: &str = r#"
[function]
reserved_concurrency = "none"

[http]
rate_per_second = 100000
burst = 100000
"#;

const CLIENTS: usize = 32;
const HITS: u64 = 10_000;

#[test]
fn ten_thousand_hits_of_32_clients_are_counted_exactly() {
    let test_env = TestEnv::with_config(UNLIMITED);
    let url = test_env.deploy();
    let remaining = AtomicU64::new(HITS);
    let barrier = Barrier::new(CLIENTS);
    let mut numbers = BTreeSet::new();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut http = TestConnection::connect(&url).unwrap();
                    let mut counts = Vec::new();
                    barrier.wait();
                    while remaining
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |remaining| {
                            remaining.checked_sub(1)
                        })
                        .is_ok()
                    {
                        let response = http.send("GET", "/counter?path=/", "", b"").unwrap();
                        assert_eq!(response.status, 200, "{response:?}");
                        counts.push(response.json()["hits"].as_u64().unwrap());
                    }
                    counts
                })
            })
            .collect();
        for client in clients {
            numbers.extend(client.join().unwrap());
        }
    });
    // Every response has a different number, and together they are 1 to 10,000: nothing is lost or counted twice.
    assert_eq!(numbers.len() as u64, HITS);
    assert_eq!((numbers.first(), numbers.last()), (Some(&1), Some(&HITS)));
    assert_eq!(get(&url, "/v1/count?path=/").json()["hits"], HITS);
    assert_eq!(test_env.run(&["counts", "get", "/", "--json"]).json()["counts"][0]["hits"], HITS);
}

#[test]
fn sigkill_of_cloud_loses_no_acknowledged_hit() {
    let test_env = TestEnv::with_config(UNLIMITED);
    let url = test_env.deploy();
    let (answered, sent) = (AtomicU64::new(0), AtomicU64::new(0));
    for round in 0..4 {
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let Ok(mut http) = TestConnection::connect(&url) else { return };
                        loop {
                            sent.fetch_add(1, Ordering::SeqCst);
                            match http.send("GET", "/counter?path=/kill", "", b"") {
                                Ok(response) if response.status == 200 => {
                                    answered.fetch_add(1, Ordering::SeqCst)
                                }
                                _ => return,
                            };
                        }
                    })
                })
                .collect();
            // Kills the cloud under load, after enough further hits have been acknowledged.
            let goal = answered.load(Ordering::SeqCst) + 150 + 60 * round;
            while answered.load(Ordering::SeqCst) < goal
                && !clients.iter().all(std::thread::ScopedJoinHandle::is_finished)
            {
                std::thread::yield_now();
            }
            kill(&test_env);
        });
        let output = test_env.run(&["local", "start", "--json"]);
        assert_eq!(output.code, 0, "{output:?}");
        let hits = get(&url, "/v1/count?path=/kill").json()["hits"].as_u64().unwrap();
        let (answered, sent) = (answered.load(Ordering::SeqCst), sent.load(Ordering::SeqCst));
        assert!(answered <= hits && hits <= sent, "answered {answered}, counted {hits}, sent {sent}");
    }
    assert!(answered.load(Ordering::SeqCst) > 300, "too few hits to prove anything");
}

#[test]
fn concurrent_hit_with_reserved_concurrency_1_is_refused_and_not_counted() {
    let test_env = TestEnv::with_config("[http]\nrate_per_second = 100000\nburst = 100000\n");
    let url = test_env.deploy();
    let (counted, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut http = TestConnection::connect(&url).unwrap();
                for _ in 0..25 {
                    let response = http.send("GET", "/counter?path=/", "", b"").unwrap();
                    match response.status {
                        200 => counted.fetch_add(1, Ordering::SeqCst),
                        503 => {
                            assert_eq!(response.body, r#"{"message":"Service Unavailable"}"#);
                            refused.fetch_add(1, Ordering::SeqCst)
                        }
                        _ => panic!("{response:?}"),
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
fn stage_throttles_beyond_burst() {
    let test_env = TestEnv::with_config("[http]\nrate_per_second = 0.001\nburst = 5\n");
    let url = test_env.deploy();
    // The smoke test of the deploy has used three of the five.
    let statuses: Vec<u16> = (0..8).map(|_| get(&url, "/counter?path=/").status).collect();
    assert_eq!(statuses, [200, 200, 429, 429, 429, 429, 429, 429]);
}

#[test]
fn routes_respond_as_in_contract() {
    let test_env = TestEnv::with_config(UNLIMITED);
    let url = test_env.deploy();
    let mut http = TestConnection::connect(&url).unwrap();
    let mut send = |method: &str, target: &str| http.send(method, target, "", b"").unwrap();

    let first = send("GET", "/counter?path=/a/index.html");
    assert_eq!(first.status, 200);
    assert_eq!(first.json()["path"], "/a");
    assert_eq!(
        (&first.json()["v"], &first.json()["hits"], &first.json()["counted"]),
        (&1.into(), &1.into(), &true.into())
    );
    assert_eq!(first.json()["today"]["hits"], 1);
    assert_eq!(first.headers["cache-control"], "no-store");
    assert_eq!(first.headers["x-content-type-options"], "nosniff");

    assert_eq!(send("GET", "/counter?path=/a&ro=1").json()["hits"], 1);
    assert_eq!(send("HEAD", "/counter?path=/a").status, 200);
    assert_eq!(send("GET", "/counter?path=/a").json()["hits"], 2);
    assert_eq!(send("GET", "/counter?path=/never&ro=1").json()["hits"], 0);
    assert_eq!(send("GET", "/v1/count").json()["hits"], 2);
    assert_eq!(send("GET", "/healthz").status, 200);

    let wrong = send("POST", "/counter?path=/a");
    assert_eq!((wrong.status, wrong.headers["allow"].as_str()), (405, "GET, HEAD"));
    assert_eq!(send("GET", "/wp-login.php").body, r#"{"message":"Not Found"}"#);
    let long = format!("/counter?path=/{}", "x".repeat(512));
    assert_eq!(
        (send("GET", &long).status, send("GET", &long).json()["error"].clone()),
        (414, "path_too_long".into())
    );
    for bad in [
        "/counter",
        "/counter?path=/%00",
        "/counter?path=%FF",
        "/counter?path=!lease",
        "/counter?path=/a%5Cb",
    ] {
        assert_eq!(send("GET", bad).status, 400, "{bad}");
    }
    assert_eq!(send("GET", "/v1/count").json()["hits"], 2, "refused requests are not counted");
}

#[test]
fn allowed_origin_may_read_responses_and_errors() {
    let test_env = TestEnv::with_config("[http]\nallow_origins = [\"https://me.example\"]\n");
    let url = test_env.deploy();
    let mut http = TestConnection::connect(&url).unwrap();
    let mut send = |method: &str, target: &str, origin: &str| {
        let headers = format!("origin: {origin}\r\naccess-control-request-method: GET\r\n");
        http.send(method, target, &headers, b"").unwrap()
    };
    for target in ["/counter?path=/", "/counter?path=/%00", "/nowhere"] {
        let response = send("GET", target, "https://me.example");
        assert_eq!(response.headers["access-control-allow-origin"], "https://me.example", "{target}");
        let other = send("GET", target, "https://other.example");
        assert!(!other.headers.contains_key("access-control-allow-origin"), "{target}: {other:?}");
    }
    assert_eq!(send("OPTIONS", "/counter", "https://me.example").status, 204);

    // Only the site's own pages can read JSON. A badge can be shown on every site, but counts no views of other sites.
    for target in ["/v1/count", "/v1/count?path=/", "/counter?path=/&ro=1"] {
        assert_eq!(send("GET", target, "https://other.example").status, 403, "{target}");
        assert_eq!(send("GET", target, "https://me.example").status, 200, "{target}");
    }
    let mut badge = |headers: &str| {
        let response = http.send("GET", "/v1/badge.svg?path=/b&hit=1", headers, b"").unwrap();
        assert_eq!((response.status, response.headers["content-type"].starts_with("image/svg")), (200, true));
        response.headers.get("hitctl-ignored").cloned()
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
fn one_client_cannot_exhaust_new_paths_and_status_warns() {
    let config = UNLIMITED.to_owned() + "[counter]\nnew_paths_per_day = 100\nbots = \"count\"\n";
    let test_env = TestEnv::with_config(&config);
    let url = test_env.deploy();
    assert_eq!(test_env.run(&["counts", "add", "/synced", "1"]).code, 0);
    let before = test_env.run(&["status", "--json"]).json();
    assert_eq!((&before["new_paths"]["per_day"], before.get("warnings")), (&100.into(), None), "{before}");
    let mut http = TestConnection::connect(&url).unwrap();
    let mut view = |path: &str, agent: &str| {
        let headers = format!("user-agent: {agent}\r\n");
        http.send("GET", &format!("/counter?path={path}"), &headers, b"").unwrap().json()
    };
    let counted = (0..150).filter(|n| view(&format!("/invented/{n}"), "a")["counted"] == true).count();
    assert_eq!(counted, 10, "one visitor can add a tenth of the new paths");
    assert_eq!(view("/invented/149", "a")["why"], "full");
    for known in ["/synced", "/invented/3"] {
        assert_eq!(view(known, "b")["counted"], true, "{known}");
    }
    // A visitor from another network.
    let event = serde_json::json!({
        "version": "2.0", "routeKey": "ANY /counter", "rawPath": "/counter", "rawQueryString": "path=/new",
        "headers": {"user-agent": "c"},
        "requestContext": {"http": {"method": "GET", "path": "/counter", "sourceIp": "203.0.113.9"}, "stage": "$default"},
        "isBase64Encoded": false,
    });
    test_env.write("event.json", &event.to_string());
    let invoked = test_env.run(&["invoke", "--payload", "event.json", "--json"]).json();
    assert_eq!(invoked["body"]["counted"], true, "{invoked}");
    let status = test_env.run(&["status", "--json"]).json();
    assert_eq!(
        (&status["new_paths"]["today"], &status["new_paths"]["shares_spent"]),
        (&11.into(), &1.into())
    );
    assert!(status["warnings"][0].as_str().unwrap().contains("share of today's new paths"), "{status}");
    assert!(test_env.run(&["status"]).stdout.contains("  warn  "));
}

#[test]
fn body_above_10_mib_is_refused() {
    let test_env = TestEnv::with_config(UNLIMITED);
    let url = test_env.deploy();
    let body = vec![b'x'; 10 * 1024 * 1024 + 1];
    let status = TestConnection::connect(&url)
        .unwrap()
        .send("POST", "/counter", "", &body)
        .map(|response| response.status);
    // The gateway may close the connection before it has read the whole body. Some systems then show no response.
    assert!(status.as_ref().map_or(true, |status| *status == 413), "{status:?}");
    assert_eq!(get(&url, "/counter?path=/").json()["hits"], 1);
}

/// Kills the local cloud as the kernel would when memory runs out, and waits until it has ended.
fn kill(test_env: &TestEnv) {
    let pid = test_env.run(&["local", "status", "--json"]).json()["pid"].as_u64().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    // A process exists until init has reaped it.
    let has_ended = || test_env.run(&["local", "status", "--json"]).json()["running"] == false;
    for _ in 0..200 {
        if has_ended() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    panic!("the local cloud still runs after SIGKILL");
}
