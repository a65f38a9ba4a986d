//! Runs cargo: builds the command line, reports the progress and turns a failure into a fault with a hint.
//!
//! `build_method` decides the target, and `inspect` checks the binary.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hitctl_engine::{Event, EventSink, Fault};
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::build_method::{BuildMethod, ToolchainFacts};
use super::compiler_output::CompilerOutput;
use super::process::{Command, OutputLine, RunError, run};
use super::request::BUILD_PHASE;
use super::source_files::PACKAGE;

/// The profile in the workspace's `Cargo.toml`, which optimizes for size first, then for speed.
const PROFILE: &str = "lambda";
/// The name of the binary that Lambda requires.
pub(super) const BINARY: &str = "bootstrap";

/// The environment variables that are removed for cargo, by name or by prefix (with a final `_`). Cargo sets some of them for the
/// programs that it runs, such as hitctl under `cargo run`. Others would conflict with the command line.
const REMOVED_VARIABLES: [&str; 13] = [
    "CARGO",
    "CARGO_BIN_",
    "CARGO_BUILD_TARGET",
    "CARGO_CRATE_NAME",
    "CARGO_INCREMENTAL",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_TARGET_DIR",
    "CARGO_TARGET_TMPDIR",
    "CARGO_TERM_",
    "OUT_DIR",
    "RUST_RECURSION_COUNT",
];

/// A run of cargo.
pub(super) struct CargoBuild<'a> {
    pub(super) method: &'a BuildMethod,
    pub(super) facts: &'a ToolchainFacts,
    /// The root folder of the workspace.
    pub(super) root: &'a Path,
    pub(super) target_dir: &'a Path,
    /// Whether cargo must not change the lock file.
    pub(super) locked: bool,
    /// The user's environment.
    pub(super) env: &'a BTreeMap<String, String>,
}

/// Returns the user's environment without the variables of an outer cargo, such as the toolchain that rustup selected for it. The
/// build is then the same whether hitctl is started by `cargo run` or directly.
pub(super) fn clean_env(env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_removed = |name: &str| {
        REMOVED_VARIABLES
            .iter()
            .any(|entry| name == *entry || (entry.ends_with('_') && name.starts_with(entry)))
    };
    let under_cargo = env.contains_key("CARGO");
    let is_removed = |name: &str| is_removed(name) || (under_cargo && name == "RUSTUP_TOOLCHAIN");
    env.iter()
        .filter(|(name, _)| !is_removed(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Returns cargo's home directory: `CARGO_HOME`, or `~/.cargo`.
pub(super) fn cargo_home(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let explicit = env.get("CARGO_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    explicit.or_else(|| hitctl_platform::home_dir(env).map(|home| home.join(".cargo")))
}

impl CargoBuild<'_> {
    /// Returns the command line and the environment of cargo.
    pub(super) fn command(&self) -> Command {
        let verb = if self.method.zigbuild { "zigbuild" } else { "build" };
        let mut args: Vec<String> = [verb, "--profile", PROFILE, "-p", PACKAGE, "--bin", BINARY, "--target"]
            .map(str::to_owned)
            .to_vec();
        args.push(self.method.target());
        args.extend(["--message-format=json-render-diagnostics", "--color", "never"].map(str::to_owned));
        if self.locked {
            args.push("--locked".to_owned());
        }
        args.extend(["--manifest-path".to_owned(), path_text(&self.root.join("Cargo.toml"))]);
        args.extend(["--target-dir".to_owned(), path_text(self.target_dir)]);

        let mut env = clean_env(self.env);
        // `rust_flags` contains the flags from RUSTFLAGS.
        env.remove("RUSTFLAGS");
        env.insert("CARGO_ENCODED_RUSTFLAGS".to_owned(), self.rust_flags().join("\x1f"));
        env.insert("CARGO_INCREMENTAL".to_owned(), "0".to_owned());
        // Some C compilers write the date into their output. This one is 1980-01-01, as in the zip.
        env.entry("SOURCE_DATE_EPOCH".to_owned()).or_insert_with(|| "315532800".to_owned());
        if let Some(linker) = &self.method.linker {
            let name = self.method.triple.to_uppercase().replace('-', "_");
            env.entry(format!("CARGO_TARGET_{name}_LINKER")).or_insert_with(|| linker.clone());
        }
        let program =
            self.facts.cargo.as_ref().map_or_else(|| PathBuf::from("cargo"), |cargo| cargo.path.clone());
        Command { program, args, env, cwd: self.root.to_owned() }
    }

    /// Returns the user's flags from the environment, followed by hitctl's. The latter keep local paths out of the
    /// binary, so that it is the same on every machine. If the environment sets flags, cargo ignores those in its
    /// configuration files. This is intended: with `target-cpu=native` in such a file, Lambda could not run the
    /// function.
    fn rust_flags(&self) -> Vec<String> {
        let mut flags: Vec<String> =
            match (self.env.get("CARGO_ENCODED_RUSTFLAGS"), self.env.get("RUSTFLAGS")) {
                (Some(encoded), _) => encoded.split('\x1f').map(str::to_owned).collect(),
                (None, Some(plain)) => plain.split_whitespace().map(str::to_owned).collect(),
                (None, None) => Vec::new(),
            };
        flags.retain(|flag| !flag.is_empty());
        if self.method.linker.as_deref() == Some(super::build_method::RUST_LLD) {
            flags.extend(["-C".to_owned(), "link-self-contained=yes".to_owned()]);
        }
        // The last matching remap wins, so an inner folder comes after an outer one.
        let mut remap =
            |from: PathBuf, to: &str| flags.push(format!("--remap-path-prefix={}={to}", path_text(&from)));
        if let Some(home) = cargo_home(self.env) {
            remap(home, "/cargo");
        }
        if let Some(sysroot) = &self.facts.sysroot {
            remap(sysroot.clone(), "/rust");
            if let Some(commit) = &self.facts.commit {
                // The path that rustc uses when the standard library's sources are not installed.
                remap(sysroot.join("lib/rustlib/src/rust"), &format!("/rustc/{commit}"));
            }
        }
        remap(self.root.to_owned(), "/hit-counter");
        remap(self.target_dir.to_owned(), "/target");
        flags
    }

    /// Compiles the function and returns the path of the binary.
    pub(super) async fn run(
        &self,
        limit: Duration,
        sink: &EventSink,
        stop: &CancellationToken,
    ) -> Result<PathBuf, Fault> {
        let mut binary = None;
        let mut compiler_output = CompilerOutput::default();
        let ended = run(&self.command(), limit, stop, |line| match line {
            OutputLine::Out(message) => binary = executable_path(&message).or(binary.take()),
            OutputLine::Err(line) => match progress_note(&line) {
                Some(note) => sink.send(Event::PhaseNote { phase: BUILD_PHASE, note }),
                None => compiler_output.add(line),
            },
        })
        .await;
        let what = format!("the function for {}", self.method.target());
        let compiler_output = compiler_output.text();
        match ended {
            Ok(status) if status.success() => binary.ok_or_else(|| {
                Fault::fatal(
                    "build_failed",
                    format!("cargo compiled {what}, but did not report the path of the binary"),
                )
                .hinted("install cargo from https://rustup.rs; `cargo -V` shows the version in use")
            }),
            Ok(status) => {
                let cause = if compiler_output.is_empty() {
                    format!("cargo ended with {status}")
                } else {
                    compiler_output
                };
                let hint = hint(&cause);
                Err(Fault::fatal("build_failed", format!("failed to compile {what}"))
                    .caused_by(cause)
                    .hinted(hint))
            }
            Err(RunError::Cancelled) => Err(interrupted()),
            Err(RunError::TimedOut) => Err(Fault::fatal(
                "build_timeout",
                format!("compiling {what} took longer than {} minutes", limit.as_secs() / 60),
            )
            .caused_by(if compiler_output.is_empty() {
                "cargo reported no error".to_owned()
            } else {
                compiler_output
            })
            .hinted("run the command again; it continues where it stopped")),
            Err(RunError::Failed(error)) => Err(Fault::fatal("build_failed", "failed to start cargo")
                .caused_by(error)
                .hinted("run `cargo -V` to see the error")),
        }
    }
}

/// Returns the fault of a build that the user interrupted.
pub(super) fn interrupted() -> Fault {
    Fault::fatal("interrupted", "the build was interrupted")
        .hinted("run the command again; it continues where it stopped")
}

/// Returns the path of the compiled binary if a JSON message of cargo reports it.
fn executable_path(message: &str) -> Option<PathBuf> {
    if !message.starts_with('{') || !message.contains("\"compiler-artifact\"") {
        return None;
    }
    let message: Json = serde_json::from_str(message).ok()?;
    let is_function = message["reason"] == "compiler-artifact" && message["target"]["name"] == BINARY;
    message["executable"].as_str().filter(|_| is_function).map(PathBuf::from)
}

/// Converts a progress line of cargo into a note: `   Compiling serde v1.0.229` -> `compiling serde v1.0.229`.
fn progress_note(line: &str) -> Option<String> {
    let (verb, rest) = line.trim_start().split_once(' ')?;
    // Cargo right-aligns its verbs in twelve columns. Messages of rustc begin at the first column or after a line number.
    let aligned = line.len() - line.trim_start().len() + verb.len() == 12;
    let verbs = [
        "Compiling",
        "Downloading",
        "Downloaded",
        "Updating",
        "Locking",
        "Blocking",
        "Building",
        "Finished",
        "Fresh",
        "Adding",
    ];
    if !aligned || !verbs.contains(&verb) {
        return None;
    }
    if verb == "Blocking" {
        return Some("waiting for another cargo".to_owned());
    }
    let rest = rest.split(" (").next().unwrap_or(rest).trim();
    Some(format!("{} {rest}", verb.to_lowercase()))
}

/// Returns the hint for a failed build, by the output of cargo and rustc.
fn hint(output: &str) -> &'static str {
    let table: [(&[&str], &str); 6] = [
        (
            &["--locked was passed", "cannot update the lock file"],
            "run `cargo check -p hit-counter` to update Cargo.lock, then run the command again",
        ),
        (
            &["failed to download", "Could not resolve host", "failed to fetch", "network", "failed to get"],
            "check the network or the proxy (`HTTPS_PROXY`), then run the command again",
        ),
        (
            &["linker `", "failed to find tool", "ToolNotFound"],
            "install a C compiler with `apt install gcc`, or for another architecture with `pip install cargo-zigbuild ziglang`; then run the command again",
        ),
        (
            &["requires rustc", "is not supported by the following package"],
            "run `rustup update stable`, then run the command again",
        ),
        (&["No space left on device"], "free some space on the disk, then run the command again"),
        (
            &["can't find crate for `core`", "can't find crate for `std`"],
            "run `rustup target add TARGET` to install the standard library of the target",
        ),
    ];
    let entry = table.iter().find(|(words, _)| words.iter().any(|word| output.contains(word)));
    entry.map_or(
        "fix the compiler errors, then run the command again; `hitctl doctor` shows the toolchain",
        |(_, hint)| hint,
    )
}

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
