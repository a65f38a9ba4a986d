//! A first deploy does not poll until a function is active. It waits only after a call has failed because the function
//! is pending.

use hitctl_emulators::{Emulator, InjectedFault};

use super::recorded_env::RecordedAwsEnv;

/// Lambda's error for a change of a function that was just created.
const PENDING: &str = "The operation cannot be performed at this time. The function is currently in the following state: Pending";

#[test]
fn pending_function_is_waited_for() {
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "ready", "");
    let mut refused = 0;
    aws_env.proxy.set_fault_rule(move |call| {
        let first = call.operation == "PublishVersion" && !call.path.contains("-reader") && refused == 0;
        refused += u32::from(first);
        first.then(|| InjectedFault::service_error(409, "ResourceConflictException", PENDING))
    });
    let deployed = aws_env.env.deploy(&[]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    // Calls for the reader are ignored, since it is created after the counter.
    let calls = aws_env.proxy.calls().into_iter().filter(|call| !call.path.contains("-reader"));
    let calls: Vec<String> = calls.map(|call| call.to_string()).collect();
    let published: Vec<usize> =
        (0..calls.len()).filter(|&at| calls[at].ends_with("PublishVersion")).collect();
    let [first, second] = published[..] else { panic!("expected two calls of PublishVersion: {calls:?}") };
    assert!(
        calls[first..second].iter().any(|call| call.ends_with("GetFunctionConfiguration")),
        "the state of the function is read before it is published again: {calls:?}"
    );
    aws_env.ok(&["destroy", "--delete-data", "--confirm", "test", "--export", "counts.ndjson"]);
}
