//! Several deploys of the same environment at once.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use hitctl_emulators::{Emulator, Wire};
use serde_json::Value as Json;

use super::scene::left;
use super::yard::AwsYard;
use crate::support::artifact;

#[test]
fn three_first_deploys_at_once_make_one_api() {
    let wire = Wire::new(Emulator::ministack().endpoint());
    // So that each is at it while the others are.
    wire.latency(Duration::from_millis(20));
    let yard = AwsYard::new(wire.endpoint(), "at-once", "");
    let zip = artifact();
    let programs: Vec<_> = (0..3)
        .map(|_| {
            let mut program = yard.command(&["deploy", "--json", "--artifact", &zip, "--lock-timeout", "5m"]);
            program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut urls = BTreeSet::new();
    for program in programs {
        let ended = program.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let said: Json = serde_json::from_slice(&ended.stdout).unwrap();
        urls.insert(said["outputs"]["url"].as_str().unwrap().to_owned());
    }
    assert_eq!(urls.len(), 1, "{urls:?}");
    let left = left(Emulator::ministack(), "at-once");
    assert_eq!(left.len(), 7, "table, log group, two functions with their roles, and one API: {left:?}");
    let plan = yard.run(&["plan", "--detailed-exitcode", "--artifact", &zip]);
    assert_eq!(plan.code, 0, "{plan:?}");
    let calls = wire.names();
    let made = |name: &str| calls.iter().filter(|call| call.ends_with(name)).count();
    assert_eq!(made("CreateApi"), 1, "{calls:?}");
}
