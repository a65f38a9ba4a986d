//! Faults put between the program and AWS: what passes is borne, and what does not is said, with what to do about it.

mod deleted;
mod fed;
mod late;
mod refused;

use std::collections::BTreeMap;

use hitctl_emulators::{Call, Emulator, Fault};

use super::scene::{Scene, config, left};
use crate::support::{Ran, artifact};

/// What leaves nothing behind.
const GONE: [&str; 6] = ["destroy", "--delete-data", "--confirm", "test", "--export", "all.ndjson"];

/// Runs a command, while each call goes wrong as the rule says.
fn under(scene: &mut Scene, args: &[&str], rule: impl FnMut(&Call) -> Option<Fault> + Send + 'static) -> Ran {
    scene.wire.reset();
    scene.wire.rule(rule);
    let ran = scene.run_on(args);
    scene.wire.heal();
    ran
}

/// As [`under`], and has to succeed.
fn bears(scene: &mut Scene, args: &[&str], rule: impl FnMut(&Call) -> Option<Fault> + Send + 'static) -> Ran {
    let ran = under(scene, args, rule);
    assert_eq!(ran.code, 0, "{args:?}: {ran:?}\n{:?}", scene.wire.names());
    ran
}

/// How often a call was made.
fn count(scene: &Scene, name: &str) -> usize {
    scene.wire.calls().iter().filter(|call| call.is(name)).count()
}

/// How many HTTP APIs the emulator has of an app: asked past hitctl.
fn apis(app: &str) -> usize {
    let asked = async {
        let client = aws_sdk_apigatewayv2::Client::new(&config(Emulator::ministack()));
        client.get_apis().send().await.unwrap().items.unwrap_or_default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let base = format!("{app}-test");
    runtime.block_on(asked).iter().filter(|api| api.name().is_some_and(|name| name.contains(&base))).count()
}

/// Nothing differs any more, and nothing was made twice.
fn converged(scene: &mut Scene, app: &str) {
    let plan = scene.run(&["plan", "--detailed-exitcode", "--artifact", &artifact()]);
    assert_eq!(plan.code, 0, "{plan:?}");
    assert_eq!(apis(app), 1);
}

/// Destroys all of it.
fn gone(scene: &mut Scene, app: &str) {
    scene.ok(&GONE);
    assert_eq!(left(Emulator::ministack(), app), Vec::<String>::new());
}

/// What a service says to too many calls.
fn throttled(call: &Call) -> Fault {
    match call.service.as_str() {
        "lambda" | "apigateway" => Fault::status(429, "TooManyRequestsException", "Too Many Requests"),
        "iam" | "sts" => Fault::status(400, "Throttling", "Rate exceeded"),
        _ => Fault::status(400, "ThrottlingException", "Rate exceeded"),
    }
}

/// Refuses every second call of each operation, the first one too.
fn storm() -> impl FnMut(&Call) -> Option<Fault> + Send + 'static {
    let mut asked: BTreeMap<String, u32> = BTreeMap::new();
    move |call| {
        let asked = asked.entry(call.to_string()).or_default();
        *asked += 1;
        (*asked % 2 == 1).then(|| throttled(call))
    }
}

#[test]
fn a_storm_of_throttling_is_borne() {
    let mut scene = Scene::new(Emulator::ministack(), "storm", "");
    bears(&mut scene, &["deploy", "--artifact", &artifact()], storm());
    for (name, resources) in [
        ("sts:GetCallerIdentity", 1),
        ("apigateway:CreateApi", 1),
        ("iam:CreateRole", 2),
        ("lambda:CreateFunction", 2),
    ] {
        let calls = count(&scene, name);
        assert_eq!(calls, 2 * resources, "{name} was refused once for each: {:?}", scene.wire.names());
    }
    converged(&mut scene, "storm");
    bears(&mut scene, &GONE, storm());
    assert_eq!(left(Emulator::ministack(), "storm"), Vec::<String>::new());
}

/// Refuses the first call of each operation that another change keeps from being made.
fn busy() -> impl FnMut(&Call) -> Option<Fault> + Send + 'static {
    let mut asked: BTreeMap<String, u32> = BTreeMap::new();
    move |call| {
        let (code, message) = match (call.service.as_str(), call.operation.as_str()) {
            ("lambda", "UpdateFunctionConfiguration" | "UpdateFunctionCode" | "PublishVersion") => (
                "ResourceConflictException",
                "The operation cannot be performed at this time. An update is in progress for resource: f",
            ),
            ("apigateway", _) if call.writes() => {
                ("ConflictException", "Unable to complete operation due to concurrent modification.")
            }
            ("dynamodb", "UpdateTable") => {
                ("ResourceInUseException", "Attempt to change a resource which is still in use")
            }
            ("iam", "PutRolePolicy" | "DeleteRole") => (
                "ConcurrentModification",
                "The request was rejected because multiple requests to change this object were submitted.",
            ),
            _ => return None,
        };
        let asked = asked.entry(call.to_string()).or_default();
        *asked += 1;
        let status = if call.service == "dynamodb" { 400 } else { 409 };
        (*asked == 1).then(|| Fault::status(status, code, message))
    }
}

#[test]
fn a_change_in_progress_is_waited_for() {
    let mut scene = Scene::new(Emulator::ministack(), "inprogress", "");
    bears(&mut scene, &["deploy", "--artifact", &artifact()], busy());
    converged(&mut scene, "inprogress");

    let build = scene.build(1);
    scene.yard.configure(
        "function.memory_mb = 256\nhttp.burst = 40\nhttp.allow_origins = [\"https://a.example\"]\n\
         table.max_write_units = 40\n",
    );
    bears(&mut scene, &["deploy", "--artifact", &build], busy());
    for name in [
        "lambda:UpdateFunctionConfiguration",
        "lambda:UpdateFunctionCode",
        "lambda:PublishVersion",
        "apigateway:UpdateApi",
        "apigateway:UpdateStage",
        "dynamodb:UpdateTable",
    ] {
        assert!(count(&scene, name) > 1, "{name} is made again: {:?}", scene.wire.names());
    }
    let plan = scene.run(&["plan", "--detailed-exitcode", "--artifact", &build]);
    assert_eq!((plan.code, apis("inprogress")), (0, 1), "{plan:?}");

    bears(&mut scene, &GONE, busy());
    assert_eq!(left(Emulator::ministack(), "inprogress"), Vec::<String>::new());
}
