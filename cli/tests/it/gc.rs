//! Leftovers of a renamed app: found by their tags, and removed by name.

use crate::support::{TestEnv, artifact};

#[test]
fn leftover_app_is_listed_and_removed_with_confirmation_for_counts() {
    let test_env = TestEnv::with_config("app = \"old\"\n");
    test_env.deploy();
    test_env.write("hitctl.toml", "app = \"new\"\n");
    test_env.deploy();

    let output = test_env.run(&["status", "--all", "--json"]);
    let json = output.json();
    let rows = json["deployments"].as_array().unwrap();
    let listed: Vec<_> =
        rows.iter().map(|row| (row["app"].as_str().unwrap(), row["declared"].clone())).collect();
    assert_eq!(listed, [("new", true.into()), ("old", false.into())]);

    insta::assert_snapshot!(test_env.run(&["gc"]).stdout, @"
    APP  ENV    RESOURCES  COUNTS  CONFIGURATION
    old  local          9  yes     not declared

    Undeclared deployments may belong to another project.
    next  hitctl gc old/local
    ");
    // A configured deployment and a name without an environment are refused. An unknown deployment has no resources.
    assert_eq!(test_env.run(&["gc", "new/local", "--yes"]).code, 64);
    assert_eq!(test_env.run(&["gc", "old", "--yes"]).code, 64);
    let unknown = test_env.run(&["gc", "older/local", "--confirm", "local"]);
    assert_eq!(unknown.code, 0, "{unknown:?}");

    // The removed app is not in the configuration, so `--yes` is not enough.
    assert_eq!(test_env.run(&["gc", "old/local", "--yes"]).code, 3);
    let output = test_env.run(&["gc", "old/local", "--confirm", "local"]);
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(
        test_env.run(&["gc", "--json"]).json()["deployments"][0]["resources"],
        2,
        "the counts and the log are kept"
    );
    let output =
        test_env.run(&["gc", "old/local", "--delete-data", "--confirm", "local", "--export", "old.ndjson"]);
    assert_eq!(output.code, 0, "{output:?}");
    assert_eq!(test_env.run(&["gc", "--json"]).json()["deployments"].as_array().unwrap().len(), 0);
    assert_eq!(test_env.run(&["status", "--detailed-exitcode"]).code, 0, "the configured app is unchanged");
}

#[test]
fn resources_of_another_app_are_adopted_with_flag() {
    // Two apps with the same resource names.
    let test_env = TestEnv::with_config("app = \"a\"\n[env.b-local]\ntarget = \"local\"\n");
    let zip = artifact();
    let output = test_env.run(&["deploy", "-e", "b-local", "--artifact", &zip]);
    assert_eq!(output.code, 0, "{output:?}");
    test_env.write("hitctl.toml", "app = \"a-b\"\n");
    let output = test_env.run(&["deploy", "-e", "local", "--artifact", &zip]);
    assert_eq!(output.code, 1, "{output:?}");
    let hint = "set another `app` in hitctl.toml, or take over table a-b-local with `hitctl deploy --adopt`";
    assert!(output.stderr.contains(hint), "{output:?}");
    let output = test_env.run(&["plan", "-e", "local", "--artifact", &zip, "--adopt", "--json"]);
    assert_eq!(output.json()["summary"]["create"], 0, "{output:?}");
    let output = test_env.run(&["deploy", "-e", "local", "--artifact", &zip, "--adopt"]);
    assert_eq!(output.code, 0, "{output:?}");
    let output = test_env.run(&["deploy", "-e", "local", "--artifact", &zip, "--json"]);
    assert_eq!(output.json()["summary"]["update"], 0, "nothing to adopt: {output:?}");
}
