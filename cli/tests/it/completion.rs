//! Dynamic completions, requested as a shell script does.

use crate::support::TestEnv;

/// Returns the candidates for the last of these words.
fn candidates(test_env: &TestEnv, words: &[&str]) -> Vec<String> {
    let mut command = test_env.command(&[&["--", "hitctl"], words].concat());
    // The completion script for bash sets these variables.
    command.envs([("HITCTL_COMPLETE", "bash"), ("_CLAP_IFS", "\n")]);
    command.env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn environments_profiles_and_commands_are_completed() {
    let test_env = TestEnv::with_config("[env.prod]\n\n[env.preview]\n");
    assert_eq!(candidates(&test_env, &["stat"]), ["status"]);
    assert_eq!(candidates(&test_env, &["status", "--env", "pr"]), ["prod", "preview"]);
    assert!(candidates(&test_env, &["--env", ""]).contains(&"local".to_owned()));
    std::fs::create_dir_all(test_env.path().join("home/.aws")).unwrap();
    test_env.write("home/.aws/config", "[profile work]\nregion = eu-west-1\n[default]\nregion = eu-west-1\n");
    test_env.write("home/.aws/credentials", "[own]\naws_access_key_id = A\naws_secret_access_key = b\n");
    assert_eq!(candidates(&test_env, &["deploy", "--profile", ""]), ["default", "own", "work"]);
    // With an invalid configuration there are no candidates, and no error message.
    test_env.write("hitctl.toml", "app = ");
    assert_eq!(candidates(&test_env, &["status", "--env", "pr"]), [""; 0]);
}

#[test]
fn counted_paths_are_completed_without_percent_encoding() {
    let test_env = TestEnv::with_config("");
    assert_eq!(candidates(&test_env, &["counts", "get", "/"]), [""; 0], "nothing is deployed");
    test_env.deploy();
    test_env.counts(&["set", "/über-mich", "7"]);
    test_env.counts(&["set", "/about", "9"]);
    assert_eq!(candidates(&test_env, &["counts", "get", "/"]), ["/about", "/über-mich"]);
    assert_eq!(candidates(&test_env, &["snippet", "--path", "/üb"]), ["/über-mich"]);
    assert_eq!(candidates(&test_env, &["counts", "rename", "/a"]), ["/about"]);
    // Completion does not start a stopped local cloud.
    assert_eq!(test_env.run(&["local", "stop"]).code, 0);
    assert_eq!(candidates(&test_env, &["counts", "get", "/"]), [""; 0]);
}
