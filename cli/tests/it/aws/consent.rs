//! Irreversible changes are confirmed before the first write; harmless ones are not.

use hitctl_emulators::Emulator;
use serde_json::{Value as Json, json};

use super::scene::Scene;
use crate::support::{Ran, artifact};

/// Fails to confirm: nothing may have been written.
#[track_caller]
fn refuses(scene: &mut Scene, args: &[&str], part: &str) -> Ran {
    let ran = scene.run(args);
    assert_eq!(ran.code, 3, "{args:?}: {ran:?}");
    assert_eq!(scene.wire.writes(), Vec::<String>::new(), "{args:?} wrote before it was confirmed");
    assert!(format!("{}{}", ran.stderr, ran.stdout).contains(part), "{args:?}: {part:?} is not in {ran:?}");
    ran
}

fn losses(plan: &Ran) -> Json {
    plan.json()["losses"].clone()
}

#[test]
fn deploy_asks_before_a_url_stops_working_and_yes_is_enough() {
    let mut scene = Scene::new(Emulator::ministack(), "consenturl", "");
    let url = scene.deploy().expect("an API has a URL");
    let zip = artifact();
    for expose in ["function-url", "none"] {
        scene.yard.configure(&format!("http.expose = \"{expose}\"\n"));
        let plan = scene.ok(&["plan", "--json", "--artifact", &zip]);
        assert_eq!(
            losses(&plan),
            json!([{
                "address": "http_api.api",
                "loss": format!("{url} will stop working; the next deploy creates a different URL"),
                "confirm": "yes",
            }])
        );
        refuses(&mut scene, &["deploy", "--artifact", &zip], "will stop working");
        refuses(&mut scene, &["deploy", "--json", "--artifact", &zip], "confirmation_needed");
        for wrong in [
            &["deploy", "--artifact", &zip, "--yes", "--confirm", "prod"] as &[&str],
            &["destroy", "--yes", "--confirm", "prod"],
        ] {
            refuses(&mut scene, wrong, "expected --confirm test");
        }
    }
    let shown = scene.ok(&["plan", "--artifact", &zip]).stdout;
    assert!(
        shown.contains("cannot be undone: http_api.api") && shown.contains("`--yes` answers it"),
        "{shown}"
    );
    scene.ok(&["deploy", "--yes", "--artifact", &zip]);
    assert_eq!(losses(&scene.ok(&["plan", "--json", "--artifact", &zip])), Json::Null);
    scene.ok(&["destroy", "--yes"]);
}

#[test]
fn deploy_asks_for_the_name_before_backups_or_log_lines_are_deleted() {
    let mut scene = Scene::new(Emulator::ministack(), "consentdata", "function.log_retention_days = 30\n");
    scene.deploy();
    let zip = artifact();
    scene.yard.configure("function.log_retention_days = 30\ntable.point_in_time_recovery = false\n");
    let plan = scene.ok(&["plan", "--json", "--artifact", &zip]);
    let backups = "existing point-in-time backups will be deleted";
    assert_eq!(losses(&plan), json!([{"address": "table.hits", "loss": backups, "confirm": "name"}]));
    refuses(&mut scene, &["deploy", "--artifact", &zip], backups);
    refuses(&mut scene, &["deploy", "--yes", "--artifact", &zip], backups);
    refuses(&mut scene, &["deploy", "--yes", "--confirm", "prod", "--artifact", &zip], "prod");
    scene.ok(&["deploy", "--confirm", "test", "--artifact", &zip]);
    // The log group is younger than a day: it has no line to lose.
    scene.yard.configure("function.log_retention_days = 1\ntable.point_in_time_recovery = false\n");
    assert_eq!(losses(&scene.ok(&["plan", "--json", "--artifact", &zip])), Json::Null);
    scene.ok(&["deploy", "--artifact", &zip]);
    scene.ok(&["destroy", "--yes"]);
}

/// The first plan of a new user: nothing is there, so nothing can be lost.
#[test]
fn first_plan_and_deploy_warn_of_no_loss() {
    for more in ["", "table.point_in_time_recovery = false\nfunction.log_retention_days = 1\n"] {
        let mut scene = Scene::new(Emulator::ministack(), "consentfirst", more);
        let zip = artifact();
        let plan = scene.ok(&["plan", "--json", "--artifact", &zip]);
        assert_eq!(losses(&plan), Json::Null);
        let plan = scene.ok(&["plan", "--artifact", &zip]);
        let deployed = scene.ok(&["deploy", "--artifact", &zip]);
        for shown in [&plan.stdout, &plan.stderr, &deployed.stdout, &deployed.stderr] {
            assert!(!shown.contains("undone") && !shown.contains("deleted"), "{shown}");
        }
        scene.ok(&[
            "destroy",
            "--delete-data",
            "--confirm",
            "test",
            "--export",
            &format!("{}.csv", more.len()),
        ]);
    }
}

/// Every command that writes, on an env that nobody named.
#[test]
fn writing_to_an_env_on_aws_that_is_only_implied_asks_first() {
    let scene = Scene::new(Emulator::moto(), "consentenv", "");
    let more = "[queue]\nenabled = true\n[events]\nenabled = true\n";
    scene.yard.configure(more);
    let zip = artifact();
    std::fs::write(scene.yard.yard.path().join("counts.csv"), "path,hits\n/,1\n").unwrap();
    let run = |args: &[&str]| {
        scene.wire.reset();
        let endpoint = ["--endpoint-url", &scene.yard.endpoint];
        scene.yard.yard.run_as(&[args, &endpoint].concat(), |world| world.env = scene.yard.env())
    };
    let writing: &[&[&str]] = &[
        &["deploy", "--artifact", &zip],
        &["destroy"],
        &["rollback"],
        &["invoke", "--path", "/"],
        &["send", "--path", "/"],
        &["emit", "--source", "cli", "--detail-type", "t", "--detail", "{}"],
        &["dlq", "redrive"],
        &["dlq", "purge", "--confirm", "test"],
        &["counts", "add", "/", "1"],
        &["counts", "set", "/", "1"],
        &["counts", "reset", "/", "--confirm", "test"],
        &["counts", "merge", "/a", "/b"],
        &["counts", "rename", "/a", "/b"],
        &["counts", "delete", "/", "--confirm", "test"],
        &["counts", "import", "counts.csv"],
        &["paths", "sync", "."],
        &["tune"],
    ];
    for args in writing {
        let ran = run(args);
        assert_eq!(ran.code, 3, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("No environment is named"), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("`--env test`"), "{args:?}: {ran:?}");
        assert_eq!(scene.wire.names(), Vec::<String>::new(), "{args:?} asked AWS before it was agreed to");
    }
    for args in [
        &["plan", "--artifact", &zip] as &[&str],
        &["status"],
        &["rollback", "--list"],
        &["invoke", "--path", "/", "--print"],
    ] {
        let ran = run(args);
        assert!(ran.code != 3, "{args:?} only reads: {ran:?}");
    }
    // `default_env` names it.
    scene.yard.yard.write(
        "hitctl.toml",
        &format!("default_env = \"test\"\nregion = \"{}\"\n{more}[env.test]\n", Emulator::REGION),
    );
    assert!(!run(&["counts", "add", "/", "1"]).stderr.contains("No environment is named"));
}
