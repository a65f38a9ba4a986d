//! Who is counted how often: visitors, reloads, robots, other sites, budgets of paths.

use super::*;
use crate::http::Origins;

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
    {"error":"origin_not_allowed","message":"pages of this origin may not count here"}
    "#);
    assert_eq!(asked(&mut counter, from("https://me.example"), "/a").status, 200);
    let image = Headers { referer: "https://evil.example/page".into(), ..browser(1) };
    assert_eq!(asked(&mut counter, image, "/a").status, 403);
    assert_eq!(counter.store().raw("!dropped#m2609").expect("an item").number("origin"), 2);
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
        setup.paths = Paths::Budget { new_a_day: 100, most: 150 };
    });
    visit_at(&mut counter, 1, "/old", NOON);
    for n in 0..100_000 {
        visit_at(&mut counter, 2, &format!("/flood/{n}"), NOON);
    }
    assert_eq!(counter.store().items().count(), 100);
    let writes = counter.store().writes();
    assert!(writes < 101_000, "one write a refused path at most, which counts it: {writes}");
    assert!(visit_at(&mut counter, 3, "/old", NOON).counted, "known paths go on");
    for n in 0..1000 {
        visit_at(&mut counter, 2, &format!("/tomorrow/{n}"), later(86_400_000));
    }
    assert_eq!(counter.store().items().count(), 150, "in all");
    assert_eq!(counter.store().raw("!dropped#m2609").expect("an item").number("full"), 99_901 + 950);
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
