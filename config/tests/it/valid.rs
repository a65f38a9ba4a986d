//! Tests with valid files: the settings that they set, and warnings.

use hitctl_config::{Overrides, load};

use crate::{KEY, valid};

#[test]
fn empty_file_loads_defaults() {
    let empty = valid("empty.toml", None);
    let none = load(None, None, &Overrides::new()).unwrap();
    assert_eq!(empty.app, none.app);
    assert_eq!((empty.env.as_str(), none.env.as_str()), ("local", "local"));
    insta::assert_snapshot!(none.show(false, &KEY), @r#"
    # environment local, target local; no hitctl.toml, so these are the defaults
    app = "hits"
    # default_env is not set
    # region is not set
    # account is not set
    strict = false

    [function]
    arch = "arm64"
    memory_mb = 128
    timeout_s = 10
    reserved_concurrency = 1
    publish = true
    log_level = "info"
    log_retention_days = 14

    [table]
    point_in_time_recovery = true
    deletion_protection = true
    max_write_units = 100

    [http]
    expose = "api"
    allow_origins = ["*"]
    allow_methods = ["*"]
    rate_per_second = 10
    burst = 20

    [counter]
    paths = "budget"
    new_paths_per_day = 1000
    max_paths = 10000
    keep_query = []
    visitors = "hash"
    i_know_this_is_personal_data = false
    ttl_days = 30
    bots = "ignore"
    gpc = "count"
    repeat_window_s = 10
    shards = 1
    public_stats = false
    exact = false

    [cloudfront]
    # distribution_id is not set
    invalidate_after_s = 60
    invalidate = ["/*"]
    # site_bucket is not set
    # log_bucket is not set

    [queue]
    enabled = false
    ingest = "none"
    batch_size = 25
    window_s = 60
    max_concurrency = 2
    max_receive_count = 5
    # visibility_s is not set

    [events]
    enabled = false
    bus = "default"
    pattern = { source = ["cli"] }
    # key is not set
    # amount is not set
    max_retries = 185
    max_age_s = 86400

    [env.local]
    target = "local"
    confirm = false
    "#);
}

#[test]
fn full_file_sets_every_key() {
    let loaded = valid("full.toml", None);
    assert_eq!(loaded.env, "prod");
    assert!(loaded.app.confirm);
    assert_eq!(loaded.lints, []);
    let names: Vec<&str> = loaded.envs.iter().map(|env| env.name.as_str()).collect();
    assert_eq!(names, ["prod", "on-this-machine", "local", "test"]);
    let shown = loaded.show(true, &KEY);
    insta::assert_snapshot!(shown, @r##"
    # environment prod, target aws; from full.toml
    app = "my-hits"                      # full.toml:1:7
    default_env = "prod"                 # full.toml:2:15
    region = "eu-central-1"              # full.toml:3:10
    account = "123456789012"             # full.toml:4:11
    strict = false                       # full.toml:5:10

    [function]
    arch = "x86_64"                      # full.toml:8:8
    memory_mb = 1769                     # full.toml:9:13
    timeout_s = 30                       # full.toml:10:13
    reserved_concurrency = "none"        # full.toml:11:24
    publish = true                       # default
    log_level = "debug"                  # full.toml:12:13
    log_retention_days = 3653            # full.toml:13:22

    [function.environment]
    EMPTY_ONE = "#9dac6a74"              # full.toml:14:51
    GREETING = "#290af183"               # full.toml:14:28

    [table]
    point_in_time_recovery = false       # full.toml:17:26
    deletion_protection = false          # full.toml:18:23
    max_write_units = 40000              # full.toml:19:19

    [http]
    expose = "function-url"              # full.toml:22:10
    allow_origins = ["https://example.com", "http://localhost:8080", "http://[::1]:3000"]  # full.toml:23:17
    allow_methods = ["GET", "POST"]      # full.toml:24:17
    rate_per_second = 0.5                # full.toml:25:19
    burst = 1                            # full.toml:26:9

    [counter]
    paths = "budget"                     # full.toml:29:9
    new_paths_per_day = 50               # full.toml:30:21
    max_paths = 500                      # full.toml:31:13
    keep_query = ["page", "lang"]        # full.toml:32:14
    visitors = "raw"                     # full.toml:33:12
    i_know_this_is_personal_data = true  # full.toml:34:32
    ttl_days = 7                         # full.toml:35:12
    bots = "count"                       # full.toml:36:8
    gpc = "ignore"                       # full.toml:37:7
    repeat_window_s = 3600               # full.toml:38:19
    shards = 64                          # full.toml:39:10
    public_stats = false                 # full.toml:40:16
    exact = false                        # default

    [cloudfront]
    # distribution_id is not set
    invalidate_after_s = 300             # full.toml:43:22
    invalidate = ["/*"]                  # default
    # site_bucket is not set
    # log_bucket is not set

    [queue]
    enabled = false                      # full.toml:46:11
    ingest = "none"                      # default
    batch_size = 10                      # full.toml:47:14
    window_s = 0                         # full.toml:48:12
    max_concurrency = 1000               # full.toml:49:19
    max_receive_count = 5                # full.toml:50:21
    # visibility_s is not set

    [events]
    enabled = false                      # full.toml:53:11
    bus = "my.bus/with_all-kinds"        # full.toml:54:7
    pattern = { source = ["cli"], detail = { coordinate = [{ exists = true }], n = [1, 2.5, true] } }  # full.toml:55:11
    # key is not set
    # amount is not set
    max_retries = 185                    # default
    max_age_s = 86400                    # default

    [env.prod]
    target = "aws"                       # default
    confirm = true                       # full.toml:58:11 [env.prod]
    "##);

    // The output can be loaded again and gives the same settings, except for the secrets.
    let mut reloaded = load(Some(("shown.toml".into(), shown)), None, &Overrides::new()).unwrap();
    reloaded.app.function.environment.clone_from(&loaded.app.function.environment);
    assert_eq!(reloaded.app, loaded.app);
}

#[test]
fn env_overlays_top_key_by_key() {
    let test = valid("overlays.toml", Some("test"));
    insta::assert_snapshot!(test.show(true, &KEY).lines().filter(|line| line.contains("overlays")).collect::<Vec<_>>().join("\n"), @r##"
    # environment test, target aws; from overlays.toml
    region = "eu-west-1"                  # overlays.toml:7:10 [env.test]
    memory_mb = 512                       # overlays.toml:10:13 [env.test]
    SHARED = "#0fb59b5a"                  # overlays.toml:11:26 [env.test]
    TEST = "#73853487"                    # overlays.toml:11:41 [env.test]
    TOP = "#886687e2"                     # overlays.toml:4:28
    "##);
    let prod = valid("overlays.toml", Some("prod"));
    assert_eq!((prod.app.app.as_str(), prod.app.http.burst, prod.app.function.memory_mb), ("shop", 40, 256));
    assert_eq!(prod.app.region.as_deref(), Some("eu-central-1"));
}

#[test]
fn questionable_settings_are_warnings_with_reason() {
    let lints = valid("odd.toml", Some("local")).lints;
    insta::assert_snapshot!(lints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r#"
    odd.toml:7:17: `allow_origins`: `*` allows all origins, so the other entries have no effect; remove them
    odd.toml:8:17: `allow_methods`: `*` allows all methods, so the other entries have no effect; remove them
    odd.toml:1:10: `region`: this version does not know "eu-centrla-1"; did you mean "eu-central-1"?
    odd.toml:4:13: `timeout_s`: the HTTP API times out after 30 s, so a longer timeout only adds cost
    odd.toml:9:19: `rate_per_second`: AWS accounts allow 10,000 requests per second by default; a higher value has no effect without a quota increase
    odd.toml:10:9: `burst`: AWS accounts allow a burst of 5,000 requests by default; a higher value has no effect without a quota increase
    odd.toml:13:21: `max_receive_count`: the queue starts up to 2 invocations at once, but `reserved_concurrency` allows 1; each throttled invocation counts as a receive, so with fewer than 5 receives, valid hits can reach the dead-letter queue
    "#);
}

#[test]
fn counter_settings_without_effect_are_warnings_with_reason() {
    let lints = |env| {
        let lints = valid("odd_counting.toml", Some(env)).lints;
        lints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(lints("local"), @r#"
    odd_counting.toml:4:21: `new_paths_per_day`: 100 is never reached, because `max_paths` is 50
    odd_counting.toml:7:12: `ttl_days`: the value has no effect with `visitors = "hash"`, which stores no addresses
    odd_counting.toml:6:12: `visitors`: with `expose = "none"`, "hash" counts only visitors whose address is in a message or an event
    odd_counting.toml:8:10: `shards`: more than one shard only slows down reads with `max_write_units = 100`; one item accepts 1000 writes per second
    odd_counting.toml:9:16: `public_stats`: the routes cannot be reached with `expose = "none"`
    "#);
    insta::assert_snapshot!(lints("listed"), @r#"
    odd_counting.toml:4:21: `new_paths_per_day`: the value has no effect with `paths = "strict"`
    odd_counting.toml:13:13: `max_paths`: the value has no effect with `paths = "strict"`
    odd_counting.toml:7:12: `ttl_days`: the value has no effect with `visitors = "hash"`, which stores no addresses
    odd_counting.toml:6:12: `visitors`: with `expose = "none"`, "hash" counts only visitors whose address is in a message or an event
    odd_counting.toml:8:10: `shards`: more than one shard only slows down reads with `max_write_units = 100`; one item accepts 1000 writes per second
    odd_counting.toml:9:16: `public_stats`: the routes cannot be reached with `expose = "none"`
    "#);
}

#[test]
fn complete_counter_settings_have_no_warning() {
    for env in ["listed", "raw", "hot", "open"] {
        assert_eq!(valid("counting.toml", Some(env)).lints, [], "{env}");
    }
}

#[test]
fn questionable_queues_are_warnings_with_reason() {
    let lints = |env| {
        let lints = valid("sources.toml", env).lints;
        lints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(lints(Some("local")), @"
    sources.toml:2:13: `timeout_s`: the HTTP API times out after 30 s, so a longer timeout only adds cost
    sources.toml:7:21: `max_receive_count`: the queue starts up to 2 invocations at once, but `reserved_concurrency` allows 1; each throttled invocation counts as a receive, so with fewer than 5 receives, valid hits can reach the dead-letter queue
    `window_s`: with `batch_size = 1`, a window of 60 s only adds delay; set `window_s = 0`
    sources.toml:8:16: `visibility_s`: AWS recommends at least 420 (six times `timeout_s` plus `window_s`), found 100; a hit may be delivered again while it is being counted
    ");
    insta::assert_snapshot!(lints(Some("quick")), @"
    sources.toml:2:13: `timeout_s`: the HTTP API times out after 30 s, so a longer timeout only adds cost
    sources.toml:11:38: `window_s`: without a window, most batches contain one hit, and each hit costs a write
    sources.toml:8:16: `visibility_s`: AWS recommends at least 360 (six times `timeout_s` plus `window_s`), found 100; a hit may be delivered again while it is being counted
    ");
}
