//! Faults of queues, mappings, rules and event invoke configurations.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_lambda::types::EventSourceMappingConfiguration;
use hitctl_emulators::{Emulator, InjectedFault, RecordedCall};

use super::{assert_converged, count, destroy_all, run_with_faults, succeeds_with_faults};
use crate::aws::recorded_env::{RecordedAwsEnv, remaining_resources, sdk_config};
use crate::support::{CommandOutput, artifact};

/// Runs an SDK call on the emulator. It has its own thread, so that it also works inside a fault rule of the proxy.
fn block_on<T: Send>(call: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(call)
        });
        thread.join().unwrap()
    })
}

/// Creates an event bus.
fn create_bus(name: &str) {
    let client = aws_sdk_eventbridge::Client::new(&sdk_config(Emulator::ministack()));
    block_on(client.create_event_bus().name(name).send()).unwrap();
}

/// Lists the rules of the app by the ends of their ARNs.
fn rules(app: &str) -> Vec<String> {
    let found = remaining_resources(Emulator::ministack(), app);
    found.iter().filter_map(|name| Some(name.split_once(":rule/")?.1.to_owned())).collect()
}

/// Lists the event source mappings of the app.
fn mappings(app: &str) -> Vec<EventSourceMappingConfiguration> {
    let client = aws_sdk_lambda::Client::new(&sdk_config(Emulator::ministack()));
    let request = client.list_event_source_mappings().function_name(format!("{app}-test"));
    block_on(request.send()).unwrap().event_source_mappings.unwrap_or_default()
}

/// Lists the functions and aliases that have an event invoke configuration, by the ends of their ARNs.
fn event_invoke_targets(app: &str) -> Vec<String> {
    let client = aws_sdk_lambda::Client::new(&sdk_config(Emulator::ministack()));
    let request = client.list_function_event_invoke_configs().function_name(format!("{app}-test"));
    let found = block_on(request.send()).unwrap().function_event_invoke_configs.unwrap_or_default();
    let end = |arn: String| arn.split_once(":function:").map(|(_, end)| end.to_owned());
    found.into_iter().filter_map(|one| end(one.function_arn?)).collect()
}

/// Returns the action of a plan or a deploy on a resource.
fn action(output: &CommandOutput, address: &str) -> String {
    let json = output.json();
    let change = json["changes"].as_array().unwrap().iter().find(|change| change["address"] == address);
    change.unwrap_or_else(|| panic!("no {address}: {output:?}"))["action"].as_str().unwrap().to_owned()
}

#[test]
fn missing_bus_is_reported_before_anything_is_created() {
    let mut aws_env = RecordedAwsEnv::new(
        Emulator::ministack(),
        "nobus",
        "events.enabled = true\nevents.bus = \"nobus\"\n",
    );
    for command in ["plan", "deploy"] {
        let output = aws_env.run(&[command, "--artifact", &artifact()]);
        assert_eq!(output.code, 1, "{output:?}");
        assert_eq!(aws_env.proxy.write_names(), Vec::<String>::new(), "{command}");
        assert!(output.stderr.contains("event bus nobus does not exist"), "{output:?}");
        assert!(
            output.stderr.contains("`aws events create-event-bus --region eu-central-1 --name nobus`"),
            "{output:?}"
        );
    }
    create_bus("nobus");
    aws_env.deploy();
    assert_eq!(rules("nobus"), ["nobus/nobus-test"]);
    assert_converged(&mut aws_env, "nobus");
    destroy_all(&mut aws_env, "nobus");
}

#[test]
fn rule_left_on_another_bus_is_found_and_deleted() {
    create_bus("moved-one");
    let on_other_bus = "events.enabled = true\nevents.bus = \"moved-one\"\n";
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "moved", on_other_bus);
    aws_env.deploy();
    assert_eq!(rules("moved"), ["moved-one/moved-test"]);

    aws_env.env.configure("events.enabled = true\n");
    let plan = aws_env.ok(&["plan", "--json", "--artifact", &artifact()]);
    assert_eq!(action(&plan, "event_rule.events"), "replace");
    aws_env.ok(&["deploy", "--yes", "--artifact", &artifact()]);
    assert_eq!(rules("moved"), ["moved-test"]);
    assert_converged(&mut aws_env, "moved");

    // The rule exists, but events are off: the configuration no longer names its bus.
    aws_env.env.configure(on_other_bus);
    aws_env.ok(&["deploy", "--yes", "--artifact", &artifact()]);
    assert_eq!(rules("moved"), ["moved-one/moved-test"]);
    aws_env.env.configure("");
    let output = aws_env.ok(&["deploy", "--yes", "--json", "--artifact", &artifact()]);
    assert_eq!(action(&output, "event_rule.events"), "delete");
    assert_eq!(rules("moved"), Vec::<String>::new());
    assert_converged(&mut aws_env, "moved");
    destroy_all(&mut aws_env, "moved");
}

#[test]
fn recently_deleted_queue_name_is_waited_for_and_used() {
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "rests", "queue.enabled = true\n");
    let mut refused = 0;
    let output = succeeds_with_faults(
        &mut aws_env,
        &["deploy", "-v", "--artifact", &artifact()],
        move |call| {
            refused += u32::from(call.has_name("sqs:CreateQueue"));
            let message = "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
            (call.has_name("sqs:CreateQueue") && refused == 1).then(|| {
                InjectedFault::service_error(400, "AWS.SimpleQueueService.QueueDeletedRecently", message)
            })
        },
    );
    assert!(output.stderr.contains("was deleted recently; SQS unblocks its name in 59 s"), "{output:?}");
    assert_eq!(
        count(&aws_env, "sqs:CreateQueue"),
        3,
        "two queues, and one retry: {:?}",
        aws_env.proxy.call_names()
    );
    assert_converged(&mut aws_env, "rests");
    destroy_all(&mut aws_env, "rests");
}

/// Returns an SQS client and the URL of the app's queue of hits.
async fn queue(app: &str) -> (aws_sdk_sqs::Client, String) {
    let client = aws_sdk_sqs::Client::new(&sdk_config(Emulator::ministack()));
    let found = client.get_queue_url().queue_name(format!("{app}-test-hits")).send().await.unwrap();
    (client, found.queue_url.unwrap())
}

/// Returns the tags of the app's queue of hits.
fn tags(app: &str) -> HashMap<String, String> {
    block_on(async {
        let (client, url) = queue(app).await;
        client.list_queue_tags().queue_url(url).send().await.unwrap().tags.unwrap_or_default()
    })
}

/// Marks the app's queue of hits as deleted at the time `seconds`, in seconds since 1970.
fn mark_deleted(app: &str, seconds: &str) {
    block_on(async {
        let (client, url) = queue(app).await;
        client.tag_queue().queue_url(url).tags("hitctl:deleted", seconds).send().await.unwrap();
    });
}

#[test]
fn deleted_queue_that_is_still_visible_is_not_kept() {
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "lingers", "queue.enabled = true\n");
    aws_env.deploy();
    let destroy = ["destroy", "--delete-data", "--confirm", "test", "--export", "first.ndjson"];
    succeeds_with_faults(&mut aws_env, &destroy, |call| {
        // SQS confirms the deletion, but still returns the queue for up to a minute.
        let (status, content_type) = (200, "application/x-amz-json-1.0".to_owned());
        call.has_name("sqs:DeleteQueue").then(|| InjectedFault::Response {
            status,
            content_type,
            body: "{}".to_owned(),
        })
    });
    assert!(tags("lingers").contains_key("hitctl:deleted"));
    let plan = aws_env.ok(&["plan", "--json", "--artifact", &artifact()]);
    assert_eq!(action(&plan, "queue.hits"), "update");
    aws_env.deploy();
    assert_eq!(
        count(&aws_env, "sqs:DeleteQueue"),
        2,
        "a queue that is being deleted is not reused: {:?}",
        aws_env.proxy.call_names()
    );
    assert!(!tags("lingers").contains_key("hitctl:deleted"), "the new queue is not marked");
    assert_converged(&mut aws_env, "lingers");

    // A queue that was marked long ago and still exists was never deleted.
    mark_deleted("lingers", "1000000000");
    aws_env.deploy();
    assert_eq!(count(&aws_env, "sqs:DeleteQueue"), 0, "the queue is kept: {:?}", aws_env.proxy.call_names());
    assert!(!tags("lingers").contains_key("hitctl:deleted"));
    assert_converged(&mut aws_env, "lingers");
    destroy_all(&mut aws_env, "lingers");
}

#[test]
fn mapping_with_lost_response_is_adopted_by_id_in_conflict_error() {
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "lostmap", "queue.enabled = true\n");
    let (created, adopted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    succeeds_with_faults(&mut aws_env, &["deploy", "--artifact", &artifact()], {
        let adopted = Arc::clone(&adopted);
        move |call| {
            if call.has_name("lambda:ListEventSourceMappings") && created.load(Ordering::SeqCst) {
                // The list does not contain the new mapping yet.
                let body = r#"{"EventSourceMappings":[]}"#.to_owned();
                return Some(InjectedFault::Response {
                    status: 200,
                    content_type: "application/json".to_owned(),
                    body,
                });
            }
            if !call.has_name("lambda:CreateEventSourceMapping") {
                return None;
            }
            if !created.swap(true, Ordering::SeqCst) {
                return Some(InjectedFault::DropResponse);
            }
            let existing = mappings("lostmap");
            let uuid = existing.first()?.uuid()?;
            adopted.store(true, Ordering::SeqCst);
            // The error text of Lambda. The emulator would create a second mapping.
            let message = format!(
                "An event source mapping with SQS arn (\" {} \") and function (\" lostmap-test \") already exists. \
                 Please update or delete the existing mapping with UUID {uuid}",
                existing.first()?.event_source_arn()?
            );
            Some(InjectedFault::service_error(409, "ResourceConflictException", &message))
        }
    });
    assert!(adopted.load(Ordering::SeqCst), "{:?}", aws_env.proxy.call_names());
    assert_eq!(count(&aws_env, "lambda:CreateEventSourceMapping"), 2, "{:?}", aws_env.proxy.call_names());
    assert_eq!(mappings("lostmap").len(), 1);
    assert_converged(&mut aws_env, "lostmap");
    destroy_all(&mut aws_env, "lostmap");
}

#[test]
fn event_invoke_config_follows_the_invoked_qualifier() {
    let published = "events.enabled = true\n";
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "followed", published);
    aws_env.deploy();
    assert_eq!(event_invoke_targets("followed"), ["followed-test:live"]);

    let unpublished = format!("{published}function.publish = false\n");
    aws_env.env.configure(&unpublished);
    aws_env.ok(&["deploy", "--yes", "--artifact", &artifact()]);
    let existing = event_invoke_targets("followed");
    assert!(existing.len() == 1 && !existing[0].ends_with(":live"), "{existing:?}");
    assert_converged(&mut aws_env, "followed");

    aws_env.env.configure(published);
    aws_env.ok(&["deploy", "--yes", "--artifact", &artifact()]);
    assert_eq!(event_invoke_targets("followed"), ["followed-test:live"]);
    assert_converged(&mut aws_env, "followed");
    destroy_all(&mut aws_env, "followed");
}

#[test]
fn failed_target_is_reported_despite_successful_response() {
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "untarget", "events.enabled = true\n");
    let refuse = |call: &RecordedCall| {
        let body = r#"{"FailedEntryCount":1,"FailedEntries":[{"TargetId":"hitctl","ErrorCode":"ManagedRuleException","ErrorMessage":"The rule is managed."}]}"#;
        call.has_name("events:PutTargets").then(|| InjectedFault::Response {
            status: 200,
            content_type: "application/x-amz-json-1.1".to_owned(),
            body: body.to_owned(),
        })
    };
    let output = run_with_faults(&mut aws_env, &["deploy", "--artifact", &artifact()], refuse);
    assert_eq!(output.code, 5, "{output:?}");
    assert!(
        output.stderr.contains("failed to set the target of rule untarget-test (target hitctl)"),
        "{output:?}"
    );
    assert!(
        output.stderr.contains("ManagedRuleException (events:PutTargets): The rule is managed."),
        "{output:?}"
    );
    assert_eq!(count(&aws_env, "events:PutTargets"), 1, "a rejected target is not retried");
    // The deploy completes the rule without a target.
    let plan = aws_env.ok(&["plan", "--json", "--artifact", &artifact()]);
    assert_eq!(action(&plan, "event_rule.events"), "update");
    aws_env.deploy();
    assert_converged(&mut aws_env, "untarget");
    destroy_all(&mut aws_env, "untarget");
}

/// Returns the operation of the last of three changes: of both queues and of the counter. Changes of the reader are
/// ignored, since it receives no messages.
fn last_change(aws_env: &RecordedAwsEnv) -> String {
    let changes = ["SetQueueAttributes", "UpdateFunctionConfiguration"];
    let calls = aws_env.proxy.calls().into_iter().filter(|call| !call.path.contains("-reader"));
    let calls: Vec<_> =
        calls.map(|call| call.operation).filter(|call| changes.contains(&call.as_str())).collect();
    assert_eq!(calls.len(), 3, "two queues and the counter: {:?}", aws_env.proxy.call_names());
    calls.into_iter().next_back().unwrap()
}

#[test]
fn visibility_timeout_always_exceeds_function_timeout() {
    let config = |timeout: u32| format!("queue.enabled = true\nfunction.timeout_s = {timeout}\n");
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "leads", &config(10));
    aws_env.deploy();
    aws_env.env.configure(&config(20));
    aws_env.deploy();
    assert_eq!(
        last_change(&aws_env),
        "UpdateFunctionConfiguration",
        "the visibility timeouts are raised first"
    );
    aws_env.env.configure(&config(5));
    aws_env.deploy();
    assert_eq!(last_change(&aws_env), "SetQueueAttributes", "the visibility timeouts are lowered last");
    assert_converged(&mut aws_env, "leads");
    destroy_all(&mut aws_env, "leads");
}
