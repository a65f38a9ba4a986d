//! Sends five thousand hits through a queue of an emulator, while random processes of the function are killed.

use hitctl_emulators::Emulator;

use super::test_env::AwsTestEnv;
use crate::exactly_once::{Killer, Queue, config, counted, processes, queue_url};

const HITS: usize = 5_000;

/// Sends all hits in batches while up to `kills` processes are killed. Returns the hits of each path.
fn counts_after_kills(exact: bool, batch: u32, kills: u32) -> Vec<u64> {
    // The test has its own emulator, since its processes are killed.
    let emulator = Emulator::new_ministack();
    let aws_env = AwsTestEnv::new(emulator.endpoint(), "lost", &config(exact, batch));
    let deployed = aws_env.deploy(&[]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    let url = queue_url(&aws_env.run(&["status", "--json"]).json());
    let queue = Queue { endpoint: emulator.endpoint(), url: &url };
    let group = emulator.pid().to_string();
    let functions = || {
        processes(&|process| {
            let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
            // The third field after the name of the program is the process group.
            let in_group = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(2)) == Some(&group);
            in_group && process.join("exe").read_link().is_ok_and(|exe| exe.ends_with("bootstrap"))
        })
    };
    let killer = Killer::new();
    std::thread::scope(|scope| {
        scope.spawn(|| killer.work(kills, 500, &functions));
        queue.send(0, HITS);
        if exact {
            // Sends some hits twice, as a sender without a response would.
            queue.send(0, HITS / 100);
        }
        queue.wait_until_drained();
        assert!(killer.stop() > 0, "nothing was killed");
    });
    counted(&aws_env.run(&["counts", "list", "--json"]))
}

#[test]
fn each_of_5000_hits_counts_exactly_once_on_emulator() {
    assert_eq!(counts_after_kills(true, 80, u32::MAX), vec![500; 10]);
}

#[test]
fn hits_without_markers_are_within_a_thousandth_on_emulator() {
    // The batch of the killed process may count twice: five hits, a thousandth of all.
    let hits = counts_after_kills(false, 5, 1);
    let sum: u64 = hits.iter().sum();
    assert!((5_000..=5_005).contains(&sum), "{sum}: {hits:?}");
}
