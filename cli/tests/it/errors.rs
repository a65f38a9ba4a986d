//! Bad input end to end: a command fails with a clear error and the right exit code, before it sends or writes
//! anything.

use crate::support::{CommandOutput, TestEnv, artifact};

/// Runs a command. Asserts that it fails with this exit code and that the error contains all parts.
#[track_caller]
fn fails(test_env: &TestEnv, args: &[&str], code: u8, parts: &[&str]) -> CommandOutput {
    let output = test_env.run(args);
    assert_eq!(output.code, code, "{output:?}");
    assert_eq!(output.stdout, "", "errors are not written to stdout");
    for part in parts {
        assert!(output.stderr.contains(part), "{part:?} is not in\n{}", output.stderr);
    }
    output
}

#[test]
fn wrong_command_line_exits_with_64() {
    let test_env = TestEnv::new();
    fails(&test_env, &["deplyo"], 64, &["deplyo", "deploy"]);
    fails(&test_env, &["deploy", "--memory"], 64, &["--memory"]);
    fails(&test_env, &["invoke"], 64, &["--path"]);
    fails(&test_env, &["logs", "--since", "yesterday"], 64, &["30s, 10m, 2h or 7d"]);
    let json = test_env.run(&["invoke", "--json"]);
    assert_eq!((json.code, json.json()["error"]["code"].as_str().is_some()), (64, true), "{json:?}");
}

#[test]
fn all_configuration_errors_are_reported_with_position() {
    let test_env =
        TestEnv::with_config("app = 7\n\n[function]\nmemory = 128\nmemory_mb = 64\n\n[http]\nburst = 0\n");
    let output = fails(
        &test_env,
        &["deploy"],
        64,
        &["hitctl.toml:1:7", "hitctl.toml:4:1", "memory_mb", "hitctl.toml:5:13", "128", "hitctl.toml:8:9"],
    );
    assert!(!test_env.path().join(".hitctl").exists(), "an invalid configuration starts nothing: {output:?}");
    fails(&test_env, &["status", "--config", "no.toml"], 64, &["no.toml"]);
    test_env.write("hitctl.toml", "[env.tset]\ntarget = \"local\"\n");
    fails(&test_env, &["deploy", "--env", "tets"], 64, &["tets", "tset", "`[env.tets]`"]);
}

#[test]
fn missing_credentials_or_region_sends_nothing_and_names_options() {
    let test_env = TestEnv::with_config("[env.test]\n");
    fails(
        &test_env,
        &["status", "-e", "test"],
        64,
        &["no AWS region", "--region", "AWS_REGION", "hitctl.toml"],
    );
    let status = ["status", "-e", "test", "--region", "eu-central-1"];
    let run_without_metadata = |args: &[&str]| {
        test_env.run_with(args, |process| {
            process.env.insert("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned());
        })
    };
    let output = run_without_metadata(&status);
    assert_eq!((output.code, output.stdout.as_str()), (4, ""), "{output:?}");
    assert!(
        output.stderr.contains("no AWS credentials") && output.stderr.contains("aws configure sso"),
        "{output:?}"
    );
    let output = run_without_metadata(&[&status[..], &["--profile", "work"]].concat());
    assert!(
        output.code == 4 && output.stderr.contains("the AWS profile \"work\" does not exist"),
        "{output:?}"
    );
}

#[test]
fn bad_artifact_is_refused_before_anything_is_deployed() {
    let test_env = TestEnv::with_config("");
    test_env.write("text.zip", "not a zip");
    test_env.write("empty.zip", "");
    let intact = std::fs::read(artifact()).unwrap();
    std::fs::write(test_env.path().join("cut.zip"), &intact[..intact.len() / 2]).unwrap();
    for (file, part) in [
        ("no.zip", "no.zip"),
        ("text.zip", "text.zip"),
        ("empty.zip", "empty"),
        ("cut.zip", "cut.zip"),
        (".", "directory"),
    ] {
        fails(&test_env, &["deploy", "--artifact", file], 1, &[part]);
    }
    // A program for another architecture: this program, with RISC-V as the machine in its ELF header.
    let mut elf = std::fs::read(crate::support::EXE).unwrap();
    elf[18..20].copy_from_slice(&0xF3_u16.to_le_bytes());
    std::fs::write(test_env.path().join("riscv"), &elf).unwrap();
    fails(&test_env, &["deploy", "--artifact", "riscv"], 1, &["riscv"]);
    assert_eq!(test_env.run(&["status", "--json", "--detailed-exitcode"]).code, 2, "nothing was deployed");
}

#[test]
fn missing_toolchain_error_names_installer() {
    let test_env = TestEnv::with_config("");
    let output = test_env.run_with(&["build"], |process| {
        let path = test_env.path().display().to_string();
        process.env = [("PATH".to_owned(), path.clone()), ("HOME".to_owned(), path)].into();
    });
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains("rustup.rs"), "{}", output.stderr);
}

#[test]
fn unusable_state_directory_is_named() {
    let test_env = TestEnv::with_config("");
    std::fs::create_dir_all(test_env.path().join("home/.local/state")).unwrap();
    test_env.write("home/.local/state/hitctl", "a file where a directory should be");
    fails(&test_env, &["local", "start"], 1, &["home/.local/state/hitctl"]);
}

#[test]
fn foreign_state_directory_is_not_reset() {
    let test_env = TestEnv::with_config("");
    std::fs::create_dir_all(test_env.state()).unwrap();
    std::fs::write(test_env.state().join("precious"), "mine").unwrap();
    fails(&test_env, &["local", "reset", "--confirm", "local"], 1, &["not a state directory of hitctl"]);
    assert!(test_env.state().join("precious").exists());
    std::fs::remove_dir_all(test_env.state()).unwrap();
}

#[test]
fn closed_stdout_is_not_an_error() {
    let test_env = TestEnv::with_config("");
    let mut child =
        test_env.command(&["config", "show"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn credentials_with_invalid_characters_are_refused_by_variable_name() {
    let test_env = TestEnv::with_config("[env.test]\n");
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "te\nst"),
        ("AWS_SESSION_TOKEN", "to\u{1}ken"),
        ("AWS_SECRET_ACCESS_KEY", "s\u{e9}"),
    ] {
        let output = test_env.run_with(&["status", "-e", "test", "--region", "eu-central-1"], |process| {
            for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
                process.env.insert(name.to_owned(), "test".to_owned());
            }
            process.env.insert(name.to_owned(), value.to_owned());
        });
        assert_eq!(output.code, 4, "{name}: {output:?}");
        assert!(output.stderr.contains(&format!("characters in {name}")), "{name}: {output:?}");
    }
}
