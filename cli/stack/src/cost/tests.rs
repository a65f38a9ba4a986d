//! Checks the text of the estimate, and that it does not underestimate.

use proptest::prelude::*;

use super::*;

/// Returns the default configuration with a change.
fn app(change: impl FnOnce(&mut AppConfig)) -> AppConfig {
    let mut app = hitctl_config::load(None, None, &hitctl_config::Overrides::new())
        .expect("the defaults are valid")
        .app;
    change(&mut app);
    app
}

/// Returns the rows and the assumptions of an estimate.
fn text_of(estimate: &CostEstimate) -> String {
    let line = |row: CostRow| format!("{}: {} {}\n", row.label, row.amount, row.note);
    estimate.rows().into_iter().map(line).collect::<String>() + &estimate.assumptions()
}

#[test]
fn estimate_of_defaults_bills_large_requests_in_worst_case() {
    let estimate = estimate(&app(|_| ()));
    insta::assert_snapshot!(
        text_of(&estimate),
        @"
    no views: < 0.01 USD 
    10,000 views: 0.04 USD 
    1,000,000 views: 3.88 USD 
    worst case: 598 USD 10 requests a second, 10 MB each
    : 121 USD the same with small requests
    The worst case assumes that requests arrive all month at the limit of the throttle. An HTTP API bills every 512 KB as one request. The estimate assumes that every view comes from a new visitor and takes 4 writes; a returning visitor takes 2. Prices are without free tiers; other regions differ by 10 to 30 %.
    "
    );
    insta::assert_snapshot!(
        serde_json::to_string(&estimate).expect("plain data"),
        @r#"{"typical_month_usd":0.04,"typical_month_views":10000,"worst_month_usd":597.8,"per_million_hits_usd":3.88,"prices_as_of":"2026-11"}"#
    );
}

#[test]
fn estimate_includes_queues_events_and_invalidations() {
    let queued = app(|app| {
        app.queue.enabled = true;
        app.queue.ingest = hitctl_config::QueueIngest::Http;
        app.cloudfront.distribution_id = Some("E123ABC".to_owned());
    });
    insta::assert_snapshot!(text_of(&estimate(&queued)), @"
    no views: 0.26 USD 
    10,000 views: 40 USD 
    1,000,000 views: 5.08 USD 
    worst case: 844 USD 10 requests a second, 10 MB each
    : 367 USD the same with small requests
    The worst case assumes that requests arrive all month at the limit of the throttle. An HTTP API bills every 512 KB as one request. The estimate assumes that every view comes from a new visitor and takes 4 writes; a returning visitor takes 2. Polling the queue costs about 0.26 USD a month when idle, which the free million requests of SQS cover. A million messages or events cost at most 1.20 USD before they are counted, and about 0.40 USD in full batches. Views cause at most 43830 invalidations a month: 43830 paths, 214 USD. The first 1,000 paths are free, then 5 USD per thousand. With `invalidate_after_s = 2630` or more, they are free. Prices are without free tiers; other regions differ by 10 to 30 %.
    ");
    insta::assert_snapshot!(serde_json::to_string(&estimate(&queued)).expect("plain data"), @r#"{"typical_month_usd":40.02,"typical_month_views":10000,"worst_month_usd":843.77,"per_million_hits_usd":5.08,"invalidations_month_usd":214.15,"prices_as_of":"2026-11"}"#);
    // With windows this long, invalidations are free.
    let wide = app(|app| {
        app.events.enabled = true;
        app.http.expose = ExposeMode::None;
        app.cloudfront.distribution_id = Some("E123ABC".to_owned());
        app.cloudfront.invalidate_after_s = 2630;
    });
    insta::assert_snapshot!(text_of(&estimate(&wide)), @"
    no views: < 0.01 USD 
    10,000 views: 0.04 USD 
    1,000,000 views: 2.88 USD 
    The estimate assumes that every view comes from a new visitor and takes 4 writes; a returning visitor takes 2. A million events cost at most 1.00 USD before they are counted. Views cause at most 1000 invalidations a month: 1000 paths, free. The first 1,000 paths are free, then 5 USD per thousand. Prices are without free tiers; other regions differ by 10 to 30 %.
    ");
}

#[test]
fn estimate_of_function_url_is_limited_by_concurrency() {
    let reserved = estimate(&app(|app| app.http.expose = ExposeMode::FunctionUrl));
    insta::assert_snapshot!(reserved.summary(), @"10,000 views a month: about 0.03 USD; a million: 2.88 USD; worst case: about 83 USD a month");
    let reserved_text = text_of(&reserved);
    assert!(reserved_text.contains("10 requests a second\n"), "{reserved_text}");
    assert!(reserved_text.contains("at the limit of the reserved concurrency of 1."), "{reserved_text}");
    let open = estimate(&app(|app| {
        app.http.expose = ExposeMode::FunctionUrl;
        app.function.reserved_concurrency = None;
    }));
    let open_text = text_of(&open);
    assert!(
        open_text.contains(
            "10000 requests a second
"
        ),
        "{open_text}"
    );
    assert!(open_text.contains("at the limit of the default account concurrency"), "{open_text}");
    assert!(open.worst_month_usd > reserved.worst_month_usd);
}

#[test]
fn estimate_without_web_access_has_no_worst_month() {
    let closed = estimate(&app(|app| app.http.expose = ExposeMode::None));
    insta::assert_snapshot!(closed.summary(), @"10,000 views a month: about 0.03 USD; a million: 2.88 USD");
    assert_eq!(
        serde_json::to_value(&closed).expect("plain data")["worst_month_usd"],
        serde_json::Value::Null
    );
}

#[test]
fn rejected_requests_cost_only_http_api_and_table_limit_holds() {
    let model_with = |concurrency, writes| {
        let app = app(|app| {
            app.function.reserved_concurrency = Some(concurrency);
            app.table.max_write_units = writes;
        });
        CostModel::for_app(&app)
    };
    // 100 requests per second and a function that serves 10: only the HTTP API bills the other 90.
    let million = MONTH_S / MILLION;
    let without_reader = CostModel { reader_max_per_s: None, ..model_with(1, 100) };
    let rejected = without_reader.month(100.0, 1.0) - without_reader.month(10.0, 1.0);
    assert!((rejected - 90.0 * million * http_api::REQUESTS.usd).abs() < 1e-6, "{rejected}");
    // 100 hits per second need 200 writes to each table.
    let difference = model_with(100, 1000).month(100.0, 1.0) - model_with(100, 150).month(100.0, 1.0);
    let more = 100.0 + model_with(100, 1000).new_page_writes;
    assert!((difference - more * million * WRITES.usd).abs() < 1e-6, "{difference}");
}

#[test]
fn hit_usage_follows_counter_settings() {
    let usage_of = |change: &dyn Fn(&mut AppConfig)| HitUsage::for_app(&app(change));
    assert_eq!(usage_of(&|_| ()), HitUsage { count_writes: 2.0, visitor_writes: 2.0, reads: 0.0 });
    let none = usage_of(&|app| app.counter.visitors = VisitorMode::None);
    assert_eq!(none, HitUsage { count_writes: 1.0, visitor_writes: 0.0, reads: 0.0 });
    let raw = usage_of(&|app| app.counter.visitors = VisitorMode::Raw);
    assert_eq!(raw, HitUsage { count_writes: 2.0, visitor_writes: 3.0, reads: 0.0 });
    let hot = usage_of(&|app| app.counter.shards = 5);
    assert_eq!(hot, HitUsage { count_writes: 2.0, visitor_writes: 2.0, reads: 2.0 });
}

#[test]
fn reading_with_many_shards_costs_more_than_counting() {
    let costs = |change: &dyn Fn(&mut AppConfig)| {
        let model = CostModel::for_app(&app(change));
        (model.counting_usage(10.0).usd(), model.reading_usage(10.0).usd())
    };
    let (counting, reading) = costs(&|_| ());
    assert!(counting > reading, "{counting} {reading}");
    let (counting, reading) = costs(&|app| app.counter.shards = 64);
    assert!(reading > counting, "{counting} {reading}");
    // Ten thousand pages: 1,250 units each minute.
    let all = CostModel::for_app(&app(|_| ())).all_pages_usage(10.0).usd();
    assert!((all - MONTH_S / 60.0 * 1250.0 / MILLION * READS.usd).abs() < 1e-9, "{all}");
}

#[test]
fn counting_badge_is_billed_for_both_functions() {
    let both = CostModel::for_app(&app(|_| ()));
    let one = CostModel { reader_max_per_s: None, ..CostModel::for_app(&app(|_| ())) };
    let million = MONTH_S / MILLION;
    let invocation =
        function::REQUESTS.usd + both.compute_usd() + LOGS_GB_PER_MILLION * log_group::INGESTED.usd;
    let more = both.month(10.0, 1.0) - one.month(10.0, 1.0);
    assert!((more - 10.0 * million * (invocation + READS_OF_ONE_ITEM * READS.usd)).abs() < 1e-6, "{more}");
    // Of a hundred requests per second, the counter serves ten and the reader all. Reads of many pages then cost more.
    let read = http_api::REQUESTS.cost_of(100.0 * million)
        + 100.0 * million * invocation
        + both.reading_usage(100.0).usd();
    assert!((both.month(100.0, 1.0) - read).abs() < 1e-6, "{read}");
    assert!(one.month(100.0, 1.0) < read);
    let without = CostModel::for_app(&app(|app| app.function.reserved_concurrency = None));
    assert_eq!(without.reader_max_per_s, None, "there is only one function");
}

#[test]
fn estimate_without_visitors_is_lower() {
    let without = estimate(&app(|app| app.counter.visitors = VisitorMode::None));
    insta::assert_snapshot!(text_of(&without), @"
    no views: < 0.01 USD 
    10,000 views: 0.02 USD 
    1,000,000 views: 1.99 USD 
    worst case: 553 USD 10 requests a second, 10 MB each
    : 76 USD the same with small requests
    The worst case assumes that requests arrive all month at the limit of the throttle. An HTTP API bills every 512 KB as one request. Prices are without free tiers; other regions differ by 10 to 30 %.
    ");
}

#[test]
fn worst_case_bills_large_requests_of_http_api_and_queue() {
    assert_eq!(billed_requests(HTTP_API_BODY_BYTES, HTTP_API_BILLED_BYTES), 20);
    assert_eq!(billed_requests(SQS_MESSAGE_BYTES, SQS_BILLED_BYTES), 16);
    assert_eq!(billed_requests(0, SQS_BILLED_BYTES), 1);
    let worst = |change: &dyn Fn(&mut AppConfig)| {
        estimate(&app(change)).worst_month_usd.expect("it is open to the web")
    };
    let million = MONTH_S * 10.0 / MILLION;
    // 20 requests instead of one, including the cheaper ones beyond 300 million.
    let large = http_api::REQUESTS.cost_of(million * 20.0) - http_api::REQUESTS.cost_of(million);
    let small = CostModel::for_app(&app(|_| ())).month(10.0, 1.0);
    assert!((worst(&|_| ()) - small - large).abs() < 1e-6);
    // With a higher throttle most of the 20 requests are cheaper, and a message of 1 MB through the queue costs more: 33 requests of SQS.
    let queued = app(|app| {
        app.queue.enabled = true;
        app.queue.ingest = hitctl_config::QueueIngest::Http;
    });
    let sources = SourceCosts::for_app(&queued);
    assert!((sources.per_million_web_hits(1.0) - 1.2).abs() < 1e-9);
    assert!((sources.per_million_web_hits(16.0) - 13.2).abs() < 1e-9);
    let direct = CostModel::for_app(&queued).month(10.0, 2.0) + million * 13.2 + sources.idle_month_usd;
    assert!(estimate(&queued).worst_month_usd.expect("open") >= direct);
}

#[test]
fn typical_month_includes_only_invalidations_of_its_views() {
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
    assert!(minute > 35.0 && minute < 45.0, "fewer invalidations than views: {minute}");
}

#[test]
fn month_cost_is_proportional_to_hits() {
    let app = app(|_| ());
    let takes_ms = HitUsage::for_app(&app).duration_s() * 1_000.0;
    let million = month_cost(&app, 128, 1_000_000, takes_ms);
    assert!((million.usd - estimate(&app).per_million_hits_usd).abs() < 1e-9, "{million:?}");
    let double = month_cost(&app, 256, 2_000_000, takes_ms);
    assert!((double.compute_usd - 4.0 * million.compute_usd).abs() < 1e-9, "{double:?}");
    assert_eq!(month_cost(&app, 128, 0, 5.0), MonthCost { usd: 0.0, compute_usd: 0.0 });
    // 100 million requests more than the first price tier of the HTTP API.
    let many = month_cost(&app, 128, 400_000_000, takes_ms);
    assert!((many.usd - (400.0 * million.usd - 10.0)).abs() < 1e-6, "{many:?}");
    // The same running time and the price of the requests.
    let one = invocation_cost(app.function.arch, 128, 1_000_000, takes_ms);
    assert!((one - million.compute_usd - function::REQUESTS.usd).abs() < 1e-9, "{one}");
}

#[test]
fn http_api_is_cheaper_after_300_million_requests() {
    assert!((http_api::REQUESTS.cost_of(300.0) - 300.0).abs() < 1e-9);
    assert!((http_api::REQUESTS.cost_of(400.0) - 390.0).abs() < 1e-9);
}

proptest! {
    #[test]
    fn worst_month_never_falls_with_higher_throttle(
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
fn every_used_price_is_declared_by_a_kind() {
    let model = CostModel::for_app(&app(|_| ()));
    let usage = model
        .million_hits_usage()
        .plus(&model.counting_usage(10.0))
        .plus(&model.reading_usage(10.0))
        .plus(&model.invocation_usage(10.0));
    let declared: Vec<_> = hitctl_resources::REGISTRY.0.iter().flat_map(|kind| kind.prices).collect();
    for price in usage.prices() {
        assert!(declared.contains(&price) && !price.source.is_empty(), "{price:?}");
    }
}
