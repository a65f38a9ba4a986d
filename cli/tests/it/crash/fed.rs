//! The crash loop with a queue and events, which come to a counter that is there, and go again.

use super::{CUTS, Case, SMALL, at_every_call, every_way};

const FED: &str = "[queue]\nenabled = true\n[events]\nenabled = true\n";

/// Every so many calls one is cut, by each way another one: there are many more calls here.
const STEP: usize = 3;

impl Case {
    /// Deploys that configuration.
    fn bring(&self, config: &str) -> String {
        self.yard.write("hitctl.toml", config);
        self.deploy()
    }

    /// What there is of queue and events.
    fn feeds(&self) -> Vec<String> {
        let status = self.ok(&["status", "--json"]).json();
        let there = status["resources"].as_array().unwrap().iter().filter(|one| one["present"] == true);
        let there = there.map(|one| one["address"].as_str().unwrap().to_owned());
        there.filter(|address| address.starts_with("queue.") || address.starts_with("event_")).collect()
    }
}

#[test]
fn a_queue_and_events_can_be_cut_anywhere_while_they_come_and_while_they_go() {
    let fed = format!("{SMALL}{FED}");
    every_way(|cut| {
        let case = Case::new();
        let first = CUTS.iter().take_while(|way| **way != cut).count() % STEP;
        let url = case.deploy();
        let ways = [
            (
                SMALL,
                &*fed,
                &["queue.dlq", "queue.hits", "event_rule.events", "event_source_mapping.hits"][..],
            ),
            (&*fed, SMALL, &[]),
        ];
        for (from, to, there) in ways {
            at_every_call(
                cut,
                7,
                || {
                    assert_eq!(case.bring(from), url, "{cut:?}");
                    case.yard.write("hitctl.toml", to);
                },
                |n| case.cut(n * STEP - first, cut, &["deploy", "--json", "--artifact", &case.zip]),
                || {
                    assert_eq!(case.mended(), url, "{cut:?}: the URL stays");
                    assert_eq!(case.feeds(), there, "{cut:?}");
                },
            );
        }
    });
}
