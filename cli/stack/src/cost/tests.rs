//! What the estimate says, and that it is no less than it could be.

use proptest::prelude::*;

use super::*;

/// The defaults, changed.
fn app(change: impl FnOnce(&mut App)) -> App {
    let mut app = hitctl_config::load(None, None, &hitctl_config::Overrides::new())
        .expect("the defaults are valid")
        .app;
    change(&mut app);
    app
}

#[test]
fn the_typical_month_comes_first_and_the_worst_case_counts_what_a_request_is_billed_as() {
    let estimate = estimate(&app(|_| ()));
    insta::assert_snapshot!(
        estimate.in_full(),
        @"10,000 views a month: about 0.04 USD; a million: 3.88 USD; worst case: about 598 USD a month; less than 0.01 USD a month at rest. The worst case is 10 requests a second all month, which is the throttle, each of 10 MB: an HTTP API bills every 512 KB as a request. With small requests it is 121 USD. Every view is estimated as that of a new visitor, with 4 writes; that of a returning visitor takes 2. Prices of us-east-1 without free tiers, as of 2026-11; other regions differ by some 10-30 %."
    );
    insta::assert_snapshot!(
        serde_json::to_string(&estimate).expect("plain data"),
        @r#"{"typical_month_usd":0.04,"typical_month_views":10000,"worst_month_usd":597.8,"per_million_hits_usd":3.88,"prices_as_of":"2026-11"}"#
    );
}

#[test]
fn queues_events_and_invalidations_are_on_the_bill() {
    let queued = app(|app| {
        app.queue.enabled = true;
        app.queue.ingest = hitctl_config::Ingest::Http;
        app.cloudfront.distribution_id = Some("E123ABC".to_owned());
    });
    insta::assert_snapshot!(estimate(&queued).in_full(), @"10,000 views a month: about 40 USD; a million: 5.08 USD; worst case: about 844 USD a month. The worst case is 10 requests a second all month, which is the throttle, each of 10 MB: an HTTP API bills every 512 KB as a request. With small requests it is 367 USD. Every view is estimated as that of a new visitor, with 4 writes; that of a returning visitor takes 2. The queue's pollers ask all day: about 0.26 USD a month at rest, which the free million requests of SQS cover. A million messages or events cost at most 1.20 USD before they are counted; in full batches a third of that. Hits invalidate at most 43830 times a month, which is 43830 paths and 214 USD a month: 1,000 paths are free, then 5 USD a thousand. With `invalidate_after_s = 2630` or more they are free. Prices of us-east-1 without free tiers, as of 2026-11; other regions differ by some 10-30 %.");
    insta::assert_snapshot!(serde_json::to_string(&estimate(&queued)).expect("plain data"), @r#"{"typical_month_usd":40.02,"typical_month_views":10000,"worst_month_usd":843.77,"per_million_hits_usd":5.08,"invalidations_month_usd":214.15,"prices_as_of":"2026-11"}"#);
    // As long as the windows are so wide, no invalidation costs.
    let wide = app(|app| {
        app.events.enabled = true;
        app.http.expose = Expose::None;
        app.cloudfront.distribution_id = Some("E123ABC".to_owned());
        app.cloudfront.invalidate_after_s = 2630;
    });
    insta::assert_snapshot!(estimate(&wide).in_full(), @"10,000 views a month: about 0.04 USD; a million: 2.88 USD; less than 0.01 USD a month at rest. Every view is estimated as that of a new visitor, with 4 writes; that of a returning visitor takes 2. A million messages or events cost at most 1.00 USD before they are counted; in full batches a third of that. Hits invalidate at most 1000 times a month, which is 1000 paths and nothing: 1,000 paths are free, then 5 USD a thousand. Prices of us-east-1 without free tiers, as of 2026-11; other regions differ by some 10-30 %.");
}

#[test]
fn a_function_url_is_bound_by_its_concurrency() {
    let reserved = estimate(&app(|app| app.http.expose = Expose::FunctionUrl));
    insta::assert_snapshot!(reserved.brief(), @"10,000 views a month: about 0.03 USD; a million: 2.88 USD; worst case: about 83 USD a month");
    let bound = "The worst case is 10 requests a second all month, which reserved concurrency 1 allows.";
    assert!(reserved.in_full().contains(bound));
    let open = estimate(&app(|app| {
        app.http.expose = Expose::FunctionUrl;
        app.function.reserved_concurrency = None;
    }));
    assert!(open.in_full().contains("is 10000 requests a second all month, which an account's usual"));
    assert!(open.worst_month_usd > reserved.worst_month_usd);
}

#[test]
fn what_is_not_open_to_the_web_has_no_worst_month() {
    let closed = estimate(&app(|app| app.http.expose = Expose::None));
    insta::assert_snapshot!(closed.brief(), @"10,000 views a month: about 0.03 USD; a million: 2.88 USD");
    assert_eq!(
        serde_json::to_value(&closed).expect("plain data")["worst_month_usd"],
        serde_json::Value::Null
    );
}

#[test]
fn refused_requests_cost_the_gateway_alone_and_the_tables_ceiling_holds() {
    let bill = |concurrency, writes| {
        let app = app(|app| {
            app.function.reserved_concurrency = Some(concurrency);
            app.table.max_write_units = writes;
        });
        Bill::of(&app)
    };
    // 100 a second through a function that serves 10: nine in ten are the gateway's alone.
    let million = MONTH_S / MILLION;
    let alone = Bill { read_by_reader: None, ..bill(1, 100) };
    let refused = alone.month(100.0, 1.0) - alone.month(10.0, 1.0);
    assert!((refused - 90.0 * million * http_api::REQUESTS.usd).abs() < 1e-6, "{refused}");
    // 100 hits a second ask for 200 writes of either table.
    let held = bill(100, 1000).month(100.0, 1.0) - bill(100, 150).month(100.0, 1.0);
    let more = 100.0 + bill(100, 1000).new_pages;
    assert!((held - more * million * WRITES.usd).abs() < 1e-6, "{held}");
}

#[test]
fn what_a_hit_takes_follows_from_what_is_counted() {
    let takes = |change: &dyn Fn(&mut App)| Hit::of(&app(change));
    assert_eq!(takes(&|_| ()), Hit { counts: 2.0, seen: 2.0, reads: 0.0 });
    let none = takes(&|app| app.counter.visitors = Visitors::None);
    assert_eq!(none, Hit { counts: 1.0, seen: 0.0, reads: 0.0 });
    let raw = takes(&|app| app.counter.visitors = Visitors::Raw);
    assert_eq!(raw, Hit { counts: 2.0, seen: 3.0, reads: 0.0 });
    let hot = takes(&|app| app.counter.shards = 5);
    assert_eq!(hot, Hit { counts: 2.0, seen: 2.0, reads: 2.0 });
}

#[test]
fn whoever_only_reads_can_cost_more_than_whoever_counts() {
    let worst = |change: &dyn Fn(&mut App)| {
        let bill = Bill::of(&app(change));
        (bill.counting(10.0).usd(), bill.reading(10.0).usd())
    };
    let (counting, reading) = worst(&|_| ());
    assert!(counting > reading, "{counting} {reading}");
    let (counting, reading) = worst(&|app| app.counter.shards = 64);
    assert!(reading > counting, "{counting} {reading}");
    // Ten thousand pages, 1,250 units, each minute.
    let all = Bill::of(&app(|_| ())).reading_all(10.0).usd();
    assert!((all - MONTH_S / 60.0 * 1250.0 / MILLION * READS.usd).abs() < 1e-9, "{all}");
}

#[test]
fn badge_that_counts_is_billed_for_both_functions() {
    let both = Bill::of(&app(|_| ()));
    let one = Bill { read_by_reader: None, ..Bill::of(&app(|_| ())) };
    let million = MONTH_S / MILLION;
    let invocation = function::REQUESTS.usd + both.compute() + LOGS_GB_A_MILLION * log_group::INGESTED.usd;
    let more = both.month(10.0, 1.0) - one.month(10.0, 1.0);
    assert!((more - 10.0 * million * (invocation + READS_OF_ONE_ITEM * READS.usd)).abs() < 1e-6, "{more}");
    // The counter takes ten a second, the reader all of the hundred: there, questions for a hundred pages are dearer.
    let read =
        http_api::REQUESTS.of(100.0 * million) + 100.0 * million * invocation + both.reading(100.0).usd();
    assert!((both.month(100.0, 1.0) - read).abs() < 1e-6, "{read}");
    assert!(one.month(100.0, 1.0) < read);
    let without = Bill::of(&app(|app| app.function.reserved_concurrency = None));
    assert_eq!(without.read_by_reader, None, "one function answers everything");
}

#[test]
fn without_visitors_it_is_half_of_it() {
    let without = estimate(&app(|app| app.counter.visitors = Visitors::None));
    insta::assert_snapshot!(without.in_full(), @"10,000 views a month: about 0.02 USD; a million: 1.99 USD; worst case: about 553 USD a month; less than 0.01 USD a month at rest. The worst case is 10 requests a second all month, which is the throttle, each of 10 MB: an HTTP API bills every 512 KB as a request. With small requests it is 76 USD. Prices of us-east-1 without free tiers, as of 2026-11; other regions differ by some 10-30 %.");
}

#[test]
fn worst_case_bills_a_request_as_many_as_the_gateway_and_the_queue_do() {
    assert_eq!(billed_requests(HTTP_API_BODY_BYTES, HTTP_API_BILLED_BYTES), 20);
    assert_eq!(billed_requests(SQS_MESSAGE_BYTES, SQS_BILLED_BYTES), 16);
    assert_eq!(billed_requests(0, SQS_BILLED_BYTES), 1);
    let worst =
        |change: &dyn Fn(&mut App)| estimate(&app(change)).worst_month_usd.expect("it is open to the web");
    let million = MONTH_S * 10.0 / MILLION;
    // 20 requests in place of one, the cheaper ones beyond 300 million included.
    let large = http_api::REQUESTS.of(million * 20.0) - http_api::REQUESTS.of(million);
    let small = Bill::of(&app(|_| ())).month(10.0, 1.0);
    assert!((worst(&|_| ()) - small - large).abs() < 1e-6);
    // At a higher throttle the larger part of the 20 is cheaper, and a message of 1 MB through the queue costs more: 33 requests of SQS.
    let queued = app(|app| {
        app.queue.enabled = true;
        app.queue.ingest = hitctl_config::Ingest::Http;
    });
    let sources = Sources::of(&queued);
    assert!((sources.million_of_web(1.0) - 1.2).abs() < 1e-9);
    assert!((sources.million_of_web(16.0) - 13.2).abs() < 1e-9);
    let direct = Bill::of(&queued).month(10.0, 2.0) + million * 13.2 + sources.at_rest;
    assert!(estimate(&queued).worst_month_usd.expect("open") >= direct);
}

#[test]
fn typical_month_has_the_invalidations_of_its_views_only() {
    let typical = |after_s: u32| {
        estimate(&app(|app| {
            app.cloudfront.distribution_id = Some("E123ABC".to_owned());
            app.cloudfront.invalidate_after_s = after_s;
        }))
        .typical_month_usd
    };
    let none = estimate(&app(|_| ())).typical_month_usd;
    assert!((typical(2_630) - none).abs() < 1e-9, "1,000 paths are free");
    let minute = typical(60) - none;
    assert!(minute > 35.0 && minute < 45.0, "fewer than one for each view: {minute}");
}

#[test]
fn a_month_is_what_its_hits_bring() {
    let app = app(|_| ());
    let takes_ms = Hit::of(&app).takes() * 1_000.0;
    let million = month(&app, 128, 1_000_000, takes_ms);
    assert!((million.usd - estimate(&app).per_million_hits_usd).abs() < 1e-9, "{million:?}");
    let double = month(&app, 256, 2_000_000, takes_ms);
    assert!((double.compute_usd - 4.0 * million.compute_usd).abs() < 1e-9, "{double:?}");
    assert_eq!(month(&app, 128, 0, 5.0), Month { usd: 0.0, compute_usd: 0.0 });
    // 100 million more than the gateway's first tier has.
    let many = month(&app, 128, 400_000_000, takes_ms);
    assert!((many.usd - (400.0 * million.usd - 10.0)).abs() < 1e-6, "{many:?}");
    // The same GB-seconds, and a request.
    let one = invocations(app.function.arch, 128, 1_000_000, takes_ms);
    assert!((one - million.compute_usd - function::REQUESTS.usd).abs() < 1e-9, "{one}");
}

#[test]
fn the_gateway_is_cheaper_beyond_its_first_300_million() {
    assert!((http_api::REQUESTS.of(300.0) - 300.0).abs() < 1e-9);
    assert!((http_api::REQUESTS.of(400.0) - 390.0).abs() < 1e-9);
}

proptest! {
    #[test]
    fn a_higher_throttle_never_costs_less_and_nothing_is_negative(
        rate in 0.0..1e6_f64,
        more in 0.0..1e6_f64,
        memory in 128_u32..10_240,
        concurrency in proptest::option::of(1_u32..1000),
        writes in 1_u32..1_000_000,
        arm in any::<bool>(),
    ) {
        let worst = |rate| {
            let app = app(|app| {
                app.http.rate_per_second = rate;
                app.function.memory_mb = memory;
                app.function.reserved_concurrency = concurrency;
                app.function.arch = if arm { Arch::Arm64 } else { Arch::X86_64 };
                app.table.max_write_units = writes;
            });
            estimate(&app)
        };
        let (low, high) = (worst(rate), worst(rate + more));
        prop_assert!(low.worst_month_usd.expect("the API is open") >= 0.0);
        prop_assert!(low.per_million_hits_usd > 0.0);
        prop_assert!(high.worst_month_usd >= low.worst_month_usd);
    }
}

#[test]
fn everything_that_is_billed_is_declared_by_a_kind() {
    let bill = Bill::of(&app(|_| ()));
    let usage =
        bill.million().plus(&bill.counting(10.0)).plus(&bill.reading(10.0)).plus(&bill.invocations(10.0));
    let declared: Vec<_> = hitctl_resources::REGISTRY.0.iter().flat_map(|kind| kind.prices).collect();
    for price in usage.prices() {
        assert!(declared.contains(&price) && !price.source.is_empty(), "{price:?}");
    }
}
