//! What no key can decide alone: impossible combinations, which are errors, and odd ones, which are warnings. Each says
//! why. Judges one env, resolved.

use std::ops::Range;

use toml::Value;

use crate::check::tame;
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

/// A finding and the part of the file that it is about, if the file has a part in it.
pub(crate) type Finding = (Problem, Option<Range<usize>>);

/// Impossible combinations.
pub(crate) fn errors(env: &Resolved) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut find = |problem: Problem, path: &str| found.push((problem, env.span(path)));

    if env.is_good(&["app"]) {
        let base = names::base(env.text("app"), &env.name);
        if base.len() > MAX_BASE {
            let problem = Problem::new(
                "out_of_range",
                format!(
                    "the name `{base}` is {} characters long; Lambda and IAM take {MAX_BASE}",
                    base.len()
                ),
            );
            find(problem.help("shorten `app` or the name of the env"), "app");
        }
    }
    if env.name == "local" && env.is_good(&["target"]) && env.text("target") != "local" {
        let problem = Problem::new("bad_value", "the env `local` is always this machine");
        find(problem.help("give the env another name"), "target");
    }
    if env.is_good(&["queue.batch_size", "queue.window_s"])
        && env.integer("queue.batch_size") > BATCH_WITHOUT_WINDOW
        && env.integer("queue.window_s") == 0
    {
        let problem = Problem::new(
            "bad_value",
            format!("Lambda refuses batches above {BATCH_WITHOUT_WINDOW} without a window"),
        );
        let help = format!("set `window_s` to 1 or more, or `batch_size` to {BATCH_WITHOUT_WINDOW} or less");
        find(problem.help(help), env.first_written(&["queue.window_s", "queue.batch_size"]));
    }
    if env.flag("queue.enabled")
        && env.is_good(&["queue.visibility_s", "function.timeout_s"])
        && let Some(Value::Integer(visibility)) = env.setting("queue.visibility_s")
        && *visibility < env.integer("function.timeout_s")
    {
        let timeout = env.integer("function.timeout_s");
        let message = format!(
            "Lambda refuses a queue whose `visibility_s` is below the function's `timeout_s` of {timeout}"
        );
        let help = "leave the line out: it is six times the timeout and the window then".to_owned();
        find(Problem::new("bad_value", message).help(help), "queue.visibility_s");
    }
    if env.is_good(&["counter.visitors", "counter.i_know_this_is_personal_data"])
        && env.text("counter.visitors") == "raw"
        && !env.flag("counter.i_know_this_is_personal_data")
    {
        let problem = Problem::new(
            "bad_value",
            "`visitors = \"raw\"` keeps addresses of people, which are personal data",
        );
        find(
            problem.help("say so with `i_know_this_is_personal_data = true`, or use \"hash\""),
            "counter.visitors",
        );
    }
    found.extend(impossible_sources(env));
    let mut find = |problem: Problem, path: &str| found.push((problem, env.span(path)));
    for origin in env.texts("http.allow_origins") {
        let sent = without_default_port(origin);
        if sent != origin {
            let problem = Problem::new(
                "bad_value",
                format!("the origin \"{origin}\" never matches: browsers leave out the usual port"),
            );
            find(problem.help(format!("did you mean \"{sent}\"?")), "http.allow_origins");
        }
    }
    // What has a bad value has none here, and is told on its own.
    let own = env.app().map(|app| function_variables(&app, &env.name)).unwrap_or_default();
    if let Err((problem, key)) = environment::check_size(env.variables(), &own) {
        let first =
            || env.variables().find_map(|(name, _)| env.span(&format!("{}.{name}", environment::KEY)));
        found.push((problem, env.span(key).or_else(first)));
    }
    found
}

/// Variables that a function may not have where it runs on this machine. Other envs of the same file may set them: Lambda
/// allows them, and so this is asked of the chosen env only.
pub(crate) fn local_errors(env: &Resolved) -> Vec<Finding> {
    if !env.is_good(&["target"]) || env.text("target") != "local" {
        return Vec::new();
    }
    let refused = env.variables().filter_map(|(name, value)| {
        let shown = tame(name);
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
        Some((Problem::new("unsafe_variable", message).help(help), span))
    });
    refused.collect()
}

/// Queues, events and buckets that cannot be.
fn impossible_sources(env: &Resolved) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut find = |message: String, help: String, path: &str| {
        found.push((Problem::new("bad_value", message).help(help), env.span(path)));
    };
    if env.is_good(&["queue.enabled", "queue.ingest", "http.expose"]) && env.text("queue.ingest") == "http" {
        if !env.flag("queue.enabled") {
            let help = "add `enabled = true` under [queue], or use `ingest = \"none\"`";
            find("`ingest = \"http\"` needs the queue".to_owned(), help.to_owned(), "queue.ingest");
        }
        if env.text("http.expose") != "api" {
            let help = "set `expose = \"api\"` under [http], or use `ingest = \"none\"`";
            let message = format!(
                "`ingest = \"http\"` needs the HTTP API: with `expose = \"{}\"` there is none",
                env.text("http.expose")
            );
            find(message, help.to_owned(), "queue.ingest");
        }
    }
    let (app, is_set) = (env.text("app"), |key| env.setting(key).is_some());
    // A name that is too long by itself is reported by itself.
    let has_reader = names::base(app, &env.name).len() <= MAX_BASE
        && env.text("http.expose") == "api"
        && matches!(env.setting("function.reserved_concurrency"), Some(Value::Integer(_)));
    let names = [
        ("function.reserved_concurrency", has_reader, names::reader(app, &env.name)),
        ("queue.ingest", env.text("queue.ingest") == "http", names::ingest_role(app, &env.name)),
        ("cloudfront.site_bucket", is_set("cloudfront.site_bucket"), names::bucket_rule(app, &env.name)),
        ("cloudfront.log_bucket", is_set("cloudfront.log_bucket"), names::bucket_rule(app, &env.name)),
    ];
    for (key, wanted, name) in names {
        if wanted && env.is_good(&["app", key]) && name.len() > MAX_BASE {
            let message = format!(
                "the name `{name}` is {} characters long; IAM, Lambda and EventBridge take {MAX_BASE}",
                name.len()
            );
            find(message, "shorten `app` or the name of the env".to_owned(), key);
        }
    }
    if env.is_good(&["region", "cloudfront.distribution_id"])
        && is_set("cloudfront.distribution_id")
        && let Some(partition) = Partition::of_region(env.text("region"))
        && partition.cloudfront.is_none()
    {
        let message =
            format!("the partition `{}` of {} has no CloudFront", partition.name, env.text("region"));
        find(message, "remove `distribution_id`".to_owned(), "cloudfront.distribution_id");
    }
    let buckets = ["cloudfront.site_bucket", "cloudfront.log_bucket"];
    if env.is_good(&buckets) {
        let [site, logs] = buckets.map(|key| env.text(key));
        if !site.is_empty() && site == logs {
            let message = format!(
                "`site_bucket` and `log_bucket` are both `{site}`: each log would be taken for a page"
            );
            find(message, "keep the logs in a bucket of their own".to_owned(), "cloudfront.log_bucket");
        }
        if !site.is_empty() && env.setting("cloudfront.distribution_id").is_none() {
            let message =
                "`site_bucket` needs a `distribution_id`: what is put there is invalidated in it".to_owned();
            find(message, "add `distribution_id` under [cloudfront]".to_owned(), "cloudfront.site_bucket");
        }
    }
    if env.is_good(&["cloudfront.invalidate"]) {
        let paths = env.texts("cloudfront.invalidate");
        let wildcards = paths.iter().filter(|path| path.ends_with('*')).count();
        if paths.is_empty() {
            let message = "`invalidate` is empty: hits would invalidate nothing".to_owned();
            find(message, "leave the line out: it is `[\"/*\"]` then".to_owned(), "cloudfront.invalidate");
        } else if wildcards > MAX_WILDCARDS {
            let message = format!(
                "`invalidate` has {wildcards} paths that end with `*`; CloudFront accepts {MAX_WILDCARDS} in progress at once"
            );
            find(
                message,
                "use one wildcard that covers several, such as `/*`".to_owned(),
                "cloudfront.invalidate",
            );
        }
    }
    found
}

/// Odd combinations of a configuration without errors.
pub(crate) fn warnings(env: &Resolved) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut find = |code: &'static str, message: String, path: &str| {
        found.push((Problem::new(code, message), env.span(path)));
    };

    for (key, what) in [("http.allow_origins", "origins"), ("http.allow_methods", "methods")] {
        let listed = env.texts(key);
        if listed.len() > 1 && listed.contains(&"*") {
            find("any_and_some", format!("`*` allows any: the other {what} beside it change nothing"), key);
        }
    }
    let region = env.text("region");
    if !region.is_empty()
        && !REGIONS.contains(&region)
        && let Some(near) = nearest(region, REGIONS.iter().copied())
    {
        find(
            "unknown_region",
            format!("`{region}` is no region known to this version; did you mean `{near}`?"),
            "region",
        );
    }
    if env.text("http.expose") == "api" && env.integer("function.timeout_s") > GATEWAY_PATIENCE_S {
        let message =
            format!("the HTTP API gives up after {GATEWAY_PATIENCE_S} s: a longer `timeout_s` only costs");
        find("timeout_beyond_api", message, "function.timeout_s");
    }
    if let (true, Some(Value::Integer(reserved))) =
        (env.text("http.expose") == "function-url", env.setting("function.reserved_concurrency"))
    {
        let message = format!(
            "with a function URL one function counts and reads, and `reserved_concurrency = {reserved}` makes it refuse badges while it \
             counts; set it to \"none\", or use `expose = \"api\"`, where reads have a function of their own"
        );
        find("reserved_function_url", message, "function.reserved_concurrency");
    }
    if env.number("http.rate_per_second") > ACCOUNT_RATE {
        let message = "`rate_per_second` is above 10,000, which is what an account lets through by default";
        find("rate_beyond_account", message.to_owned(), "http.rate_per_second");
    }
    if env.integer("http.burst") > ACCOUNT_BURST {
        let message = "`burst` is above 5,000, which is what an account lets through by default";
        find("burst_beyond_account", message.to_owned(), "http.burst");
    }
    found.extend(odd_sources(env));
    found.extend(odd_counting(env));
    found
}

/// Odd combinations of queues and events.
fn odd_sources(env: &Resolved) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut find = |code: &'static str, message: String, path: &str| {
        found.push((Problem::new(code, message), env.span(path)));
    };
    let queued = env.flag("queue.enabled");
    let reserved = match env.setting("function.reserved_concurrency") {
        Some(Value::Integer(reserved)) => Some(*reserved),
        _ => None,
    };
    if queued || env.is_written("queue.max_receive_count") {
        let receives = env.integer("queue.max_receive_count");
        let concurrency = env.integer("queue.max_concurrency");
        if receives < FEW_RECEIVES && reserved.is_some_and(|reserved| reserved < concurrency) {
            let message = format!(
                "the queue's pollers ask for {concurrency} invocations at once (Lambda takes no less than 2) and `reserved_concurrency` \
                 lets {} through: the others are refused, each refusal is a receive, and fewer than {FEW_RECEIVES} receives turn good \
                 hits into dead letters",
                reserved.unwrap_or_default()
            );
            find("few_receives", message, "queue.max_receive_count");
        }
    }
    if queued {
        let (window, batch) = (env.integer("queue.window_s"), env.integer("queue.batch_size"));
        if window > 0 && batch == 1 {
            let message = format!(
                "with a `batch_size` of 1 nothing is gathered in the `window_s` of {window}: it only delays"
            );
            find("window_of_one", message, "queue.window_s");
        }
        if batch > 1 && window == 0 {
            let message =
                "without a `window_s` most batches hold one hit, and each hit is a write".to_owned();
            find("no_window", message, env.first_written(&["queue.window_s", "queue.batch_size"]));
        }
    }
    if queued && let Some(Value::Integer(visibility)) = env.setting("queue.visibility_s") {
        let wanted = 6 * env.integer("function.timeout_s") + env.integer("queue.window_s");
        if *visibility < wanted {
            let message = format!(
                "`visibility_s` is {visibility}: AWS recommends six times `timeout_s` and the window, {wanted}; below that a hit \
                 can come again while it is counted"
            );
            find("visibility", message, "queue.visibility_s");
        }
    }
    found
}

/// Odd combinations of what is counted: settings that change nothing, or less than it seems.
fn odd_counting(env: &Resolved) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut find = |code: &'static str, message: String, path: &str| {
        found.push((Problem::new(code, message), env.span(path)));
    };
    let paths = env.text("counter.paths");
    if paths == "budget" {
        let (a_day, most) = (env.integer("counter.new_paths_per_day"), env.integer("counter.max_paths"));
        if a_day > most {
            let message =
                format!("`max_paths` is {most}, so that `new_paths_per_day` of {a_day} is never reached");
            find(
                "budget_beyond_paths",
                message,
                env.first_written(&["counter.new_paths_per_day", "counter.max_paths"]),
            );
        }
    } else {
        for key in ["counter.new_paths_per_day", "counter.max_paths"] {
            if env.is_changed(key) {
                let name = key.trim_start_matches("counter.");
                find("no_budget", format!("`{name}` changes nothing with `paths = \"{paths}\"`"), key);
            }
        }
    }
    let visitors = env.text("counter.visitors");
    if visitors != "raw" && env.is_changed("counter.ttl_days") {
        let message = format!(
            "`ttl_days` changes nothing with `visitors = \"{visitors}\"`: it is how long addresses are kept"
        );
        find("ttl_without_raw", message, "counter.ttl_days");
    }
    if visitors != "none" && env.is_written("counter.visitors") && env.text("http.expose") == "none" {
        let message = format!(
            "with `expose = \"none\"` no visitor comes to the function by itself: `visitors = \"{visitors}\"` counts only what \
             is sent to it with an address"
        );
        find("visitors_unseen", message, "counter.visitors");
    }
    let writes = env.integer("table.max_write_units");
    if env.integer("counter.shards") > 1 && writes <= ITEM_WRITES {
        let message = format!(
            "`shards` make reading slower and gain nothing while `max_write_units` is {writes}: one item takes {ITEM_WRITES} \
             writes a second"
        );
        find("shards_unneeded", message, "counter.shards");
    }
    if env.flag("counter.public_stats") && env.text("http.expose") == "none" {
        let message = "`public_stats` opens routes that `expose = \"none\"` keeps closed".to_owned();
        find("stats_unseen", message, "counter.public_stats");
    }
    found
}
