//! The crash loop with a queue, the way to it from the web, and events, which come to a counter that is there, and go again.

use std::sync::Arc;

use hitctl_emulators::Emulator;

use super::{Case, SMALL, WAYS, Way};

/// What comes and goes: two queues, a mapping, a rule, and the role for what goes to the queue without a function.
const FED: &str = "queue.enabled = true\nqueue.ingest = \"http\"\nevents.enabled = true\n";

/// Every so many calls one is cut, by each way another one: there are many more calls here.
const STEP: usize = 3;

/// Its first calls only look, as those of every run do.
const LOOKS: usize = 25;

/// Brings the configuration about with its n-th call cut, and then without. Whether there was such a call.
fn cut_and_mended(case: &Case, config: &str, n: usize, way: Way, url: &str) -> bool {
    case.yard.configure(config);
    let cut = case.cut(n, way, &["deploy", "--json", "--artifact", &case.zip]);
    assert_eq!(case.mended(&case.zip), url, "{way:?} of call {n}: the URL stays");
    cut.is_some()
}

fn one_way(emulator: &Arc<Emulator>, at: usize, way: Way) {
    let case = Case::new(emulator, "fed", way);
    let url = case.deploy();
    let fed = format!("{SMALL}{FED}");
    let mut n = LOOKS + at % STEP;
    loop {
        let comes = cut_and_mended(&case, &fed, n, way, &url);
        let goes = cut_and_mended(&case, SMALL, n, way, &url);
        if !comes && !goes {
            break;
        }
        n += STEP;
    }
    assert!(n > LOOKS + 30, "{way:?}: only {n} calls were there to be cut");
    case.wipe();
}

#[test]
fn a_queue_and_events_can_be_cut_anywhere_while_they_come_and_while_they_go() {
    let emulator = &Arc::new(Emulator::new_ministack());
    std::thread::scope(|scope| {
        let ways: Vec<_> = WAYS
            .iter()
            .enumerate()
            .map(|(at, way)| scope.spawn(move || one_way(emulator, at, *way)))
            .collect();
        for way in ways {
            way.join().unwrap();
        }
    });
}
