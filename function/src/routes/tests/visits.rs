//! Who is counted how often: visitors, reloads, robots, other sites, budgets of paths.

use super::*;
use crate::http::{FetchSite, Origins};
use crate::store::Paths;

fn later(ms: u64) -> Moment {
    Moment::from_millis(NOON.millis() + ms)
}

fn asked(counter: &mut Counter<Memory>, headers: Headers, path: &str) -> Answer {
    let request = Request {
        method: "GET".to_owned(),
        route: "/counter".to_owned(),
        query: format!("path={path}"),
        headers,
        source_address: "203.0.113.1".into(),
        ..Request::default()
    };
    counter.answer(&request, NOON).answer
}

#[test]
fn visitors_are_counted_once_a_day_and_page() {
    let mut counter = with(|setup| setup.visitors = true);
    for (n, path) in [(1, "/a"), (1, "/a"), (2, "/a"), (1, "/b")] {
        visit_at(&mut counter, n, path, NOON);
    }
    let body = visit_at(&mut counter, 2, "/a", NOON).answer.body;
    assert_eq!(
        body,
        r#"{"v":1,"path":"/a","hits":4,"uniques":2,"today":{"hits":4,"uniques":2},"counted":true}"#
    );
    let site = get(&mut counter, "/v1/count", "").body;
    assert_eq!(
        site, r#"{"v":1,"hits":5,"uniques":2,"today":{"hits":5,"uniques":2}}"#,
        "not three: one saw two pages"
    );
    let body = visit_at(&mut counter, 1, "/a", later(86_400_000)).answer.body;
    assert_eq!(
        body,
        r#"{"v":1,"path":"/a","hits":5,"uniques":3,"today":{"hits":1,"uniques":1},"counted":true}"#
    );
}

#[test]
fn a_reload_within_the_window_does_not_count() {
    let mut counter = with(|setup| setup.repeat_s = 10);
    visit_at(&mut counter, 1, "/a", NOON);
    insta::assert_snapshot!(show(&visit_at(&mut counter, 1, "/a/", later(9_999)).answer), @r#"
    200
    content-type: application/json
    cache-control: no-store
    x-content-type-options: nosniff
    hitctl-ignored: dup
    {"v":1,"path":"/a","hits":1,"today":{"hits":1},"counted":false,"why":"dup"}
    "#);
    assert!(visit_at(&mut counter, 2, "/a", later(9_999)).counted);
    assert!(visit_at(&mut counter, 1, "/a", later(10_000)).counted);
}

#[test]
fn what_failed_may_be_asked_again_at_once() {
    let mut counter = with(|setup| setup.repeat_s = 10);
    counter.store().fail(Some(StoreError::Busy("hot".to_owned())));
    assert_eq!(visit_at(&mut counter, 1, "/a", NOON).answer.status, 503);
    counter.store().fail(None);
    assert!(visit_at(&mut counter, 1, "/a", NOON).counted);
}

#[test]
fn robots_and_pages_fetched_ahead_do_not_count_and_are_counted_apart() {
    let mut counter = with(|setup| setup.rules.ignore_bots = true);
    let robot = Headers { user_agent: "Googlebot/2.1".into(), ..browser(1) };
    let answer = asked(&mut counter, robot, "/a");
    assert_eq!(answer.header("hitctl-ignored"), Some("bot"));
    assert_eq!(answer.body, r#"{"v":1,"path":"/a","hits":0,"today":{"hits":0},"counted":false,"why":"bot"}"#);
    let ahead = Headers { prefetched: true, ..browser(1) };
    assert_eq!(asked(&mut counter, ahead, "/a").header("hitctl-ignored"), Some("prefetch"));
    let dropped = counter.store().raw("!dropped#m2609").expect("an item");
    assert_eq!((dropped.number("bot"), dropped.number("prefetch")), (1, 1));
    assert!(!asked(&mut counter, browser(1), "/a").body.contains("why"));
}

#[test]
fn who_asks_not_to_be_followed_counts_as_a_view_or_not_at_all() {
    let mut counter = with(|setup| (setup.visitors, setup.repeat_s) = (true, 10));
    let private = || Headers { opted_out: true, ..browser(1) };
    for _ in 0..2 {
        asked(&mut counter, private(), "/a");
    }
    let answer = asked(&mut counter, private(), "/a");
    assert_eq!(
        answer.body,
        r#"{"v":1,"path":"/a","hits":3,"uniques":0,"today":{"hits":3,"uniques":0},"counted":true}"#
    );
    let mut counter = with(|setup| setup.rules.ignore_opted_out = true);
    assert_eq!(asked(&mut counter, private(), "/a").header("hitctl-ignored"), Some("gpc"));
}

#[test]
fn pages_of_other_sites_are_refused() {
    let mut counter = with(|setup| setup.rules.origins = Origins::parse(Some("https://me.example")));
    let from = |origin: &str| Headers { origin: Some(origin.to_owned()), ..browser(1) };
    insta::assert_snapshot!(show(&asked(&mut counter, from("https://evil.example"), "/a")), @r#"
    403
    content-type: application/json
    cache-control: no-store
    x-content-type-options: nosniff
    hitctl-ignored: origin
    {"error":"origin_not_allowed","message":"pages of this origin may not count here","counted":false,"why":"origin"}
    "#);
    assert_eq!(asked(&mut counter, from("https://me.example"), "/a").status, 200);
    let image = Headers { referer: "https://evil.example/page".into(), ..browser(1) };
    assert_eq!(asked(&mut counter, image, "/a").status, 403);
    let proxied = Headers { fetch_site: FetchSite::CrossSite, ..browser(1) };
    assert_eq!(asked(&mut counter, proxied, "/a").status, 403, "no origin, no referer, another site");
    assert_eq!(counter.store().raw("!dropped#m2609").expect("an item").number("origin"), 3);
    assert_eq!(asked(&mut counter, browser(2), "/a").status, 200, "an image proxy names nobody");
}

#[test]
fn pictures_are_shown_to_pages_of_other_sites_and_do_not_count() {
    let mut counter = with(|setup| setup.rules.origins = Origins::parse(Some("https://me.example")));
    asked(&mut counter, browser(1), "/a");
    for headers in [
        Headers { referer: "https://evil.example/page".into(), ..browser(1) },
        Headers { origin: Some("https://evil.example".to_owned()), ..browser(1) },
        Headers { fetch_site: FetchSite::CrossSite, ..browser(1) },
    ] {
        for (route, number) in [("/v1/badge.svg", "views: 1"), ("/v1/badge.json", r#""message":"1""#)] {
            let request = Request {
                method: "GET".to_owned(),
                route: route.to_owned(),
                query: "path=/a&hit=1".to_owned(),
                headers: headers.clone(),
                ..Request::default()
            };
            let Outcome { answer, counted, .. } = counter.answer(&request, NOON);
            assert!(answer.status == 200 && answer.body.contains(number), "{route}: {}", show(&answer));
            assert_eq!((counted, answer.header("hitctl-ignored")), (false, Some("origin")));
            assert_eq!(answer.header("hitctl-error"), None);
        }
    }
    assert_eq!(counter.store().raw("!dropped#m2609").expect("an item").number("origin"), 6);
}

#[test]
fn json_is_not_read_by_pages_of_other_origins() {
    let mut counter = with(|setup| {
        setup.public_stats = true;
        setup.rules.origins = Origins::parse(Some("https://me.example"));
    });
    let mut status = |method: &str, route: &str, query: &str, origin: &str| {
        let request = Request {
            method: method.to_owned(),
            route: route.to_owned(),
            query: query.to_owned(),
            headers: Headers { origin: Some(origin.to_owned()), ..browser(1) },
            ..Request::default()
        };
        let answer = counter.answer(&request, NOON).answer;
        assert_eq!(answer.header("hitctl-ignored"), None, "a read counts nothing");
        answer.status
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
fn strict_counts_known_paths_alone() {
    let mut counter = with(|setup| setup.paths = Paths::Strict);
    counter.store().put("/known", Item::default());
    assert!(visit_at(&mut counter, 1, "/known", NOON).counted);
    let answer = visit_at(&mut counter, 1, "/other", NOON).answer;
    assert_eq!(answer.header("hitctl-ignored"), Some("path"));
    assert_eq!(
        answer.body,
        r#"{"v":1,"path":"/other","hits":0,"today":{"hits":0},"counted":false,"why":"path"}"#
    );
    assert!(visit_at(&mut counter, 1, "/known", NOON).counted);
    assert_eq!(counter.store().items().count(), 1);
}

#[test]
fn a_flood_of_paths_stays_within_the_budget_and_writes_little() {
    let mut counter = with(|setup| {
        setup.visitors = true;
        setup.paths = Paths::Budget { new_a_day: 1000, most: 1550 };
    });
    counter.store().put("/synced", Item::default());
    visit_at(&mut counter, 1, "/old", NOON);
    for n in 0..100_000 {
        visit_at(&mut counter, 2, &format!("/flood/{n}"), NOON);
    }
    assert_eq!(counter.store().items().count(), 102, "a visitor has a tenth of a day's new paths");
    let writes = counter.store().writes();
    assert!(writes < 101_000, "one write a refused path at most, which counts it: {writes}");
    for n in 1..=9 {
        assert!(visit_at(&mut counter, n, "/old", NOON).counted, "known paths go on");
        assert!(visit_at(&mut counter, n, "/synced", NOON).counted, "paths that were added by hand too");
    }
    let new = (10..90).filter(|n| visit_at(&mut counter, *n, &format!("/new/{n}"), NOON).counted).count();
    assert!(new > 70, "{new} of 80 other visitors' new pages");
    assert_eq!(
        counter.store().raw("!dropped#m2609").expect("an item").number("full"),
        99_900 + 80 - new as u64
    );
    for n in 0..2000 {
        let day = n / 400 + 1;
        visit_at(&mut counter, 2, &format!("/later/{n}"), later(day * 86_400_000));
    }
    let pages = counter.store().items().count();
    assert_eq!(pages, 102 + new + 500, "its share comes anew each day");
}

#[test]
fn a_network_of_many_browsers_has_half_of_the_budget_and_so_have_all_who_opted_out() {
    let flood = |opted_out: bool| {
        let mut counter = with(|setup| {
            (setup.visitors, setup.paths) = (true, Paths::Budget { new_a_day: 1000, most: 10_000 });
        });
        for n in 0..5000_u32 {
            let headers = Headers {
                user_agent: format!("Browser/{n}").as_str().into(),
                opted_out,
                ..Headers::default()
            };
            // Who opted out may come from anywhere: nothing is made of the address.
            let network = if opted_out { n % 250 } else { 1 };
            let request = Request {
                method: "GET".to_owned(),
                route: "/counter".to_owned(),
                query: format!("path=/flood/{n}"),
                headers,
                source_address: format!("203.0.113.{network}").as_str().into(),
                ..Request::default()
            };
            counter.answer(&request, NOON);
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
fn addresses_are_taken_from_the_gateway_and_from_the_owners_distribution_alone() {
    let mut counter = with(|setup| {
        setup.visitors = true;
        setup.origin_secret = Some("s3cret".to_owned());
    });
    let through = |secret: Option<&str>, viewer: &str| Headers {
        viewer_address: viewer.into(),
        origin_secret: secret.map(str::to_owned).into(),
        ..browser(1)
    };
    let uniques = |counter: &mut Counter<Memory>| {
        let body = get(counter, "/v1/count", "path=/a").body;
        body.split(r#""uniques":"#).nth(1).and_then(|rest| rest.split(',').next().map(str::to_owned))
    };
    for viewer in ["198.51.100.1:1", "198.51.100.2:1", "198.51.100.3:1"] {
        asked(&mut counter, through(None, viewer), "/a");
        asked(&mut counter, through(Some("guess!"), viewer), "/a");
    }
    assert_eq!(uniques(&mut counter).as_deref(), Some("1"), "forged: they are all the gateway's address");
    for viewer in ["198.51.100.1:1", "198.51.100.2:1", "198.51.100.2:2"] {
        asked(&mut counter, through(Some("s3cret"), viewer), "/a");
    }
    assert_eq!(uniques(&mut counter).as_deref(), Some("3"));
}
