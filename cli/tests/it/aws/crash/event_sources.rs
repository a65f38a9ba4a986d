//! Deploys that add event sources to an existing counter or remove them are interrupted at their AWS calls. The event
//! sources are a queue, its HTTP ingest, and events.

use std::sync::Arc;

use hitctl_emulators::Emulator;

use super::{CUT_KINDS, Case, CutKind, SMALL};
use crate::support::cut_calls;

/// The event sources that are added and removed: two queues, a mapping, a rule, and the role with which the API sends
/// hits to the queue.
const EVENT_SOURCES: &str = "queue.enabled = true\nqueue.ingest = \"http\"\nevents.enabled = true\n";

/// The first call that may be cut. The calls before it only read.
const FIRST_CUT: usize = 25;

/// Deploys the configuration with its n-th call cut, and then completes it. Returns whether there was such a call.
fn cut_and_recover(case: &Case, config: &str, n: usize, kind: CutKind, url: &str) -> bool {
    case.env.configure(config);
    let cut = case.cut(n, kind, &["deploy", "--json", "--artifact", &case.zip]);
    assert_eq!(case.recover(&case.zip), url, "{kind:?} of call {n}: the URL is unchanged");
    cut.is_some()
}

fn run_kind(emulator: &Arc<Emulator>, index: usize, kind: CutKind) {
    let case = Case::new(emulator, "fed", kind);
    let url = case.deploy();
    let with_sources = format!("{SMALL}{EVENT_SOURCES}");
    for n in cut_calls(index).skip_while(|n| *n < FIRST_CUT) {
        let added = cut_and_recover(&case, &with_sources, n, kind, &url);
        let removed = cut_and_recover(&case, SMALL, n, kind, &url);
        if !added && !removed {
            assert!(n > FIRST_CUT + 30, "{kind:?}: the runs made fewer than {n} calls");
            break;
        }
    }
    case.wipe();
}

#[test]
fn adding_and_removing_event_sources_cut_at_any_call_recovers() {
    let emulator = &Arc::new(Emulator::new_ministack());
    std::thread::scope(|scope| {
        let runs: Vec<_> = CUT_KINDS
            .iter()
            .enumerate()
            .map(|(index, kind)| scope.spawn(move || run_kind(emulator, index, *kind)))
            .collect();
        for thread in runs {
            thread.join().unwrap();
        }
    });
}
