//! Every command runs in a clone of a hostile repository. hitctl must not execute files of the repository, send
//! requests to addresses in it, or follow its links.
//!
//! Every script of the repository writes a marker file when it runs, which the tests look for after each command.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use hitctl_local::StatePaths;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;

use crate::support::{CommandOutput, TestEnv, artifact, checkout, get};

/// A clone of a hostile repository, with its own home directory.
struct Attack {
    test_env: TestEnv,
    /// Listens at the address that is stored in the repository's local state.
    listener: TcpListener,
}

impl Attack {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let attack = Self { test_env: TestEnv::new(), listener };
        fs::write(attack.victim(), "precious").unwrap();
        attack.make_repository();
        attack
    }

    /// Returns the path of the file that every script of the repository writes when it runs.
    fn marker(&self) -> PathBuf {
        self.test_env.path().join("mark")
    }

    /// Returns the path of a file of the user. Links in the repository point to it.
    fn victim(&self) -> PathBuf {
        self.test_env.path().join("victim")
    }

    fn repository(&self) -> PathBuf {
        self.test_env.path().join("repository")
    }

    fn clone(&self) -> PathBuf {
        self.test_env.path().join("clone")
    }

    fn local_state(&self) -> StatePaths {
        StatePaths::new(&self.test_env.path().join("home/.local/state/hitctl"), &self.clone(), true)
    }

    /// Returns a script that writes the marker and prints a version, as a tool would.
    fn script(&self, name: &str) -> String {
        format!("#!/bin/sh\necho {name} >> {}\necho '{name} 1.0'\n", self.marker().display())
    }

    fn write(&self, name: &str, content: &[u8], executable: bool) {
        let path = self.repository().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let mode = if executable { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn make_repository(&self) {
        self.write(
            "hitctl.toml",
            b"app = \"shop\"\ndefault_env = \"local\"\n[queue]\nenabled = true\nwindow_s = 1\n",
            false,
        );
        // The files by which hitctl recognizes its own checkout, and a build script.
        let top = checkout();
        for manifest in
            ["Cargo.toml", "Cargo.lock", "function/Cargo.toml", "config/Cargo.toml", "cli/Cargo.toml"]
        {
            self.write(manifest, &fs::read(top.join(manifest)).unwrap(), false);
        }
        let build = format!("fn main() {{ std::fs::write({:?}, \"build.rs\").unwrap(); }}", self.marker());
        self.write("function/build.rs", build.as_bytes(), false);
        self.write("function/src/main.rs", b"fn main() {}", false);
        // A Rust toolchain, a compiler wrapper, and Python modules in place of `ziglang` and of standard ones.
        self.write("rust-toolchain.toml", b"[toolchain]\npath = \"toolchain\"\n", false);
        for tool in ["cargo", "rustc"] {
            self.write(&format!("toolchain/bin/{tool}"), self.script(tool).as_bytes(), true);
        }
        self.write(".cargo/config.toml", b"[build]\nrustc-wrapper = \"./wrapper\"\n", false);
        for tool in ["wrapper", "cargo", "rustc", "cc", "zig", "python3", "git", "bootstrap", "hitctl"] {
            self.write(tool, self.script(tool).as_bytes(), true);
        }
        let python = format!("open({:?}, 'w').write('python')\n", self.marker());
        for module in ["ziglang.py", "site.py", "sitecustomize.py", "runpy.py"] {
            self.write(module, python.as_bytes(), false);
        }
        self.make_state();
        self.git(&self.repository(), &["init", "-q"]);
        self.git(&self.repository(), &["add", "-A", "-f"]);
        self.git(
            &self.repository(),
            &["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "a"],
        );
        self.git(self.test_env.path(), &["clone", "-q", "repository", "clone"]);
    }

    /// Creates the state of a local cloud, with a function that writes the marker and queued messages that would invoke
    /// it.
    fn make_state(&self) {
        let state = self.repository().join(".hitctl/local");
        let template = TestEnv::with_config("app = \"shop\"\n[queue]\nenabled = true\nwindow_s = 60\n");
        template.deploy();
        let output = template.run(&["send", "--env", "local", "--path", "/", "--count", "3"]);
        assert_eq!(output.code, 0, "{output:?}");
        assert_eq!(template.run(&["local", "stop"]).code, 0);
        copy_with_modes(&template.state(), &state);
        assert!(state.join("queues.sqlite").exists());
        // A script in place of the function.
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("bootstrap", SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
        std::io::Write::write_all(&mut zip, self.script("function").as_bytes()).unwrap();
        let zip = zip.finish().unwrap().into_inner();
        let sha256 = Sha256::digest(&zip).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let registry = fs::read_to_string(state.join("registry.json")).unwrap();
        let old = fs::read_dir(state.join("zips")).unwrap().next().unwrap().unwrap().path();
        let old_sha256 = old.file_stem().unwrap().to_str().unwrap();
        assert!(registry.contains(old_sha256));
        fs::write(state.join("registry.json"), registry.replace(old_sha256, &sha256)).unwrap();
        fs::write(state.join("zips").join(format!("{sha256}.zip")), &zip).unwrap();
        fs::create_dir(state.join("code").join(&sha256)).unwrap();
        let bootstrap = state.join("code").join(&sha256).join("bootstrap");
        fs::write(&bootstrap, self.script("function")).unwrap();
        fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)).unwrap();
        let address = format!("http://{}", self.listener.local_addr().unwrap());
        let endpoint = json!({
            "v": 1, "pid": std::process::id(), "control": address, "table": address, "token": "0",
            "build_id": "0", "started_ms": 0,
        });
        fs::write(state.join("daemon.json"), endpoint.to_string()).unwrap();
        fs::set_permissions(state.join("daemon.json"), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn git(&self, dir: &Path, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(args)
            .current_dir(dir)
            .env("HOME", self.test_env.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command in the clone and asserts that it did no harm.
    fn run(&self, args: &[&str]) -> CommandOutput {
        let output = self.test_env.run_with(args, |process| process.cwd = self.clone());
        self.assert_unharmed(&format!("{args:?}: {output:?}"));
        output
    }

    #[track_caller]
    fn assert_unharmed(&self, after: &str) {
        let marker = fs::read_to_string(self.marker());
        assert!(marker.is_err(), "{marker:?} ran: {after}");
        assert!(self.listener.accept().is_err(), "a request was sent to the repository's address: {after}");
        assert_eq!(fs::read_to_string(self.victim()).unwrap(), "precious", "a link was followed: {after}");
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        drop(self.test_env.run_with(&["local", "stop"], |process| process.cwd = self.clone()));
    }
}

/// Copies a directory with all file modes, as an archive would.
fn copy_with_modes(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// Every command, as a user would run it in a clone. Commands that compile use the stub tools of the test.
const COMMANDS: &[&[&str]] = &[
    &["status"],
    &["status", "--all"],
    &["local", "status"],
    &["local", "start"],
    &["local", "stop"],
    &["doctor"],
    &["config", "show", "--origin"],
    &["env", "list"],
    &["init"],
    &["explain", "--path", "/"],
    &["privacy"],
    &["policy", "function"],
    &["policy", "deployer"],
    &["snippet"],
    &["report"],
    &["logs"],
    &["counts", "list"],
    &["counts", "get", "/"],
    &["counts", "add", "/", "1"],
    &["counts", "export"],
    &["paths", "list"],
    &["gc"],
    &["rollback", "--list"],
    &["invoke", "--path", "/"],
    &["send", "--path", "/"],
    &["emit", "--source", "cli", "--detail-type", "t", "--detail", "{}"],
    &["invalidate", "/"],
    &["dlq", "list"],
    &["dlq", "redrive"],
    &["destroy", "--yes"],
    &["local", "reset", "--confirm", "local"],
    &["completions", "bash"],
    &["man"],
    &["build"],
    &["plan"],
    &["deploy"],
    &["tune", "--starts", "1", "--memory", "128"],
];

#[test]
fn no_command_runs_code_of_cloned_repository_or_contacts_its_addresses() {
    let attack = Attack::new();
    // Stub build tools, which record their working directory.
    let calls = attack.test_env.path().join("calls");
    let host = "x86_64-unknown-linux-gnu";
    let rustc = format!(
        "pwd >> {}; case $1 in -vV) printf 'rustc 1.95.0\\nhost: {host}\\n';; *) echo /sysroot;; esac",
        calls.display()
    );
    attack.test_env.stub_tool("rustc", &rustc);
    attack.test_env.stub_tool(
        "cargo",
        &format!("pwd >> {0}; echo \"$@\" >> {0}; [ \"$1\" = -V ] && echo cargo 1.95.0", calls.display()),
    );
    attack
        .test_env
        .stub_tool("cargo-zigbuild", &format!("pwd >> {}; echo cargo-zigbuild 0.20.0", calls.display()));
    for args in COMMANDS {
        attack.run(args);
    }
    let calls = fs::read_to_string(calls).unwrap();
    assert!(calls.contains("--manifest-path"), "no command compiled: {calls}");
    assert!(
        !calls.contains(&attack.clone().display().to_string()),
        "a build tool ran in the clone, or compiled it: {calls}"
    );
}

/// rustup selects the toolchain by the `rust-toolchain.toml` in or above the working directory.
#[test]
fn doctor_runs_tools_in_neutral_directory() {
    let attack = Attack::new();
    attack.test_env.stub_tool("cargo-zigbuild", "echo cargo-zigbuild 0.20.0");
    let output = attack.run(&["doctor", "--json"]);
    let checks = output.json()["checks"].clone();
    let check = |name: &str| {
        let found = checks.as_array().unwrap().iter().find(|check| check["name"] == name).cloned();
        found.unwrap_or_else(|| panic!("no {name} in {checks}"))
    };
    assert!(check("rustc")["detail"].as_str().unwrap().starts_with("rustc "), "{checks}");
}

#[test]
fn deploy_in_cloned_repository_runs_the_users_function_and_leaves_no_state_in_the_tree() {
    let attack = Attack::new();
    let output = attack.run(&["deploy", "--json", "--artifact", &artifact()]);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stderr.contains("not using the local state in"), "{output:?}");
    let url = output.json()["outputs"]["url"].as_str().unwrap().to_owned();
    assert_eq!(get(&url, "/v1/count?path=/").json()["hits"], 0, "no message of the repository was counted");
    attack.assert_unharmed("a request to the function");
    assert!(attack.local_state().state_dir().join("registry.json").exists());
    assert_eq!(
        attack.git(&attack.clone(), &["status", "--porcelain", "--ignored"]),
        "",
        "the working tree is unchanged"
    );
}

/// An archive preserves file modes, unlike a clone, so its state looks like the user's own.
#[test]
fn state_of_unpacked_archive_is_used_without_its_code() {
    let attack = Attack::new();
    fs::remove_dir_all(attack.clone().join(".hitctl")).unwrap();
    copy_with_modes(&attack.repository().join(".hitctl/local"), &attack.clone().join(".hitctl/local"));
    let output = attack.run(&["local", "start"]);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stderr.contains("The code was not moved"), "{output:?}");
    let state = attack.local_state().state_dir();
    let entry_count = |dir: PathBuf| fs::read_dir(dir).map_or(0, Iterator::count);
    assert_eq!((entry_count(state.join("code")), entry_count(state.join("zips"))), (0, 0));
    attack.assert_unharmed("a start with the messages of the archive");
    let output = attack.run(&["deploy", "--json", "--artifact", &artifact()]);
    assert_eq!(output.code, 0, "{output:?}");
    attack.assert_unharmed("a deploy with the messages of the archive");
}

#[test]
fn links_of_repository_are_not_followed() {
    for name in ["daemon.log", "tables.db", "registry.json", "code", "logs", "daemon.lock"] {
        let attack = Attack::new();
        let state = attack.clone().join(".hitctl/local");
        fs::remove_dir_all(attack.clone().join(".hitctl")).unwrap();
        copy_with_modes(&attack.repository().join(".hitctl/local"), &state);
        let path = state.join(name);
        drop(fs::remove_file(&path));
        drop(fs::remove_dir_all(&path));
        symlink(attack.victim(), &path).unwrap();
        let output = attack.run(&["local", "start"]);
        assert!(output.stderr.contains("is a symbolic link"), "{name}: {output:?}");
        assert_eq!(attack.run(&["local", "stop"]).code, 0);
    }
}

/// Git can store a link in place of a directory.
#[test]
fn linked_state_directory_does_not_touch_another_project() {
    let attack = Attack::new();
    let other = attack.test_env.path().join("other/.hitctl");
    copy_with_modes(&attack.repository().join(".hitctl/local"), &other.join("local"));
    let before = fs::read_dir(other.join("local")).unwrap().count();
    fs::remove_dir_all(attack.clone().join(".hitctl")).unwrap();
    symlink("../other/.hitctl", attack.clone().join(".hitctl")).unwrap();
    for args in
        [&["local", "start"] as &[&str], &["local", "stop"], &["local", "reset", "--confirm", "local"]]
    {
        let output = attack.run(args);
        assert_eq!(output.code, 0, "{args:?}: {output:?}");
        assert_eq!(fs::read_dir(other.join("local")).unwrap().count(), before, "{args:?}: {output:?}");
    }
}

#[test]
fn manual_pages_are_not_written_through_links() {
    let attack = Attack::new();
    for page in ["hitctl.1", "hitctl-plan.1"] {
        symlink(attack.victim(), attack.clone().join(page)).unwrap();
    }
    assert_eq!(attack.run(&["man", "--out", "."]).code, 0);
    assert!(fs::read_to_string(attack.clone().join("hitctl.1")).unwrap().contains(".TH"));
}

#[test]
fn environment_variables_that_make_the_function_load_code_are_refused() {
    let attack = Attack::new();
    for variable in ["LD_PRELOAD", "LD_LIBRARY_PATH", "PATH", "DYLD_INSERT_LIBRARIES", "GCONV_PATH"] {
        let text = format!("default_env = \"local\"\n[function.environment]\n{variable} = \"./evil\"\n");
        fs::write(attack.clone().join("hitctl.toml"), text).unwrap();
        let output = attack.run(&["deploy", "--artifact", &artifact()]);
        assert_eq!(output.code, 64, "{variable}: {output:?}");
        assert!(output.stderr.contains(variable) && output.stderr.contains("hitctl.toml:3:"), "{output:?}");
    }
}

#[test]
fn configuration_above_the_repository_is_not_used() {
    let attack = Attack::new();
    fs::write(attack.test_env.path().join("hitctl.toml"), "app = \"other\"\n").unwrap();
    fs::remove_file(attack.clone().join("hitctl.toml")).unwrap();
    let shown = attack.run(&["config", "show"]);
    assert!(shown.stdout.contains("app = \"hits\""), "{shown:?}");
    // A syntax error in the target of the link would show its content, here a secret.
    fs::write(attack.victim(), "aws_secret_access_key = wJalrXUtnFEMI").unwrap();
    symlink(attack.victim(), attack.clone().join("hitctl.toml")).unwrap();
    let output = attack.test_env.run_with(&["plan"], |process| process.cwd = attack.clone());
    assert_eq!(output.code, 64, "{output:?}");
    assert!(output.stderr.contains("is a link to") && !output.stderr.contains("wJalrXUtnFEMI"), "{output:?}");
    fs::write(attack.victim(), "precious").unwrap();
}

#[test]
fn missing_home_is_not_replaced_by_the_working_directory() {
    let attack = Attack::new();
    for args in [&["deploy"] as &[&str], &["build"], &["local", "start"], &["status"]] {
        let output = attack.test_env.run_with(args, |process| {
            process.cwd = attack.clone();
            process.env.remove("HOME");
        });
        assert_eq!(output.code, 1, "{args:?}: {output:?}");
        assert!(output.stderr.contains("HOME is not set"), "{args:?}: {output:?}");
    }
    attack.assert_unharmed("commands without a home directory");
}
