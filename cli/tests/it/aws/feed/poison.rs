//! What cannot be counted, in a batch of what can; and redrives that are killed, with a function at the other end.

use hitctl_emulators::{Emulator, Fault};
use serde_json::{Value as Json, json};

use super::super::scene::{Death, Scene};
use super::Queues;

/// Nothing waits longer than it must.
fn config(more: &str) -> String {
    format!(
        "function.timeout_s = 3\nfunction.reserved_concurrency = \"none\"\ncounter.exact = true\nevents.enabled = true\n{more}\
         queue = {{ enabled = true, window_s = 1, batch_size = 50, max_receive_count = 3, visibility_s = 6 }}\n"
    )
}

/// A function with its queues.
fn deployed(app: &str) -> (Scene, Queues) {
    let mut scene = Scene::new(Emulator::ministack(), app, &config(""));
    scene.deploy();
    (scene, Queues::of(app))
}

/// Asks until it is so.
#[track_caller]
pub(in super::super) fn until(scene: &Scene, args: &[&str], is_so: impl Fn(&Json) -> bool) -> Json {
    let args = [args, &["--json"]].concat();
    let mut last = Json::Null;
    for _ in 0..2_000 {
        let ran = scene.yard.run(&args);
        assert_eq!(ran.code, 0, "{ran:?}");
        last = ran.json();
        if is_so(&last) {
            return last;
        }
    }
    panic!("{args:?}: it never comes to that: {last}");
}

pub(in super::super) fn hits(scene: &Scene, path: &str, n: u64) {
    until(scene, &["counts", "get", path], |json| json["counts"][0]["hits"] == n);
}

/// How much is on a queue, by its address.
pub(in super::super) fn on(status: &Json, address: &str) -> u64 {
    let rows = status["resources"].as_array().unwrap();
    let row = rows.iter().find(|row| row["address"] == address).unwrap();
    let of = |name: &str| row["outputs"][name].as_str().unwrap().parse::<u64>().unwrap();
    of("visible") + of("in_flight")
}

#[test]
fn one_of_twenty_six_is_refused_as_often_as_it_may_be_and_counts_once_after_the_fix() {
    let (scene, queues) = deployed("poison");
    let event = json!({ "version": "0", "id": "e-1", "detail-type": "move", "source": "cli",
                        "time": jiff::Timestamp::now().to_string(), "detail": { "coordinate": { "x": "far" } } });
    queues.send("hits", &event.to_string(), &[]);
    let lines: Vec<String> = (0..25).map(|n| format!("/good-{n}")).collect();
    scene.yard.yard.write("good", &lines.join("\n"));
    let ran = scene.yard.run(&["send", "--file", "good"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    until(&scene, &["status"], |status| status["hits"] == 25);
    until(&scene, &["status"], |status| on(status, "queue.dlq") == 1 && on(status, "queue.hits") == 0);
    let list = scene.yard.run(&["dlq", "list", "--json"]).json();
    let letter = &list["messages"][0];
    assert!(letter["why"].as_str().unwrap().contains("path"), "the function's own words: {list}");
    let log = scene.yard.run(&["logs", "--filter", "message refused"]).stdout;
    assert_eq!(log.matches(letter["id"].as_str().unwrap()).count(), 3, "{log}");

    scene.yard.configure(&config("events.key = \"/detail/coordinate/x\"\n"));
    let ran = scene.yard.deploy(&[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    // Twice: as it is, and as a run leaves it behind that was killed before it could delete it.
    for _ in 0..2 {
        let ran = scene.yard.run(&["dlq", "redrive", "--json"]);
        assert_eq!((ran.code, &ran.json()["to_queue"]), (0, &json!(1)), "{ran:?}");
        hits(&scene, "far", 1);
        until(&scene, &["status"], |status| on(status, "queue.dlq") + on(status, "queue.hits") == 0);
        hits(&scene, "far", 1);
        queues.send("dlq", &event.to_string(), &[]);
    }
}

#[test]
fn a_redrive_killed_between_sending_and_deleting_is_finished_by_a_second_and_counts_once() {
    let (scene, queues) = deployed("poisonkill");
    queues.send("dlq", r#"{"v":1,"path":"/dead"}"#, &[]);
    let death = Death::default();
    let fault = {
        let death = death.clone();
        Fault::before(move || death.comes())
    };
    scene.wire.rule(move |call| (call.operation == "DeleteMessageBatch").then(|| fault.clone()));
    let output = death.of(&scene.wire, scene.yard.command(&["dlq", "redrive", "--hide", "1s"]));
    assert_eq!(output.status.code(), None, "{output:?}");
    scene.wire.reset();
    hits(&scene, "/dead", 1);
    until(&scene, &["dlq", "redrive", "--hide", "1s"], |json| json["to_queue"] == 1);
    until(&scene, &["status"], |status| on(status, "queue.dlq") + on(status, "queue.hits") == 0);
    hits(&scene, "/dead", 1);
}
