//! The environment variables of the function, as far as they follow from the configuration: the deployer sets these,
//! and what is left of Lambda's room is for the user's own. A variable is left out where the function does the same
//! without it.

use std::collections::BTreeMap;

use crate::contract;
use crate::names;
use crate::schema::App;
use crate::words::{Bots, Gpc, Ingest, Paths, Visitors};

/// How long the id of a build is, in characters.
pub const BUILD_ID_CHARS: usize = 12;

/// The variables of the function of that env, without those of `[function.environment]` and without the id of the build.
pub fn function_variables(app: &App, env: &str) -> BTreeMap<&'static str, String> {
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
            Paths::Open => None,
            Paths::Strict => Some("strict".to_owned()),
            Paths::Budget => Some(format!("budget/{}/{}", counter.new_paths_per_day, counter.max_paths)),
        },
    );
    let visitors = match counter.visitors {
        Visitors::None => None,
        Visitors::Hash => Some("hash".to_owned()),
        Visitors::Raw => Some(format!("raw/{}", counter.ttl_days)),
    };
    set(contract::ENV_SEEN_TABLE, app.remembers().then(|| names::seen_table(&app.app, env)));
    set(contract::ENV_VISITORS, visitors);
    set(contract::ENV_BOTS, (counter.bots == Bots::Ignore).then(|| "ignore".to_owned()));
    set(contract::ENV_GPC, (counter.gpc == Gpc::Ignore).then(|| "ignore".to_owned()));
    set(contract::ENV_KEEP_QUERY, (!counter.keep_query.is_empty()).then(|| counter.keep_query.join(",")));
    set(contract::ENV_REPEAT, (counter.repeat_window_s > 0).then(|| counter.repeat_window_s.to_string()));
    set(contract::ENV_SHARDS, (counter.shards > 1).then(|| counter.shards.to_string()));
    set(contract::ENV_PUBLIC_STATS, counter.public_stats.then(|| "1".to_owned()));
    set(contract::ENV_EXACT, counter.exact.then(|| "1".to_owned()));
    let ingests = app.queue.enabled && app.queue.ingest == Ingest::Http;
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

/// The environment of the reader, by the same terms: what it needs to check views and to answer reads, and no more.
pub fn reader_variables(app: &App, env: &str) -> BTreeMap<&'static str, String> {
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

    fn shown(text: &str) -> String {
        let loaded = load(Some(("hitctl.toml".into(), text.to_owned())), Some("test"), &Overrides::new())
            .unwrap_or_else(|errors| panic!("{errors}"));
        let all = function_variables(&loaded.app, &loaded.env);
        all.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_defaults_are_said_to_the_function() {
        insta::assert_snapshot!(shown(""), @r"
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
    fn what_counts_everything_needs_no_word() {
        let open =
            "[counter]\npaths = \"open\"\nvisitors = \"none\"\nbots = \"count\"\nrepeat_window_s = 0\n";
        insta::assert_snapshot!(shown(open), @r"
        HITS_TABLE_NAME=hits-test
        LOG_LEVEL=info
        ");
    }

    #[test]
    fn a_log_that_comes_again_counts_once_without_visitors_too() {
        let logs = "counter.visitors = \"none\"\ncloudfront.log_bucket = \"logs\"\n";
        assert!(shown(logs).contains("HITS_SEEN_TABLE_NAME=hits-test-seen"), "{}", shown(logs));
    }

    #[test]
    fn what_feeds_it_beside_the_web_is_said_where_it_is_there() {
        let all = "counter.visitors = \"none\"\ncounter.exact = true\n\
                   [cloudfront]\ndistribution_id = \"E123ABC\"\ninvalidate = [\"/a\", \"/b*\"]\nsite_bucket = \"site\"\nlog_bucket = \"logs\"\n\
                   [events]\nenabled = true\nkey = \"Distance\"\namount = \"/detail/n\"\n";
        insta::assert_snapshot!(shown(all), @"
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
        // A key of events that are off is none.
        assert!(!shown("events.key = \"Distance\"").contains("Distance"));
    }

    #[test]
    fn hits_that_go_onto_the_queue_are_said() {
        let all = |queue: &str| shown(&format!("counter.paths = \"open\"\n[queue]\n{queue}"));
        assert!(all("enabled = true\ningest = \"http\"\n").contains("HITCTL_INGEST=1"));
        // A queue that others send to is none of the pages'.
        assert!(!all("enabled = true\n").contains("HITCTL_INGEST"));
    }

    #[test]
    fn every_other_setting_has_its_word() {
        let all = "http.allow_origins = [\"https://a.example\", \"https://b.example\"]\n\
                   [counter]\npaths = \"strict\"\nvisitors = \"raw\"\ni_know_this_is_personal_data = true\nttl_days = 7\n\
                   gpc = \"ignore\"\nkeep_query = [\"page\", \"lang\"]\nshards = 4\npublic_stats = true\n";
        insta::assert_snapshot!(shown(all), @r"
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
