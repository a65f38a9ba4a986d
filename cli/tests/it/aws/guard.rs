//! Runs with the wrong account, without credentials or without a region fail. They send at most the identity check to
//! AWS.

use hitctl_emulators::Emulator;

use super::recorded_env::RecordedAwsEnv;
use crate::support::{CommandOutput, artifact};

/// Returns commands that read, write, invoke and destroy.
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

/// Runs each command without these variables. Asserts that it fails and that it made only the calls in `sent`.
fn assert_all_fail(
    aws_env: &mut RecordedAwsEnv,
    without: &[&str],
    check: impl Fn(&CommandOutput),
    sent: &[&str],
) {
    let zip = artifact();
    for command in commands(&zip) {
        aws_env.proxy.reset();
        let output = aws_env.env.run_with(&command, |process| {
            for name in without {
                process.env.remove(*name);
            }
        });
        assert_ne!(output.code, 0, "{command:?}: {output:?}");
        check(&output);
        assert_eq!(aws_env.proxy.call_names(), sent, "{command:?}: {output:?}");
    }
}

#[test]
fn wrong_account_is_refused_after_identity_check() {
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "guard", "account = \"999999999999\"\n");
    let check = |output: &CommandOutput| {
        assert_eq!(output.code, 4, "{output:?}");
        let expected =
            "expected credentials of account 999999999999 (hitctl.toml), found account 123456789012";
        assert!(output.stderr.contains(expected), "{output:?}");
    };
    assert_all_fail(&mut aws_env, &[], check, &["sts:GetCallerIdentity"]);
    // The right account is accepted.
    aws_env.env.configure(&format!("account = \"{}\"\n", Emulator::ACCOUNT));
    aws_env.ok(&["status"]);
}

#[test]
fn missing_credentials_send_nothing() {
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "nobody", "");
    let check = |output: &CommandOutput| {
        assert_eq!(output.code, 4, "{output:?}");
        assert!(output.stderr.contains("credentials"), "{output:?}");
    };
    assert_all_fail(&mut aws_env, &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], check, &[]);
}

#[test]
fn missing_region_sends_nothing() {
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "nowhere", "");
    let toml = aws_env.env.base.path().join("hitctl.toml");
    let config = std::fs::read_to_string(&toml).unwrap();
    let config: Vec<&str> = config.lines().filter(|line| !line.starts_with("region")).collect();
    aws_env.env.base.write("hitctl.toml", &config.join("\n"));
    let check = |output: &CommandOutput| assert!(output.stderr.contains("region"), "{output:?}");
    assert_all_fail(&mut aws_env, &[], check, &[]);
}
