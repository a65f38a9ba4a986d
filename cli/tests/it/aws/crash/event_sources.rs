//! The crash loop with a queue, its HTTP ingest and events, which are added to an existing counter and removed again.

use std::sync::Arc;

use hitctl_emulators::Emulator;

use super::{CUT_KINDS, Case, CutKind, SMALL};

/// The event sources that are added and removed: two queues, a mapping, a rule, and the role with which the API sends
/// hits to the queue.
const EVENT_SOURCES: &str = "queue.enabled = true\nqueue.ingest = \"http\"\nevents.enabled = true\n";

/// Only one call in `STEP` is cut, since there are many more calls here. Each kind of cut hits other calls.
const STEP: usize = 3;

/// The first calls of every run only read, so they are not cut.
const FIRST_CUT: usize = 25;

/// Deploys the configuration with its n-th call cut, and then completes it. Returns whether there was such a call.
fn cut_and_recover(case: &Case, config: &str, n: usize, kind: CutKind, url: &str) -> bool {
    case.env.configure(config);
    let cut = case.cut(n, kind, &["deploy", "--json", "--artifact", &case.zip]);
    assert_eq!(case.recover(&case.zip), url, "{kind:?} of call {n}: the URL stays");
    cut.is_some()
}

fn run_kind(emulator: &Arc<Emulator>, at: usize, kind: CutKind) {
    let case = Case::new(emulator, "fed", kind);
    let url = case.deploy();
    let with_sources = format!("{SMALL}{EVENT_SOURCES}");
    let mut n = FIRST_CUT + at % STEP;
    loop {
        let added = cut_and_recover(&case, &with_sources, n, kind, &url);
        let removed = cut_and_recover(&case, SMALL, n, kind, &url);
        if !added && !removed {
            break;
        }
        n += STEP;
    }
    assert!(n > FIRST_CUT + 30, "{kind:?}: only {n} calls were there to be cut");
    case.wipe();
}

#[test]
fn adding_and_removing_event_sources_cut_at_any_call_recovers() {
    let emulator = &Arc::new(Emulator::new_ministack());
    std::thread::scope(|scope| {
        let runs: Vec<_> = CUT_KINDS
            .iter()
            .enumerate()
            .map(|(at, kind)| scope.spawn(move || run_kind(emulator, at, *kind)))
            .collect();
        for kind in runs {
            kind.join().unwrap();
        }
    });
}
