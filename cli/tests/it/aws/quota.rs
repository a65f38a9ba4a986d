//! A new account, in which nobody may reserve concurrency.

use hitctl_emulators::{Emulator, Fault};

use super::scene::{Scene, hit};
use crate::support::artifact;

/// What AWS gives a new account.
const NEW: u32 = 10;
const ASK: &str = "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 \
                   --desired-value 1000 --region eu-central-1";
const SHORT: &str = "1 cannot be reserved: the account may run 10 invocations at once, 10 of them are unreserved, and 10 \
                     have to stay so";

#[test]
fn a_new_account_goes_without_and_is_told_how_to_get_more() {
    let emulator = Emulator::new_ministack_of(NEW);
    let mut scene = Scene::new(&emulator, "quota", "strict = true\n");
    let zip = artifact();

    let refused = scene.run(&["deploy", "--artifact", &zip]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_eq!(scene.wire.writes(), Vec::<String>::new(), "it is refused before anything is made");
    for part in [SHORT, ASK, "`strict = true`", "nothing was changed"] {
        assert!(refused.stderr.contains(part), "{part:?} is not in {refused:?}");
    }
    let doctor = scene.run(&["doctor"]);
    assert_ne!(doctor.code, 0, "{doctor:?}");
    assert!(doctor.stdout.contains(ASK) && doctor.stdout.contains("deploys fail"), "{doctor:?}");

    scene.yard.configure("");
    let doctor = scene.ok(&["doctor"]);
    assert!(doctor.stdout.contains(ASK) && doctor.stdout.contains("deploys go without"), "{doctor:?}");
    let deployed = scene.ok(&["deploy", "--artifact", &zip]);
    assert!(!scene.wire.names().contains(&"lambda:PutFunctionConcurrency".to_owned()));
    let said = deployed.stdout.clone() + &deployed.stderr;
    assert_eq!(said.matches(ASK).count(), 1, "one warning, with the command: {deployed:?}");
    assert!(said.contains("cannot be reserved"), "{deployed:?}");

    // What cannot be had is no drift, and is told again by whatever would have it.
    assert_eq!(scene.run(&["status", "--detailed-exitcode"]).code, 0);
    let plan = scene.run(&["plan", "--json", "--detailed-exitcode", "--artifact", &zip]);
    assert_eq!(plan.code, 0, "{plan:?}");
    assert!(plan.json()["warnings"].to_string().contains(ASK), "{plan:?}");
    let url = scene.deploy().expect("an API has a URL");
    assert_eq!(hit(&url, "/counter?path=/").json()["hits"], 1);
}

#[test]
fn who_may_not_ask_for_the_quota_goes_on() {
    let mut scene = Scene::new(Emulator::ministack(), "noquota", "");
    let denied = |scene: &Scene| {
        scene.wire.reset();
        scene.wire.rule(|call| {
            let message = "User is not authorized to perform: lambda:GetAccountSettings";
            call.is("lambda:GetAccountSettings").then(|| Fault::status(403, "AccessDeniedException", message))
        });
    };
    denied(&scene);
    let doctor = scene.run_on(&["doctor"]);
    assert!(doctor.code == 0 && doctor.stdout.contains("not known"), "{doctor:?}");
    denied(&scene);
    let deployed = scene.run_on(&["deploy", "--artifact", &artifact()]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    assert!(scene.wire.names().contains(&"lambda:PutFunctionConcurrency".to_owned()), "it is tried");
    assert_eq!(scene.run(&["status", "--detailed-exitcode"]).code, 0);
}

#[test]
fn more_writes_than_a_table_may_take_are_refused_before_anything_is_made() {
    let mut scene = Scene::new(Emulator::ministack(), "tablequota", "table.max_write_units = 50000\n");
    let zip = artifact();
    for command in ["plan", "deploy"] {
        let refused = scene.run(&[command, "--artifact", &zip]);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert_eq!(scene.wire.writes(), Vec::<String>::new());
        for part in ["`max_write_units` is 50000", "at most 40000", "Service Quotas"] {
            assert!(refused.stderr.contains(part), "{part:?} is not in {refused:?}");
        }
    }
    let answered = |scene: &mut Scene, fault: fn() -> Fault| {
        scene.wire.reset();
        scene.wire.rule(move |call| call.is("dynamodb:DescribeLimits").then(fault));
        scene.run_on(&["plan", "--artifact", &artifact()])
    };
    let more = answered(&mut scene, || Fault::Answer {
        status: 200,
        content_type: "application/x-amz-json-1.0".to_owned(),
        body: r#"{"TableMaxWriteCapacityUnits":60000}"#.to_owned(),
    });
    assert_eq!(more.code, 0, "an account may have asked for more: {more:?}");
    let denied = answered(&mut scene, || {
        Fault::status(
            403,
            "AccessDeniedException",
            "User is not authorized to perform: dynamodb:DescribeLimits",
        )
    });
    assert!(denied.code == 1 && denied.stderr.contains("AWS's default"), "{denied:?}");

    scene.yard.configure("table.max_write_units = 40000\n");
    scene.ok(&["plan", "--artifact", &zip]);
    assert!(
        !scene.wire.names().contains(&"dynamodb:DescribeLimits".to_owned()),
        "the default is not asked for"
    );
}
