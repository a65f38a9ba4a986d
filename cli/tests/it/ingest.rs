//! With `[queue] ingest = "http"`, the API sends the hits of pages to the queue and does not call the function. The
//! counting rules are the same as for hits over HTTP.

use std::sync::Barrier;

use serde_json::{Value as Json, json};

use crate::event_commands::{dead_letter_count, run_until, wait_for_hits, wait_until_drained};
use crate::support::{DEFAULTS, TestConnection, TestEnv, TestResponse};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const CURL: &str = "curl/8.5.0";
const SITE: &str = "https://site.example";

/// Settings of a small site: hits through the queue, a reserved concurrency of 1, and short batches.
const INGEST: &str = "[function]\nreserved_concurrency = 1\n[http]\nrate_per_second = 10000\nburst = 5000\n\
                      allow_origins = [\"https://site.example\"]\n\
                      [queue]\nenabled = true\ningest = \"http\"\nwindow_s = 0\nbatch_size = 10\nmax_receive_count = 5\n";

/// Sends a hit like a page of this origin.
fn send_hit(
    http: &mut TestConnection,
    (origin, agent): (&str, &str),
    kind: &str,
    body: &str,
) -> TestResponse {
    let headers = format!("origin: {origin}\r\nuser-agent: {agent}\r\ncontent-type: {kind}\r\n");
    http.send("POST", "/v1/hit", &headers, body.as_bytes()).unwrap()
}

#[test]
fn queued_page_hits_are_judged_like_http_hits() {
    let test_env =
        TestEnv::with_config(&format!("{INGEST}[counter]\nrepeat_window_s = 3600\nexact = true\n"));
    let url = test_env.deploy();
    let mut http = TestConnection::connect(&url).unwrap();
    for (sender, kind, body) in [
        ((SITE, FIREFOX), "application/json", r#"{"p":"/a","r":"https://ref.example"}"#),
        ((SITE, CHROME), "application/json", r#"{"p":"/a/index.html?utm_source=x"}"#),
        ((SITE, FIREFOX), "text/plain", r#"{"p":"/b"}"#),
        // Not counted: a reload, a bot, an automated browser, another site.
        ((SITE, FIREFOX), "application/json", r#"{"p":"/a"}"#),
        ((SITE, CURL), "application/json", r#"{"p":"/a"}"#),
        ((SITE, CHROME), "application/json", r#"{"p":"/b","b":1}"#),
        (("https://other.example", CHROME), "application/json", r#"{"p":"/b"}"#),
        // Hits that get an error over HTTP.
        ((SITE, FIREFOX), "application/json", r#"{"p":"!site"}"#),
        ((SITE, FIREFOX), "application/json", r#"{"p":"/%00"}"#),
        ((SITE, FIREFOX), "application/json", r#"{"p":"/a""#),
        ((SITE, FIREFOX), "text/plain", "/b"),
        ((SITE, FIREFOX), "application/json", r#"{"v":1,"path":"/a","n":1000000}"#),
    ] {
        let response = send_hit(&mut http, sender, kind, body);
        assert_eq!(response.status, 200, "{body}: {response:?}");
        assert!(response.json()["SendMessageResponse"]["SendMessageResult"]["MessageId"].is_string());
    }
    wait_until_drained(&test_env);
    let rows = test_env.counts(&["list", "--json"]).json();
    let counted: Vec<_> = rows["counts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["path"].as_str().unwrap(), row["hits"].as_u64(), row["uniques"].as_u64()))
        .collect();
    assert_eq!(counted, [("/a", Some(2), Some(2)), ("/b", Some(1), Some(1))]);
    let report = test_env.run(&["report", "--json"]).json();
    let dropped: Vec<_> = report["dropped"].as_object().unwrap().values().collect();
    assert_eq!(dropped, [&json!({ "bot": 2, "dup": 1, "origin": 1 })], "{report}");
    let status = test_env.run(&["status", "--json"]).json();
    assert_eq!(
        dead_letter_count(&status),
        Some("0"),
        "an invalid hit of a page does not become a dead letter"
    );
    let log = test_env.run(&["logs"]).stdout;
    assert!(log.contains("dropped invalid hits from pages") && !log.contains("message refused"), "{log}");
    assert!(!log.contains("127.0.0.1") && !log.contains("Firefox") && !log.contains("1000000"), "{log}");

    // The function still serves the rest of the API.
    let headers = format!("user-agent: {FIREFOX} (another)\r\norigin: {SITE}\r\n");
    let response = http.send("GET", "/counter?path=/a", &headers, b"").unwrap();
    assert_eq!((response.status, &response.json()["hits"]), (200, &json!(3)), "{response:?}");
}

#[test]
fn five_hundred_concurrent_hits_all_count_with_concurrency_1() {
    const CLIENTS: usize = 25;
    const HITS_PER_CLIENT: usize = 20;
    let count_everything =
        "[counter]\nvisitors = \"none\"\nbots = \"count\"\nrepeat_window_s = 0\nexact = true\n";
    let test_env = TestEnv::with_config(&format!("{INGEST}{count_everything}"));
    let url = test_env.deploy();
    let barrier = Barrier::new(CLIENTS);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (url, barrier) = (&url, &barrier);
            scope.spawn(move || {
                let mut http = TestConnection::connect(url).unwrap();
                let body = json!({ "p": format!("/page-{}", client % 5) }).to_string();
                barrier.wait();
                for _ in 0..HITS_PER_CLIENT {
                    let response = send_hit(&mut http, (SITE, FIREFOX), "text/plain", &body);
                    assert_eq!(response.status, 200, "{response:?}");
                }
            });
        }
    });
    for page in 0..5 {
        wait_for_hits(&test_env, &format!("/page-{page}"), (CLIENTS * HITS_PER_CLIENT / 5) as u64);
    }
    wait_until_drained(&test_env);
    let status = test_env.run(&["status", "--json"]).json();
    assert_eq!(
        (&status["hits"], dead_letter_count(&status)),
        (&json!(CLIENTS * HITS_PER_CLIENT), Some("0")),
        "{status}"
    );
}

/// Returns the invalidations that the local CloudFront has recorded, from `local status`.
fn invalidations(test_env: &TestEnv) -> Json {
    test_env.run(&["local", "status", "--json"]).json()["invalidations"].clone()
}

#[test]
fn hits_of_one_window_cause_one_invalidation() {
    const WINDOW_S: i64 = 86_400;
    let window = || jiff::Timestamp::now().as_second() / WINDOW_S;
    let test_env = TestEnv::with_config(&format!(
        "{DEFAULTS}[queue]\nenabled = true\nwindow_s = 0\nbatch_size = 5\n[function]\nreserved_concurrency = \"none\"\n\
         [cloudfront]\ndistribution_id = \"E123ABC\"\ninvalidate_after_s = {WINDOW_S}\ninvalidate = [\"/\", \"/api/*\"]\n"
    ));
    let first = window();
    test_env.deploy();
    assert_eq!(invalidations(&test_env), Json::Null, "a deploy requests no invalidation");
    let lines: Vec<String> = (0..100).map(|n| format!("/{n}")).collect();
    test_env.write("hits", &lines.join("\n"));
    for _ in 0..2 {
        assert_eq!(test_env.run(&["send", "--file", "hits"]).code, 0);
        wait_until_drained(&test_env);
    }
    run_until(&test_env, &["status"], |json| json["hits"] == 200);
    // The invalidation is requested after the hits are counted.
    run_until(&test_env, &["local", "status"], |json| !json["invalidations"].is_null());
    let recorded = invalidations(&test_env);
    // The window may have changed in the meantime.
    let windows = 1 + window() - first;
    let count = recorded["asked"].as_i64().unwrap();
    assert!((1..=windows).contains(&count), "{recorded}");
    let last = &recorded["last"];
    assert_eq!(
        (&last["distribution"], &last["paths"], &last["status"]),
        (&json!("E123ABC"), &json!(["/", "/api/*"]), &json!("Completed")),
        "{recorded}"
    );
    let shown = test_env.run(&["local", "status"]).stdout;
    assert!(shown.contains("E123ABC: / /api/*\n"), "{shown}");
}
