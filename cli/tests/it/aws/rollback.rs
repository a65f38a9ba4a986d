//! Back to an earlier version, and forth again.

use hitctl_emulators::Emulator;

use super::yard::AwsYard;

/// A directory in which two versions were deployed.
fn twice(app: &str) -> AwsYard {
    let yard = AwsYard::new(Emulator::ministack().endpoint(), app, "");
    let first = yard.deploy(&[]);
    assert_eq!(first.code, 0, "{first:?}");
    yard.configure("function.memory_mb = 512");
    let second = yard.deploy(&[]);
    assert_eq!(second.code, 0, "{second:?}");
    yard
}

#[test]
fn an_earlier_version_answers_until_the_next_deploy() {
    let yard = twice("rollback");
    assert_eq!(
        yard.run(&["status", "--json"]).json()["version"],
        serde_json::json!({"live": 2, "newest": null})
    );

    let back = yard.run(&["rollback", "--yes", "--json"]);
    assert_eq!(back.code, 0, "{back:?}");
    let back = back.json();
    assert_eq!((&back["from"], &back["to"]), (&2.into(), &1.into()));
    assert!(back["url"].is_string(), "{back}");
    let listed = yard.run(&["rollback", "--list", "--json"]).json();
    let live = |version: &serde_json::Value| (version["version"].as_u64(), version["live"].as_bool());
    let versions: Vec<_> = listed["versions"].as_array().unwrap().iter().map(live).collect();
    assert_eq!(versions, [(Some(2), Some(false)), (Some(1), Some(true))]);
    assert!(listed["versions"][0]["build"].is_string(), "{listed}");
    // The reader goes back to the same release.
    let resources = yard.run(&["status", "--json"]).json()["resources"].clone();
    let alias = |address: &str| {
        let rows = resources.as_array().unwrap();
        rows.iter().find(|row| row["address"] == address).map(|row| row["outputs"]["version"].clone())
    };
    assert_eq!(alias("alias.live"), Some("1".into()), "{resources}");
    assert_eq!(alias("alias.reader"), Some("1".into()), "{resources}");

    let status = yard.run(&["status"]);
    assert!(status.stdout.contains("rolled back: version 1 answers, 2 is the newest"), "{status:?}");
    let plan = yard.run(&["plan", "--artifact", &crate::support::artifact(), "--detailed-exitcode"]);
    assert_eq!(plan.code, 2, "{plan:?}");
    assert!(plan.stdout.contains("alias.live: version 1 answers"), "{plan:?}");

    // Nothing is published for what was published before.
    let forth = yard.deploy(&[]);
    assert_eq!(forth.code, 0, "{forth:?}");
    assert_eq!(
        yard.run(&["status", "--json"]).json()["version"],
        serde_json::json!({"live": 2, "newest": null})
    );
}

#[test]
fn what_cannot_be_gone_back_to_changes_nothing() {
    let yard = twice("norollback");
    // Nobody is there to agree.
    let asked = yard.run(&["rollback", "--no-input"]);
    assert_eq!(asked.code, 3, "{asked:?}");
    let unknown = yard.run(&["rollback", "--to", "7", "--yes"]);
    assert_eq!(unknown.code, 1, "{unknown:?}");
    assert!(unknown.stderr.contains("there is no version 7"), "{unknown:?}");
    let back = yard.run(&["rollback", "--to", "1", "--yes"]);
    assert_eq!(back.code, 0, "{back:?}");
    let further = yard.run(&["rollback", "--yes"]);
    assert_eq!(further.code, 1, "{further:?}");
    assert!(further.stderr.contains("there is no version before 1"), "{further:?}");
}

#[test]
fn without_versions_the_function_itself_answers() {
    let yard = AwsYard::new(Emulator::ministack().endpoint(), "nopublish", "");
    let deployed = yard.deploy(&["--no-publish"]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    let back = yard.run(&["rollback", "--yes"]);
    assert_eq!(back.code, 1, "{back:?}");
    assert!(back.stderr.contains("no version is published in test"), "{back:?}");
}
