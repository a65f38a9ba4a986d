//! The program under test, in a directory of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hitctl_emulators::Emulator;

/// The result of a command.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A project directory in which the program runs.
pub(crate) struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::Builder::new().prefix("hitctl windows \u{e9} ").tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Returns the command `hitctl ARGS` in the project, with credentials for the emulator. With a runner, its exit code is not
    /// always that of the program.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_by(&[], args)
    }

    /// Returns the command `hitctl ARGS` that `starters` starts.
    fn command_by(&self, starters: &[PathBuf], args: &[&str]) -> Command {
        let exe = exe();
        let runner = std::env::var_os("HITCTL_RUNNER").map(PathBuf::from);
        let mut line = runner.into_iter().chain(starters.iter().cloned()).chain([exe]);
        let mut command = Command::new(line.next().unwrap());
        command
            .args(line)
            .args(args)
            .current_dir(self.path())
            .env("AWS_ACCESS_KEY_ID", Emulator::ACCOUNT)
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env_remove("HITCTL_ENV")
            .env_remove("CI")
            .env_remove("NO_COLOR")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        // With a runner, the example `run` of `hitctl-platform` passes the exit code on.
        let run = exe().with_file_name("examples").join("run.exe");
        let starters = if std::env::var_os("HITCTL_RUNNER").is_some() { vec![run] } else { Vec::new() };
        let output = self.command_by(&starters, args).output().unwrap();
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a command that succeeds. Returns its standard output.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.code, 0, "{args:?}: {output:?}");
        output.stdout
    }
}

/// Returns the program under test.
fn exe() -> PathBuf {
    std::env::var_os("HITCTL_EXE").unwrap_or_else(|| env!("CARGO_BIN_EXE_hitctl").into()).into()
}

/// Builds the function for this machine with the program for this machine. Returns the zip.
pub(crate) fn function_zip(dir: &Path) -> PathBuf {
    let zip = dir.join("function.zip");
    let mut build = Command::new(env!("CARGO_BIN_EXE_hitctl"));
    build.args(["build", "--env", "local", "--out"]).arg(&zip);
    let built = build.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    zip
}
