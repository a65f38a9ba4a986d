//! Concurrent deploys of the same environment.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use hitctl_emulators::{Emulator, RecordingProxy};
use serde_json::Value as Json;

use super::recorded_env::remaining_resources;
use super::test_env::AwsTestEnv;
use crate::support::artifact;

#[test]
fn three_concurrent_first_deploys_create_one_api() {
    let proxy = RecordingProxy::new(Emulator::ministack().endpoint());
    // The latency makes the deploys overlap.
    proxy.set_latency(Duration::from_millis(20));
    let aws_env = AwsTestEnv::new(proxy.endpoint(), "at-once", "");
    let zip = artifact();
    let programs: Vec<_> = (0..3)
        .map(|_| {
            let mut program =
                aws_env.command(&["deploy", "--json", "--artifact", &zip, "--lock-timeout", "5m"]);
            program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut urls = BTreeSet::new();
    for program in programs {
        let ended = program.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let result: Json = serde_json::from_slice(&ended.stdout).unwrap();
        urls.insert(result["outputs"]["url"].as_str().unwrap().to_owned());
    }
    assert_eq!(urls.len(), 1, "{urls:?}");
    let remaining = remaining_resources(Emulator::ministack(), "at-once");
    assert_eq!(
        remaining.len(),
        7,
        "table, log group, two functions with their roles, and one API: {remaining:?}"
    );
    let plan = aws_env.run(&["plan", "--detailed-exitcode", "--artifact", &zip]);
    assert_eq!(plan.code, 0, "{plan:?}");
    let calls = proxy.call_names();
    let count_of = |name: &str| calls.iter().filter(|call| call.ends_with(name)).count();
    assert_eq!(count_of("CreateApi"), 1, "{calls:?}");
}
