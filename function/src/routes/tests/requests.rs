//! Tests of `POST /v1/hit`, of the public statistics, and of conditional requests.

use super::*;

fn post(counter: &mut Counter<MemoryStore>, query: &str, body: &str) -> CounterResponse {
    let request = CounterRequest {
        method: "POST".to_owned(),
        route: "/v1/hit".to_owned(),
        query: query.to_owned(),
        headers: browser(1),
        body: body.as_bytes().to_vec(),
        body_bytes: body.len(),
        ..CounterRequest::default()
    };
    counter.handle(&request, NOON).response
}

#[test]
fn posted_hit_is_counted() {
    let mut counter = counter();
    let body = r#"{"p":"https://me.example/x/?utm_source=y","r":"https://ref.example"}"#;
    insta::assert_snapshot!(show(&post(&mut counter, "", body)), @r#"
    200
    content-type: application/json
    cache-control: no-store
    x-content-type-options: nosniff
    {"v":1,"path":"/x","hits":1,"today":{"hits":1},"counted":true}
    "#);
    insta::assert_snapshot!(show(&post(&mut counter, "quiet=1", " {\"p\":\"/x\"}\n")), @r"
    204
    cache-control: no-store
    x-content-type-options: nosniff
    ");
    assert_eq!(
        get(&mut counter, "/v1/count", "path=/x").body,
        r#"{"v":1,"path":"/x","hits":2,"today":{"hits":2},"counted":false}"#
    );
}

#[test]
fn invalid_hit_bodies_are_rejected_with_messages() {
    let mut counter = counter();
    let mut shown = String::new();
    for body in
        ["", "/x", "[\"/x\"]", "{}", r#"{"p":7}"#, r#"{"p":"/x","b":true}"#, r#"{"p":"!x"}"#, r#"{"p":"/x""#]
    {
        let response = post(&mut counter, "", body);
        shown.extend([format!("{} {}\n", response.status, response.body)]);
    }
    insta::assert_snapshot!(shown, @r#"
    400 {"error":"bad_param","message":"the body is not a JSON object; send a JSON object such as {\"p\":\"/about\"}"}
    400 {"error":"bad_param","message":"the body is not a JSON object; send a JSON object such as {\"p\":\"/about\"}"}
    400 {"error":"bad_param","message":"the body is not a JSON object; send a JSON object such as {\"p\":\"/about\"}"}
    400 {"error":"bad_param","message":"failed to parse the body: missing field `p` at line 1 column 2; send a JSON object such as {\"p\":\"/about\"}"}
    400 {"error":"bad_param","message":"failed to parse the body: invalid type: integer `7`, expected a string at line 1 column 6; send a JSON object such as {\"p\":\"/about\"}"}
    400 {"error":"bad_param","message":"failed to parse the body: invalid type: boolean `true`, expected u8 at line 1 column 18; send a JSON object such as {\"p\":\"/about\"}"}
    400 {"error":"bad_path","message":"the path begins with `!`, which is reserved"}
    400 {"error":"bad_param","message":"failed to parse the body: EOF while parsing an object at line 1 column 9; send a JSON object such as {\"p\":\"/about\"}"}
    "#);
    assert_eq!(counter.store().items().count(), 0);
    let response = request_at(&mut counter, "GET", "/v1/hit", "", NOON);
    assert_eq!((response.status, response.header("allow")), (405, Some("POST")));
    insta::assert_snapshot!(response.body, @r#"{"error":"method_not_allowed","message":"this route accepts only POST"}"#);
}

#[test]
fn automated_browser_is_a_bot() {
    let mut counter = counter_with(|config| config.rules.ignore_bots = true);
    assert!(post(&mut counter, "", r#"{"p":"/x","b":1}"#).body.contains(r#""why":"bot""#));
    assert!(post(&mut counter, "", r#"{"p":"/x","b":0}"#).body.contains(r#""counted":true"#));
}

#[test]
fn stats_routes_are_not_found_unless_public() {
    for route in ["/v1/top", "/v1/series", "/api/counters"] {
        assert_eq!(get(&mut counter(), route, "").status, 404, "{route}");
    }
}

/// Creates a counter with public statistics and visits on three days.
fn counter_with_public_stats() -> Counter<MemoryStore> {
    let mut counter = counter_with(|config| (config.public_stats, config.visitors) = (true, true));
    for (n, path, day) in
        [(1, "/a", 0), (2, "/a", 0), (2, "/a", 0), (1, "/b", 0), (1, "/b", 1), (1, "/a", 40)]
    {
        let at = Moment::from_millis(NOON.millis() - day * 86_400_000);
        visit_at(&mut counter, n, path, at);
    }
    counter
}

#[test]
fn top_pages_are_listed_by_rank() {
    let mut counter = counter_with_public_stats();
    insta::assert_snapshot!(get(&mut counter, "/v1/top", "limit=1").body, @r#"{"v":1,"site":{"hits":6,"uniques":4,"today":{"hits":4,"uniques":2}},"counts":[{"path":"/a","hits":4,"uniques":3,"today":{"hits":3,"uniques":2}}]}"#);
    let same = get(&mut counter, "/api/counters", "limit=1").body;
    assert_eq!(same, get(&mut counter, "/v1/top", "limit=1&by=hits").body);
    let by_today = get(&mut counter, "/v1/top", "by=today").body;
    assert!(by_today.find("/a").expect("listed") < by_today.find("/b").expect("listed"));
    let mut shown = String::new();
    for query in ["limit=0", "limit=101", "limit=x", "by=path", "limit=1&limit=2"] {
        shown.extend([format!("{}\n", get(&mut counter, "/v1/top", query).body)]);
    }
    insta::assert_snapshot!(shown, @r#"
    {"error":"bad_param","message":"`limit`: expected a number from 1 to 100"}
    {"error":"bad_param","message":"`limit`: expected a number from 1 to 100"}
    {"error":"bad_param","message":"`limit`: expected a number from 1 to 100"}
    {"error":"bad_param","message":"`by`: expected hits, today or uniques"}
    {"error":"bad_param","message":"expected at most one `limit` parameter"}
    "#);
}

#[test]
fn series_lists_days_and_months() {
    let mut counter = counter_with_public_stats();
    insta::assert_snapshot!(get(&mut counter, "/v1/series", "path=/a&days=2&months=2").body, @r#"{"v":1,"path":"/a","days":[{"day":"2026-09-19","hits":0,"uniques":0},{"day":"2026-09-20","hits":3,"uniques":2}],"months":[{"month":"2026-08","hits":1,"uniques":1},{"month":"2026-09","hits":3,"uniques":2}]}"#);
    insta::assert_snapshot!(get(&mut counter, "/v1/series", "days=2&months=1").body, @r#"{"v":1,"days":[{"day":"2026-09-19","hits":1,"uniques":1},{"day":"2026-09-20","hits":4,"uniques":2}],"months":[{"month":"2026-09","hits":5,"uniques":3}]}"#);
    let whole = get(&mut counter, "/v1/series", "").body;
    assert_eq!((whole.matches("\"day\"").count(), whole.matches("\"month\"").count()), (31, 12));
    assert_eq!(get(&mut counter, "/v1/series", "days=32").status, 400);
}

#[test]
fn whole_table_is_read_once_a_minute() {
    let mut counter = counter_with_public_stats();
    let series = |counter: &mut Counter<MemoryStore>, after_ms: u64| {
        let now = Moment::from_millis(NOON.millis() + after_ms);
        request_at(counter, "GET", "/v1/series", "days=1&months=1", now).body
    };
    let before = series(&mut counter, 0);
    visit_at(&mut counter, 3, "/c", NOON);
    assert_eq!(series(&mut counter, 59_999), before);
    assert_ne!(series(&mut counter, 60_000), before);
}

#[test]
fn series_months_cross_the_year_boundary() {
    let mut counter = counter_with(|config| config.public_stats = true);
    let january = Moment::from_millis(1_768_000_000_000);
    let body = request_at(&mut counter, "GET", "/v1/series", "days=1&months=3", january).body;
    insta::assert_snapshot!(body, @r#"{"v":1,"days":[{"day":"2026-01-09","hits":0}],"months":[{"month":"2025-11","hits":0},{"month":"2025-12","hits":0},{"month":"2026-01","hits":0}]}"#);
}

#[test]
fn matching_etag_returns_not_modified() {
    let mut counter = counter();
    let conditional = |known: Option<&str>| CounterRequest {
        method: "GET".to_owned(),
        route: "/v1/count".to_owned(),
        query: "path=/a".to_owned(),
        headers: RequestHeaders { if_none_match: known.map(str::to_owned), ..RequestHeaders::default() },
        ..CounterRequest::default()
    };
    let first = counter.handle(&conditional(None), NOON).response;
    let tag = first.header("etag").expect("a tag").to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}")] {
        let second = counter.handle(&conditional(Some(&known)), NOON).response;
        assert_eq!((second.status, second.body.as_str()), (304, ""));
        assert_eq!(second.header("etag"), Some(tag.as_str()));
    }
    get(&mut counter, "/counter", "path=/a");
    assert_eq!(counter.handle(&conditional(Some(&tag)), NOON).response.status, 200);
}

#[test]
fn widget_route_returns_the_script() {
    let response = get(&mut counter(), "/v1/widget.js", "");
    assert_eq!(response.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(response.header("cache-control"), Some("public, max-age=86400"));
    assert_eq!(response.body, include_str!("../../widget.js"));
    let config = CounterConfig { queued: true, ..CounterConfig::default() };
    let response = get(&mut Counter::new(MemoryStore::default(), config), "/v1/widget.js", "");
    assert_eq!(response.body, include_str!("../../widget_queued.js"));
}
