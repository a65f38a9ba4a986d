//! The call of cargo: its command line, what it says on the way, and what its failure means.
//!
//! Which target to compile for is decided in `recipe`; what comes out is checked in `inspect`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hitctl_engine::{Event, Fault, Sink};
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::compiler_output::Complaints;
use super::process::{Command, Line, Stopped, run};
use super::recipe::{Facts, Recipe};
use super::request::BUILD_PHASE;
use super::source_files::PACKAGE;

/// The profile of the top-level `Cargo.toml`: small first, then fast.
const PROFILE: &str = "lambda";
/// The binary, by Lambda's name for it.
pub(super) const BINARY: &str = "bootstrap";

/// What cargo sets for the programs that it runs, such as this one under `cargo run`: not for the cargo that we run.
/// The rest the command line says, or would be in its way.
const NOT_PASSED_ON: [&str; 13] = [
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

/// What to compile, where.
pub(super) struct Job<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) facts: &'a Facts,
    /// The top of the workspace.
    pub(super) root: &'a Path,
    pub(super) target_dir: &'a Path,
    /// Whether the lock file must stay as it is.
    pub(super) locked: bool,
    /// The user's environment.
    pub(super) env: &'a BTreeMap<String, String>,
}

/// The user's environment without what another cargo left in it, such as rustup's choice of a toolchain for that one: the
/// function's is the same whether hitctl was started by `cargo run` or by itself.
pub(super) fn clean_env(env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let left = |name: &str| {
        NOT_PASSED_ON.iter().any(|known| name == *known || (known.ends_with('_') && name.starts_with(known)))
    };
    let by_cargo = env.contains_key("CARGO");
    let left = |name: &str| left(name) || (by_cargo && name == "RUSTUP_TOOLCHAIN");
    env.iter().filter(|(name, _)| !left(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Cargo's home: `CARGO_HOME`, else `~/.cargo`.
pub(super) fn cargo_home(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let own = env.get("CARGO_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    own.or_else(|| env.get("HOME").map(|home| Path::new(home).join(".cargo")))
}

impl Job<'_> {
    /// The command line and environment.
    pub(super) fn command(&self) -> Command {
        let verb = if self.recipe.zigbuild { "zigbuild" } else { "build" };
        let mut args: Vec<String> = [verb, "--profile", PROFILE, "-p", PACKAGE, "--bin", BINARY, "--target"]
            .map(str::to_owned)
            .to_vec();
        args.push(self.recipe.target());
        args.extend(["--message-format=json-render-diagnostics", "--color", "never"].map(str::to_owned));
        if self.locked {
            args.push("--locked".to_owned());
        }
        args.extend(["--manifest-path".to_owned(), text(&self.root.join("Cargo.toml"))]);
        args.extend(["--target-dir".to_owned(), text(self.target_dir)]);

        let mut env = clean_env(self.env);
        // Its content is in the encoded form now.
        env.remove("RUSTFLAGS");
        env.insert("CARGO_ENCODED_RUSTFLAGS".to_owned(), self.rust_flags().join("\x1f"));
        env.insert("CARGO_INCREMENTAL".to_owned(), "0".to_owned());
        // For compilers of C that write the date into their output.
        env.entry("SOURCE_DATE_EPOCH".to_owned()).or_insert_with(|| "315532800".to_owned());
        if let Some(linker) = &self.recipe.linker {
            let name = self.recipe.triple.to_uppercase().replace('-', "_");
            env.entry(format!("CARGO_TARGET_{name}_LINKER")).or_insert_with(|| linker.clone());
        }
        let program =
            self.facts.cargo.as_ref().map_or_else(|| PathBuf::from("cargo"), |cargo| cargo.path.clone());
        Command { program, args, env, cwd: self.root.to_owned() }
    }

    /// The user's flags from the environment, then ours: no path of this machine gets into the binary, so that it is
    /// the same wherever it is compiled. Flags in cargo's configuration files do not apply (the environment's win, by
    /// cargo's rule): `target-cpu=native` there would make a function that Lambda cannot run.
    fn rust_flags(&self) -> Vec<String> {
        let mut flags: Vec<String> =
            match (self.env.get("CARGO_ENCODED_RUSTFLAGS"), self.env.get("RUSTFLAGS")) {
                (Some(encoded), _) => encoded.split('\x1f').map(str::to_owned).collect(),
                (None, Some(plain)) => plain.split_whitespace().map(str::to_owned).collect(),
                (None, None) => Vec::new(),
            };
        flags.retain(|flag| !flag.is_empty());
        if self.recipe.linker.as_deref() == Some(super::recipe::RUST_LLD) {
            flags.extend(["-C".to_owned(), "link-self-contained=yes".to_owned()]);
        }
        // Where several match, the last one wins: the inner folder after the outer one.
        let mut remap =
            |from: PathBuf, to: &str| flags.push(format!("--remap-path-prefix={}={to}", text(&from)));
        if let Some(home) = cargo_home(self.env) {
            remap(home, "/cargo");
        }
        if let Some(sysroot) = &self.facts.sysroot {
            remap(sysroot.clone(), "/rust");
            if let Some(commit) = &self.facts.commit {
                // What rustc calls them where their sources are not installed.
                remap(sysroot.join("lib/rustlib/src/rust"), &format!("/rustc/{commit}"));
            }
        }
        remap(self.root.to_owned(), "/hit-counter");
        remap(self.target_dir.to_owned(), "/target");
        flags
    }

    /// Compiles; gives the path of the binary.
    pub(super) async fn run(
        &self,
        limit: Duration,
        sink: &Sink,
        stop: &CancellationToken,
    ) -> Result<PathBuf, Fault> {
        let mut binary = None;
        let mut complaints = Complaints::default();
        let ended = run(&self.command(), limit, stop, |line| match line {
            Line::Out(message) => binary = executable(&message).or(binary.take()),
            Line::Err(line) => match note(&line) {
                Some(note) => sink.send(Event::PhaseNote { phase: BUILD_PHASE, note }),
                None => complaints.add(line),
            },
        })
        .await;
        let what = format!("the function for {}", self.recipe.target());
        let complaints = complaints.text();
        match ended {
            Ok(status) if status.success() => binary.ok_or_else(|| {
                Fault::fatal(
                    "build_failed",
                    format!("cargo compiled {what}, but did not say where the binary is"),
                )
                .hinted("run `cargo -V`: a cargo from https://rustup.rs says so")
            }),
            Ok(status) => {
                let cause =
                    if complaints.is_empty() { format!("cargo ended with {status}") } else { complaints };
                let hint = hint(&cause);
                Err(Fault::fatal("build_failed", format!("failed to compile {what}"))
                    .caused_by(cause)
                    .hinted(hint))
            }
            Err(Stopped::Cancelled) => Err(interrupted()),
            Err(Stopped::TooLong) => Err(Fault::fatal(
                "build_timeout",
                format!("compiling {what} took longer than {} minutes", limit.as_secs() / 60),
            )
            .caused_by(if complaints.is_empty() {
                "cargo said nothing of a mistake".to_owned()
            } else {
                complaints
            })
            .hinted("run the command again: it continues where it stopped")),
            Err(Stopped::Failed(error)) => Err(Fault::fatal("build_failed", "failed to start cargo")
                .caused_by(error)
                .hinted("run `cargo -V` to see why")),
        }
    }
}

/// The fault of a build that the user stopped.
pub(super) fn interrupted() -> Fault {
    Fault::fatal("interrupted", "the build was interrupted")
        .hinted("run the command again: it continues where it stopped")
}

/// The path of the finished binary, if that is what one of cargo's messages is about.
fn executable(message: &str) -> Option<PathBuf> {
    if !message.starts_with('{') || !message.contains("\"compiler-artifact\"") {
        return None;
    }
    let message: Json = serde_json::from_str(message).ok()?;
    let ours = message["reason"] == "compiler-artifact" && message["target"]["name"] == BINARY;
    message["executable"].as_str().filter(|_| ours).map(PathBuf::from)
}

/// A line of cargo's that tells how far it is, in words of ours: `   Compiling serde v1.0.229` -> `compiling serde v1.0.229`.
fn note(line: &str) -> Option<String> {
    let (verb, rest) = line.trim_start().split_once(' ')?;
    // Cargo sets its verbs right-aligned in twelve columns; rustc's own words begin at the first or after a number.
    let aligned = line.len() - line.trim_start().len() + verb.len() == 12;
    let known = [
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
    if !aligned || !known.contains(&verb) {
        return None;
    }
    if verb == "Blocking" {
        return Some("another cargo is at work: waiting for it".to_owned());
    }
    let rest = rest.split(" (").next().unwrap_or(rest).trim();
    Some(format!("{} {rest}", verb.to_lowercase()))
}

/// What to do about a failed build, by what cargo or rustc said.
fn hint(said: &str) -> &'static str {
    let table: [(&[&str], &str); 6] = [
        (
            &["--locked was passed", "cannot update the lock file"],
            "Cargo.lock does not fit the manifests: run `cargo check -p hit-counter`, which mends it, and then the command again",
        ),
        (
            &["failed to download", "Could not resolve host", "failed to fetch", "network", "failed to get"],
            "the crates are downloaded once: check the network or the proxy (`HTTPS_PROXY`) and run the command again",
        ),
        (
            &["linker `", "failed to find tool", "ToolNotFound"],
            "a C compiler is missing: `apt install gcc`, for another architecture `pip install cargo-zigbuild ziglang`; then run the command again",
        ),
        (
            &["requires rustc", "is not supported by the following package"],
            "run `rustup update stable`, and then the command again",
        ),
        (&["No space left on device"], "free some space on that disk and run the command again"),
        (
            &["can't find crate for `core`", "can't find crate for `std`"],
            "the target's standard library is not whole: `rustup target add TARGET` installs it",
        ),
    ];
    let known = table.iter().find(|(words, _)| words.iter().any(|word| said.contains(word)));
    known.map_or(
        "mend what rustc names and run the command again; `hitctl doctor` shows the toolchain",
        |(_, hint)| hint,
    )
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
#[path = "cargo_tests.rs"]
mod tests;
