//! Nothing is sent to AWS by whoever should not be there, or cannot say who they are.

use hitctl_emulators::Emulator;

use super::scene::Scene;
use crate::support::{Ran, artifact};

/// Commands of every sort.
fn commands(zip: &str) -> [Vec<&str>; 7] {
    [
        vec!["deploy", "--artifact", zip],
        vec!["plan", "--artifact", zip],
        vec!["status"],
        vec!["invoke", "--path", "/"],
        vec!["logs"],
        vec!["counts", "add", "/", "1"],
        vec!["destroy", "--yes"],
    ]
}

/// Runs each command where it cannot go on; all that may be sent is the question who is asking.
fn each(scene: &mut Scene, without: &[&str], check: impl Fn(&Ran), sent: &[&str]) {
    let zip = artifact();
    for command in commands(&zip) {
        scene.wire.reset();
        let ran = scene.yard.run_as(&command, |world| {
            for name in without {
                world.env.remove(*name);
            }
        });
        assert_ne!(ran.code, 0, "{command:?}: {ran:?}");
        check(&ran);
        assert_eq!(scene.wire.names(), sent, "{command:?}: {ran:?}");
    }
}

#[test]
fn another_account_than_the_configured_one_is_left_alone() {
    let mut scene = Scene::new(Emulator::ministack(), "guard", "account = \"999999999999\"\n");
    let check = |ran: &Ran| {
        assert_eq!(ran.code, 4, "{ran:?}");
        let said = "these credentials are for account 123456789012, and hitctl.toml allows only 999999999999";
        assert!(ran.stderr.contains(said), "{ran:?}");
    };
    each(&mut scene, &[], check, &["sts:GetCallerIdentity"]);
    // The right one is let in.
    scene.yard.configure(&format!("account = \"{}\"\n", Emulator::ACCOUNT));
    scene.ok(&["status"]);
}

#[test]
fn nobody_sends_nothing() {
    let mut scene = Scene::new(Emulator::ministack(), "nobody", "");
    let check = |ran: &Ran| {
        assert_eq!(ran.code, 4, "{ran:?}");
        assert!(ran.stderr.contains("credentials"), "{ran:?}");
    };
    each(&mut scene, &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], check, &[]);
}

#[test]
fn without_a_region_nothing_is_sent() {
    let mut scene = Scene::new(Emulator::ministack(), "nowhere", "");
    let toml = scene.yard.yard.path().join("hitctl.toml");
    let config = std::fs::read_to_string(&toml).unwrap();
    let config: Vec<&str> = config.lines().filter(|line| !line.starts_with("region")).collect();
    scene.yard.yard.write("hitctl.toml", &config.join("\n"));
    let check = |ran: &Ran| assert!(ran.stderr.contains("region"), "{ran:?}");
    each(&mut scene, &[], check, &[]);
}
