//! Bad input, from end to end: a clear error with the right exit code, before anything is sent, and nothing half-written.

use crate::support::{Ran, Yard, artifact};

/// Runs and expects an error with that exit code whose text has all these parts.
#[track_caller]
fn fails(yard: &Yard, args: &[&str], code: u8, parts: &[&str]) -> Ran {
    let ran = yard.run(args);
    assert_eq!(ran.code, code, "{ran:?}");
    assert_eq!(ran.stdout, "", "an error is no result");
    for part in parts {
        assert!(ran.stderr.contains(part), "{part:?} is not in\n{}", ran.stderr);
    }
    ran
}

#[test]
fn a_wrong_command_line_is_64() {
    let yard = Yard::new();
    fails(&yard, &["deplyo"], 64, &["deplyo", "deploy"]);
    fails(&yard, &["deploy", "--memory"], 64, &["--memory"]);
    fails(&yard, &["invoke"], 64, &["--path"]);
    fails(&yard, &["logs", "--since", "yesterday"], 64, &["30s, 10m, 2h or 7d"]);
    let json = yard.run(&["invoke", "--json"]);
    assert_eq!((json.code, json.json()["error"]["code"].as_str().is_some()), (64, true), "{json:?}");
}

#[test]
fn every_mistake_of_the_configuration_is_named_at_once_with_its_place() {
    let yard = Yard::with("app = 7\n\n[function]\nmemory = 128\nmemory_mb = 64\n\n[http]\nburst = 0\n");
    let ran = fails(
        &yard,
        &["deploy"],
        64,
        &["hitctl.toml:1:7", "hitctl.toml:4:1", "memory_mb", "hitctl.toml:5:13", "128", "hitctl.toml:8:9"],
    );
    assert!(!yard.path().join(".hitctl").exists(), "nothing is started for a config that is wrong: {ran:?}");
    fails(&yard, &["status", "--config", "no.toml"], 64, &["no.toml"]);
    yard.write("hitctl.toml", "[env.tset]\ntarget = \"local\"\n");
    fails(&yard, &["deploy", "--env", "tets"], 64, &["tets", "tset", "`[env.tets]`"]);
}

#[test]
fn without_credentials_or_a_region_nothing_is_sent_and_the_ways_are_named() {
    let yard = Yard::with("[env.test]\n");
    fails(&yard, &["status", "-e", "test"], 64, &["no AWS region", "--region", "AWS_REGION", "hitctl.toml"]);
    let test = ["status", "-e", "test", "--region", "eu-central-1"];
    let alone = |args: &[&str]| {
        yard.run_as(args, |world| {
            world.env.insert("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned());
        })
    };
    let ran = alone(&test);
    assert_eq!((ran.code, ran.stdout.as_str()), (4, ""), "{ran:?}");
    assert!(ran.stderr.contains("no AWS credentials") && ran.stderr.contains("aws configure sso"), "{ran:?}");
    let ran = alone(&[&test[..], &["--profile", "work"]].concat());
    assert!(ran.code == 4 && ran.stderr.contains("no AWS profile \"work\""), "{ran:?}");
}

#[test]
fn a_bad_artifact_is_refused_before_anything_is_deployed() {
    let yard = Yard::with("");
    yard.write("text.zip", "not a zip");
    yard.write("empty.zip", "");
    let whole = std::fs::read(artifact()).unwrap();
    std::fs::write(yard.path().join("cut.zip"), &whole[..whole.len() / 2]).unwrap();
    for (file, part) in [
        ("no.zip", "no.zip"),
        ("text.zip", "text.zip"),
        ("empty.zip", "empty"),
        ("cut.zip", "cut.zip"),
        (".", "directory"),
    ] {
        fails(&yard, &["deploy", "--artifact", file], 1, &[part]);
    }
    // A program of another machine: this one's header with another architecture in it.
    let mut elf = std::fs::read(crate::support::EXE).unwrap();
    elf[18..20].copy_from_slice(&0xF3_u16.to_le_bytes());
    std::fs::write(yard.path().join("riscv"), &elf).unwrap();
    fails(&yard, &["deploy", "--artifact", "riscv"], 1, &["riscv"]);
    assert_eq!(yard.run(&["status", "--json", "--detailed-exitcode"]).code, 2, "nothing was deployed");
}

#[test]
fn a_missing_toolchain_says_what_to_install() {
    let yard = Yard::with("");
    let ran = yard.run_as(&["build"], |world| {
        let path = yard.path().display().to_string();
        world.env = [("PATH".to_owned(), path.clone()), ("HOME".to_owned(), path)].into();
    });
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("rustup.rs"), "{}", ran.stderr);
}

#[test]
fn a_state_directory_that_cannot_be_used_is_named() {
    let yard = Yard::with("");
    std::fs::create_dir_all(yard.path().join("home/.local/state")).unwrap();
    yard.write("home/.local/state/hitctl", "a file where a directory should be");
    fails(&yard, &["local", "start"], 1, &["home/.local/state/hitctl"]);
}

#[test]
fn a_foreign_state_directory_is_not_reset() {
    let yard = Yard::with("");
    std::fs::create_dir_all(yard.state()).unwrap();
    std::fs::write(yard.state().join("precious"), "mine").unwrap();
    fails(&yard, &["local", "reset", "--confirm", "local"], 1, &["not a state directory of hitctl"]);
    assert!(yard.state().join("precious").exists());
    std::fs::remove_dir_all(yard.state()).unwrap();
}

#[test]
fn a_closed_stdout_is_no_error() {
    let yard = Yard::with("");
    let mut child = yard.command(&["config", "show"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn keys_that_no_request_can_carry_are_refused_by_the_name_of_their_variable() {
    let yard = Yard::with("[env.test]\n");
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "te\nst"),
        ("AWS_SESSION_TOKEN", "to\u{1}ken"),
        ("AWS_SECRET_ACCESS_KEY", "s\u{e9}"),
    ] {
        let ran = yard.run_as(&["status", "-e", "test", "--region", "eu-central-1"], |world| {
            for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
                world.env.insert(name.to_owned(), "test".to_owned());
            }
            world.env.insert(name.to_owned(), value.to_owned());
        });
        assert_eq!(ran.code, 4, "{name}: {ran:?}");
        assert!(ran.stderr.contains(&format!("characters in {name}")), "{name}: {ran:?}");
    }
}
