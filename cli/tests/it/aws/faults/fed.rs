//! What goes wrong with queues, mappings, rules and what is done with failed events.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_lambda::types::EventSourceMappingConfiguration;
use hitctl_emulators::{Call, Emulator, Fault};

use super::{bears, converged, count, gone, under};
use crate::aws::scene::{Scene, config, left};
use crate::support::{Ran, artifact};

/// Asks the emulator past hitctl, also from within a rule of the wire.
fn ask<T: Send>(question: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(question)
        });
        asked.join().unwrap()
    })
}

/// Makes a bus.
fn bus(name: &str) {
    let client = aws_sdk_eventbridge::Client::new(&config(Emulator::ministack()));
    ask(client.create_event_bus().name(name).send()).unwrap();
}

/// The ARNs of the app's rules, without what all ARNs begin with.
fn rules(app: &str) -> Vec<String> {
    let found = left(Emulator::ministack(), app);
    found.iter().filter_map(|name| Some(name.split_once(":rule/")?.1.to_owned())).collect()
}

/// The app's mappings.
fn mappings(app: &str) -> Vec<EventSourceMappingConfiguration> {
    let client = aws_sdk_lambda::Client::new(&config(Emulator::ministack()));
    let request = client.list_event_source_mappings().function_name(format!("{app}-test"));
    ask(request.send()).unwrap().event_source_mappings.unwrap_or_default()
}

/// Whose failed events are looked after: function or alias, by the end of its ARN.
fn looked_after(app: &str) -> Vec<String> {
    let client = aws_sdk_lambda::Client::new(&config(Emulator::ministack()));
    let request = client.list_function_event_invoke_configs().function_name(format!("{app}-test"));
    let found = ask(request.send()).unwrap().function_event_invoke_configs.unwrap_or_default();
    let end = |arn: String| arn.split_once(":function:").map(|(_, end)| end.to_owned());
    found.into_iter().filter_map(|one| end(one.function_arn?)).collect()
}

/// What a plan or a deploy does with a resource.
fn action(ran: &Ran, address: &str) -> String {
    let json = ran.json();
    let change = json["changes"].as_array().unwrap().iter().find(|change| change["address"] == address);
    change.unwrap_or_else(|| panic!("no {address}: {ran:?}"))["action"].as_str().unwrap().to_owned()
}

#[test]
fn a_bus_that_is_not_there_is_said_before_anything_is_made() {
    let mut scene =
        Scene::new(Emulator::ministack(), "nobus", "events.enabled = true\nevents.bus = \"nobus\"\n");
    for command in ["plan", "deploy"] {
        let ran = scene.run(&[command, "--artifact", &artifact()]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert_eq!(scene.wire.writes(), Vec::<String>::new(), "{command}");
        assert!(ran.stderr.contains("there is no event bus nobus"), "{ran:?}");
        assert!(
            ran.stderr.contains("`aws events create-event-bus --region eu-central-1 --name nobus`"),
            "{ran:?}"
        );
    }
    bus("nobus");
    scene.deploy();
    assert_eq!(rules("nobus"), ["nobus/nobus-test"]);
    converged(&mut scene, "nobus");
    gone(&mut scene, "nobus");
}

#[test]
fn a_rule_that_was_left_on_another_bus_is_found_and_goes() {
    bus("moved-one");
    let on = "events.enabled = true\nevents.bus = \"moved-one\"\n";
    let mut scene = Scene::new(Emulator::ministack(), "moved", on);
    scene.deploy();
    assert_eq!(rules("moved"), ["moved-one/moved-test"]);

    scene.yard.configure("events.enabled = true\n");
    let plan = scene.ok(&["plan", "--json", "--artifact", &artifact()]);
    assert_eq!(action(&plan, "event_rule.events"), "replace");
    scene.ok(&["deploy", "--yes", "--artifact", &artifact()]);
    assert_eq!(rules("moved"), ["moved-test"]);
    converged(&mut scene, "moved");

    // There, and not wanted at all: the configuration no longer says where it was.
    scene.yard.configure(on);
    scene.ok(&["deploy", "--yes", "--artifact", &artifact()]);
    assert_eq!(rules("moved"), ["moved-one/moved-test"]);
    scene.yard.configure("");
    let ran = scene.ok(&["deploy", "--yes", "--json", "--artifact", &artifact()]);
    assert_eq!(action(&ran, "event_rule.events"), "delete");
    assert_eq!(rules("moved"), Vec::<String>::new());
    converged(&mut scene, "moved");
    gone(&mut scene, "moved");
}

#[test]
fn a_name_that_rests_is_counted_down_and_then_used() {
    let mut scene = Scene::new(Emulator::ministack(), "rests", "queue.enabled = true\n");
    let mut refused = 0;
    let ran = bears(&mut scene, &["deploy", "-v", "--artifact", &artifact()], move |call| {
        refused += u32::from(call.is("sqs:CreateQueue"));
        let message = "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
        (call.is("sqs:CreateQueue") && refused == 1)
            .then(|| Fault::status(400, "AWS.SimpleQueueService.QueueDeletedRecently", message))
    });
    assert!(ran.stderr.contains("was deleted just now; the name can be used again in 59 s"), "{ran:?}");
    assert_eq!(count(&scene, "sqs:CreateQueue"), 3, "two queues, and once more: {:?}", scene.wire.names());
    converged(&mut scene, "rests");
    gone(&mut scene, "rests");
}

/// SQS, and the address of the app's queue of hits.
async fn queue(app: &str) -> (aws_sdk_sqs::Client, String) {
    let client = aws_sdk_sqs::Client::new(&config(Emulator::ministack()));
    let found = client.get_queue_url().queue_name(format!("{app}-test-hits")).send().await.unwrap();
    (client, found.queue_url.unwrap())
}

/// The tags of the app's queue of hits.
fn tags(app: &str) -> HashMap<String, String> {
    ask(async {
        let (client, url) = queue(app).await;
        client.list_queue_tags().queue_url(url).send().await.unwrap().tags.unwrap_or_default()
    })
}

/// Marks the app's queue of hits as deleted at that time, in seconds since 1970.
fn mark(app: &str, at: &str) {
    ask(async {
        let (client, url) = queue(app).await;
        client.tag_queue().queue_url(url).tags("hitctl:deleted", at).send().await.unwrap();
    });
}

#[test]
fn a_queue_that_is_still_to_be_seen_after_its_deletion_is_not_taken_for_one_that_stays() {
    let mut scene = Scene::new(Emulator::ministack(), "lingers", "queue.enabled = true\n");
    scene.deploy();
    let destroy = ["destroy", "--delete-data", "--confirm", "test", "--export", "first.ndjson"];
    bears(&mut scene, &destroy, |call| {
        // As SQS does for up to a minute: the call is answered, and the queue still to be seen.
        let (status, content_type) = (200, "application/x-amz-json-1.0".to_owned());
        call.is("sqs:DeleteQueue").then(|| Fault::Answer { status, content_type, body: "{}".to_owned() })
    });
    assert!(tags("lingers").contains_key("hitctl:deleted"));
    let plan = scene.ok(&["plan", "--json", "--artifact", &artifact()]);
    assert_eq!(action(&plan, "queue.hits"), "update");
    scene.deploy();
    assert_eq!(count(&scene, "sqs:DeleteQueue"), 2, "what is going is not kept: {:?}", scene.wire.names());
    assert!(!tags("lingers").contains_key("hitctl:deleted"), "it is another queue");
    converged(&mut scene, "lingers");

    // One that was marked long ago and is there all the same was never deleted.
    mark("lingers", "1000000000");
    scene.deploy();
    assert_eq!(count(&scene, "sqs:DeleteQueue"), 0, "it is kept: {:?}", scene.wire.names());
    assert!(!tags("lingers").contains_key("hitctl:deleted"));
    converged(&mut scene, "lingers");
    gone(&mut scene, "lingers");
}

#[test]
fn a_mapping_whose_answer_was_lost_is_adopted_by_the_id_in_the_refusal() {
    let mut scene = Scene::new(Emulator::ministack(), "lostmap", "queue.enabled = true\n");
    let (made, adopted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    bears(&mut scene, &["deploy", "--artifact", &artifact()], {
        let adopted = Arc::clone(&adopted);
        move |call| {
            if call.is("lambda:ListEventSourceMappings") && made.load(Ordering::SeqCst) {
                // The list does not show it yet.
                let body = r#"{"EventSourceMappings":[]}"#.to_owned();
                return Some(Fault::Answer {
                    status: 200,
                    content_type: "application/json".to_owned(),
                    body,
                });
            }
            if !call.is("lambda:CreateEventSourceMapping") {
                return None;
            }
            if !made.swap(true, Ordering::SeqCst) {
                return Some(Fault::LostAnswer);
            }
            let there = mappings("lostmap");
            let uuid = there.first()?.uuid()?;
            adopted.store(true, Ordering::SeqCst);
            // As Lambda words it; the emulator makes a second one.
            let message = format!(
                "An event source mapping with SQS arn (\" {} \") and function (\" lostmap-test \") already exists. \
                 Please update or delete the existing mapping with UUID {uuid}",
                there.first()?.event_source_arn()?
            );
            Some(Fault::status(409, "ResourceConflictException", &message))
        }
    });
    assert!(adopted.load(Ordering::SeqCst), "{:?}", scene.wire.names());
    assert_eq!(count(&scene, "lambda:CreateEventSourceMapping"), 2, "{:?}", scene.wire.names());
    assert_eq!(mappings("lostmap").len(), 1);
    converged(&mut scene, "lostmap");
    gone(&mut scene, "lostmap");
}

#[test]
fn failed_events_are_looked_after_where_they_come_in() {
    let on = "events.enabled = true\n";
    let mut scene = Scene::new(Emulator::ministack(), "followed", on);
    scene.deploy();
    assert_eq!(looked_after("followed"), ["followed-test:live"]);

    let unpublished = format!("{on}function.publish = false\n");
    scene.yard.configure(&unpublished);
    scene.ok(&["deploy", "--yes", "--artifact", &artifact()]);
    let there = looked_after("followed");
    assert!(there.len() == 1 && !there[0].ends_with(":live"), "{there:?}");
    converged(&mut scene, "followed");

    scene.yard.configure(on);
    scene.ok(&["deploy", "--yes", "--artifact", &artifact()]);
    assert_eq!(looked_after("followed"), ["followed-test:live"]);
    converged(&mut scene, "followed");
    gone(&mut scene, "followed");
}

#[test]
fn a_target_that_was_not_set_is_named_although_the_call_was_answered() {
    let mut scene = Scene::new(Emulator::ministack(), "untarget", "events.enabled = true\n");
    let refuse = |call: &Call| {
        let body = r#"{"FailedEntryCount":1,"FailedEntries":[{"TargetId":"hitctl","ErrorCode":"ManagedRuleException","ErrorMessage":"The rule is managed."}]}"#;
        call.is("events:PutTargets").then(|| Fault::Answer {
            status: 200,
            content_type: "application/x-amz-json-1.1".to_owned(),
            body: body.to_owned(),
        })
    };
    let ran = under(&mut scene, &["deploy", "--artifact", &artifact()], refuse);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.stderr.contains("failed to set the target of rule untarget-test (target hitctl)"), "{ran:?}");
    assert!(ran.stderr.contains("ManagedRuleException (events:PutTargets): The rule is managed."), "{ran:?}");
    assert_eq!(count(&scene, "events:PutTargets"), 1, "what does not pass is not tried again");
    // The rule without its target is brought to what it should be.
    let plan = scene.ok(&["plan", "--json", "--artifact", &artifact()]);
    assert_eq!(action(&plan, "event_rule.events"), "update");
    scene.deploy();
    converged(&mut scene, "untarget");
    gone(&mut scene, "untarget");
}

/// The last change: of the queue of hits, which comes after the dead-letter queue that it names, or of the counter. Messages do not
/// go to the reader.
fn last(scene: &Scene) -> String {
    let changes = ["SetQueueAttributes", "UpdateFunctionConfiguration"];
    let calls = scene.wire.calls().into_iter().filter(|call| !call.path.contains("-reader"));
    let calls: Vec<_> =
        calls.map(|call| call.operation).filter(|call| changes.contains(&call.as_str())).collect();
    assert_eq!(calls.len(), 3, "two queues and the counter: {:?}", scene.wire.names());
    calls.into_iter().next_back().unwrap()
}

#[test]
fn messages_stay_hidden_for_longer_than_the_function_may_take_at_any_moment() {
    let with = |timeout: u32| format!("queue.enabled = true\nfunction.timeout_s = {timeout}\n");
    let mut scene = Scene::new(Emulator::ministack(), "leads", &with(10));
    scene.deploy();
    scene.yard.configure(&with(20));
    scene.deploy();
    assert_eq!(last(&scene), "UpdateFunctionConfiguration", "the queues are raised before");
    scene.yard.configure(&with(5));
    scene.deploy();
    assert_eq!(last(&scene), "SetQueueAttributes", "the queue is lowered after");
    converged(&mut scene, "leads");
    gone(&mut scene, "leads");
}
