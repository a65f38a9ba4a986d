//! What is somebody else's is left alone, until it is asked for.

use hitctl_emulators::Emulator;

use super::scene::left;
use super::yard::AwsYard;
use crate::support::{Ran, artifact};

/// Deploys `app` to `env`: two of these can come to the same names.
fn deploy(yard: &AwsYard, app: &str, env: &str, more: &[&str]) -> Ran {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let region = Emulator::REGION;
    yard.yard.write(
        "hitctl.toml",
        &format!("app = \"{app}\"\nregion = \"{region}\"\nfunction.arch = \"{arch}\"\n[env.{env}]\n"),
    );
    let zip = artifact();
    let place = ["deploy", "--json", "--env", env, "--endpoint-url", &yard.endpoint, "--artifact", &zip];
    yard.yard.run_as(&[&place, more].concat(), |world| world.env = yard.env())
}

#[test]
fn what_is_somebody_elses_is_taken_over_only_when_asked() {
    let emulator = Emulator::ministack();
    let yard = AwsYard::new(emulator.endpoint(), "adopt", "");
    let first = deploy(&yard, "adopt", "x-test", &[]);
    assert_eq!(first.code, 0, "{first:?}");

    let refused = deploy(&yard, "adopt-x", "test", &[]);
    assert_eq!(refused.code, 1, "{refused:?}");
    let said = refused.json()["error"].to_string();
    assert!(said.contains("app adopt, env x-test") && said.contains("hitctl deploy --adopt"), "{said}");

    let adopted = deploy(&yard, "adopt-x", "test", &["--adopt"]);
    assert_eq!(adopted.code, 0, "{adopted:?}");
    assert_eq!(adopted.json()["summary"]["create"], 0, "nothing is made twice: {adopted:?}");
    assert_eq!(adopted.json()["outputs"]["url"], first.json()["outputs"]["url"], "the URL stays");
    assert_eq!(left(emulator, "adopt-x").len(), 7);

    let again = deploy(&yard, "adopt-x", "test", &[]);
    assert_eq!((again.code, &again.json()["summary"]["update"]), (0, &0.into()), "it is ours now: {again:?}");
    assert_eq!(deploy(&yard, "adopt", "x-test", &[]).code, 1, "and theirs no more");
}
