//! Irreversible changes need confirmation before the first write. Other changes need none.

use hitctl_emulators::Emulator;
use serde_json::{Value as Json, json};

use super::recorded_env::RecordedAwsEnv;
use crate::support::{CommandOutput, artifact};

/// Asserts that a command fails for lack of confirmation, before any write.
#[track_caller]
fn assert_needs_confirmation(aws_env: &mut RecordedAwsEnv, args: &[&str], part: &str) -> CommandOutput {
    let output = aws_env.run(args);
    assert_eq!(output.code, 3, "{args:?}: {output:?}");
    assert_eq!(aws_env.proxy.write_names(), Vec::<String>::new(), "{args:?} wrote before it was confirmed");
    assert!(
        format!("{}{}", output.stderr, output.stdout).contains(part),
        "{args:?}: {part:?} is not in {output:?}"
    );
    output
}

fn losses(plan: &CommandOutput) -> Json {
    plan.json()["losses"].clone()
}

#[test]
fn deploy_that_stops_a_url_needs_yes() {
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "consenturl", "");
    let url = aws_env.deploy().expect("an API has a URL");
    let zip = artifact();
    for expose in ["function-url", "none"] {
        aws_env.env.configure(&format!("http.expose = \"{expose}\"\n"));
        let plan = aws_env.ok(&["plan", "--json", "--artifact", &zip]);
        assert_eq!(
            losses(&plan),
            json!([{
                "address": "http_api.api",
                "loss": format!("{url} will stop working; the next deploy creates a different URL"),
                "confirm": "yes",
            }])
        );
        assert_needs_confirmation(&mut aws_env, &["deploy", "--artifact", &zip], "will stop working");
        assert_needs_confirmation(
            &mut aws_env,
            &["deploy", "--json", "--artifact", &zip],
            "confirmation_needed",
        );
        for wrong in [
            &["deploy", "--artifact", &zip, "--yes", "--confirm", "prod"] as &[&str],
            &["destroy", "--yes", "--confirm", "prod"],
        ] {
            assert_needs_confirmation(&mut aws_env, wrong, "expected --confirm test");
        }
    }
    let shown = aws_env.ok(&["plan", "--artifact", &zip]).stdout;
    assert!(
        shown.contains("irreversible: http_api.api") && shown.contains("`--yes` skips the question"),
        "{shown}"
    );
    aws_env.ok(&["deploy", "--yes", "--artifact", &zip]);
    assert_eq!(losses(&aws_env.ok(&["plan", "--json", "--artifact", &zip])), Json::Null);
    aws_env.ok(&["destroy", "--yes"]);
}

#[test]
fn deploy_that_deletes_backups_or_log_lines_needs_environment_name() {
    let mut aws_env =
        RecordedAwsEnv::new(Emulator::ministack(), "consentdata", "function.log_retention_days = 30\n");
    aws_env.deploy();
    let zip = artifact();
    aws_env.env.configure("function.log_retention_days = 30\ntable.point_in_time_recovery = false\n");
    let plan = aws_env.ok(&["plan", "--json", "--artifact", &zip]);
    let backups = "existing point-in-time backups will be deleted";
    assert_eq!(losses(&plan), json!([{"address": "table.hits", "loss": backups, "confirm": "name"}]));
    assert_needs_confirmation(&mut aws_env, &["deploy", "--artifact", &zip], backups);
    assert_needs_confirmation(&mut aws_env, &["deploy", "--yes", "--artifact", &zip], backups);
    assert_needs_confirmation(
        &mut aws_env,
        &["deploy", "--yes", "--confirm", "prod", "--artifact", &zip],
        "prod",
    );
    aws_env.ok(&["deploy", "--confirm", "test", "--artifact", &zip]);
    // The log group is younger than a day, so it has no line that would be deleted.
    aws_env.env.configure("function.log_retention_days = 1\ntable.point_in_time_recovery = false\n");
    assert_eq!(losses(&aws_env.ok(&["plan", "--json", "--artifact", &zip])), Json::Null);
    aws_env.ok(&["deploy", "--artifact", &zip]);
    aws_env.ok(&["destroy", "--yes"]);
}

/// A first deploy only creates resources, so nothing can be lost.
#[test]
fn first_plan_and_deploy_warn_about_no_loss() {
    for more in ["", "table.point_in_time_recovery = false\nfunction.log_retention_days = 1\n"] {
        let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "consentfirst", more);
        let zip = artifact();
        let plan = aws_env.ok(&["plan", "--json", "--artifact", &zip]);
        assert_eq!(losses(&plan), Json::Null);
        let plan = aws_env.ok(&["plan", "--artifact", &zip]);
        let deployed = aws_env.ok(&["deploy", "--artifact", &zip]);
        for shown in [&plan.stdout, &plan.stderr, &deployed.stdout, &deployed.stderr] {
            assert!(!shown.contains("irreversible") && !shown.contains("deleted"), "{shown}");
        }
        aws_env.ok(&[
            "destroy",
            "--delete-data",
            "--confirm",
            "test",
            "--export",
            &format!("{}.csv", more.len()),
        ]);
    }
}

/// Runs every command that writes, without `--env`.
#[test]
fn write_to_implied_aws_env_needs_confirmation() {
    let aws_env = RecordedAwsEnv::new(Emulator::moto(), "consentenv", "");
    let more = "[queue]\nenabled = true\n[events]\nenabled = true\n";
    aws_env.env.configure(more);
    let zip = artifact();
    std::fs::write(aws_env.env.base.path().join("counts.csv"), "path,hits\n/,1\n").unwrap();
    let run = |args: &[&str]| {
        aws_env.proxy.reset();
        let endpoint = ["--endpoint-url", &aws_env.env.endpoint];
        aws_env.env.base.run_with(&[args, &endpoint].concat(), |process| process.env = aws_env.env.env())
    };
    let commands: &[&[&str]] = &[
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
    for args in commands {
        let output = run(args);
        assert_eq!(output.code, 3, "{args:?}: {output:?}");
        assert!(output.stderr.contains("No environment was given"), "{args:?}: {output:?}");
        assert!(output.stderr.contains("`--env test`"), "{args:?}: {output:?}");
        assert_eq!(
            aws_env.proxy.call_names(),
            Vec::<String>::new(),
            "{args:?} called AWS before it was confirmed"
        );
    }
    for args in [
        &["plan", "--artifact", &zip] as &[&str],
        &["status"],
        &["rollback", "--list"],
        &["invoke", "--path", "/", "--print"],
    ] {
        let output = run(args);
        assert!(output.code != 3, "{args:?} only reads: {output:?}");
    }
    // With `default_env`, the environment is explicit.
    aws_env.env.base.write(
        "hitctl.toml",
        &format!("default_env = \"test\"\nregion = \"{}\"\n{more}[env.test]\n", Emulator::REGION),
    );
    assert!(!run(&["counts", "add", "/", "1"]).stderr.contains("No environment was given"));
}
