//! What a renamed app left behind: found by its tags, and removed by name.

use crate::support::{Yard, artifact};

#[test]
fn a_renamed_app_is_found_and_removed_and_its_counts_are_asked_about() {
    let yard = Yard::with("app = \"old\"\n");
    yard.deploy();
    yard.write("hitctl.toml", "app = \"new\"\n");
    yard.deploy();

    let ran = yard.run(&["status", "--all", "--json"]);
    let json = ran.json();
    let rows = json["deployments"].as_array().unwrap();
    let seen: Vec<_> =
        rows.iter().map(|row| (row["app"].as_str().unwrap(), row["declared"].clone())).collect();
    assert_eq!(seen, [("new", true.into()), ("old", false.into())]);

    insta::assert_snapshot!(yard.run(&["gc"]).stdout, @"
    APP  ENV    RESOURCES  COUNTS  CONFIGURATION
    old  local          9  kept    does not have it

    Another project may own what this configuration does not have.
    next  hitctl gc old/local
    ");
    // What the configuration has is no garbage, and what is not there neither.
    assert_eq!(yard.run(&["gc", "new/local", "--yes"]).code, 64);
    assert_eq!(yard.run(&["gc", "old", "--yes"]).code, 64);
    let nothing = yard.run(&["gc", "older/local", "--confirm", "local"]);
    assert_eq!(nothing.code, 0, "{nothing:?}");

    // Nobody can look up in the configuration what is removed: yes is not enough.
    assert_eq!(yard.run(&["gc", "old/local", "--yes"]).code, 3);
    let ran = yard.run(&["gc", "old/local", "--confirm", "local"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        yard.run(&["gc", "--json"]).json()["deployments"][0]["resources"],
        2,
        "the counts and the log are kept"
    );
    let ran = yard.run(&["gc", "old/local", "--delete-data", "--confirm", "local", "--export", "old.ndjson"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(yard.run(&["gc", "--json"]).json()["deployments"].as_array().unwrap().len(), 0);
    assert_eq!(yard.run(&["status", "--detailed-exitcode"]).code, 0, "what is in force is untouched");
}

#[test]
fn what_is_somebody_elses_is_taken_over_when_asked() {
    // Two apps that come to the same names.
    let yard = Yard::with("app = \"a\"\n[env.b-local]\ntarget = \"local\"\n");
    let zip = artifact();
    let ran = yard.run(&["deploy", "-e", "b-local", "--artifact", &zip]);
    assert_eq!(ran.code, 0, "{ran:?}");
    yard.write("hitctl.toml", "app = \"a-b\"\n");
    let ran = yard.run(&["deploy", "-e", "local", "--artifact", &zip]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let hint =
        "give `app` in hitctl.toml another name, or take table a-b-local over with `hitctl deploy --adopt`";
    assert!(ran.stderr.contains(hint), "{ran:?}");
    let ran = yard.run(&["plan", "-e", "local", "--artifact", &zip, "--adopt", "--json"]);
    assert_eq!(ran.json()["summary"]["create"], 0, "{ran:?}");
    let ran = yard.run(&["deploy", "-e", "local", "--artifact", &zip, "--adopt"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = yard.run(&["deploy", "-e", "local", "--artifact", &zip, "--json"]);
    assert_eq!(ran.json()["summary"]["update"], 0, "it is ours now: {ran:?}");
}
