//! Tests of visitors, reloads, bots, other sites and path budgets.

use super::*;
use crate::http::{FetchSite, Origins};
use crate::store::PathAdmission;

fn after_noon(ms: u64) -> Moment {
    Moment::from_millis(NOON.millis() + ms)
}

fn send(counter: &mut Counter<MemoryStore>, headers: RequestHeaders, path: &str) -> CounterResponse {
    let request = CounterRequest {
        method: "GET".to_owned(),
        route: "/counter".to_owned(),
        query: format!("path={path}"),
        headers,
        source_address: "203.0.113.1".into(),
        ..CounterRequest::default()
    };
    counter.handle(&request, NOON).response
}

#[test]
fn visitors_are_counted_once_a_day_and_page() {
    let mut counter = counter_with(|config| config.visitors = true);
    for (n, path) in [(1, "/a"), (1, "/a"), (2, "/a"), (1, "/b")] {
        visit_at(&mut counter, n, path, NOON);
    }
    let body = visit_at(&mut counter, 2, "/a", NOON).response.body;
    assert_eq!(
        body,
        r#"{"v":1,"path":"/a","hits":4,"uniques":2,"today":{"hits":4,"uniques":2},"counted":true}"#
    );
    let site = get(&mut counter, "/v1/count", "").body;
    assert_eq!(
        site, r#"{"v":1,"hits":5,"uniques":2,"today":{"hits":5,"uniques":2}}"#,
        "two, not three: one visitor viewed two pages"
    );
    let body = visit_at(&mut counter, 1, "/a", after_noon(86_400_000)).response.body;
    assert_eq!(
        body,
        r#"{"v":1,"path":"/a","hits":5,"uniques":3,"today":{"hits":1,"uniques":1},"counted":true}"#
    );
}

#[test]
fn reload_within_the_window_does_not_count() {
    let mut counter = counter_with(|config| config.repeat_s = 10);
    visit_at(&mut counter, 1, "/a", NOON);
    insta::assert_snapshot!(show(&visit_at(&mut counter, 1, "/a/", after_noon(9_999)).response), @r#"
    200
    content-type: application/json
    cache-control: no-store
    x-content-type-options: nosniff
    hitctl-ignored: dup
    {"v":1,"path":"/a","hits":1,"today":{"hits":1},"counted":false,"why":"dup"}
    "#);
    assert!(visit_at(&mut counter, 2, "/a", after_noon(9_999)).counted);
    assert!(visit_at(&mut counter, 1, "/a", after_noon(10_000)).counted);
}

#[test]
fn failed_view_may_be_retried_at_once() {
    let mut counter = counter_with(|config| config.repeat_s = 10);
    counter.store().fail(Some(StoreError::Throttled("hot".to_owned())));
    assert_eq!(visit_at(&mut counter, 1, "/a", NOON).response.status, 503);
    counter.store().fail(None);
    assert!(visit_at(&mut counter, 1, "/a", NOON).counted);
}

#[test]
fn bots_and_prefetches_are_counted_as_ignored() {
    let mut counter = counter_with(|config| config.rules.ignore_bots = true);
    let bot = RequestHeaders { user_agent: "Googlebot/2.1".into(), ..browser(1) };
    let response = send(&mut counter, bot, "/a");
    assert_eq!(response.header("hitctl-ignored"), Some("bot"));
    assert_eq!(
        response.body,
        r#"{"v":1,"path":"/a","hits":0,"today":{"hits":0},"counted":false,"why":"bot"}"#
    );
    let prefetch = RequestHeaders { prefetched: true, ..browser(1) };
    assert_eq!(send(&mut counter, prefetch, "/a").header("hitctl-ignored"), Some("prefetch"));
    let dropped = counter.store().raw("!dropped#m2609").expect("an item");
    assert_eq!((dropped.number("bot"), dropped.number("prefetch")), (1, 1));
    assert!(!send(&mut counter, browser(1), "/a").body.contains("why"));
}

#[test]
fn opted_out_visitor_counts_as_view_or_not_at_all() {
    let mut counter = counter_with(|config| (config.visitors, config.repeat_s) = (true, 10));
    let opted_out = || RequestHeaders { opted_out: true, ..browser(1) };
    for _ in 0..2 {
        send(&mut counter, opted_out(), "/a");
    }
    let response = send(&mut counter, opted_out(), "/a");
    assert_eq!(
        response.body,
        r#"{"v":1,"path":"/a","hits":3,"uniques":0,"today":{"hits":3,"uniques":0},"counted":true}"#
    );
    let mut counter = counter_with(|config| config.rules.ignore_opted_out = true);
    assert_eq!(send(&mut counter, opted_out(), "/a").header("hitctl-ignored"), Some("gpc"));
}

#[test]
fn hits_of_other_sites_are_rejected() {
    let mut counter =
        counter_with(|config| config.rules.origins = Origins::parse(Some("https://me.example")));
    let from = |origin: &str| RequestHeaders { origin: Some(origin.to_owned()), ..browser(1) };
    insta::assert_snapshot!(show(&send(&mut counter, from("https://evil.example"), "/a")), @r#"
    403
    content-type: application/json
    cache-control: no-store
    x-content-type-options: nosniff
    hitctl-ignored: origin
    {"error":"origin_not_allowed","message":"pages of this origin may not count views","counted":false,"why":"origin"}
    "#);
    assert_eq!(send(&mut counter, from("https://me.example"), "/a").status, 200);
    let image = RequestHeaders { referer: "https://evil.example/page".into(), ..browser(1) };
    assert_eq!(send(&mut counter, image, "/a").status, 403);
    let proxied = RequestHeaders { fetch_site: FetchSite::CrossSite, ..browser(1) };
    assert_eq!(send(&mut counter, proxied, "/a").status, 403, "`sec-fetch-site` alone is enough");
    assert_eq!(counter.store().raw("!dropped#m2609").expect("an item").number("origin"), 3);
    assert_eq!(
        send(&mut counter, browser(2), "/a").status,
        200,
        "no header names a site, as from an image proxy"
    );
}

#[test]
fn badges_on_other_sites_are_shown_but_do_not_count() {
    let mut counter =
        counter_with(|config| config.rules.origins = Origins::parse(Some("https://me.example")));
    send(&mut counter, browser(1), "/a");
    for headers in [
        RequestHeaders { referer: "https://evil.example/page".into(), ..browser(1) },
        RequestHeaders { origin: Some("https://evil.example".to_owned()), ..browser(1) },
        RequestHeaders { fetch_site: FetchSite::CrossSite, ..browser(1) },
    ] {
        for (route, number) in [("/v1/badge.svg", "views: 1"), ("/v1/badge.json", r#""message":"1""#)] {
            let request = CounterRequest {
                method: "GET".to_owned(),
                route: route.to_owned(),
                query: "path=/a&hit=1".to_owned(),
                headers: headers.clone(),
                ..CounterRequest::default()
            };
            let RouteOutcome { response, counted, .. } = counter.handle(&request, NOON);
            assert!(response.status == 200 && response.body.contains(number), "{route}: {}", show(&response));
            assert_eq!((counted, response.header("hitctl-ignored")), (false, Some("origin")));
            assert_eq!(response.header("hitctl-error"), None);
        }
    }
    assert_eq!(counter.store().raw("!dropped#m2609").expect("an item").number("origin"), 6);
}

#[test]
fn json_routes_reject_other_origins() {
    let mut counter = counter_with(|config| {
        config.public_stats = true;
        config.rules.origins = Origins::parse(Some("https://me.example"));
    });
    let mut status = |method: &str, route: &str, query: &str, origin: &str| {
        let request = CounterRequest {
            method: method.to_owned(),
            route: route.to_owned(),
            query: query.to_owned(),
            headers: RequestHeaders { origin: Some(origin.to_owned()), ..browser(1) },
            ..CounterRequest::default()
        };
        let response = counter.handle(&request, NOON).response;
        assert_eq!(response.header("hitctl-ignored"), None, "a read is not an ignored view");
        response.status
    };
    for (route, query) in [
        ("/v1/count", ""),
        ("/v1/count", "path=/a"),
        ("/v1/count", "path=/a&path=/b"),
        ("/v1/top", ""),
        ("/api/counters", ""),
        ("/v1/series", "path=/a"),
        ("/counter", "path=/a&ro=1"),
    ] {
        for foreign in ["https://evil.example", "null", "https://me.example.evil"] {
            assert_eq!(status("GET", route, query, foreign), 403, "{route}?{query} {foreign}");
            assert_eq!(status("HEAD", route, query, foreign), 403, "{route}?{query} {foreign}");
        }
        assert_eq!(status("GET", route, query, "https://me.example"), 200, "{route}?{query}");
    }
    for (route, query) in
        [("/v1/widget.js", ""), ("/v1/badge.svg", "path=/a"), ("/v1/badge.json", "path=/a"), ("/healthz", "")]
    {
        assert_eq!(status("GET", route, query, "https://evil.example"), 200, "{route}");
    }
    assert!(counter.store().raw("!dropped#m2609").is_none());
}

#[test]
fn strict_paths_count_only_known_paths() {
    let mut counter = counter_with(|config| config.paths = PathAdmission::Strict);
    counter.store().put("/known", CountItem::default());
    assert!(visit_at(&mut counter, 1, "/known", NOON).counted);
    let response = visit_at(&mut counter, 1, "/other", NOON).response;
    assert_eq!(response.header("hitctl-ignored"), Some("path"));
    assert_eq!(
        response.body,
        r#"{"v":1,"path":"/other","hits":0,"today":{"hits":0},"counted":false,"why":"path"}"#
    );
    assert!(visit_at(&mut counter, 1, "/known", NOON).counted);
    assert_eq!(counter.store().items().count(), 1);
}

#[test]
fn flood_of_paths_stays_within_the_budget_with_few_writes() {
    let mut counter = counter_with(|config| {
        config.visitors = true;
        config.paths = PathAdmission::Budget { new_per_day: 1000, max_total: 1550 };
    });
    counter.store().put("/synced", CountItem::default());
    visit_at(&mut counter, 1, "/old", NOON);
    for n in 0..100_000 {
        visit_at(&mut counter, 2, &format!("/flood/{n}"), NOON);
    }
    assert_eq!(counter.store().items().count(), 102, "a visitor may add a tenth of the new paths of a day");
    let writes = counter.store().writes();
    assert!(writes < 101_000, "expected at most one write per refused path, which counts it: {writes}");
    for n in 1..=9 {
        assert!(visit_at(&mut counter, n, "/old", NOON).counted, "known paths are still counted");
        assert!(visit_at(&mut counter, n, "/synced", NOON).counted, "paths without hits are known too");
    }
    let new = (10..90).filter(|n| visit_at(&mut counter, *n, &format!("/new/{n}"), NOON).counted).count();
    assert!(new > 70, "only {new} of 80 new paths of other visitors were counted");
    assert_eq!(
        counter.store().raw("!dropped#m2609").expect("an item").number("full"),
        99_900 + 80 - new as u64
    );
    for n in 0..2000 {
        let day = n / 400 + 1;
        visit_at(&mut counter, 2, &format!("/later/{n}"), after_noon(day * 86_400_000));
    }
    let pages = counter.store().items().count();
    assert_eq!(pages, 102 + new + 500, "the visitor has a new share each day");
}

#[test]
fn network_and_opted_out_visitors_each_get_at_most_half_the_budget() {
    let flood = |opted_out: bool| {
        let mut counter = counter_with(|config| {
            (config.visitors, config.paths) =
                (true, PathAdmission::Budget { new_per_day: 1000, max_total: 10_000 });
        });
        for n in 0..5000_u32 {
            let headers = RequestHeaders {
                user_agent: format!("Browser/{n}").as_str().into(),
                opted_out,
                ..RequestHeaders::default()
            };
            // The address of visitors who opted out is not used, so they come from many networks here.
            let network = if opted_out { n % 250 } else { 1 };
            let request = CounterRequest {
                method: "GET".to_owned(),
                route: "/counter".to_owned(),
                query: format!("path=/flood/{n}"),
                headers,
                source_address: format!("203.0.113.{network}").as_str().into(),
                ..CounterRequest::default()
            };
            counter.handle(&request, NOON);
        }
        assert_eq!(counter.store().items().count(), 500);
        let budget = counter.store().raw("!budget").expect("an item");
        let slots = budget.numbers.iter().filter(|(name, _)| name.starts_with("a#")).count();
        assert_eq!(slots, if opted_out { 0 } else { 32 });
        assert!(visit_at(&mut counter, 9, "/new", NOON).counted);
    };
    flood(false);
    flood(true);
}

#[test]
fn visitor_address_is_trusted_only_from_gateway_and_own_distribution() {
    let mut counter = counter_with(|config| {
        config.visitors = true;
        config.origin_secret = Some("s3cret".to_owned());
    });
    let via_distribution = |secret: Option<&str>, viewer: &str| RequestHeaders {
        viewer_address: viewer.into(),
        origin_secret: secret.map(str::to_owned).into(),
        ..browser(1)
    };
    let uniques = |counter: &mut Counter<MemoryStore>| {
        let body = get(counter, "/v1/count", "path=/a").body;
        body.split(r#""uniques":"#).nth(1).and_then(|rest| rest.split(',').next().map(str::to_owned))
    };
    for viewer in ["198.51.100.1:1", "198.51.100.2:1", "198.51.100.3:1"] {
        send(&mut counter, via_distribution(None, viewer), "/a");
        send(&mut counter, via_distribution(Some("guess!"), viewer), "/a");
    }
    assert_eq!(
        uniques(&mut counter).as_deref(),
        Some("1"),
        "forged headers are ignored: all requests have the address that the gateway reports"
    );
    for viewer in ["198.51.100.1:1", "198.51.100.2:1", "198.51.100.2:2"] {
        send(&mut counter, via_distribution(Some("s3cret"), viewer), "/a");
    }
    assert_eq!(uniques(&mut counter).as_deref(), Some("3"));
}
