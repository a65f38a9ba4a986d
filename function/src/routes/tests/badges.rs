//! Tests of badges: they show the count, count a view only with `hit=1`, and show errors as a badge.

use super::*;
use crate::rules::IgnoreReason;

/// Returns the content of the `<title>` element.
fn title(svg: &str) -> String {
    svg.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap_or_default().to_owned()
}

#[test]
fn badge_without_hit_parameter_only_reads() {
    let mut counter = counter_with(|config| config.visitors = true);
    for _ in 0..3 {
        visit_at(&mut counter, 1, "/a", NOON);
    }
    visit_at(&mut counter, 2, "/a", NOON);
    let mut shown = String::new();
    for query in [
        "path=/a",
        "path=/a&show=today",
        "path=/a&show=unique",
        "path=/a&label=seen",
        "path=/never",
        "path=/a&hit=0",
    ] {
        let response = get(&mut counter, "/v1/badge.svg", query);
        assert_eq!((response.status, response.header("cache-control")), (200, Some("public, max-age=300")));
        assert_eq!(response.header("content-type"), Some("image/svg+xml; charset=utf-8"));
        assert_eq!(
            response.header("content-security-policy"),
            Some("default-src 'none'; style-src 'unsafe-inline'")
        );
        shown.extend([format!("{query}: {}\n", title(&response.body))]);
    }
    insta::assert_snapshot!(shown, @"
    path=/a: views: 4
    path=/a&show=today: views today: 4
    path=/a&show=unique: visitors: 2
    path=/a&label=seen: seen: 4
    path=/never: views: 0
    path=/a&hit=0: views: 4
    ");
    insta::assert_snapshot!(get(&mut counter, "/v1/badge.json", "path=/a&color=green").body, @r#"{"schemaVersion":1,"label":"views","message":"4","color":"green"}"#);
}

#[test]
fn counting_badge_is_not_cached() {
    let mut counter = counter();
    let response = get(&mut counter, "/v1/badge.svg", "path=/a&hit=1&style=none");
    assert_eq!(response.header("cache-control"), Some("max-age=0, no-cache, no-store, must-revalidate"));
    assert!(response.body.contains(r#"width="1""#), "{}", response.body);
    assert!(get(&mut counter, "/v1/count", "path=/a").body.contains(r#""hits":1,"#));
    request_at(&mut counter, "HEAD", "/v1/badge.svg", "path=/a&hit=1", NOON);
    assert!(get(&mut counter, "/v1/count", "path=/a").body.contains(r#""hits":1,"#));
}

/// GitHub shows a README's images through its image proxy, so that all requests have the same address and user
/// agent.
#[test]
fn badge_in_a_readme_counts_every_reader() {
    let mut counter = counter_with(|config| {
        config.visitors = true;
        config.repeat_s = 10;
        config.rules.ignore_bots = true;
    });
    let mut read = |agent: &str| {
        let request = CounterRequest {
            method: "GET".to_owned(),
            route: "/v1/badge.svg".to_owned(),
            query: "path=/readme&hit=1".to_owned(),
            headers: RequestHeaders { user_agent: agent.into(), ..RequestHeaders::default() },
            source_address: "140.82.115.1".into(),
            ..CounterRequest::default()
        };
        let outcome = counter.handle(&request, NOON);
        (outcome.counted, outcome.ignored, title(&outcome.response.body))
    };
    for n in 1..=3 {
        assert_eq!(read("github-camo (c006e452)"), (true, None, format!("views: {n}")));
    }
    let firefox = "Mozilla/5.0 (X11; rv:140.0) Gecko/20100101 Firefox/140.0";
    assert_eq!(read(firefox), (true, None, "views: 4".to_owned()));
    assert_eq!(
        read(firefox),
        (false, Some(IgnoreReason::Duplicate), "views: 4".to_owned()),
        "the second view of the same visitor is a reload"
    );
}

#[test]
fn error_is_shown_as_badge() {
    let mut counter = counter();
    let mut shown = String::new();
    for query in [
        "",
        "path=!x",
        "path=%",
        "path=/a&style=round",
        "path=/a&color=%23",
        "path=/a&show=unique",
        "path=/a&abbr=2",
    ] {
        for route in ["/v1/badge.svg", "/v1/badge.json"] {
            let response = get(&mut counter, route, query);
            assert_eq!(response.status, 200);
            assert!(response.body.contains("n/a"), "{}", response.body);
            if route.ends_with("svg") {
                shown.extend([format!("{query}: {:?}\n", response.header("hitctl-error"))]);
            }
        }
    }
    insta::assert_snapshot!(shown, @r#"
    : Some("bad_param")
    path=!x: Some("bad_path")
    path=%: Some("bad_path")
    path=/a&style=round: Some("bad_param")
    path=/a&color=%23: Some("bad_param")
    path=/a&show=unique: Some("bad_param")
    path=/a&abbr=2: Some("bad_param")
    "#);
    counter.store().fail(Some(StoreError::Throttled("hot".to_owned())));
    let request = CounterRequest {
        method: "GET".to_owned(),
        route: "/v1/badge.svg".to_owned(),
        query: "path=/a".to_owned(),
        ..CounterRequest::default()
    };
    let outcome = counter.handle(&request, NOON);
    assert_eq!((outcome.response.status, outcome.response.header("retry-after")), (200, Some("1")));
    assert!(outcome.store_error.is_some(), "the error is logged");
}

#[test]
fn untrusted_label_is_escaped() {
    let mut counter = counter();
    let response = get(&mut counter, "/v1/badge.svg", "path=/a&label=%3Cscript%3E%22%27%26");
    assert!(!response.body.contains("<script>"), "{}", response.body);
    assert!(
        response.body.contains("&lt;script&gt;&quot;&#39;&amp;")
            || response.body.contains("&lt;script&gt;&quot;&apos;&amp;"),
        "{}",
        response.body
    );
}
