//! Runs the examples of `docs/http.md` in order against one counter and compares the documented responses.
//! `HITCTL_UPDATE_DOCS=1` rewrites them.

use std::path::Path;

use hit_counter::http::{CounterRequest, CounterResponse, Origins, RequestHeaders};
use hit_counter::moment::Moment;
use hit_counter::routes::{Counter, CounterConfig};
use hit_counter::rules::CountingRules;
use hit_counter::store::MemoryStore;
use hitctl_config::contract::{COUNTING_ROUTES, READING_ROUTES, STATS_ROUTES};

const NOON: Moment = Moment::from_millis(1_789_898_400_000);
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// Headers that many responses have and that the page describes only once.
const OMITTED_HEADERS: [&str; 5] =
    ["content-type", "x-content-type-options", "vary", "etag", "content-security-policy"];
const EXAMPLE: &str = "```http\n";
const RESPONSE: &str = "```text\n";
const END: &str = "```\n";

fn counter() -> Counter<MemoryStore> {
    let rules = CountingRules {
        ignore_bots: true,
        origins: Origins::parse(Some("https://me.example")),
        ..CountingRules::default()
    };
    let config = CounterConfig {
        rules,
        visitors: true,
        public_stats: true,
        build: Some("0123456789ab".to_owned()),
        ..CounterConfig::default()
    };
    Counter::new(MemoryStore::default(), config)
}

/// Parses a request as the page writes it: a request line, headers, an empty line, a body.
fn request(example: &str) -> CounterRequest {
    let (head, body) = example.split_once("\n\n").unwrap_or((example, ""));
    let mut lines = head.lines();
    let (method, target) = lines.next().and_then(|line| line.split_once(' ')).expect("a request line");
    let (route, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = RequestHeaders { user_agent: BROWSER.into(), ..RequestHeaders::default() };
    for line in lines {
        match line.split_once(": ") {
            Some(("origin", origin)) => headers.origin = Some(origin.to_owned()),
            Some(("user-agent", agent)) => headers.user_agent = agent.into(),
            _ => panic!("unsupported header in an example: {line}"),
        }
    }
    let body = body.trim_end().as_bytes().to_vec();
    CounterRequest {
        method: method.to_owned(),
        route: route.to_owned(),
        query: query.to_owned(),
        headers,
        source_address: "203.0.113.7".into(),
        body_bytes: body.len(),
        body,
    }
}

/// Formats a response as the page writes it.
fn format_response(response: &CounterResponse) -> String {
    let mut out = format!("{}\n", response.status);
    for (name, value) in response.headers.iter().filter(|(name, _)| !OMITTED_HEADERS.contains(name)) {
        out.extend([name, ": ", value.as_ref(), "\n"]);
    }
    if !response.body.is_empty() {
        out.extend([response.body.as_str(), "\n"]);
    }
    out
}

/// Returns the page with the actual response after each example.
fn with_responses(page: &str) -> String {
    let mut counter = counter();
    let mut out = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(EXAMPLE) {
        let (example, after) = after.split_once(END).expect("an end");
        let response = counter.handle(&request(example), NOON).response;
        out.extend([before, EXAMPLE, example, END, RESPONSE, &format_response(&response), END]);
        rest = after.strip_prefix(RESPONSE).map_or(after, |old| old.split_once(END).expect("an end").1);
    }
    out + rest
}

#[test]
#[expect(clippy::disallowed_methods, reason = "asks whether to update the documented responses")]
fn documented_examples_return_the_documented_responses() {
    let path = Path::new("../docs/http.md");
    let page = std::fs::read_to_string(path).unwrap();
    let with_responses = with_responses(&page);
    if std::env::var_os("HITCTL_UPDATE_DOCS").is_some() {
        std::fs::write(path, &with_responses).unwrap();
        return;
    }
    assert_eq!(page, with_responses, "docs/http.md differs from the responses of the counter");
    for route in [COUNTING_ROUTES, READING_ROUTES, STATS_ROUTES].into_iter().flatten() {
        let path = route.trim_start_matches("ANY");
        assert!(page.contains(&format!("{path}?")) || page.contains(&format!("{path}\n")), "{route}");
    }
}
