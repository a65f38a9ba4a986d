//! The environment variables that the deployer derives from the configuration and sets on the function.
//!
//! A variable is omitted if the function behaves the same without it. Lambda limits the total size of all variables, so
//! this leaves more space for the variables of the user.

use std::collections::BTreeMap;

use crate::contract;
use crate::names;
use crate::schema::AppConfig;
use crate::setting_enums::{BotPolicy, GpcPolicy, PathPolicy, QueueIngest, VisitorMode};

/// The length of a build id, in characters.
pub const BUILD_ID_CHARS: usize = 12;

/// Returns the function's variables for an env, without those of `[function.environment]` and without the build id.
pub fn function_variables(app: &AppConfig, env: &str) -> BTreeMap<&'static str, String> {
    let counter = &app.counter;
    let mut all = BTreeMap::from([
        (contract::ENV_TABLE, names::table(&app.app, env)),
        (contract::ENV_LOG_LEVEL, app.function.log_level.to_string()),
    ]);
    let mut set = |name, value: Option<String>| all.extend(value.map(|value| (name, value)));
    let origins = &app.http.allow_origins;
    let any_origin = origins.iter().any(|origin| origin == "*");
    set(contract::ENV_ALLOW_ORIGINS, (!any_origin).then(|| origins.join(",")));
    set(
        contract::ENV_PATHS,
        match counter.paths {
            PathPolicy::Open => None,
            PathPolicy::Strict => Some("strict".to_owned()),
            PathPolicy::Budget => Some(format!("budget/{}/{}", counter.new_paths_per_day, counter.max_paths)),
        },
    );
    let visitors = match counter.visitors {
        VisitorMode::None => None,
        VisitorMode::Hash => Some("hash".to_owned()),
        VisitorMode::Raw => Some(format!("raw/{}", counter.ttl_days)),
    };
    set(contract::ENV_SEEN_TABLE, app.needs_seen_table().then(|| names::seen_table(&app.app, env)));
    set(contract::ENV_VISITORS, visitors);
    set(contract::ENV_BOTS, (counter.bots == BotPolicy::Ignore).then(|| "ignore".to_owned()));
    set(contract::ENV_GPC, (counter.gpc == GpcPolicy::Ignore).then(|| "ignore".to_owned()));
    set(contract::ENV_KEEP_QUERY, (!counter.keep_query.is_empty()).then(|| counter.keep_query.join(",")));
    set(contract::ENV_REPEAT, (counter.repeat_window_s > 0).then(|| counter.repeat_window_s.to_string()));
    set(contract::ENV_SHARDS, (counter.shards > 1).then(|| counter.shards.to_string()));
    set(contract::ENV_PUBLIC_STATS, counter.public_stats.then(|| "1".to_owned()));
    set(contract::ENV_EXACT, counter.exact.then(|| "1".to_owned()));
    let ingests = app.queue.enabled && app.queue.ingest == QueueIngest::Http;
    set(contract::ENV_INGEST, ingests.then(|| "1".to_owned()));
    let cloudfront = &app.cloudfront;
    let distribution = cloudfront.distribution_id.as_ref();
    set(contract::ENV_INVALIDATE, distribution.map(|id| format!("{id}/{}", cloudfront.invalidate_after_s)));
    let other_paths = distribution.is_some() && cloudfront.invalidate != ["/*"];
    set(contract::ENV_INVALIDATE_PATHS, other_paths.then(|| cloudfront.invalidate.join(" ")));
    set(contract::ENV_SITE_BUCKET, cloudfront.site_bucket.clone());
    set(contract::ENV_LOG_BUCKET, cloudfront.log_bucket.clone());
    set(contract::ENV_EVENT_KEY, app.events.key.clone().filter(|_| app.events.enabled));
    set(contract::ENV_EVENT_AMOUNT, app.events.amount.clone().filter(|_| app.events.enabled));
    all
}

/// Returns the reader's variables: those of [`function_variables`] that it needs to check views and serve counts.
pub fn reader_variables(app: &AppConfig, env: &str) -> BTreeMap<&'static str, String> {
    const SHARED: &[&str] = &[
        contract::ENV_ALLOW_ORIGINS,
        contract::ENV_BOTS,
        contract::ENV_GPC,
        contract::ENV_INGEST,
        contract::ENV_KEEP_QUERY,
        contract::ENV_LOG_LEVEL,
        contract::ENV_PATHS,
        contract::ENV_PUBLIC_STATS,
        contract::ENV_REPEAT,
        contract::ENV_SHARDS,
        contract::ENV_TABLE,
        contract::ENV_VISITORS,
    ];
    let mut all = function_variables(app, env);
    all.retain(|name, _| SHARED.contains(name));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Overrides, load};

    fn variables_text(text: &str) -> String {
        let loaded = load(Some(("hitctl.toml".into(), text.to_owned())), Some("test"), &Overrides::new())
            .unwrap_or_else(|errors| panic!("{errors}"));
        let all = function_variables(&loaded.app, &loaded.env);
        all.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn function_variables_of_defaults_set_counting_variables() {
        insta::assert_snapshot!(variables_text(""), @r"
        HITCTL_BOTS=ignore
        HITCTL_PATHS=budget/1000/10000
        HITCTL_REPEAT_S=10
        HITCTL_VISITORS=hash
        HITS_SEEN_TABLE_NAME=hits-test-seen
        HITS_TABLE_NAME=hits-test
        LOG_LEVEL=info
        ");
    }

    #[test]
    fn function_variables_of_open_counting_are_omitted() {
        let open =
            "[counter]\npaths = \"open\"\nvisitors = \"none\"\nbots = \"count\"\nrepeat_window_s = 0\n";
        insta::assert_snapshot!(variables_text(open), @r"
        HITS_TABLE_NAME=hits-test
        LOG_LEVEL=info
        ");
    }

    #[test]
    fn function_variables_with_log_bucket_name_seen_table() {
        let logs = "counter.visitors = \"none\"\ncloudfront.log_bucket = \"logs\"\n";
        assert!(
            variables_text(logs).contains("HITS_SEEN_TABLE_NAME=hits-test-seen"),
            "{}",
            variables_text(logs)
        );
    }

    #[test]
    fn function_variables_with_events_and_buckets_name_their_settings() {
        let all = "counter.visitors = \"none\"\ncounter.exact = true\n\
                   [cloudfront]\ndistribution_id = \"E123ABC\"\ninvalidate = [\"/a\", \"/b*\"]\nsite_bucket = \"site\"\nlog_bucket = \"logs\"\n\
                   [events]\nenabled = true\nkey = \"Distance\"\namount = \"/detail/n\"\n";
        insta::assert_snapshot!(variables_text(all), @"
        HITCTL_BOTS=ignore
        HITCTL_EVENT_AMOUNT=/detail/n
        HITCTL_EVENT_KEY=Distance
        HITCTL_EXACT=1
        HITCTL_INVALIDATE=E123ABC/60
        HITCTL_INVALIDATE_PATHS=/a /b*
        HITCTL_LOG_BUCKET=logs
        HITCTL_PATHS=budget/1000/10000
        HITCTL_REPEAT_S=10
        HITCTL_SITE_BUCKET=site
        HITS_SEEN_TABLE_NAME=hits-test-seen
        HITS_TABLE_NAME=hits-test
        LOG_LEVEL=info
        ");
        // The key is ignored while events are disabled.
        assert!(!variables_text("events.key = \"Distance\"").contains("Distance"));
    }

    #[test]
    fn function_variables_with_queue_ingest_set_ingest() {
        let all = |queue: &str| variables_text(&format!("counter.paths = \"open\"\n[queue]\n{queue}"));
        assert!(all("enabled = true\ningest = \"http\"\n").contains("HITCTL_INGEST=1"));
        // With `ingest = "none"` pages do not send to the queue, so the variable is not set.
        assert!(!all("enabled = true\n").contains("HITCTL_INGEST"));
    }

    #[test]
    fn function_variables_of_other_settings_are_set() {
        let all = "http.allow_origins = [\"https://a.example\", \"https://b.example\"]\n\
                   [counter]\npaths = \"strict\"\nvisitors = \"raw\"\ni_know_this_is_personal_data = true\nttl_days = 7\n\
                   gpc = \"ignore\"\nkeep_query = [\"page\", \"lang\"]\nshards = 4\npublic_stats = true\n";
        insta::assert_snapshot!(variables_text(all), @r"
        HITCTL_ALLOW_ORIGINS=https://a.example,https://b.example
        HITCTL_BOTS=ignore
        HITCTL_GPC=ignore
        HITCTL_KEEP_QUERY=page,lang
        HITCTL_PATHS=strict
        HITCTL_PUBLIC_STATS=1
        HITCTL_REPEAT_S=10
        HITCTL_SHARDS=4
        HITCTL_VISITORS=raw/7
        HITS_SEEN_TABLE_NAME=hits-test-seen
        HITS_TABLE_NAME=hits-test
        LOG_LEVEL=info
        ");
    }
}
