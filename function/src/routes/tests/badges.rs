//! Badges: what they show, that they do not count unless told to, and that mistakes are drawn.

use super::*;
use crate::rules::Ignored;

fn texts(svg: &str) -> String {
    svg.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap_or_default().to_owned()
}

#[test]
fn a_badge_shows_and_does_not_count() {
    let mut counter = with(|setup| setup.visitors = true);
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
        let answer = get(&mut counter, "/v1/badge.svg", query);
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("public, max-age=300")));
        assert_eq!(answer.header("content-type"), Some("image/svg+xml; charset=utf-8"));
        assert_eq!(
            answer.header("content-security-policy"),
            Some("default-src 'none'; style-src 'unsafe-inline'")
        );
        shown.extend([format!("{query}: {}\n", texts(&answer.body))]);
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
fn a_badge_that_counts_is_never_kept() {
    let mut counter = counter();
    let answer = get(&mut counter, "/v1/badge.svg", "path=/a&hit=1&style=none");
    assert_eq!(answer.header("cache-control"), Some("max-age=0, no-cache, no-store, must-revalidate"));
    assert!(answer.body.contains(r#"width="1""#), "{}", answer.body);
    assert!(get(&mut counter, "/v1/count", "path=/a").body.contains(r#""hits":1,"#));
    ask_at(&mut counter, "HEAD", "/v1/badge.svg", "path=/a&hit=1", NOON);
    assert!(get(&mut counter, "/v1/count", "path=/a").body.contains(r#""hits":1,"#));
}

/// GitHub shows a README's pictures through its image proxy, so all readers have one address and one user agent.
#[test]
fn badge_in_a_readme_counts_every_reader() {
    let mut counter = with(|setup| {
        setup.visitors = true;
        setup.repeat_s = 10;
        setup.rules.ignore_bots = true;
    });
    let mut read = |agent: &str| {
        let request = Request {
            method: "GET".to_owned(),
            route: "/v1/badge.svg".to_owned(),
            query: "path=/readme&hit=1".to_owned(),
            headers: Headers { user_agent: agent.into(), ..Headers::default() },
            source_address: "140.82.115.1".into(),
            ..Request::default()
        };
        let outcome = counter.answer(&request, NOON);
        (outcome.counted, outcome.ignored, texts(&outcome.answer.body))
    };
    for n in 1..=3 {
        assert_eq!(read("github-camo (c006e452)"), (true, None, format!("views: {n}")));
    }
    let firefox = "Mozilla/5.0 (X11; rv:140.0) Gecko/20100101 Firefox/140.0";
    assert_eq!(read(firefox), (true, None, "views: 4".to_owned()));
    assert_eq!(
        read(firefox),
        (false, Some(Ignored::Dup), "views: 4".to_owned()),
        "a reload of the page itself"
    );
}

#[test]
fn mistakes_and_failures_are_drawn() {
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
            let answer = get(&mut counter, route, query);
            assert_eq!(answer.status, 200);
            assert!(answer.body.contains("n/a"), "{}", answer.body);
            if route.ends_with("svg") {
                shown.extend([format!("{query}: {:?}\n", answer.header("hitctl-error"))]);
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
    counter.store().fail(Some(StoreError::Busy("hot".to_owned())));
    let request = Request {
        method: "GET".to_owned(),
        route: "/v1/badge.svg".to_owned(),
        query: "path=/a".to_owned(),
        ..Request::default()
    };
    let outcome = counter.answer(&request, NOON);
    assert_eq!((outcome.answer.status, outcome.answer.header("retry-after")), (200, Some("1")));
    assert!(outcome.trouble.is_some(), "the log is told");
}

#[test]
fn texts_of_strangers_are_escaped() {
    let mut counter = counter();
    let answer = get(&mut counter, "/v1/badge.svg", "path=/a&label=%3Cscript%3E%22%27%26");
    assert!(!answer.body.contains("<script>"), "{}", answer.body);
    assert!(
        answer.body.contains("&lt;script&gt;&quot;&#39;&amp;")
            || answer.body.contains("&lt;script&gt;&quot;&apos;&amp;"),
        "{}",
        answer.body
    );
}
