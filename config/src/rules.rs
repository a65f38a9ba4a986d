//! What no key can decide alone: impossible combinations, which are errors, and odd ones, which are warnings. Each says
//! why. Judges one env, resolved.

use crate::check::sanitize;
use crate::environment;
use crate::local_environment::{LocalVariableError, check_local_variable};
use crate::names::{self, MAX_BASE};
use crate::partitions::{Partition, REGIONS};
use crate::problem::Problem;
use crate::resolve::Resolved;
use crate::shape::without_default_port;
use crate::suggest::nearest;
use crate::variables::function_variables;

/// Longer than this the HTTP API does not wait for the function, in seconds.
const GATEWAY_PATIENCE_S: i64 = 30;
/// From this size on, Lambda wants a window to gather a batch in.
const BATCH_WITHOUT_WINDOW: i64 = 10;
/// What a new account lets through at once in all APIs of a region, by default.
const ACCOUNT_RATE: f64 = 10_000.0;
const ACCOUNT_BURST: i64 = 5000;
/// Fewer receives than this are lost to refusals where less is reserved than the pollers ask for (AWS's guide to SQS and
/// concurrency).
const FEW_RECEIVES: i64 = 5;
/// What one item of a table takes, in writes a second (`DynamoDB`'s limit on a partition).
const ITEM_WRITES: i64 = 1000;

/// The most invalidation paths with a wildcard that a distribution has in progress ("Quotas on invalidations" in the developer
/// guide of `CloudFront`).
const MAX_WILDCARDS: usize = 15;

/// Findings about one env.
struct Findings<'a> {
    env: &'a Resolved,
    found: Vec<Problem>,
}

impl<'a> Findings<'a> {
    fn new(env: &'a Resolved) -> Self {
        Self { env, found: Vec::new() }
    }

    /// Adds a warning about a key.
    fn odd(&mut self, key: &str, code: &'static str, message: impl Into<String>) {
        self.found.push(Problem::new(code, message).of(self.env.span(key)));
    }

    /// Adds an error about a key.
    fn bad(&mut self, key: &str, message: impl Into<String>, help: impl Into<String>) {
        self.found.push(Problem::new("bad_value", message).help(help).of(self.env.span(key)));
    }
}

/// Impossible combinations.
pub(crate) fn errors(env: &Resolved) -> Vec<Problem> {
    let mut all = Findings::new(env);
    let base = names::base(env.text("app"), &env.name);
    if env.is_good(&["app"]) && base.len() > MAX_BASE {
        let length = base.len();
        let message =
            format!("the name `{base}` is {length} characters long; Lambda and IAM take {MAX_BASE}");
        let problem = Problem::new("out_of_range", message).help("shorten `app` or the name of the env");
        all.found.push(problem.of(env.span("app")));
    }
    if env.name == "local" && env.is_good(&["target"]) && env.text("target") != "local" {
        all.bad("target", "the env `local` is always this machine", "give the env another name");
    }
    if env.is_good(&["queue.batch_size", "queue.window_s"])
        && env.integer("queue.batch_size") > BATCH_WITHOUT_WINDOW
        && env.integer("queue.window_s") == 0
    {
        all.bad(
            env.first_written(&["queue.window_s", "queue.batch_size"]),
            format!("Lambda refuses batches above {BATCH_WITHOUT_WINDOW} without a window"),
            format!("set `window_s` to 1 or more, or `batch_size` to {BATCH_WITHOUT_WINDOW} or less"),
        );
    }
    let timeout = env.integer("function.timeout_s");
    if env.flag("queue.enabled")
        && env.is_good(&["queue.visibility_s", "function.timeout_s"])
        && env.maybe_integer("queue.visibility_s").is_some_and(|visibility| visibility < timeout)
    {
        all.bad(
            "queue.visibility_s",
            format!(
                "Lambda refuses a queue whose `visibility_s` is below the function's `timeout_s` of {timeout}"
            ),
            "leave the line out: it is six times the timeout and the window then",
        );
    }
    if env.is_good(&["counter.visitors", "counter.i_know_this_is_personal_data"])
        && env.text("counter.visitors") == "raw"
        && !env.flag("counter.i_know_this_is_personal_data")
    {
        all.bad(
            "counter.visitors",
            "`visitors = \"raw\"` keeps addresses of people, which are personal data",
            "say so with `i_know_this_is_personal_data = true`, or use \"hash\"",
        );
    }
    impossible_sources(&mut all);
    for origin in env.texts("http.allow_origins") {
        let sent = without_default_port(origin);
        if sent != origin {
            all.bad(
                "http.allow_origins",
                format!("the origin \"{origin}\" never matches: browsers leave out the usual port"),
                format!("did you mean \"{sent}\"?"),
            );
        }
    }
    // What has a bad value has none here, and is told on its own.
    let own = env.app().map(|app| function_variables(&app, &env.name)).unwrap_or_default();
    if let Some((problem, key)) = environment::check_size(env.variables(), &own) {
        let first =
            || env.variables().find_map(|(name, _)| env.span(&format!("{}.{name}", environment::KEY)));
        all.found.push(problem.of(env.span(key).or_else(first)));
    }
    all.found
}

/// Variables that a function may not have where it runs on this machine. Other envs of the same file may set them: Lambda
/// allows them, and so this is asked of the chosen env only.
pub(crate) fn local_errors(env: &Resolved) -> Vec<Problem> {
    if !env.is_good(&["target"]) || env.text("target") != "local" {
        return Vec::new();
    }
    let refused = env.variables().filter_map(|(name, value)| {
        let shown = sanitize(name);
        let (message, help) = match check_local_variable(name, value).err()? {
            LocalVariableError::LoadsCode => (
                format!(
                    "`{shown}` can make a program run other code, here on this machine and with your rights"
                ),
                "remove it, or move it to the env on AWS that needs it: `[env.NAME.function.environment]`",
            ),
            LocalVariableError::LeavesMachine => (
                format!("`{shown}` is not an address of this machine, so visitors' data would leave it"),
                "use `http://127.0.0.1:PORT`, or move it to the env on AWS that needs it: \
                 `[env.NAME.function.environment]`",
            ),
        };
        let span = env.span(&format!("{}.{name}", environment::KEY));
        Some(Problem::new("unsafe_variable", message).help(help).of(span))
    });
    refused.collect()
}

/// Queues, events and buckets that cannot be.
fn impossible_sources(all: &mut Findings<'_>) {
    let env = all.env;
    let expose = env.text("http.expose");
    let (app, is_set) = (env.text("app"), |key| env.setting(key).is_some());
    if env.is_good(&["queue.enabled", "queue.ingest", "http.expose"]) && env.text("queue.ingest") == "http" {
        if !env.flag("queue.enabled") {
            let help = "add `enabled = true` under [queue], or use `ingest = \"none\"`";
            all.bad("queue.ingest", "`ingest = \"http\"` needs the queue", help);
        }
        if expose != "api" {
            all.bad(
                "queue.ingest",
                format!("`ingest = \"http\"` needs the HTTP API: with `expose = \"{expose}\"` there is none"),
                "set `expose = \"api\"` under [http], or use `ingest = \"none\"`",
            );
        }
    }
    // A name that is too long by itself is reported by itself.
    let has_reader = names::base(app, &env.name).len() <= MAX_BASE
        && expose == "api"
        && env.maybe_integer("function.reserved_concurrency").is_some();
    let names = [
        ("function.reserved_concurrency", has_reader, names::reader(app, &env.name)),
        ("queue.ingest", env.text("queue.ingest") == "http", names::ingest_role(app, &env.name)),
        ("cloudfront.site_bucket", is_set("cloudfront.site_bucket"), names::bucket_rule(app, &env.name)),
        ("cloudfront.log_bucket", is_set("cloudfront.log_bucket"), names::bucket_rule(app, &env.name)),
    ];
    for (key, wanted, name) in names {
        let length = name.len();
        if wanted && env.is_good(&["app", key]) && length > MAX_BASE {
            all.bad(
                key,
                format!("the name `{name}` is {length} characters long; IAM, Lambda and EventBridge take {MAX_BASE}"),
                "shorten `app` or the name of the env",
            );
        }
    }
    let region = env.text("region");
    if env.is_good(&["region", "cloudfront.distribution_id"])
        && is_set("cloudfront.distribution_id")
        && let Some(Partition { name, cloudfront: None, .. }) = Partition::of_region(region)
    {
        let message = format!("the partition `{name}` of {region} has no CloudFront");
        all.bad("cloudfront.distribution_id", message, "remove `distribution_id`");
    }
    let buckets = ["cloudfront.site_bucket", "cloudfront.log_bucket"];
    let [site, logs] = buckets.map(|key| env.text(key));
    if env.is_good(&buckets) && !site.is_empty() {
        if site == logs {
            all.bad(
                "cloudfront.log_bucket",
                format!(
                    "`site_bucket` and `log_bucket` are both `{site}`: each log would be taken for a page"
                ),
                "keep the logs in a bucket of their own",
            );
        }
        if !is_set("cloudfront.distribution_id") {
            all.bad(
                "cloudfront.site_bucket",
                "`site_bucket` needs a `distribution_id`: what is put there is invalidated in it",
                "add `distribution_id` under [cloudfront]",
            );
        }
    }
    if env.is_good(&["cloudfront.invalidate"]) {
        let paths = env.texts("cloudfront.invalidate");
        let wildcards = paths.iter().filter(|path| path.ends_with('*')).count();
        if paths.is_empty() {
            let message = "`invalidate` is empty: hits would invalidate nothing";
            all.bad("cloudfront.invalidate", message, "leave the line out: it is `[\"/*\"]` then");
        } else if wildcards > MAX_WILDCARDS {
            all.bad(
                "cloudfront.invalidate",
                format!("`invalidate` has {wildcards} paths that end with `*`; CloudFront accepts {MAX_WILDCARDS} in progress at once"),
                "use one wildcard that covers several, such as `/*`",
            );
        }
    }
}

/// Odd combinations of a configuration without errors.
pub(crate) fn warnings(env: &Resolved) -> Vec<Problem> {
    let mut all = Findings::new(env);
    for (key, what) in [("http.allow_origins", "origins"), ("http.allow_methods", "methods")] {
        let listed = env.texts(key);
        if listed.len() > 1 && listed.contains(&"*") {
            let message = format!("`*` allows any: the other {what} beside it change nothing");
            all.odd(key, "any_and_some", message);
        }
    }
    let region = env.text("region");
    if !region.is_empty()
        && !REGIONS.contains(&region)
        && let Some(near) = nearest(region, REGIONS.iter().copied())
    {
        let message = format!("`{region}` is no region known to this version; did you mean `{near}`?");
        all.odd("region", "unknown_region", message);
    }
    if env.text("http.expose") == "api" && env.integer("function.timeout_s") > GATEWAY_PATIENCE_S {
        let message =
            format!("the HTTP API gives up after {GATEWAY_PATIENCE_S} s: a longer `timeout_s` only costs");
        all.odd("function.timeout_s", "timeout_beyond_api", message);
    }
    if env.text("http.expose") == "function-url"
        && let Some(reserved) = env.maybe_integer("function.reserved_concurrency")
    {
        let message = format!(
            "with a function URL one function counts and reads, and `reserved_concurrency = {reserved}` makes it refuse badges while it \
             counts; set it to \"none\", or use `expose = \"api\"`, where reads have a function of their own"
        );
        all.odd("function.reserved_concurrency", "reserved_function_url", message);
    }
    if env.number("http.rate_per_second") > ACCOUNT_RATE {
        let message = "`rate_per_second` is above 10,000, which is what an account lets through by default";
        all.odd("http.rate_per_second", "rate_beyond_account", message);
    }
    if env.integer("http.burst") > ACCOUNT_BURST {
        let message = "`burst` is above 5,000, which is what an account lets through by default";
        all.odd("http.burst", "burst_beyond_account", message);
    }
    odd_sources(&mut all);
    odd_counting(&mut all);
    all.found
}

/// Odd combinations of queues and events.
fn odd_sources(all: &mut Findings<'_>) {
    let env = all.env;
    let queued = env.flag("queue.enabled");
    let (receives, concurrency) =
        (env.integer("queue.max_receive_count"), env.integer("queue.max_concurrency"));
    if (queued || env.is_written("queue.max_receive_count"))
        && receives < FEW_RECEIVES
        && let Some(reserved) = env.maybe_integer("function.reserved_concurrency")
        && reserved < concurrency
    {
        let message = format!(
            "the queue's pollers ask for {concurrency} invocations at once (Lambda takes no less than 2) and `reserved_concurrency` \
             lets {reserved} through: the others are refused, each refusal is a receive, and fewer than {FEW_RECEIVES} receives turn \
             good hits into dead letters"
        );
        all.odd("queue.max_receive_count", "few_receives", message);
    }
    if !queued {
        return;
    }
    let (window, batch) = (env.integer("queue.window_s"), env.integer("queue.batch_size"));
    if window > 0 && batch == 1 {
        let message = format!(
            "with a `batch_size` of 1 nothing is gathered in the `window_s` of {window}: it only delays"
        );
        all.odd("queue.window_s", "window_of_one", message);
    }
    if batch > 1 && window == 0 {
        let key = env.first_written(&["queue.window_s", "queue.batch_size"]);
        all.odd(key, "no_window", "without a `window_s` most batches hold one hit, and each hit is a write");
    }
    let wanted = 6 * env.integer("function.timeout_s") + window;
    if let Some(visibility) = env.maybe_integer("queue.visibility_s")
        && visibility < wanted
    {
        let message = format!(
            "`visibility_s` is {visibility}: AWS recommends six times `timeout_s` and the window, {wanted}; below that a hit \
             can come again while it is counted"
        );
        all.odd("queue.visibility_s", "visibility", message);
    }
}

/// Odd combinations of what is counted: settings that change nothing, or less than it seems.
fn odd_counting(all: &mut Findings<'_>) {
    let env = all.env;
    let paths = env.text("counter.paths");
    let budget = ["counter.new_paths_per_day", "counter.max_paths"];
    let [a_day, most] = budget.map(|key| env.integer(key));
    if paths == "budget" && a_day > most {
        let message =
            format!("`max_paths` is {most}, so that `new_paths_per_day` of {a_day} is never reached");
        all.odd(env.first_written(&budget), "budget_beyond_paths", message);
    }
    for key in budget.into_iter().filter(|key| paths != "budget" && env.is_changed(key)) {
        let name = key.trim_start_matches("counter.");
        all.odd(key, "no_budget", format!("`{name}` changes nothing with `paths = \"{paths}\"`"));
    }
    let visitors = env.text("counter.visitors");
    if visitors != "raw" && env.is_changed("counter.ttl_days") {
        let message = format!(
            "`ttl_days` changes nothing with `visitors = \"{visitors}\"`: it is how long addresses are kept"
        );
        all.odd("counter.ttl_days", "ttl_without_raw", message);
    }
    if visitors != "none" && env.is_written("counter.visitors") && env.text("http.expose") == "none" {
        let message = format!(
            "with `expose = \"none\"` no visitor comes to the function by itself: `visitors = \"{visitors}\"` counts only what \
             is sent to it with an address"
        );
        all.odd("counter.visitors", "visitors_unseen", message);
    }
    let writes = env.integer("table.max_write_units");
    if env.integer("counter.shards") > 1 && writes <= ITEM_WRITES {
        let message = format!(
            "`shards` make reading slower and gain nothing while `max_write_units` is {writes}: one item takes {ITEM_WRITES} \
             writes a second"
        );
        all.odd("counter.shards", "shards_unneeded", message);
    }
    if env.flag("counter.public_stats") && env.text("http.expose") == "none" {
        let message = "`public_stats` opens routes that `expose = \"none\"` keeps closed";
        all.odd("counter.public_stats", "stats_unseen", message);
    }
}
