//! Tests of all routes and errors, on a store in memory.

mod badges;
mod requests;
mod visits;

use super::*;
use crate::hit::CountItem;
use crate::http::RequestHeaders;
use crate::store::MemoryStore;

const NOON: Moment = Moment::from_millis(1_789_898_400_000);

fn counter() -> Counter<MemoryStore> {
    counter_with(|_| ())
}

/// Creates a counter whose configuration `configure` has changed.
fn counter_with(configure: impl FnOnce(&mut CounterConfig)) -> Counter<MemoryStore> {
    let mut config = CounterConfig { build: Some("b1".to_owned()), ..CounterConfig::default() };
    configure(&mut config);
    Counter::new(MemoryStore::default(), config)
}

/// Returns the headers of the browser of visitor `n`.
fn browser(n: u8) -> RequestHeaders {
    RequestHeaders {
        user_agent: format!("Mozilla/5.0 (X11; rv:1{n}.0) Gecko/20100101 Firefox/1{n}.0").as_str().into(),
        ..RequestHeaders::default()
    }
}

fn visit_at(counter: &mut Counter<MemoryStore>, n: u8, path: &str, now: Moment) -> RouteOutcome {
    let request = CounterRequest {
        method: "GET".to_owned(),
        route: "/counter".to_owned(),
        query: format!("path={path}"),
        headers: browser(n),
        source_address: format!("203.0.113.{n}").as_str().into(),
        ..CounterRequest::default()
    };
    counter.handle(&request, now)
}

fn request_at(
    counter: &mut Counter<MemoryStore>,
    method: &str,
    route: &str,
    query: &str,
    now: Moment,
) -> CounterResponse {
    let request = CounterRequest {
        method: method.to_owned(),
        route: route.to_owned(),
        query: query.to_owned(),
        ..CounterRequest::default()
    };
    counter.handle(&request, now).response
}

fn get(counter: &mut Counter<MemoryStore>, route: &str, query: &str) -> CounterResponse {
    request_at(counter, "GET", route, query, NOON)
}

/// Returns status, headers and body as text.
fn show(response: &CounterResponse) -> String {
    let headers: Vec<String> =
        response.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    format!("{}\n{}{}", response.status, headers.concat(), response.body)
}

#[test]
fn hit_returns_the_new_count() {
    let mut counter = counter();
    get(&mut counter, "/counter", "path=/x");
    insta::assert_snapshot!(show(&get(&mut counter, "/counter", "path=/x/index.html")), @r#"
    200
    content-type: application/json
    cache-control: no-store
    x-content-type-options: nosniff
    {"v":1,"path":"/x","hits":2,"today":{"hits":2},"counted":true}
    "#);
}

#[test]
fn read_does_not_count() {
    let mut counter = counter();
    get(&mut counter, "/counter", "path=/x");
    insta::assert_snapshot!(show(&get(&mut counter, "/counter", "path=/x&ro=1")), @r#"
    200
    content-type: application/json
    cache-control: public, max-age=60, stale-while-revalidate=600
    x-content-type-options: nosniff
    etag: "f1419a0320ad8d14"
    {"v":1,"path":"/x","hits":1,"today":{"hits":1},"counted":false}
    "#);
    let head = request_at(&mut counter, "HEAD", "/counter", "path=/x", NOON);
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-type"), Some("application/json"));
    let body = get(&mut counter, "/v1/count", "path=/x").body;
    assert_eq!(body, r#"{"v":1,"path":"/x","hits":1,"today":{"hits":1},"counted":false}"#);
    let unknown = get(&mut counter, "/counter", "path=/never&ro=1");
    assert_eq!(unknown.body, r#"{"v":1,"path":"/never","hits":0,"today":{"hits":0},"counted":false}"#);
}

#[test]
fn today_ends_at_midnight_utc() {
    let mut counter = counter();
    let midnight = Moment::from_millis(NOON.millis() / 86_400_000 * 86_400_000 + 86_400_000);
    request_at(&mut counter, "GET", "/counter", "path=/x", Moment::from_millis(midnight.millis() - 1));
    let next = request_at(&mut counter, "GET", "/counter", "path=/x", midnight);
    assert_eq!(next.body, r#"{"v":1,"path":"/x","hits":2,"today":{"hits":1},"counted":true}"#);
}

#[test]
fn several_pages_are_returned_in_requested_order() {
    let mut counter = counter();
    for path in ["path=/b", "path=/b", "path=/a"] {
        get(&mut counter, "/counter", path);
    }
    let response = get(&mut counter, "/v1/count", "path=/b&path=/never&path=/a/&path=/b");
    insta::assert_snapshot!(response.body, @r#"{"v":1,"counts":[{"path":"/b","hits":2,"today":{"hits":2}},{"path":"/never","hits":0,"today":{"hits":0}},{"path":"/a","hits":1,"today":{"hits":1}},{"path":"/b","hits":2,"today":{"hits":2}}]}"#);
}

#[test]
fn site_total_excludes_reserved_items() {
    let mut counter = counter();
    let lease = CountItem { numbers: vec![("hits".to_owned(), 900)], other_bytes: 0 };
    counter.store().put("!lease", lease);
    for path in ["path=/b", "path=/a"] {
        get(&mut counter, "/counter", path);
    }
    assert_eq!(get(&mut counter, "/v1/count", "").body, r#"{"v":1,"hits":2,"today":{"hits":2}}"#);
}

#[test]
fn site_total_is_cached_for_a_minute_and_includes_own_hits() {
    let mut counter = counter();
    get(&mut counter, "/counter", "path=/a");
    get(&mut counter, "/v1/count", "");
    let other = CountItem { numbers: vec![("hits".to_owned(), 100)], other_bytes: 0 };
    counter.store().put("/from-elsewhere", other);
    get(&mut counter, "/counter", "path=/a");
    let total = |counter: &mut Counter<MemoryStore>, after_ms: u64| {
        request_at(counter, "GET", "/v1/count", "", Moment::from_millis(NOON.millis() + after_ms)).body
    };
    assert_eq!(total(&mut counter, 59_999), r#"{"v":1,"hits":2,"today":{"hits":2}}"#);
    assert_eq!(total(&mut counter, 60_000), r#"{"v":1,"hits":102,"today":{"hits":2}}"#);
    assert_eq!(total(&mut counter, 86_400_000), r#"{"v":1,"hits":102,"today":{"hits":0}}"#);
}

#[test]
fn failed_site_total_is_not_read_by_every_request() {
    let mut counter = counter_with(|config| config.public_stats = true);
    counter.store().fail(Some(StoreError::TooLarge("a million pages".to_owned())));
    for second in 0..1_800 {
        let now = Moment::from_millis(NOON.millis() + second * 1_000);
        for (route, query) in [("/v1/count", ""), ("/v1/top", ""), ("/api/counters", ""), ("/v1/series", "")]
        {
            let response = request_at(&mut counter, "GET", route, query, now);
            assert_eq!(response.status, 503);
            let after = (3_600 - second).to_string();
            assert_eq!(response.header("retry-after"), Some(after.as_str()), "{route} after {second} s");
        }
        // Counting a batch of messages does not cause another read.
        counter.batch_context();
    }
    assert_eq!(counter.store().scans(), 2, "one scan for the pages, one for the days and months");
    insta::assert_snapshot!(get(&mut counter, "/v1/count", "").body, @r#"{"error":"too_many_pages","message":"the site has too many pages to sum up; request single paths"}"#);
    // Single paths can still be read.
    counter.store().fail(None);
    assert_eq!(get(&mut counter, "/v1/count", "path=/").status, 200);
    let later = Moment::from_millis(NOON.millis() + 3_600_000);
    assert_eq!(request_at(&mut counter, "GET", "/v1/count", "", later).status, 200);
}

#[test]
fn previous_site_total_is_returned_while_reads_fail() {
    let mut counter = counter();
    get(&mut counter, "/counter", "path=/");
    let total = get(&mut counter, "/v1/count", "").body;
    counter.store().fail(Some(StoreError::Throttled("hot".to_owned())));
    let later = Moment::from_millis(NOON.millis() + 120_000);
    let response = request_at(&mut counter, "GET", "/v1/count", "", later);
    assert_eq!((response.status, response.body), (200, total));
    request_at(&mut counter, "GET", "/v1/count", "", later);
    assert_eq!(counter.store().scans(), 2);
}

#[test]
fn health_does_not_touch_the_store() {
    let mut counter = counter();
    counter.store().fail(Some(StoreError::Unavailable("down".to_owned())));
    insta::assert_snapshot!(show(&get(&mut counter, "/healthz", "")), @r#"
    200
    content-type: application/json
    cache-control: no-store
    x-content-type-options: nosniff
    hitctl-build: b1
    {"v":1,"ok":true}
    "#);
}

#[test]
fn page_shows_the_widget_and_no_counts() {
    let mut counter = counter();
    get(&mut counter, "/counter", "path=/a");
    let page = get(&mut counter, "/", "path=/a");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(
        page.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'"))
    );
    assert!(page.body.contains("/v1/widget.js") && !page.body.contains("hits"), "{}", page.body);
    assert_eq!(
        get(&mut counter, "/counter", "path=/a&ro=1").body,
        get(&mut counter, "/counter", "path=/a&ro=1").body
    );
}

#[test]
fn invalid_requests_return_status_code_and_message() {
    let long = format!("path=/{}", "a".repeat(512));
    let many = "path=/a&".repeat(21);
    let mut shown = Vec::new();
    for (route, query) in [
        ("/counter", ""),
        ("/counter", "path=/a&path=/b"),
        ("/counter", "path=/a&ro=yes"),
        ("/counter", "path=/a&x=%"),
        ("/counter", "path=%ff"),
        ("/counter", "path=/%2500"),
        ("/counter", "path=!lease"),
        ("/counter", &long),
        ("/v1/count", &many),
        ("/v1/count", "path=/a&path=!b"),
        ("/v2", ""),
        ("/counter/", "path=/a"),
    ] {
        let response = get(&mut counter(), route, query);
        assert_eq!(response.header("cache-control"), Some("no-store"));
        shown.push(format!("{} {}\n", response.status, response.body));
    }
    insta::assert_snapshot!(shown.concat(), @r#"
    400 {"error":"bad_param","message":"expected one `path` parameter, such as ?path=/"}
    400 {"error":"bad_param","message":"expected one `path` parameter, such as ?path=/"}
    400 {"error":"bad_param","message":"`ro`: expected 0 or 1"}
    400 {"error":"bad_param","message":"the parameter `x` is not percent-encoded UTF-8"}
    400 {"error":"bad_path","message":"the parameter `path` is not percent-encoded UTF-8"}
    400 {"error":"bad_path","message":"the path contains a control character"}
    400 {"error":"bad_path","message":"the path begins with `!`, which is reserved"}
    414 {"error":"path_too_long","message":"the path has 513 bytes after normalising; the limit is 512"}
    400 {"error":"bad_param","message":"expected at most 20 `path` parameters"}
    400 {"error":"bad_path","message":"the path begins with `!`, which is reserved"}
    404 {"error":"not_found","message":"there is no such route"}
    404 {"error":"not_found","message":"there is no such route"}
    "#);
}

#[test]
fn wrong_methods_and_large_bodies_are_rejected_and_count_nothing() {
    let mut counter = counter();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "get", ""] {
        let response = request_at(&mut counter, method, "/counter", "path=/a", NOON);
        assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD")), "{method}");
        assert!(response.body.contains("method_not_allowed"));
    }
    let mut request = CounterRequest {
        method: "GET".to_owned(),
        route: "/counter".to_owned(),
        query: "path=/a".to_owned(),
        body_bytes: 10_000_000,
        ..CounterRequest::default()
    };
    let response = counter.handle(&request, NOON).response;
    assert_eq!(response.status, 413);
    assert!(response.body.contains("body_too_large"));
    request.body_bytes = 2048;
    let response = counter.handle(&request, NOON).response;
    assert!(response.body.contains(r#""hits":1,"#), "{}", response.body);
}

#[test]
fn failing_store_returns_503_with_retry_after_and_no_details() {
    for (fault, code, after) in [
        (StoreError::Throttled("hot key in table t".to_owned()), "busy", "1"),
        (StoreError::Unavailable("secret endpoint".to_owned()), "unavailable", "5"),
    ] {
        let mut counter = counter();
        counter.store().fail(Some(fault.clone()));
        for (method, route, query) in [
            ("GET", "/counter", "path=/a"),
            ("GET", "/counter", "path=/a&ro=1"),
            ("GET", "/v1/count", ""),
            ("GET", "/v1/count", "path=/a&path=/b"),
        ] {
            let request = CounterRequest {
                method: method.to_owned(),
                route: route.to_owned(),
                query: query.to_owned(),
                ..CounterRequest::default()
            };
            let RouteOutcome { response, store_error, counted, .. } = counter.handle(&request, NOON);
            // After a failed read of the whole table, the next read follows after a minute.
            let after = if query.is_empty() { "60" } else { after };
            assert_eq!((response.status, response.header("retry-after")), (503, Some(after)));
            assert!(response.body.contains(&format!(r#""error":"{code}""#)), "{}", response.body);
            assert!(!response.body.contains("secret") && !response.body.contains("table t"));
            assert_eq!((store_error, counted), (Some(fault.clone()), false));
        }
    }
}
