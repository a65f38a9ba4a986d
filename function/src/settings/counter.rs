//! Reads the configuration of the counter: which views count, and who may read the counts.

use hitctl_config::contract::{
    ENV_ALLOW_ORIGINS, ENV_BOTS, ENV_BUILD, ENV_COUNTER, ENV_GPC, ENV_INGEST, ENV_KEEP_QUERY,
    ENV_ORIGIN_SECRET, ENV_PATHS, ENV_PUBLIC_STATS, ENV_REPEAT,
};

use super::parse_variable;
use crate::counter_config::CounterConfig;
use crate::http::{Origins, comma_separated};
use crate::rules::CountingRules;
use crate::store::PathAdmission;

/// Reads the configuration and adds errors to `faults`.
pub(super) fn read(var: &dyn Fn(&str) -> Option<String>, faults: &mut Vec<String>) -> CounterConfig {
    let mut ignores = |name| {
        parse_variable(var, faults, name, "`count` or `ignore`", false, |word| match word {
            "count" => Some(false),
            "ignore" => Some(true),
            _ => None,
        })
    };
    let rules = CountingRules {
        keep_query: comma_separated(&var(ENV_KEEP_QUERY).unwrap_or_default()),
        ignore_bots: ignores(ENV_BOTS),
        ignore_opted_out: ignores(ENV_GPC),
        origins: Origins::parse(var(ENV_ALLOW_ORIGINS).as_deref()),
    };
    let expected = "`open`, `strict` or `budget/NEW_PER_DAY/MAX`";
    let paths = parse_variable(var, faults, ENV_PATHS, expected, PathAdmission::Open, parse_paths);
    let repeat_s =
        parse_variable(var, faults, ENV_REPEAT, "a number of seconds", 0, |text| text.parse().ok());
    CounterConfig {
        rules,
        paths,
        repeat_s,
        public_stats: var(ENV_PUBLIC_STATS).as_deref() == Some("1"),
        queued: var(ENV_INGEST).as_deref() == Some("1"),
        origin_secret: var(ENV_ORIGIN_SECRET),
        forwards: var(ENV_COUNTER).is_some(),
        build: var(ENV_BUILD).filter(|build| build.bytes().all(|byte| byte.is_ascii_graphic())),
        ..CounterConfig::default()
    }
}

fn parse_paths(text: &str) -> Option<PathAdmission> {
    match text {
        "open" => Some(PathAdmission::Open),
        "strict" => Some(PathAdmission::Strict),
        _ => {
            let (new_per_day, max_total) = text.strip_prefix("budget/")?.split_once('/')?;
            Some(PathAdmission::Budget {
                new_per_day: new_per_day.parse().ok()?,
                max_total: max_total.parse().ok()?,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> (CounterConfig, Vec<String>) {
        let mut faults = Vec::new();
        let find =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        (read(&find, &mut faults), faults)
    }

    #[test]
    fn empty_environment_counts_everything() {
        let (config, faults) = settings(&[]);
        assert!(faults.is_empty());
        assert_eq!(
            (config.rules, config.paths, config.repeat_s),
            (CountingRules::default(), PathAdmission::Open, 0)
        );
        assert!(!config.public_stats && !config.visitors && !config.queued);
    }

    #[test]
    fn every_setting_is_parsed() {
        let (config, faults) = settings(&[
            ("HITCTL_KEEP_QUERY", "id, lang"),
            ("HITCTL_BOTS", "ignore"),
            ("HITCTL_GPC", "ignore"),
            ("HITCTL_ALLOW_ORIGINS", "https://a.example"),
            ("HITCTL_PATHS", "budget/1000/10000"),
            ("HITCTL_REPEAT_S", "10"),
            ("HITCTL_PUBLIC_STATS", "1"),
            ("HITCTL_INGEST", "1"),
            ("HITCTL_ORIGIN_SECRET", "s3cret"),
            ("HITCTL_BUILD", "b1"),
        ]);
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(config.rules.keep_query, ["id", "lang"]);
        assert!(config.rules.ignore_bots && config.rules.ignore_opted_out);
        assert!(config.public_stats && config.queued);
        assert_eq!(config.rules.origins, Origins::Only(vec!["https://a.example".to_owned()]));
        assert_eq!(config.paths, PathAdmission::Budget { new_per_day: 1000, max_total: 10_000 });
        assert_eq!((config.repeat_s, config.build.as_deref()), (10, Some("b1")));
        assert_eq!(config.origin_secret.as_deref(), Some("s3cret"));
        assert_eq!(settings(&[("HITCTL_PATHS", "strict")]).0.paths, PathAdmission::Strict);
    }

    #[test]
    fn every_invalid_setting_is_a_fault() {
        let wrong = [
            ("HITCTL_PATHS", "budget/many"),
            ("HITCTL_BOTS", "yes"),
            ("HITCTL_GPC", ""),
            ("HITCTL_REPEAT_S", "ten"),
        ];
        insta::assert_snapshot!(settings(&wrong).1.join("\n"), @r"
        HITCTL_BOTS: expected `count` or `ignore`, found `yes`
        HITCTL_GPC: expected `count` or `ignore`, found ``
        HITCTL_PATHS: expected `open`, `strict` or `budget/NEW_PER_DAY/MAX`, found `budget/many`
        HITCTL_REPEAT_S: expected a number of seconds, found `ten`
        ");
    }
}
