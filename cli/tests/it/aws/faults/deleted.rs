//! Resources that somebody else deletes while they are read.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use hitctl_emulators::{Emulator, InjectedFault, RecordedCall};

use super::super::recorded_env::RecordedAwsEnv;
use super::{destroy_all, succeeds_with_faults};
use crate::support::artifact;

/// Returns the error of a service for a missing resource.
fn not_found(call: &RecordedCall) -> InjectedFault {
    let (status, code) = match call.service.as_str() {
        "apigateway" => (404, "NotFoundException"),
        "iam" => (404, "NoSuchEntity"),
        "lambda" => (404, "ResourceNotFoundException"),
        "sqs" => (400, "AWS.SimpleQueueService.NonExistentQueue"),
        _ => (400, "ResourceNotFoundException"),
    };
    InjectedFault::service_error(status, code, "deleted by somebody else")
}

#[test]
fn resource_deleted_while_it_is_read_is_read_again() {
    let more = "queue.enabled = true\nevents.enabled = true\n";
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "deleted", more);
    aws_env.ok(&["deploy", "--json", "--artifact", &artifact()]);
    let plan = ["plan", "--json", "--artifact", &artifact()];
    aws_env.ok(&plan);
    let operations: BTreeSet<String> = aws_env.proxy.call_names().into_iter().collect();
    assert!(operations.len() > 20, "{operations:?}");
    for operation in operations.into_iter().filter(|operation| !operation.starts_with("sts:")) {
        let once = AtomicBool::new(false);
        succeeds_with_faults(&mut aws_env, &plan, move |call| {
            let is_first = call.has_name(&operation) && !once.swap(true, Ordering::SeqCst);
            is_first.then(|| not_found(call))
        });
    }
    destroy_all(&mut aws_env, "deleted");
}
