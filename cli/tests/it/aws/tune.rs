//! The memory table in an account: a copy is measured that counts nothing, and is gone in the end, however it ends.

use hitctl::Interrupts;
use hitctl_emulators::{Emulator, Fault};
use serde_json::{Value as Json, json};

use super::scene::{Death, Scene, hit, left};
use crate::support::Ran;

const SHORT: [&str; 7] = ["tune", "--yes", "--json", "--memory", "128", "--starts", "2"];

fn scene(app: &str) -> Scene {
    let mut scene = Scene::new(Emulator::ministack(), app, "");
    let url = scene.deploy().expect("an API has a URL");
    assert_eq!(hit(&url, "/counter?path=/").json()["hits"], 1);
    scene
}

/// The copies there are.
fn copies(scene: &Scene) -> Vec<String> {
    let all = left(Emulator::ministack(), &scene.yard.app);
    all.into_iter().filter(|name| name.contains("-tune")).collect()
}

/// What was counted in all: what is measured must not.
fn hits(scene: &mut Scene) -> Json {
    scene.ok(&["counts", "list", "--json"]).json()["counts"].clone()
}

fn wipe(scene: &mut Scene) {
    let file = scene.yard.yard.path().join("wiped.ndjson").display().to_string();
    scene.ok(&["destroy", "--delete-data", "--confirm", "test", "--export", &file]);
    assert_eq!(left(Emulator::ministack(), &scene.yard.app), [""; 0], "nothing is orphaned");
}

/// Runs with one call killed in its stead: the program is gone, and has cleaned up nothing.
fn killed(scene: &Scene, operation: &'static str) {
    scene.wire.reset();
    let death = Death::default();
    let fault = {
        let death = death.clone();
        Fault::before(move || death.comes())
    };
    scene.wire.rule(move |call| (call.operation == operation).then(|| fault.clone()));
    let output = death.of(&scene.wire, scene.yard.command(&SHORT));
    assert_eq!(output.status.code(), None, "{output:?}");
    scene.wire.reset();
}

#[test]
fn what_is_not_reported_is_missing_and_nothing_is_counted() {
    let mut scene = scene("tuned");
    let before = hits(&mut scene);
    let ran = scene.ok(&SHORT);
    let json = ran.json();
    assert_eq!((&json["command"], &json["target"]), (&json!("tune"), &json!("aws")));
    assert_eq!(json["request"], "GET /counter?path=/&ro=1");
    // The emulator's log tail has no report: there is nothing to tell, and nothing is told.
    let size = &json["sizes"][0];
    assert_eq!(
        (&size["memory_mb"], &size["starts"], &size["limited"]),
        (&json!(128), &json!(2), &json!(true))
    );
    for figure in ["init_ms", "first_answer_ms", "warm_ms", "warm_p95_ms", "compute_month_usd", "month_usd"] {
        assert_eq!(size[figure], Json::Null, "{figure}: {json}");
    }
    assert_eq!((&json["recommendation"]["memory_mb"], &json["next"]), (&Json::Null, &Json::Null));
    assert!(json["notes"].to_string().contains("was not reported"), "{json}");
    for said in ["makes tuned-test-tune, a copy of tuned-test", "asks it 22 times", "costs at most 0.00 USD"]
    {
        assert!(ran.stderr.contains(said), "{said}: {ran:?}");
    }
    assert_eq!(copies(&scene), [""; 0]);
    assert_eq!(hits(&mut scene), before, "no hit, and no other path");

    // A change of the configuration ends the processes that run: each start has one.
    scene.run(&SHORT);
    let calls = scene.wire.names();
    let count = |name: &str| calls.iter().filter(|call| *call == name).count();
    let seen = [
        "lambda:CreateFunction",
        "lambda:UpdateFunctionConfiguration",
        "lambda:Invoke",
        "lambda:DeleteFunction",
    ];
    assert_eq!(seen.map(count), [1, 1, 22, 1], "{calls:?}");
    let unknown = |call: &&String| !hitctl_stack::policy::CALLS.iter().any(|known| known.operation == **call);
    let unknown: Vec<_> = calls.iter().filter(unknown).collect();
    assert!(unknown.is_empty(), "the deployer's policy does not have {unknown:?}");
    wipe(&mut scene);
}

#[test]
fn nobody_who_was_not_asked_pays() {
    let mut scene = scene("tuneasks");
    let ran = scene.run(&["tune", "--no-input", "--memory", "128"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(scene.wire.writes(), [""; 0]);
    assert!(ran.stderr.contains("costs at most"), "{ran:?}");
    let ran = scene.run(&["tune", "--yes", "--artifact", "function.zip"]);
    assert_eq!(ran.code, 64, "{ran:?}");
    wipe(&mut scene);
    let ran = scene.run(&SHORT);
    assert_eq!((ran.code, &ran.json()["error"]["code"]), (1, &json!("not_deployed")), "{ran:?}");
}

#[test]
fn the_copy_goes_when_it_fails_and_when_it_is_interrupted() {
    let mut scene = scene("tunestops");
    // Neither is sent again: it may have run.
    for operation in ["Invoke", "UpdateFunctionConfiguration"] {
        scene.wire.reset();
        scene.wire.rule(move |call| {
            (call.operation == operation)
                .then(|| Fault::status(400, "InvalidParameterValueException", "injected"))
        });
        let ran = scene.run_on(&SHORT);
        assert_eq!(ran.code, 1, "{operation}: {ran:?}");
        assert!(ran.json()["error"]["cause"].to_string().contains("injected"), "{ran:?}");
        assert_eq!(copies(&scene), [""; 0], "{operation}");
    }
    let interrupted = |operation: &'static str| -> Ran {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        scene.wire.reset();
        let mut asked = false;
        scene.wire.rule(move |call| {
            if call.operation == operation && !asked {
                asked = true;
                sender.send(()).unwrap();
            }
            None
        });
        scene.yard.run_as(&SHORT, |world| world.interrupts = Interrupts::Channel(receiver))
    };
    for operation in ["CreateFunction", "Invoke", "UpdateFunctionConfiguration"] {
        let ran = interrupted(operation);
        assert_eq!(ran.code, 130, "{operation}: {ran:?}");
        assert_eq!(copies(&scene), [""; 0], "{operation}");
    }
    wipe(&mut scene);
}

/// How many resources of the app are there, by a list of what is deployed.
fn resources(listed: &Json) -> u64 {
    let rows = listed["deployments"].as_array().unwrap();
    let row = rows.iter().find(|row| row["app"] == "tunekill");
    row.unwrap_or_else(|| panic!("{listed}"))["resources"].as_u64().unwrap()
}

#[test]
fn the_copy_of_a_killed_run_is_found_by_whatever_comes_next() {
    let mut scene = scene("tunekill");
    killed(&scene, "Invoke");
    assert_eq!(copies(&scene).len(), 1, "a killed run cannot clean up");
    let ran = scene.ok(&[&SHORT[..], &["--lock-timeout", "3m"]].concat());
    assert!(ran.stderr.contains("removed tunekill-test-tune, which an earlier run left behind"), "{ran:?}");
    assert_eq!(copies(&scene), [""; 0]);

    let before = resources(&scene.ok(&["status", "--all", "--json"]).json());
    killed(&scene, "Invoke");
    assert_eq!(copies(&scene).len(), 1);
    // Known by its name in the env that is in force, and by its tags when nobody has it any more.
    let text = std::fs::read_to_string(scene.yard.yard.path().join("hitctl.toml")).unwrap();
    scene.yard.yard.write("hitctl.toml", &text.replace("tunekill", "tunenew"));
    let listed = scene.ok(&["gc", "--json"]).json();
    assert_eq!(resources(&listed), before + 1, "what is deployed, and the copy: {listed}");
    let file = scene.yard.yard.path().join("gone.ndjson").display().to_string();
    scene.ok(&[
        "gc",
        "tunekill/test",
        "--delete-data",
        "--confirm",
        "test",
        "--export",
        &file,
        "--lock-timeout",
        "3m",
    ]);
    assert_eq!(left(Emulator::ministack(), "tunekill"), [""; 0]);
}
