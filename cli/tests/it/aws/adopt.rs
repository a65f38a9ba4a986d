//! A deploy changes the resources of another app only with `--adopt`.

use hitctl_emulators::Emulator;

use super::recorded_env::remaining_resources;
use super::test_env::AwsTestEnv;
use crate::support::{CommandOutput, artifact};

/// Deploys `app` to `env`. Two pairs can have the same resource names, such as `adopt` with `x-test` and `adopt-x` with
/// `test`.
fn deploy(aws_env: &AwsTestEnv, app: &str, env: &str, more: &[&str]) -> CommandOutput {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let region = Emulator::REGION;
    aws_env.base.write(
        "hitctl.toml",
        &format!("app = \"{app}\"\nregion = \"{region}\"\nfunction.arch = \"{arch}\"\n[env.{env}]\n"),
    );
    let zip = artifact();
    let args = ["deploy", "--json", "--env", env, "--endpoint-url", &aws_env.endpoint, "--artifact", &zip];
    aws_env.base.run_with(&[&args, more].concat(), |process| process.env = aws_env.env())
}

#[test]
fn resources_of_another_app_are_adopted_only_with_flag() {
    let emulator = Emulator::ministack();
    let aws_env = AwsTestEnv::new(emulator.endpoint(), "adopt", "");
    let first = deploy(&aws_env, "adopt", "x-test", &[]);
    assert_eq!(first.code, 0, "{first:?}");

    let refused = deploy(&aws_env, "adopt-x", "test", &[]);
    assert_eq!(refused.code, 1, "{refused:?}");
    let error = refused.json()["error"].to_string();
    assert!(error.contains("app adopt, env x-test") && error.contains("hitctl deploy --adopt"), "{error}");

    let adopted = deploy(&aws_env, "adopt-x", "test", &["--adopt"]);
    assert_eq!(adopted.code, 0, "{adopted:?}");
    assert_eq!(adopted.json()["summary"]["create"], 0, "adopted resources are not created: {adopted:?}");
    assert_eq!(adopted.json()["outputs"]["url"], first.json()["outputs"]["url"], "the URL is unchanged");
    assert_eq!(remaining_resources(emulator, "adopt-x").len(), 7);

    let second = deploy(&aws_env, "adopt-x", "test", &[]);
    assert_eq!(
        (second.code, &second.json()["summary"]["update"]),
        (0, &0.into()),
        "nothing to adopt: {second:?}"
    );
    assert_eq!(deploy(&aws_env, "adopt", "x-test", &[]).code, 1, "the first app has lost the resources");
}
