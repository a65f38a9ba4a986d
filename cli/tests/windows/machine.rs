//! Commands that stay on this machine: help, files, paths, and the local cloud, which needs WSL.

use crate::program::Project;

#[test]
fn help_names_the_program_and_lists_commands() {
    let project = Project::new();
    let help = project.ok(&["--help"]);
    assert!(help.contains("Usage: hitctl [OPTIONS] <COMMAND>"), "{help}");
    assert!(project.ok(&["deploy", "--help"]).contains("Examples:"));
    assert!(project.ok(&["--version"]).starts_with("hitctl "));
}

#[test]
fn init_writes_configuration_that_all_commands_read() {
    let project = Project::new();
    project.ok(&["init", "--app", "winsite"]);
    let written = project.read("hitctl.toml");
    assert!(written.contains("winsite") && !written.contains('\r'), "{written}");
    let again = project.run(&["init", "--app", "other"]);
    assert!(again.code != 0 && again.stderr.contains("hitctl.toml"), "{again:?}");
    assert_eq!(project.read("hitctl.toml"), written);
    // An editor on Windows may write other line endings.
    project.write("hitctl.toml", &written.replace('\n', "\r\n"));
    let shown = project.ok(&["config", "show", "--env", "local"]);
    assert!(shown.contains("winsite"), "{shown}");
}

#[test]
fn configuration_is_found_above_and_by_path_with_backslashes() {
    let project = Project::new();
    project.write("hitctl.toml", "app = \"above\"\n[env.test]\n");
    std::fs::create_dir_all(project.path().join("pages/blog")).unwrap();
    std::fs::write(project.path().join("pages/blog/own.toml"), "app = \"own\"\n[env.test]\n").unwrap();
    let mut command = project.command(&["config", "show", "--env", "test"]);
    let output = command.current_dir(project.path().join("pages/blog")).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("above"), "{output:?}");
    let config = if runs_on_windows() { r"pages\blog\own.toml" } else { "pages/blog/own.toml" };
    let shown = project.ok(&["--config", config, "config", "show", "--env", "test"]);
    assert!(shown.contains("own"), "{shown}");
}

/// Whether the program under test runs on Windows, or with a runner for Windows programs.
fn runs_on_windows() -> bool {
    cfg!(windows) || std::env::var_os("HITCTL_RUNNER").is_some()
}

#[test]
fn local_environment_needs_wsl_and_says_so_first() {
    assert!(runs_on_windows(), "HITCTL_RUNNER is not set: expected a program for Windows");
    let project = Project::new();
    for args in [
        &["deploy", "--env", "local"][..],
        &["plan", "--env", "local"],
        &["status", "--env", "local"],
        &["counts", "list", "--env", "local"],
        &["destroy", "--env", "local", "--yes"],
        &["local", "start"],
        &["local", "status"],
        &["tune", "--env", "local"],
        &["deploy"],
    ] {
        let output = project.run(args);
        let first = output.stderr.lines().next().unwrap_or_default();
        assert!(output.code != 0 && first.contains("WSL"), "{args:?}: {output:?}");
    }
    let json = project.run(&["deploy", "--env", "local", "--json"]);
    assert!(json.stdout.contains("\"local_unsupported\""), "{json:?}");
}

#[test]
fn output_that_is_no_console_has_colors_only_on_request() {
    let project = Project::new();
    let colored = project.run(&["--color", "always", "deploy", "--env", "local"]);
    assert!(colored.stderr.contains("\u{1b}["), "{colored:?}");
    let plain = project.run(&["deploy", "--env", "local"]);
    assert!(!plain.stderr.contains('\u{1b}'), "{plain:?}");
}
