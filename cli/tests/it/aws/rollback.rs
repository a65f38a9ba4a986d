//! Rollback to an earlier version, and the next deploy.

use hitctl_emulators::Emulator;

use super::test_env::AwsTestEnv;

/// Creates an environment in which two versions were deployed.
fn deployed_twice(app: &str) -> AwsTestEnv {
    let aws_env = AwsTestEnv::new(Emulator::ministack().endpoint(), app, "");
    let first = aws_env.deploy(&[]);
    assert_eq!(first.code, 0, "{first:?}");
    aws_env.configure("function.memory_mb = 512");
    let second = aws_env.deploy(&[]);
    assert_eq!(second.code, 0, "{second:?}");
    aws_env
}

#[test]
fn rolled_back_version_is_live_until_next_deploy() {
    let aws_env = deployed_twice("rollback");
    assert_eq!(
        aws_env.run(&["status", "--json"]).json()["version"],
        serde_json::json!({"live": 2, "newest": null})
    );

    let back = aws_env.run(&["rollback", "--yes", "--json"]);
    assert_eq!(back.code, 0, "{back:?}");
    let back = back.json();
    assert_eq!((&back["from"], &back["to"]), (&2.into(), &1.into()));
    assert!(back["url"].is_string(), "{back}");
    let listed = aws_env.run(&["rollback", "--list", "--json"]).json();
    let live = |version: &serde_json::Value| (version["version"].as_u64(), version["live"].as_bool());
    let versions: Vec<_> = listed["versions"].as_array().unwrap().iter().map(live).collect();
    assert_eq!(versions, [(Some(2), Some(false)), (Some(1), Some(true))]);
    assert!(listed["versions"][0]["build"].is_string(), "{listed}");
    // The reader is rolled back to the same release.
    let resources = aws_env.run(&["status", "--json"]).json()["resources"].clone();
    let alias = |address: &str| {
        let rows = resources.as_array().unwrap();
        rows.iter().find(|row| row["address"] == address).map(|row| row["outputs"]["version"].clone())
    };
    assert_eq!(alias("alias.live"), Some("1".into()), "{resources}");
    assert_eq!(alias("alias.reader"), Some("1".into()), "{resources}");

    let status = aws_env.run(&["status"]);
    assert!(status.stdout.contains("version 1 (rolled back; the newest is 2)"), "{status:?}");
    let plan = aws_env.run(&["plan", "--artifact", &crate::support::artifact(), "--detailed-exitcode"]);
    assert_eq!(plan.code, 2, "{plan:?}");
    assert!(plan.stdout.contains("alias.live: the live alias points at version 1"), "{plan:?}");

    // A release that was published before is not published again.
    let redeployed = aws_env.deploy(&[]);
    assert_eq!(redeployed.code, 0, "{redeployed:?}");
    assert_eq!(
        aws_env.run(&["status", "--json"]).json()["version"],
        serde_json::json!({"live": 2, "newest": null})
    );
}

#[test]
fn impossible_rollback_changes_nothing() {
    let aws_env = deployed_twice("norollback");
    // With `--no-input`, nobody can confirm.
    let unconfirmed = aws_env.run(&["rollback", "--no-input"]);
    assert_eq!(unconfirmed.code, 3, "{unconfirmed:?}");
    let unknown = aws_env.run(&["rollback", "--to", "7", "--yes"]);
    assert_eq!(unknown.code, 1, "{unknown:?}");
    assert!(unknown.stderr.contains("there is no version 7"), "{unknown:?}");
    let back = aws_env.run(&["rollback", "--to", "1", "--yes"]);
    assert_eq!(back.code, 0, "{back:?}");
    let further = aws_env.run(&["rollback", "--yes"]);
    assert_eq!(further.code, 1, "{further:?}");
    assert!(further.stderr.contains("there is no version before 1"), "{further:?}");
}

#[test]
fn rollback_without_published_versions_fails() {
    let aws_env = AwsTestEnv::new(Emulator::ministack().endpoint(), "nopublish", "");
    let deployed = aws_env.deploy(&["--no-publish"]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    let back = aws_env.run(&["rollback", "--yes"]);
    assert_eq!(back.code, 1, "{back:?}");
    assert!(back.stderr.contains("no version is published in environment test"), "{back:?}");
}
