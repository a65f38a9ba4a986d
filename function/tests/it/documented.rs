//! The examples of `docs/http.md`, run in their order against one counter. What each is answered stands behind it;
//! `HITCTL_UPDATE_DOCS=1` writes it anew.

use std::path::Path;

use hit_counter::http::{Answer, Headers, Origins, Request};
use hit_counter::moment::Moment;
use hit_counter::routes::{Counter, Setup};
use hit_counter::rules::Rules;
use hit_counter::store::Memory;
use hitctl_config::contract::{COUNTING_ROUTES, READING_ROUTES, STATS_ROUTES};

const NOON: Moment = Moment::from_millis(1_789_898_400_000);
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// Headers that every answer has, and that the page tells of once.
const UNTOLD: [&str; 5] =
    ["content-type", "x-content-type-options", "vary", "etag", "content-security-policy"];
const EXAMPLE: &str = "```http\n";
const ANSWER: &str = "```text\n";
const END: &str = "```\n";

fn counter() -> Counter<Memory> {
    let rules =
        Rules { ignore_bots: true, origins: Origins::parse(Some("https://me.example")), ..Rules::default() };
    let setup = Setup {
        rules,
        visitors: true,
        public_stats: true,
        build: Some("0123456789ab".to_owned()),
        ..Setup::default()
    };
    Counter::new(Memory::default(), setup)
}

/// A request as the page writes it: a line, headers, an empty line, a body.
fn request(example: &str) -> Request {
    let (head, body) = example.split_once("\n\n").unwrap_or((example, ""));
    let mut lines = head.lines();
    let (method, target) = lines.next().and_then(|line| line.split_once(' ')).expect("a request line");
    let (route, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = Headers { user_agent: BROWSER.into(), ..Headers::default() };
    for line in lines {
        match line.split_once(": ") {
            Some(("origin", origin)) => headers.origin = Some(origin.to_owned()),
            Some(("user-agent", agent)) => headers.user_agent = agent.into(),
            _ => panic!("{line} is not understood here"),
        }
    }
    let body = body.trim_end().as_bytes().to_vec();
    Request {
        method: method.to_owned(),
        route: route.to_owned(),
        query: query.to_owned(),
        headers,
        source_address: "203.0.113.7".into(),
        body_bytes: body.len(),
        body,
    }
}

/// An answer as the page writes it.
fn written(answer: &Answer) -> String {
    let mut out = format!("{}\n", answer.status);
    for (name, value) in answer.headers.iter().filter(|(name, _)| !UNTOLD.contains(name)) {
        out.extend([name, ": ", value.as_ref(), "\n"]);
    }
    if !answer.body.is_empty() {
        out.extend([answer.body.as_str(), "\n"]);
    }
    out
}

/// The page, with what each example is answered behind it.
fn answered(page: &str) -> String {
    let mut counter = counter();
    let mut out = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(EXAMPLE) {
        let (example, after) = after.split_once(END).expect("an end");
        let answer = counter.answer(&request(example), NOON).answer;
        out.extend([before, EXAMPLE, example, END, ANSWER, &written(&answer), END]);
        rest = after.strip_prefix(ANSWER).map_or(after, |old| old.split_once(END).expect("an end").1);
    }
    out + rest
}

#[test]
#[expect(clippy::disallowed_methods, reason = "asks whether to write the answers anew")]
fn every_documented_example_is_answered_as_documented() {
    let path = Path::new("../docs/http.md");
    let page = std::fs::read_to_string(path).unwrap();
    let answered = answered(&page);
    if std::env::var_os("HITCTL_UPDATE_DOCS").is_some() {
        std::fs::write(path, &answered).unwrap();
        return;
    }
    assert_eq!(page, answered, "docs/http.md is not what the counter answers");
    for route in [COUNTING_ROUTES, READING_ROUTES, STATS_ROUTES].into_iter().flatten() {
        let path = route.trim_start_matches("ANY");
        assert!(page.contains(&format!("{path}?")) || page.contains(&format!("{path}\n")), "{route}");
    }
}
