//! Five thousand hits through a queue of an emulator, while the function's processes are killed at random.

use hitctl_emulators::Emulator;

use super::yard::AwsYard;
use crate::nothing_lost::{Killer, Queue, config, counted, processes, queue_url};

const HITS: usize = 5_000;

fn through(exact: bool, batch: u32, kills: u32) -> Vec<u64> {
    // One of its own: what runs in it is killed.
    let emulator = Emulator::new_ministack();
    let yard = AwsYard::new(emulator.endpoint(), "lost", &config(exact, batch));
    let deployed = yard.deploy(&[]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    let url = queue_url(&yard.run(&["status", "--json"]).json());
    let queue = Queue { endpoint: emulator.endpoint(), url: &url };
    let group = emulator.pid().to_string();
    let functions = || {
        processes(&|process| {
            let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
            let of_the_group =
                stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(2)) == Some(&group);
            of_the_group && process.join("exe").read_link().is_ok_and(|exe| exe.ends_with("bootstrap"))
        })
    };
    let killer = Killer::new();
    std::thread::scope(|scope| {
        scope.spawn(|| killer.work(kills, 500, &functions));
        queue.send(0, HITS);
        if exact {
            queue.send(0, HITS / 100);
        }
        queue.drained();
        assert!(killer.stop() > 0, "nothing was killed");
    });
    counted(&yard.run(&["counts", "list", "--json"]))
}

#[test]
fn each_of_five_thousand_hits_counts_exactly_once_there() {
    assert_eq!(through(true, 80, u32::MAX), vec![500; 10]);
}

#[test]
fn without_markers_five_thousand_hits_are_right_within_a_thousandth_there() {
    // The one process that is killed may have counted its batch of five: a thousandth.
    let hits = through(false, 5, 1);
    let sum: u64 = hits.iter().sum();
    assert!((5_000..=5_005).contains(&sum), "{sum}: {hits:?}");
}
