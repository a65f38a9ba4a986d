//! What somebody else deletes while it is read.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use hitctl_emulators::{Call, Emulator, Fault};

use super::super::scene::Scene;
use super::{bears, gone};
use crate::support::artifact;

/// How each service says that there is no such thing.
fn not_found(call: &Call) -> Fault {
    let (status, code) = match call.service.as_str() {
        "apigateway" => (404, "NotFoundException"),
        "iam" => (404, "NoSuchEntity"),
        "lambda" => (404, "ResourceNotFoundException"),
        "sqs" => (400, "AWS.SimpleQueueService.NonExistentQueue"),
        _ => (400, "ResourceNotFoundException"),
    };
    Fault::status(status, code, "deleted by somebody else")
}

#[test]
fn resource_deleted_while_it_is_read_is_read_again() {
    let more = "queue.enabled = true\nevents.enabled = true\n";
    let mut scene = Scene::new(Emulator::ministack(), "deleted", more);
    scene.ok(&["deploy", "--json", "--artifact", &artifact()]);
    let plan = ["plan", "--json", "--artifact", &artifact()];
    scene.ok(&plan);
    let operations: BTreeSet<String> = scene.wire.names().into_iter().collect();
    assert!(operations.len() > 20, "{operations:?}");
    for operation in operations.into_iter().filter(|operation| !operation.starts_with("sts:")) {
        let once = AtomicBool::new(false);
        bears(&mut scene, &plan, move |call| {
            let is_first = call.is(&operation) && !once.swap(true, Ordering::SeqCst);
            is_first.then(|| not_found(call))
        });
    }
    gone(&mut scene, "deleted");
}
