//! What the counter is told: which views count, and for whom its numbers are.

use hitctl_config::contract::{
    ENV_ALLOW_ORIGINS, ENV_BOTS, ENV_BUILD, ENV_COUNTER, ENV_GPC, ENV_INGEST, ENV_KEEP_QUERY,
    ENV_ORIGIN_SECRET, ENV_PATHS, ENV_PUBLIC_STATS, ENV_REPEAT,
};

use super::read_as;
use crate::http::{Origins, names};
use crate::rules::Rules;
use crate::setup::Setup;
use crate::store::Paths;

/// Reads it; what is wrong is added to `faults`.
pub(super) fn read(set: &dyn Fn(&str) -> Option<String>, faults: &mut Vec<String>) -> Setup {
    let mut ignores = |name| {
        read_as(set, faults, name, "count or ignore", false, |word| match word {
            "count" => Some(false),
            "ignore" => Some(true),
            _ => None,
        })
    };
    let rules = Rules {
        keep_query: names(&set(ENV_KEEP_QUERY).unwrap_or_default()),
        ignore_bots: ignores(ENV_BOTS),
        ignore_opted_out: ignores(ENV_GPC),
        origins: Origins::parse(set(ENV_ALLOW_ORIGINS).as_deref()),
    };
    let meant = "open, strict or budget/NEW_A_DAY/MOST";
    let paths = read_as(set, faults, ENV_PATHS, meant, Paths::Open, paths);
    let repeat_s = read_as(set, faults, ENV_REPEAT, "a number of seconds", 0, |text| text.parse().ok());
    Setup {
        rules,
        paths,
        repeat_s,
        public_stats: set(ENV_PUBLIC_STATS).as_deref() == Some("1"),
        queued: set(ENV_INGEST).as_deref() == Some("1"),
        origin_secret: set(ENV_ORIGIN_SECRET),
        forwards: set(ENV_COUNTER).is_some(),
        build: set(ENV_BUILD).filter(|build| build.bytes().all(|byte| byte.is_ascii_graphic())),
        ..Setup::default()
    }
}

fn paths(text: &str) -> Option<Paths> {
    match text {
        "open" => Some(Paths::Open),
        "strict" => Some(Paths::Strict),
        _ => {
            let (new_a_day, most) = text.strip_prefix("budget/")?.split_once('/')?;
            Some(Paths::Budget { new_a_day: new_a_day.parse().ok()?, most: most.parse().ok()? })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> (Setup, Vec<String>) {
        let mut faults = Vec::new();
        let find =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        (read(&find, &mut faults), faults)
    }

    #[test]
    fn nothing_set_counts_everything() {
        let (setup, faults) = settings(&[]);
        assert!(faults.is_empty());
        assert_eq!((setup.rules, setup.paths, setup.repeat_s), (Rules::default(), Paths::Open, 0));
        assert!(!setup.public_stats && !setup.visitors && !setup.queued);
    }

    #[test]
    fn every_setting_is_understood() {
        let (setup, faults) = settings(&[
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
        assert_eq!(setup.rules.keep_query, ["id", "lang"]);
        assert!(setup.rules.ignore_bots && setup.rules.ignore_opted_out);
        assert!(setup.public_stats && setup.queued);
        assert_eq!(setup.rules.origins, Origins::Only(vec!["https://a.example".to_owned()]));
        assert_eq!(setup.paths, Paths::Budget { new_a_day: 1000, most: 10_000 });
        assert_eq!((setup.repeat_s, setup.build.as_deref()), (10, Some("b1")));
        assert_eq!(setup.origin_secret.as_deref(), Some("s3cret"));
        assert_eq!(settings(&[("HITCTL_PATHS", "strict")]).0.paths, Paths::Strict);
    }

    #[test]
    fn what_is_not_understood_is_a_fault_each() {
        let wrong = [
            ("HITCTL_PATHS", "budget/many"),
            ("HITCTL_BOTS", "yes"),
            ("HITCTL_GPC", ""),
            ("HITCTL_REPEAT_S", "ten"),
        ];
        insta::assert_snapshot!(settings(&wrong).1.join("\n"), @r"
        HITCTL_BOTS is `yes`, and count or ignore is meant
        HITCTL_GPC is ``, and count or ignore is meant
        HITCTL_PATHS is `budget/many`, and open, strict or budget/NEW_A_DAY/MOST is meant
        HITCTL_REPEAT_S is `ten`, and a number of seconds is meant
        ");
    }
}
