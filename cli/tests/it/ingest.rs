//! `[queue] ingest = "http"`: a page's hits go to the queue without the function, and are judged there as on the web.

use std::sync::Barrier;

use serde_json::{Value as Json, json};

use crate::feed::{dead, drained, hits, until};
use crate::support::{Answer, DEFAULTS, Http, Yard};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const CURL: &str = "curl/8.5.0";
const SITE: &str = "https://site.example";

/// Hits by the queue and one function at a time, as a small site has it; nothing waits longer than it must.
const INGEST: &str = "[function]\nreserved_concurrency = 1\n[http]\nrate_per_second = 10000\nburst = 5000\n\
                      allow_origins = [\"https://site.example\"]\n\
                      [queue]\nenabled = true\ningest = \"http\"\nwindow_s = 0\nbatch_size = 10\nmax_receive_count = 5\n";

/// Sends a hit as a page of that site does.
fn post(http: &mut Http, (origin, agent): (&str, &str), kind: &str, body: &str) -> Answer {
    let headers = format!("origin: {origin}\r\nuser-agent: {agent}\r\ncontent-type: {kind}\r\n");
    http.ask("POST", "/v1/hit", &headers, body.as_bytes()).unwrap()
}

#[test]
fn hits_of_pages_wait_on_the_queue_and_are_judged_as_on_the_web() {
    let yard = Yard::with(&format!("{INGEST}[counter]\nrepeat_window_s = 3600\nexact = true\n"));
    let url = yard.deploy();
    let mut http = Http::connect(&url).unwrap();
    for (who, kind, body) in [
        ((SITE, FIREFOX), "application/json", r#"{"p":"/a","r":"https://ref.example"}"#),
        ((SITE, CHROME), "application/json", r#"{"p":"/a/index.html?utm_source=x"}"#),
        ((SITE, FIREFOX), "text/plain", r#"{"p":"/b"}"#),
        // What does not count: a reload, a robot, a browser that a program drives, another site.
        ((SITE, FIREFOX), "application/json", r#"{"p":"/a"}"#),
        ((SITE, CURL), "application/json", r#"{"p":"/a"}"#),
        ((SITE, CHROME), "application/json", r#"{"p":"/b","b":1}"#),
        (("https://other.example", CHROME), "application/json", r#"{"p":"/b"}"#),
        // What is answered with an error on the web.
        ((SITE, FIREFOX), "application/json", r#"{"p":"!site"}"#),
        ((SITE, FIREFOX), "application/json", r#"{"p":"/%00"}"#),
        ((SITE, FIREFOX), "application/json", r#"{"p":"/a""#),
        ((SITE, FIREFOX), "text/plain", "/b"),
        ((SITE, FIREFOX), "application/json", r#"{"v":1,"path":"/a","n":1000000}"#),
    ] {
        let answer = post(&mut http, who, kind, body);
        assert_eq!(answer.status, 200, "{body}: {answer:?}");
        assert!(answer.json()["SendMessageResponse"]["SendMessageResult"]["MessageId"].is_string());
    }
    drained(&yard);
    let rows = yard.counts(&["list", "--json"]).json();
    let told: Vec<_> = rows["counts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["path"].as_str().unwrap(), row["hits"].as_u64(), row["uniques"].as_u64()))
        .collect();
    assert_eq!(told, [("/a", Some(2), Some(2)), ("/b", Some(1), Some(1))]);
    let report = yard.run(&["report", "--json"]).json();
    let dropped: Vec<_> = report["dropped"].as_object().unwrap().values().collect();
    assert_eq!(dropped, [&json!({ "bot": 2, "dup": 1, "origin": 1 })], "{report}");
    let status = yard.run(&["status", "--json"]).json();
    assert_eq!(dead(&status), Some("0"), "nobody can fill the dead letters from a page");
    let log = yard.run(&["logs"]).stdout;
    assert!(log.contains("hits of pages were dropped") && !log.contains("message refused"), "{log}");
    assert!(!log.contains("127.0.0.1") && !log.contains("Firefox") && !log.contains("1000000"), "{log}");

    // The rest of the API is the function's, as ever.
    let headers = format!("user-agent: {FIREFOX} (another)\r\norigin: {SITE}\r\n");
    let answer = http.ask("GET", "/counter?path=/a", &headers, b"").unwrap();
    assert_eq!((answer.status, &answer.json()["hits"]), (200, &json!(3)), "{answer:?}");
}

#[test]
fn five_hundred_hits_at_once_all_count_with_one_function_at_a_time() {
    const CLIENTS: usize = 25;
    const EACH: usize = 20;
    let everyone = "[counter]\nvisitors = \"none\"\nbots = \"count\"\nrepeat_window_s = 0\nexact = true\n";
    let yard = Yard::with(&format!("{INGEST}{everyone}"));
    let url = yard.deploy();
    let barrier = Barrier::new(CLIENTS);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (url, barrier) = (&url, &barrier);
            scope.spawn(move || {
                let mut http = Http::connect(url).unwrap();
                let body = json!({ "p": format!("/page-{}", client % 5) }).to_string();
                barrier.wait();
                for _ in 0..EACH {
                    let answer = post(&mut http, (SITE, FIREFOX), "text/plain", &body);
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            });
        }
    });
    for page in 0..5 {
        hits(&yard, &format!("/page-{page}"), (CLIENTS * EACH / 5) as u64);
    }
    drained(&yard);
    let status = yard.run(&["status", "--json"]).json();
    assert_eq!((&status["hits"], dead(&status)), (&json!(CLIENTS * EACH), Some("0")), "{status}");
}

/// What the recorder of this machine's CloudFront was asked, as `local status` says it.
fn invalidated(yard: &Yard) -> Json {
    yard.run(&["local", "status", "--json"]).json()["invalidations"].clone()
}

#[test]
fn hits_of_a_window_lead_to_one_invalidation() {
    const WINDOW_S: i64 = 86_400;
    let window = || jiff::Timestamp::now().as_second() / WINDOW_S;
    let yard = Yard::with(&format!(
        "{DEFAULTS}[queue]\nenabled = true\nwindow_s = 0\nbatch_size = 5\n[function]\nreserved_concurrency = \"none\"\n\
         [cloudfront]\ndistribution_id = \"E123ABC\"\ninvalidate_after_s = {WINDOW_S}\ninvalidate = [\"/\", \"/api/*\"]\n"
    ));
    let first = window();
    yard.deploy();
    assert_eq!(invalidated(&yard), Json::Null, "a deploy asks for none");
    let lines: Vec<String> = (0..100).map(|n| format!("/{n}")).collect();
    yard.write("hits", &lines.join("\n"));
    for _ in 0..2 {
        assert_eq!(yard.run(&["send", "--file", "hits"]).code, 0);
        drained(&yard);
    }
    until(&yard, &["status"], |json| json["hits"] == 200);
    // It is asked for after the hits are counted and answered.
    until(&yard, &["local", "status"], |json| !json["invalidations"].is_null());
    let asked = invalidated(&yard);
    // The day may have changed on the way.
    let windows = 1 + window() - first;
    let times = asked["asked"].as_i64().unwrap();
    assert!((1..=windows).contains(&times), "{asked}");
    let last = &asked["last"];
    assert_eq!(
        (&last["distribution"], &last["paths"], &last["status"]),
        (&json!("E123ABC"), &json!(["/", "/api/*"]), &json!("Completed")),
        "{asked}"
    );
    let shown = yard.run(&["local", "status"]).stdout;
    assert!(shown.contains("E123ABC: / /api/*\n"), "{shown}");
}
