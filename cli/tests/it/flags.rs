//! Flags of every command: each has an environment variable, which the flag overrides, and `--json` prints one object
//! wherever it is placed.

use crate::support::{TestEnv, artifact};

const CONFIG: &str = "default_env = \"local\"\nregion = \"eu-north-1\"\n[env.local]\n[env.test]\n";

/// Runs the program as a process with more environment variables. Returns its exit code, stdout and stderr.
#[track_caller]
fn run(test_env: &TestEnv, variables: &[(&str, &str)], args: &[&str]) -> (Option<i32>, String, String) {
    let output = test_env.command(args).envs(variables.iter().copied()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn every_global_flag_has_a_variable_and_help_names_it() {
    let help = TestEnv::new().run(&["--help"]).stdout;
    for flag in [
        "ENV",
        "CONFIG",
        "PROFILE",
        "REGION",
        "ENDPOINT_URL",
        "INSECURE",
        "JSON",
        "QUIET",
        "VERBOSE",
        "YES",
        "NO_INPUT",
        "COLOR",
    ] {
        assert!(help.contains(&format!("[env: HITCTL_{flag}]")), "HITCTL_{flag} is not in\n{help}");
    }
}

#[test]
fn variable_applies_without_its_flag_and_empty_variable_is_unset() {
    let test_env = TestEnv::with_config(CONFIG);
    test_env.write("other.toml", "app = \"other\"\n");
    let shows = |variables: &[(&str, &str)], args: &[&str], part: &str| {
        let (code, stdout, stderr) = run(&test_env, variables, args);
        assert!(
            code == Some(0) && stdout.contains(part),
            "{variables:?} {args:?}: {code:?} {stdout} {stderr}"
        );
    };
    let list = &["env", "list"] as &[&str];
    let show = &["config", "show"] as &[&str];
    shows(&[("HITCTL_ENV", "test")], list, "*  test");
    shows(&[("HITCTL_ENV", "test")], &["env", "list", "-e", "local"], "*  local");
    shows(&[("HITCTL_ENV", "")], list, "*  local");
    shows(&[("HITCTL_CONFIG", "other.toml")], show, "app = \"other\"");
    shows(&[("HITCTL_CONFIG", "other.toml")], &["config", "show", "-c", "hitctl.toml"], "app = \"hits\"");
    shows(&[("HITCTL_CONFIG", "")], show, "app = \"hits\"");
    shows(&[], show, "region = \"eu-north-1\"");
    shows(&[("HITCTL_REGION", "us-east-1")], show, "region = \"us-east-1\"");
    shows(
        &[("HITCTL_REGION", "us-east-1")],
        &["config", "show", "-r", "us-west-2"],
        "region = \"us-west-2\"",
    );
    shows(&[("HITCTL_REGION", "")], show, "region = \"eu-north-1\"");
    for yes in ["1", "true", "yes"] {
        shows(&[("HITCTL_JSON", yes)], list, "{\"v\":1,\"envs\":");
    }
    for no in ["0", "false", "no", ""] {
        shows(&[("HITCTL_JSON", no)], list, "*  local");
    }
    shows(&[("HITCTL_COLOR", "always")], list, "\u{1b}[");
    shows(&[("HITCTL_COLOR", "")], list, "*  local");
    let (code, stdout, _) =
        run(&test_env, &[("HITCTL_COLOR", "always")], &["env", "list", "--color", "never"]);
    assert!(code == Some(0) && !stdout.contains('\u{1b}'), "{stdout}");
    let (code, stdout, _) = run(&test_env, &[("HITCTL_JSON", "1")], &["deplyo"]);
    assert!(code == Some(64) && stdout.starts_with("{\"v\":1,\"error\":"), "{stdout}");
}

#[test]
fn variables_of_prompt_and_output_flags_work() {
    let test_env = TestEnv::with_config("");
    test_env.deploy();
    let destroy = |variables: &[(&str, &str)]| run(&test_env, variables, &["destroy"]);
    assert_eq!(destroy(&[("HITCTL_NO_INPUT", "1")]).0, Some(3));
    let zip = artifact();
    let deploy = &["deploy", "--artifact", &zip] as &[&str];
    assert_eq!(run(&test_env, &[("HITCTL_QUIET", "1")], deploy).2, "", "quiet");
    let stderr = run(&test_env, &[("HITCTL_VERBOSE", "1")], deploy).2;
    assert!(stderr.contains("reading") && !run(&test_env, &[], deploy).2.contains("reading"), "{stderr}");
    assert_eq!(run(&test_env, &[("HITCTL_ARTIFACT", zip.as_str())], &["deploy"]).0, Some(0));
    assert_eq!(destroy(&[("HITCTL_YES", "1")]).0, Some(0));
}

#[test]
fn json_prints_one_object_and_verbose_streams_events() {
    let test_env = TestEnv::with_config("");
    let zip = artifact();
    let prints_one_object = |args: &[&str]| {
        let output = test_env.run(args);
        assert!(output.stdout.ends_with('\n') && output.stdout.lines().count() == 1, "{args:?}: {output:?}");
        assert_eq!(output.json()["v"], 1, "{args:?}: {output:?}");
        output
    };
    for args in [
        &["plan", "--json", "-v", "--artifact", &zip] as &[&str],
        &["deploy", "--json", "-v", "--artifact", &zip],
        &["deploy", "-v", "--artifact", &zip, "--json"],
        &["--json", "-v", "destroy", "--yes"],
    ] {
        let output = prints_one_object(args);
        assert_eq!(output.code, 0, "{output:?}");
        for line in output.stderr.lines() {
            let event: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
            assert!(event["v"] == 1 && event["event"].is_string(), "{line}");
        }
        assert!(output.stderr.contains(r#""event":"phase_started","phase":"survey""#), "{}", output.stderr);
    }
    for args in [
        &["status", "--json"] as &[&str],
        &["counts", "list", "--json"],
        &["counts", "get", "/", "--json"],
        &["counts", "export", "--json"],
        &["counts", "export", "--json", "--out", "counts.csv"],
        &["logs", "--json"],
        &["invoke", "--path", "/", "--json"],
        &["explain", "--path", "/", "--json"],
        &["config", "show", "--json"],
        &["env", "list", "--json"],
        &["doctor", "--json"],
        &["build", "--json", "--artifact", &zip],
        &["local", "status", "--json"],
        &["local", "start", "--json"],
        &["local", "stop", "--json"],
        &["completions", "bash", "--json"],
        &["man", "--json"],
        &["man", "--json", "--out", "man"],
        &["init", "--json"],
        &["init", "--json", "--config", "new.toml"],
        &["local", "reset", "--json"],
    ] {
        prints_one_object(args);
    }
}

/// Measures the time from the start to the first output byte, with a slow build. The fastest of five runs counts, since
/// other tests share the machine.
#[test]
fn first_output_comes_within_100_ms() {
    use std::io::Read as _;
    let test_env = TestEnv::with_config("");
    test_env.stub_tool("cargo", "case \"$1\" in -*) echo 'cargo 1.95.0' ;; *) exec sleep 60 ;; esac");
    for args in [&["deploy"] as &[&str], &["build"], &["plan"], &["--help"], &["destroy"]] {
        let took: Vec<_> = (0..5)
            .map(|_| {
                let began = std::time::Instant::now();
                let mut child = test_env
                    .command(args)
                    .stdout(std::process::Stdio::piped())
                    .stderr(std::process::Stdio::piped())
                    .spawn()
                    .unwrap();
                let mut first = [0];
                let read = if args == ["--help"] {
                    child.stdout.as_mut().unwrap().read(&mut first)
                } else {
                    child.stderr.as_mut().unwrap().read(&mut first)
                };
                let took = began.elapsed();
                assert_eq!(read.unwrap(), 1, "{args:?} printed nothing");
                // An error means that the process has already ended.
                let pid = rustix::process::Pid::from_child(&child);
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
                child.wait().unwrap();
                took
            })
            .collect();
        assert!(took.iter().any(|took| took.as_millis() < 100), "{args:?}: {took:?}");
    }
}
