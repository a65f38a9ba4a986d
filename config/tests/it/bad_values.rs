//! Tests of the error messages for values of the wrong type, range or format.

use crate::errors;

#[test]
fn wrong_types_report_expected_type_and_correction() {
    insta::assert_snapshot!(errors("wrong_types.toml"), @r#"
    14 problems in the configuration

    wrong_types.toml:1:7: `app`: expected a string, found an integer
     1 | app = 5
       |       ^
       = write it in quotes: `app = "5"`

    wrong_types.toml:2:11: `account`: expected a string, found an integer
     2 | account = 123456789012
       |           ^^^^^^^^^^^^
       = write it in quotes: `account = "123456789012"`

    wrong_types.toml:3:10: `strict`: expected a boolean, found a string
     3 | strict = "true"
       |          ^^^^^^
       = write it without quotes: `strict = true`

    wrong_types.toml:4:9: `table`: expected a table, found a string
     4 | table = "hits"
       |         ^^^^^^
       = write `[table]`

    wrong_types.toml:5:7: `env`: expected a table, found an integer
     5 | env = 1
       |       ^
       = write `[env.NAME]`

    wrong_types.toml:8:8: `arch`: expected "arm64" or "x86_64", found a boolean
     8 | arch = true
       |        ^^^^

    wrong_types.toml:9:13: `memory_mb`: expected an integer, found a string
     9 | memory_mb = "128"
       |             ^^^^^
       = write it without quotes: `memory_mb = 128`

    wrong_types.toml:10:13: `timeout_s`: expected an integer, found a float
     10 | timeout_s = 10.5
        |             ^^^^

    wrong_types.toml:11:24: `reserved_concurrency`: expected an integer or "none", found a string
     11 | reserved_concurrency = "all"
        |                        ^^^^^

    wrong_types.toml:12:22: `log_retention_days`: expected an integer, found a date or time
     12 | log_retention_days = 2026-01-01
        |                      ^^^^^^^^^^

    wrong_types.toml:15:17: `allow_origins`: expected an array of strings, found a string
     15 | allow_origins = "https://example.com"
        |                 ^^^^^^^^^^^^^^^^^^^^^
        = write it in brackets: `allow_origins = ["https://example.com"]`

    wrong_types.toml:16:25: `allow_methods`: expected strings, found an integer
     16 | allow_methods = ["GET", 5]
        |                         ^

    wrong_types.toml:17:19: `rate_per_second`: expected a number, found a string
     17 | rate_per_second = "10"
        |                   ^^^^
        = write it without quotes: `rate_per_second = 10`

    wrong_types.toml:19:1: `queue`: expected a table, found an array
     19 | [[queue]]
        | ^^^^^^^^^
        = write `[queue]`
    "#);
}

#[test]
fn numbers_out_of_range_report_range() {
    insta::assert_snapshot!(errors("out_of_range.toml"), @r#"
    12 problems in the configuration

    out_of_range.toml:2:13: `memory_mb`: expected an integer from 128 to 10,240, found 64
     2 | memory_mb = 64
       |             ^^

    out_of_range.toml:3:13: `timeout_s`: expected an integer from 1 to 900, found 901
     3 | timeout_s = 901
       |             ^^^

    out_of_range.toml:4:24: `reserved_concurrency`: expected an integer from 1 to 100,000 or "none", found 0
     4 | reserved_concurrency = 0
       |                        ^

    out_of_range.toml:5:22: `log_retention_days`: expected one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653, found 10
     5 | log_retention_days = 10
       |                      ^^
       = use 7, the nearest accepted value

    out_of_range.toml:8:19: `max_write_units`: expected an integer from 1 to 1,000,000, found 0
     8 | max_write_units = 0
       |                   ^

    out_of_range.toml:11:19: `rate_per_second`: expected a number above 0 and at most 1,000,000, found 0
     11 | rate_per_second = 0
        |                   ^

    out_of_range.toml:12:9: `burst`: expected an integer from 1 to 1,000,000, found 0
     12 | burst = 0
        |         ^

    out_of_range.toml:15:14: `batch_size`: expected an integer from 1 to 10,000, found 10001
     15 | batch_size = 10_001
        |              ^^^^^^

    out_of_range.toml:16:12: `window_s`: expected an integer from 0 to 300, found -1
     16 | window_s = -1
        |            ^^

    out_of_range.toml:17:19: `max_concurrency`: expected an integer from 2 to 1,000, found 1
     17 | max_concurrency = 1
        |                   ^

    out_of_range.toml:18:21: `max_receive_count`: expected an integer from 1 to 1,000, found 9223372036854775808
     18 | max_receive_count = 9223372036854775808
        |                     ^^^^^^^^^^^^^^^^^^^

    out_of_range.toml:21:24: `rate_per_second`: expected a number above 0 and at most 1,000,000, found nan
     21 | http.rate_per_second = nan
        |                        ^^^
    "#);
}

#[test]
fn wrong_words_and_formats_suggest_corrections() {
    insta::assert_snapshot!(errors("words.toml"), @r#"
    12 problems in the configuration

    words.toml:1:10: `region`: expected the code of an AWS region, such as `eu-central-1`, found "EU_CENTRAL_1"
     1 | region = "EU_CENTRAL_1"
       |          ^^^^^^^^^^^^^^
       = did you mean "eu-central-1"?

    words.toml:2:7: `app`: expected a name of at most 40 lower-case letters, digits and single hyphens that begins with a letter, found "My Hits"
     2 | app = "My Hits"
       |       ^^^^^^^^^
       = did you mean "my-hits"?

    words.toml:3:11: `account`: expected an AWS account ID of twelve digits, found "1234-5678-9012"
     3 | account = "1234-5678-9012"
       |           ^^^^^^^^^^^^^^^^
       = did you mean "123456789012"?

    words.toml:6:8: `arch`: expected "arm64" or "x86_64", found "x86-64"
     6 | arch = "x86-64"
       |        ^^^^^^^^
       = did you mean "x86_64"?

    words.toml:7:13: `log_level`: expected "debug", "info", "warn" or "error", found "warning"
     7 | log_level = "warning"
       |             ^^^^^^^^^
       = did you mean "warn"?

    words.toml:10:10: `expose`: expected "api", "function-url" or "none", found "function_url"
     10 | expose = "function_url"
        |          ^^^^^^^^^^^^^^
        = did you mean "function-url"?

    words.toml:11:18: `allow_methods`: expected `*` or one of `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS`, found "get"
     11 | allow_methods = ["get", "TRACE", "GET", "GET"]
        |                  ^^^^^
        = did you mean "GET"?

    words.toml:11:25: `allow_methods`: expected `*` or one of `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS`, found "TRACE"
     11 | allow_methods = ["get", "TRACE", "GET", "GET"]
        |                         ^^^^^^^

    words.toml:11:41: `allow_methods`: expected distinct values, found "GET" twice
     11 | allow_methods = ["get", "TRACE", "GET", "GET"]
        |                                         ^^^^^

    words.toml:14:12: `visitors`: expected "none", "hash" or "raw", found "everybody"
     14 | visitors = "everybody"
        |            ^^^^^^^^^^^

    words.toml:17:19: `distribution_id`: expected the ID of a CloudFront distribution, such as `E123ABC`, found "e123abc"
     17 | distribution_id = "e123abc"
        |                   ^^^^^^^^^
        = did you mean "E123ABC"?

    words.toml:20:7: `bus`: expected the name of an event bus: letters, digits, `.`, `_`, `-` and `/`, found "my bus"
     20 | bus = "my bus"
        |       ^^^^^^^^
    "#);
}

#[test]
fn origins_that_never_match_are_errors() {
    insta::assert_snapshot!(errors("origins.toml"), @r#"
    6 problems in the configuration

    origins.toml:3:5: `allow_origins`: expected `*`, or an origin without a path or final slash, such as `https://example.com`, found "https://example.com/"
     3 |     "https://example.com/",
       |     ^^^^^^^^^^^^^^^^^^^^^^
       = did you mean "https://example.com"?

    origins.toml:4:5: `allow_origins`: expected `*`, or an origin without a path or final slash, such as `https://example.com`, found "https://Example.com/blog"
     4 |     "https://Example.com/blog",
       |     ^^^^^^^^^^^^^^^^^^^^^^^^^^
       = did you mean "https://example.com"?

    origins.toml:5:5: `allow_origins`: expected `*`, or an origin without a path or final slash, such as `https://example.com`, found "example.com"
     5 |     "example.com",
       |     ^^^^^^^^^^^^^
       = did you mean "https://example.com"?

    origins.toml:6:5: `allow_origins`: expected `*`, or an origin without a path or final slash, such as `https://example.com`, found "https://*.example.com"
     6 |     "https://*.example.com",
       |     ^^^^^^^^^^^^^^^^^^^^^^^

    origins.toml:7:5: `allow_origins`: expected `*`, or an origin without a path or final slash, such as `https://example.com`, found ""
     7 |     "",
       |     ^^

    origins.toml:11:17: `allow_origins`: expected an origin without its default port, found "https://example.com:443"
     11 | allow_origins = ["https://example.com:443"]
        |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^
        = did you mean "https://example.com"?
    "#);
}

#[test]
fn patterns_that_match_nothing_are_errors() {
    insta::assert_snapshot!(errors("pattern.toml"), @r#"
    7 problems in the configuration

    pattern.toml:2:22: `source`: expected an array of values, found a string
     2 | pattern = { source = "cli", detail = { kind = [], when = [2026-01-01], size = [inf] }, account = 5 }
       |                      ^^^^^
       = write it in brackets: `["cli"]`

    pattern.toml:2:47: `kind`: expected at least one entry, found none
     2 | pattern = { source = "cli", detail = { kind = [], when = [2026-01-01], size = [inf] }, account = 5 }
       |                                               ^^

    pattern.toml:2:59: `pattern`: expected a value that JSON can represent, found a date or time
     2 | pattern = { source = "cli", detail = { kind = [], when = [2026-01-01], size = [inf] }, account = 5 }
       |                                                           ^^^^^^^^^^

    pattern.toml:2:80: `pattern`: expected a value that JSON can represent, found a number that is not finite
     2 | pattern = { source = "cli", detail = { kind = [], when = [2026-01-01], size = [inf] }, account = 5 }
       |                                                                                ^^^

    pattern.toml:2:98: `account`: expected an array of values, found an integer
     2 | pattern = { source = "cli", detail = { kind = [], when = [2026-01-01], size = [inf] }, account = 5 }
       |                                                                                                  ^

    pattern.toml:5:18: `pattern`: expected at least one entry, found none
     5 | events.pattern = {}
       |                  ^^

    pattern.toml:8:18: `pattern`: expected a table, found an array
     8 | events.pattern = ["cli"]
       |                  ^^^^^^^
    "#);
}

#[test]
fn patterns_that_eventbridge_rejects_are_errors() {
    insta::assert_snapshot!(errors("refused_patterns.toml"), @r#"
    5 problems in the configuration

    refused_patterns.toml:2:61: `pattern`: expected `prefix`, `suffix`, `equals-ignore-case`, `wildcard`, `anything-but`, `numeric`, `cidr` or `exists`, found "begins"
     2 | pattern = { source = ["cli"], detail = { path = [{ begins = "/" }] } }
       |                                                             ^^^

    refused_patterns.toml:5:48: `pattern`: expected only strings or only numbers in `anything-but`, found other or mixed values
     5 | source = [{ prefix = "cli" }, { anything-but = ["web", 5] }]
       |                                                ^^^^^^^^^^

    refused_patterns.toml:8:33: `pattern`: expected a lower bound below the upper bound in `numeric`, found 10 and 5
     8 | pattern.detail.n = [{ numeric = [">", 10, "<", 5] }]
       |                                 ^^^^^^^^^^^^^^^^^

    refused_patterns.toml:11:45: `pattern`: expected single stars in `wildcard`, found `**`
     11 | pattern = { detail = { path = [{ wildcard = "/**" }] } }
        |                                             ^^^^^

    refused_patterns.toml:14:21: `pattern`: expected at least two objects in `$or`, found 1
     14 | pattern = { "$or" = [{ source = ["cli"] }] }
        |                     ^^^^^^^^^^^^^^^^^^^^^^
    "#);
}

#[test]
fn impossible_queues_events_and_buckets_are_errors() {
    insta::assert_snapshot!(errors("sources.toml"), @r#"
    12 problems in the configuration

    sources.toml:1:7: `app`: expected at most 64 characters in the name `a-name-of-forty-characters-exactly-so-no-a-name-of-thirty-characters-x`, found 70
     1 | app = "a-name-of-forty-characters-exactly-so-no"
       |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = shorten `app` or the name of the environment

    sources.toml:8:10: `ingest`: "http" requires an enabled queue
     8 | ingest = "http"
       |          ^^^^^^
       = set `enabled = true` in `[queue]`, or use `ingest = "none"`

    sources.toml:8:10: `ingest`: "http" requires `expose = "api"`, found "none"
     8 | ingest = "http"
       |          ^^^^^^
       = set `expose = "api"` in `[http]`, or use `ingest = "none"`

    sources.toml:8:10: `ingest`: expected at most 64 characters in the name `a-name-of-forty-characters-exactly-so-no-a-name-of-thirty-characters-x-ingest`, found 77
     8 | ingest = "http"
       |          ^^^^^^
       = shorten `app` or the name of the environment

    sources.toml:9:16: `visibility_s`: expected at least the function's `timeout_s` of 60, found 30
     9 | visibility_s = 30
       |                ^^
       = remove the line; the default is six times `timeout_s` plus `window_s`

    sources.toml:15:15: `site_bucket`: expected at most 64 characters in the name `a-name-of-forty-characters-exactly-so-no-a-name-of-thirty-characters-x-s3`, found 73
     15 | site_bucket = "site"
        |               ^^^^^^
        = shorten `app` or the name of the environment

    sources.toml:15:15: `site_bucket`: expected a `distribution_id` to invalidate, found none
     15 | site_bucket = "site"
        |               ^^^^^^
        = set `distribution_id` in `[cloudfront]`

    sources.toml:16:14: `log_bucket`: expected at most 64 characters in the name `a-name-of-forty-characters-exactly-so-no-a-name-of-thirty-characters-x-s3`, found 73
     16 | log_bucket = "site"
        |              ^^^^^^
        = shorten `app` or the name of the environment

    sources.toml:16:14: `log_bucket`: expected a bucket other than `site_bucket`, found "site"
     16 | log_bucket = "site"
        |              ^^^^^^
        = use a separate bucket for the logs; in `site_bucket`, each log would be treated as a page

    sources.toml:17:15: `invalidate`: expected a path that begins with `/`, is percent-encoded and has `*` only at its end, such as `/*`, found "index.html"
     17 | invalidate = ["index.html"]
        |               ^^^^^^^^^^^^
        = did you mean "/index.html"?

    sources.toml:20:7: `key`: expected a name that contains no control characters and does not begin with `!`, or a JSON pointer such as `/detail/page`, found "!mine"
     20 | key = "!mine"
        |       ^^^^^^^
        = did you mean "mine"?

    sources.toml:21:10: `amount`: expected a JSON pointer such as `/detail/n`, found "detail.n"
     21 | amount = "detail.n"
        |          ^^^^^^^^^^
        = did you mean "/detail/n"?
    "#);
}

#[test]
fn value_with_invisible_characters_is_shown_without_them() {
    let text = "app = \"a\u{200b}b\u{61c}c\u{202e}d\"\n";
    let errors = hitctl_config::load(
        Some(("hitctl.toml".into(), text.to_owned())),
        None,
        &hitctl_config::Overrides::new(),
    )
    .unwrap_err()
    .to_string();
    assert!(!errors.contains(['\u{200b}', '\u{61c}', '\u{202e}']), "{errors:?}");
    assert!(errors.contains("a\u{fffd}b\u{fffd}c\u{fffd}d"), "{errors:?}");
}

#[test]
fn invalidation_paths_follow_cloudfront_rules() {
    let error_of = |paths: &[String]| {
        let text = format!("[cloudfront]\ndistribution_id = \"E123ABC\"\ninvalidate = {paths:?}\n");
        let loaded =
            hitctl_config::load(Some(("hitctl.toml".into(), text)), None, &hitctl_config::Overrides::new());
        loaded.err().map(|errors| errors.to_string())
    };
    let wildcards = |n: usize| (0..n).map(|n| format!("/{n}/*")).collect::<Vec<_>>();
    assert_eq!(error_of(&wildcards(15)), None);
    let too_many = error_of(&wildcards(16)).unwrap();
    assert!(too_many.contains("expected at most 15 paths that end with `*`, found 16"), "{too_many}");
    let empty = error_of(&[]).unwrap();
    assert!(empty.contains("`invalidate`: expected at least one path, found none"), "{empty}");
    for bad in ["index.html", "/*/a", "/a b", "/é", "/100%", "/%zz"] {
        let message = error_of(&[bad.to_owned()]).unwrap();
        assert!(message.contains("expected a path that begins with `/`"), "{message}");
    }
    assert_eq!(error_of(&["/caf%C3%A9*".to_owned(), "/?x=1&y=2".to_owned()]), None);
}

#[test]
fn distribution_in_partition_without_cloudfront_is_error() {
    let load = |region: &str| {
        let text =
            format!("region = \"{region}\"\n[cloudfront]\ndistribution_id = \"E123ABC\"\n[env.prod]\n");
        let source = Some(("hitctl.toml".into(), text));
        hitctl_config::load(source, Some("prod"), &hitctl_config::Overrides::new())
    };
    for region in ["eu-central-1", "cn-north-1"] {
        load(region).unwrap();
    }
    insta::assert_snapshot!(load("us-gov-west-1").unwrap_err().to_string(), @r#"
    hitctl.toml:3:19: `distribution_id`: the partition `aws-us-gov` of us-gov-west-1 has no CloudFront
     3 | distribution_id = "E123ABC"
       |                   ^^^^^^^^^
       = remove `distribution_id`
    "#);
}
