//! Checks combinations of keys of one resolved env: impossible ones are errors, questionable ones are warnings. Each
//! message states the reason.

use crate::check::sanitize;
use crate::environment;
use crate::local_environment::{LocalVariableError, check_local_variable};
use crate::names::{self, MAX_BASE_NAME_CHARS};
use crate::partitions::{Partition, REGIONS};
use crate::problem::ConfigProblem;
use crate::resolve::ResolvedEnv;
use crate::string_format::without_default_port;
use crate::suggest::nearest;
use crate::variables::function_variables;

/// The time that an HTTP API waits for the function, in seconds.
const HTTP_API_TIMEOUT_S: i64 = 30;
/// The largest batch for which Lambda does not require a batch window.
const MAX_BATCH_WITHOUT_WINDOW: i64 = 10;
/// The default throttling limit of an AWS account, for all APIs in a region together, in requests per second.
const DEFAULT_ACCOUNT_RATE: f64 = 10_000.0;
/// The default burst of an AWS account, in requests.
const DEFAULT_ACCOUNT_BURST: i64 = 5000;
/// The minimum that AWS recommends for `max_receive_count`. A throttled invocation counts as a receive, so with fewer
/// receives a message may become a dead letter without an attempt (Lambda developer guide, "Using Lambda with Amazon
/// SQS").
const MIN_RECEIVES: i64 = 5;
/// The writes per second that one item of a table accepts (`DynamoDB`'s limit on a partition).
const MAX_ITEM_WRITES: i64 = 1000;

/// The number of invalidation paths with a wildcard that a distribution may have in progress ("Quotas on invalidations"
/// in the `CloudFront` developer guide).
const MAX_WILDCARDS: usize = 15;

/// The help for a resource name that is too long.
const SHORTEN_NAME: &str = "shorten `app` or the name of the environment";

/// Collects the findings about one env.
struct Findings<'a> {
    env: &'a ResolvedEnv,
    found: Vec<ConfigProblem>,
}

impl<'a> Findings<'a> {
    fn new(env: &'a ResolvedEnv) -> Self {
        Self { env, found: Vec::new() }
    }

    /// Adds a warning about a key.
    fn warn(&mut self, key: &str, code: &'static str, message: impl Into<String>) {
        self.found.push(ConfigProblem::new(code, message).with_span(self.env.span(key)));
    }

    /// Adds an error about a key.
    fn error(&mut self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        self.found
            .push(ConfigProblem::new("bad_value", message).with_help(help).with_span(self.env.span(key)));
    }
}

/// Returns the errors of an env: impossible combinations.
pub(crate) fn errors(env: &ResolvedEnv) -> Vec<ConfigProblem> {
    let mut findings = Findings::new(env);
    let base = names::base_name(env.text("app"), &env.name);
    if env.are_valid(&["app"]) && base.len() > MAX_BASE_NAME_CHARS {
        let length = base.len();
        let message = format!(
            "`app`: expected at most {MAX_BASE_NAME_CHARS} characters in the name `{base}`, found {length}"
        );
        let problem = ConfigProblem::new("out_of_range", message).with_help(SHORTEN_NAME);
        findings.found.push(problem.with_span(env.span("app")));
    }
    if env.name == "local" && env.are_valid(&["target"]) && env.text("target") != "local" {
        let message = format!(
            "`target`: expected \"local\" in the environment `local`, found \"{}\"",
            env.text("target")
        );
        findings.error("target", message, "remove the line, or choose another name for the environment");
    }
    if env.are_valid(&["queue.batch_size", "queue.window_s"])
        && env.integer("queue.batch_size") > MAX_BATCH_WITHOUT_WINDOW
        && env.integer("queue.window_s") == 0
    {
        findings.error(
            env.first_in_file(&["queue.window_s", "queue.batch_size"]),
            format!(
                "`window_s`: expected at least 1 for a `batch_size` above {MAX_BATCH_WITHOUT_WINDOW}, found 0"
            ),
            format!("set `window_s` to 1 or more, or `batch_size` to {MAX_BATCH_WITHOUT_WINDOW} or less"),
        );
    }
    let timeout = env.integer("function.timeout_s");
    if env.flag("queue.enabled")
        && env.are_valid(&["queue.visibility_s", "function.timeout_s"])
        && env.optional_integer("queue.visibility_s").is_some_and(|visibility| visibility < timeout)
    {
        findings.error(
            "queue.visibility_s",
            format!(
                "`visibility_s`: expected at least the function's `timeout_s` of {timeout}, found {}",
                env.integer("queue.visibility_s")
            ),
            "remove the line; the default is six times `timeout_s` plus `window_s`",
        );
    }
    if env.are_valid(&["counter.visitors", "counter.i_know_this_is_personal_data"])
        && env.text("counter.visitors") == "raw"
        && !env.flag("counter.i_know_this_is_personal_data")
    {
        findings.error(
            "counter.visitors",
            "`visitors`: \"raw\" stores IP addresses, which are personal data",
            "confirm with `i_know_this_is_personal_data = true`, or use \"hash\"",
        );
    }
    add_source_errors(&mut findings);
    for origin in env.texts("http.allow_origins") {
        let normalised = without_default_port(origin);
        if normalised != origin {
            findings.error(
                "http.allow_origins",
                format!("`allow_origins`: expected an origin without its default port, found \"{origin}\""),
                format!("did you mean \"{normalised}\"?"),
            );
        }
    }
    // An invalid value prevents the conversion and is reported separately.
    let own_variables =
        env.to_app_config().map(|app| function_variables(&app, &env.name)).unwrap_or_default();
    if let Some((problem, key)) = environment::check_size(env.variables(), &own_variables) {
        let first_variable = || {
            env.variables()
                .find_map(|(name, _)| env.span(&format!("{}.{name}", environment::ENVIRONMENT_KEY)))
        };
        findings.found.push(problem.with_span(env.span(key).or_else(first_variable)));
    }
    findings.found
}

/// Returns an error for each variable that a function on this machine must not have. Checked for the selected env only:
/// other envs of the same file may set these variables, because Lambda allows them.
pub(crate) fn local_errors(env: &ResolvedEnv) -> Vec<ConfigProblem> {
    if !env.are_valid(&["target"]) || env.text("target") != "local" {
        return Vec::new();
    }
    let problems = env.variables().filter_map(|(name, value)| {
        let shown_name = sanitize(name);
        let (message, help) = match check_local_variable(name, value).err()? {
            LocalVariableError::LoadsCode => (
                format!("`{shown_name}`: this variable can make programs on this machine run other code"),
                "remove it, or set it only for an environment on AWS, in `[env.NAME.function.environment]`",
            ),
            LocalVariableError::LeavesMachine => (
                format!("`{shown_name}`: expected an address of this machine, found another one"),
                "use `http://127.0.0.1:PORT`, or set it only for an environment on AWS, in \
                 `[env.NAME.function.environment]`; otherwise visitor data would leave this machine",
            ),
        };
        let span = env.span(&format!("{}.{name}", environment::ENVIRONMENT_KEY));
        Some(ConfigProblem::new("unsafe_variable", message).with_help(help).with_span(span))
    });
    problems.collect()
}

/// Adds errors about impossible settings of the queue, events and buckets.
fn add_source_errors(findings: &mut Findings<'_>) {
    let env = findings.env;
    let expose = env.text("http.expose");
    let (app, is_set) = (env.text("app"), |key| env.value(key).is_some());
    if env.are_valid(&["queue.enabled", "queue.ingest", "http.expose"]) && env.text("queue.ingest") == "http"
    {
        if !env.flag("queue.enabled") {
            let help = "set `enabled = true` in `[queue]`, or use `ingest = \"none\"`";
            findings.error("queue.ingest", "`ingest`: \"http\" requires an enabled queue", help);
        }
        if expose != "api" {
            findings.error(
                "queue.ingest",
                format!("`ingest`: \"http\" requires `expose = \"api\"`, found \"{expose}\""),
                "set `expose = \"api\"` in `[http]`, or use `ingest = \"none\"`",
            );
        }
    }
    // A base name that is too long is reported separately.
    let has_reader = names::base_name(app, &env.name).len() <= MAX_BASE_NAME_CHARS
        && expose == "api"
        && env.optional_integer("function.reserved_concurrency").is_some();
    let names = [
        ("function.reserved_concurrency", has_reader, names::reader(app, &env.name)),
        ("queue.ingest", env.text("queue.ingest") == "http", names::ingest_role(app, &env.name)),
        ("cloudfront.site_bucket", is_set("cloudfront.site_bucket"), names::bucket_rule(app, &env.name)),
        ("cloudfront.log_bucket", is_set("cloudfront.log_bucket"), names::bucket_rule(app, &env.name)),
    ];
    for (key, is_used, name) in names {
        let length = name.len();
        if is_used && env.are_valid(&["app", key]) && length > MAX_BASE_NAME_CHARS {
            findings.error(
                key,
                format!(
                    "`{}`: expected at most {MAX_BASE_NAME_CHARS} characters in the name `{name}`, found {length}",
                    key.rsplit('.').next().unwrap_or(key)
                ),
                SHORTEN_NAME,
            );
        }
    }
    let region = env.text("region");
    if env.are_valid(&["region", "cloudfront.distribution_id"])
        && is_set("cloudfront.distribution_id")
        && let Some(Partition { name, cloudfront: None, .. }) = Partition::of_region(region)
    {
        let message = format!("`distribution_id`: the partition `{name}` of {region} has no CloudFront");
        findings.error("cloudfront.distribution_id", message, "remove `distribution_id`");
    }
    let buckets = ["cloudfront.site_bucket", "cloudfront.log_bucket"];
    let [site_bucket, log_bucket] = buckets.map(|key| env.text(key));
    if env.are_valid(&buckets) && !site_bucket.is_empty() {
        if site_bucket == log_bucket {
            findings.error(
                "cloudfront.log_bucket",
                format!("`log_bucket`: expected a bucket other than `site_bucket`, found \"{log_bucket}\""),
                "use a separate bucket for the logs; in `site_bucket`, each log would be treated as a page",
            );
        }
        if !is_set("cloudfront.distribution_id") {
            findings.error(
                "cloudfront.site_bucket",
                "`site_bucket`: expected a `distribution_id` to invalidate, found none",
                "set `distribution_id` in `[cloudfront]`",
            );
        }
    }
    if env.are_valid(&["cloudfront.invalidate"]) {
        let paths = env.texts("cloudfront.invalidate");
        let wildcards = paths.iter().filter(|path| path.ends_with('*')).count();
        if paths.is_empty() {
            let message = "`invalidate`: expected at least one path, found none";
            findings.error("cloudfront.invalidate", message, "remove the line; the default is `[\"/*\"]`");
        } else if wildcards > MAX_WILDCARDS {
            findings.error(
                "cloudfront.invalidate",
                format!("`invalidate`: expected at most {MAX_WILDCARDS} paths that end with `*`, found {wildcards}"),
                "use one wildcard that covers several paths, such as `/*`",
            );
        }
    }
}

/// Returns the warnings of an env without errors: questionable combinations.
pub(crate) fn warnings(env: &ResolvedEnv) -> Vec<ConfigProblem> {
    let mut findings = Findings::new(env);
    for (key, items) in [("http.allow_origins", "origins"), ("http.allow_methods", "methods")] {
        let listed = env.texts(key);
        if listed.len() > 1 && listed.contains(&"*") {
            let name = key.trim_start_matches("http.");
            let message =
                format!("`{name}`: `*` allows all {items}, so the other entries have no effect; remove them");
            findings.warn(key, "any_and_some", message);
        }
    }
    let region = env.text("region");
    if !region.is_empty()
        && !REGIONS.contains(&region)
        && let Some(suggestion) = nearest(region, REGIONS.iter().copied())
    {
        let message =
            format!("`region`: this version does not know \"{region}\"; did you mean \"{suggestion}\"?");
        findings.warn("region", "unknown_region", message);
    }
    if env.text("http.expose") == "api" && env.integer("function.timeout_s") > HTTP_API_TIMEOUT_S {
        let message = format!(
            "`timeout_s`: the HTTP API times out after {HTTP_API_TIMEOUT_S} s, so a longer timeout only adds cost"
        );
        findings.warn("function.timeout_s", "timeout_beyond_api", message);
    }
    if env.text("http.expose") == "function-url"
        && let Some(reserved) = env.optional_integer("function.reserved_concurrency")
    {
        let message = format!(
            "`reserved_concurrency`: with a function URL, the limit of {reserved} covers both counting and badges, so badges can \
             fail; set it to \"none\", or use `expose = \"api\"`, which has a separate function for reads"
        );
        findings.warn("function.reserved_concurrency", "reserved_function_url", message);
    }
    if env.number("http.rate_per_second") > DEFAULT_ACCOUNT_RATE {
        let message = "`rate_per_second`: AWS accounts allow 10,000 requests per second by default; a higher value has no \
                       effect without a quota increase";
        findings.warn("http.rate_per_second", "rate_beyond_account", message);
    }
    if env.integer("http.burst") > DEFAULT_ACCOUNT_BURST {
        let message = "`burst`: AWS accounts allow a burst of 5,000 requests by default; a higher value has no effect \
                       without a quota increase";
        findings.warn("http.burst", "burst_beyond_account", message);
    }
    add_source_warnings(&mut findings);
    add_counting_warnings(&mut findings);
    findings.found
}

/// Adds warnings about questionable settings of queues and events.
fn add_source_warnings(findings: &mut Findings<'_>) {
    let env = findings.env;
    let queued = env.flag("queue.enabled");
    let (receives, concurrency) =
        (env.integer("queue.max_receive_count"), env.integer("queue.max_concurrency"));
    if (queued || env.is_in_file("queue.max_receive_count"))
        && receives < MIN_RECEIVES
        && let Some(reserved) = env.optional_integer("function.reserved_concurrency")
        && reserved < concurrency
    {
        let message = format!(
            "`max_receive_count`: the queue starts up to {concurrency} invocations at once, but `reserved_concurrency` allows \
             {reserved}; each throttled invocation counts as a receive, so with fewer than {MIN_RECEIVES} receives, valid hits can \
             reach the dead-letter queue"
        );
        findings.warn("queue.max_receive_count", "few_receives", message);
    }
    if !queued {
        return;
    }
    let (window, batch) = (env.integer("queue.window_s"), env.integer("queue.batch_size"));
    if window > 0 && batch == 1 {
        let message = format!(
            "`window_s`: with `batch_size = 1`, a window of {window} s only adds delay; set `window_s = 0`"
        );
        findings.warn("queue.window_s", "window_of_one", message);
    }
    if batch > 1 && window == 0 {
        let key = env.first_in_file(&["queue.window_s", "queue.batch_size"]);
        findings.warn(
            key,
            "no_window",
            "`window_s`: without a window, most batches contain one hit, and each hit costs a write",
        );
    }
    let recommended = 6 * env.integer("function.timeout_s") + window;
    if let Some(visibility) = env.optional_integer("queue.visibility_s")
        && visibility < recommended
    {
        let message = format!(
            "`visibility_s`: AWS recommends at least {recommended} (six times `timeout_s` plus `window_s`), found {visibility}; a hit \
             may be delivered again while it is being counted"
        );
        findings.warn("queue.visibility_s", "visibility", message);
    }
}

/// Adds warnings about counting: settings that have no effect, or less than expected.
fn add_counting_warnings(findings: &mut Findings<'_>) {
    let env = findings.env;
    let paths = env.text("counter.paths");
    let budget = ["counter.new_paths_per_day", "counter.max_paths"];
    let [per_day, max_paths] = budget.map(|key| env.integer(key));
    if paths == "budget" && per_day > max_paths {
        let message =
            format!("`new_paths_per_day`: {per_day} is never reached, because `max_paths` is {max_paths}");
        findings.warn(env.first_in_file(&budget), "budget_beyond_paths", message);
    }
    for key in budget.into_iter().filter(|key| paths != "budget" && env.differs_from_default(key)) {
        let name = key.trim_start_matches("counter.");
        let message = format!("`{name}`: the value has no effect with `paths = \"{paths}\"`");
        findings.warn(key, "no_budget", message);
    }
    let visitors = env.text("counter.visitors");
    if visitors != "raw" && env.differs_from_default("counter.ttl_days") {
        let message = format!(
            "`ttl_days`: the value has no effect with `visitors = \"{visitors}\"`, which stores no addresses"
        );
        findings.warn("counter.ttl_days", "ttl_without_raw", message);
    }
    if visitors != "none" && env.is_in_file("counter.visitors") && env.text("http.expose") == "none" {
        let message = format!(
            "`visitors`: with `expose = \"none\"`, \"{visitors}\" counts only visitors whose address is in a message or an event"
        );
        findings.warn("counter.visitors", "visitors_unseen", message);
    }
    let writes = env.integer("table.max_write_units");
    if env.integer("counter.shards") > 1 && writes <= MAX_ITEM_WRITES {
        let message = format!(
            "`shards`: more than one shard only slows down reads with `max_write_units = {writes}`; one item accepts \
             {MAX_ITEM_WRITES} writes per second"
        );
        findings.warn("counter.shards", "shards_unneeded", message);
    }
    if env.flag("counter.public_stats") && env.text("http.expose") == "none" {
        let message = "`public_stats`: the routes cannot be reached with `expose = \"none\"`";
        findings.warn("counter.public_stats", "stats_unseen", message);
    }
}
