//! A first deploy does not wait for what the next call would say; where that says no, it waits.

use hitctl_emulators::{Emulator, Fault};

use super::scene::Scene;

/// What Lambda says to a change of a function that was just made.
const PENDING: &str = "The operation cannot be performed at this time. The function is currently in the following state: Pending";

#[test]
fn a_function_that_is_not_ready_is_waited_for() {
    let mut scene = Scene::new(Emulator::ministack(), "ready", "");
    let mut refused = 0;
    scene.wire.rule(move |call| {
        let first = call.operation == "PublishVersion" && !call.path.contains("-reader") && refused == 0;
        refused += u32::from(first);
        first.then(|| Fault::status(409, "ResourceConflictException", PENDING))
    });
    let deployed = scene.yard.deploy(&[]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    // The reader comes after the counter, and is looked at apart.
    let calls = scene.wire.calls().into_iter().filter(|call| !call.path.contains("-reader"));
    let calls: Vec<String> = calls.map(|call| call.to_string()).collect();
    let published: Vec<usize> =
        (0..calls.len()).filter(|&at| calls[at].ends_with("PublishVersion")).collect();
    let [first, second] = published[..] else { panic!("published twice: {calls:?}") };
    assert!(
        calls[first..second].iter().any(|call| call.ends_with("GetFunctionConfiguration")),
        "the function is looked at before it is published again: {calls:?}"
    );
    scene.ok(&["destroy", "--delete-data", "--confirm", "test", "--export", "counts.ndjson"]);
}
