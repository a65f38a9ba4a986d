//! Deploys that add a queue and events to an existing counter, or remove them, are interrupted at their calls.

use super::{Case, SMALL, at_every_call, for_every_cut};

const EVENT_SOURCES: &str = "[queue]\nenabled = true\n[events]\nenabled = true\n";

impl Case {
    /// Deploys this configuration. Returns the URL.
    fn deploy_config(&self, config: &str) -> String {
        self.test_env.write("hitctl.toml", config);
        self.deploy()
    }

    /// Lists the existing resources of the queue and of events.
    fn event_sources(&self) -> Vec<String> {
        let status = self.ok(&["status", "--json"]).json();
        let existing = status["resources"].as_array().unwrap().iter().filter(|one| one["present"] == true);
        let existing = existing.map(|one| one["address"].as_str().unwrap().to_owned());
        existing.filter(|address| address.starts_with("queue.") || address.starts_with("event_")).collect()
    }
}

#[test]
fn adding_and_removing_event_sources_cut_at_any_call_recovers() {
    let with_sources = format!("{SMALL}{EVENT_SOURCES}");
    for_every_cut(|cut| {
        let case = Case::new();
        let url = case.deploy();
        let transitions = [
            (
                SMALL,
                &*with_sources,
                &["queue.dlq", "queue.hits", "event_rule.events", "event_source_mapping.hits"][..],
            ),
            (&*with_sources, SMALL, &[]),
        ];
        for (from, to, expected) in transitions {
            at_every_call(
                cut,
                19,
                || {
                    assert_eq!(case.deploy_config(from), url, "{cut:?}");
                    case.test_env.write("hitctl.toml", to);
                },
                |n| case.cut(n, cut, &["deploy", "--json", "--artifact", &case.zip]),
                || {
                    assert_eq!(case.recover(), url, "{cut:?}: the URL is unchanged");
                    assert_eq!(case.event_sources(), expected, "{cut:?}");
                },
            );
        }
    });
}
