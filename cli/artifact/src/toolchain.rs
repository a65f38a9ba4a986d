//! Detects the installed build tools and their versions. `build_method` decides which of them to use.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hitctl_config::Arch;
use tokio_util::sync::CancellationToken;

use super::build_method::{Tool, ToolchainFacts, musl_triple};
use super::cargo;
use super::process::{Command, capture_output};
use super::store::Hasher;

/// The timeout of a call of rustc or cargo: rustup may first download the toolchain that a checkout selects.
const RUST_LIMIT: Duration = Duration::from_mins(10);
/// The timeout of a call of any other tool.
const TOOL_LIMIT: Duration = Duration::from_secs(20);

/// The equivalent of `python3 -m ziglang` in Python's isolated mode (`-I`). It ignores a `ziglang.py` in the working directory or
/// on PYTHONPATH, but finds packages installed with `pip install --user`.
const ZIGLANG: &str = "import runpy, site, sys; sys.path.append(site.getusersitepackages()); \
                       runpy.run_module('ziglang', run_name='__main__', alter_sys=True)";

/// The prefixes of environment variables that change the result of a build.
const RELEVANT_VARIABLES: [&str; 13] = [
    "AR",
    "CARGO_BUILD_",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_HOME",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "CARGO_ZIGBUILD_",
    "CC",
    "CFLAGS",
    "RUSTC",
    "RUSTFLAGS",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
];

/// Detects the tools for building the function. rustup selects a toolchain by the `rust-toolchain.toml` above `cwd`. A missing or
/// broken tool is not an error.
pub async fn toolchain_facts(
    env: &BTreeMap<String, String>,
    cwd: &Path,
    stop: &CancellationToken,
) -> ToolchainFacts {
    let tools = Tools { env, cwd, stop };
    let version = &["--version"];
    let (rust, cargo, zigbuild, cc) = tokio::join!(
        tools.rust(),
        tools.tool("cargo", &["-V"]),
        tools.tool("cargo-zigbuild", version),
        tools.tool("cc", version)
    );
    let mut facts = ToolchainFacts { zigbuild: zigbuild.ok().flatten(), cc: cc.ok().flatten(), ..rust };
    match cargo {
        Ok(cargo) => facts.cargo = cargo,
        Err(message) => drop(facts.broken.insert("cargo".to_owned(), message)),
    }
    if facts.zigbuild.is_some() {
        facts.zig = tools.zig().await;
    }
    facts.musl_cc = tools.musl_cc();
    facts
}

/// Finds a tool on the `PATH`, or in the folder into which rustup installs tools. A shell that was opened before rustup
/// was installed does not have this folder on its `PATH`.
pub(super) fn find_tool(name: &str, env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let path = env.get("PATH").map_or("", String::as_str);
    let home = cargo::cargo_home(env).map(|home| home.join("bin"));
    hitctl_platform::find_program(name, path, home.as_slice())
}

struct Tools<'a> {
    env: &'a BTreeMap<String, String>,
    cwd: &'a Path,
    stop: &'a CancellationToken,
}

impl Tools<'_> {
    async fn capture(&self, program: &Path, args: &[&str], limit: Duration) -> Result<String, String> {
        let command = Command {
            program: program.to_owned(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            env: cargo::clean_env(self.env),
            cwd: self.cwd.to_owned(),
        };
        capture_output(&command, limit, self.stop).await
    }

    /// Returns a tool with its version, or `None` if it is not installed. The error is the tool's error message.
    async fn tool(&self, name: &str, args: &[&str]) -> Result<Option<Tool>, String> {
        let Some(path) = find_tool(name, self.env) else { return Ok(None) };
        let limit = if matches!(name, "cargo" | "rustc") { RUST_LIMIT } else { TOOL_LIMIT };
        let output = self.capture(&path, args, limit).await?;
        Ok(Some(Tool { path, version: output.lines().next().unwrap_or_default().trim().to_owned() }))
    }

    /// Returns the facts about rustc: its version, host, sysroot and installed targets.
    async fn rust(&self) -> ToolchainFacts {
        let mut facts = ToolchainFacts::default();
        let Some(path) = find_tool("rustc", self.env) else { return facts };
        let verbose = match self.capture(&path, &["-vV"], RUST_LIMIT).await {
            Ok(output) => output,
            Err(message) => {
                facts.broken.insert("rustc".to_owned(), message);
                return facts;
            }
        };
        let field = |key: &str| {
            let value = verbose.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
            value.map(str::trim).filter(|value| *value != "unknown").map(str::to_owned)
        };
        facts.host = field("host");
        facts.commit = field("commit-hash");
        facts.rustc =
            Some(Tool { version: verbose.lines().next().unwrap_or_default().to_owned(), path: path.clone() });
        if let Ok(sysroot) = self.capture(&path, &["--print", "sysroot"], RUST_LIMIT).await {
            let sysroot = PathBuf::from(sysroot.trim());
            facts.targets = installed_targets(&sysroot);
            facts.sysroot = Some(sysroot);
        }
        facts
    }

    /// Finds zig as a program, or as a Python package, in the same way as cargo-zigbuild.
    async fn zig(&self) -> Option<Tool> {
        let explicit = self.env.get("CARGO_ZIGBUILD_ZIG_PATH").map(PathBuf::from);
        if let Some(path) = explicit.or_else(|| find_tool("zig", self.env)) {
            let version = self.capture(&path, &["version"], TOOL_LIMIT).await.ok()?;
            return Some(Tool { version: format!("zig {}", version.trim()), path });
        }
        let path = find_tool("python3", self.env).or_else(|| find_tool("python", self.env))?;
        let version = self.capture(&path, &["-I", "-c", ZIGLANG, "version"], TOOL_LIMIT).await.ok()?;
        Some(Tool { version: format!("zig {} (ziglang)", version.trim()), path })
    }

    fn musl_cc(&self) -> BTreeMap<String, PathBuf> {
        let mut found = BTreeMap::new();
        for arch in [Arch::Arm64, Arch::X86_64] {
            let triple = musl_triple(arch);
            let cross = triple.replace("-unknown", "") + "-gcc";
            let native = std::env::consts::ARCH == triple.split('-').next().unwrap_or_default();
            let path = find_tool(&cross, self.env)
                .or_else(|| native.then(|| find_tool("musl-gcc", self.env)).flatten());
            if let Some(path) = path {
                found.insert(triple.to_owned(), path);
            }
        }
        found
    }
}

/// Returns the targets whose standard library is installed in a sysroot. Reads the folders of all targets at once,
/// instead of one run of `rustc --print target-libdir` per target.
fn installed_targets(sysroot: &Path) -> BTreeSet<String> {
    let has_std = |folder: &Path| {
        let entries = fs::read_dir(folder.join("lib")).into_iter().flatten().flatten();
        let names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        ["libcore-", "libstd-"].iter().all(|library| {
            names.iter().any(|name| name.starts_with(library) && name.rsplit('.').next() == Some("rlib"))
        })
    };
    let folders = fs::read_dir(sysroot.join("lib/rustlib")).into_iter().flatten().flatten();
    folders
        .filter(|entry| has_std(&entry.path()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Adds the state of the toolchain to a fingerprint, so that the fingerprint changes with the toolchain. Starts no
/// tool, because that takes longer than the rest of an up-to-date build.
pub(super) fn fingerprint(env: &BTreeMap<String, String>, into: &mut Hasher) {
    for (name, value) in cargo::clean_env(env) {
        if RELEVANT_VARIABLES.iter().any(|prefix| name.starts_with(prefix)) {
            into.field(&name, value.as_bytes());
        }
    }
    for name in ["cargo", "rustc", "cargo-zigbuild", "zig", "python3", "cc", "musl-gcc"] {
        if let Some(path) = find_tool(name, env) {
            into.field(name, path.to_string_lossy().as_bytes());
            into.field("state", file_state(&path).as_bytes());
            // The installed standard libraries, for a toolchain that rustup does not manage.
            if name == "rustc"
                && let Some(prefix) = path.canonicalize().ok().as_deref().and_then(Path::parent)
            {
                into.field("rustlib", file_state(&prefix.join("../lib/rustlib")).as_bytes());
            }
        }
    }
    let Some(rustup) = rustup_home(env) else { return };
    into.field("default", &fs::read(rustup.join("settings.toml")).unwrap_or_default());
    let mut toolchains: Vec<PathBuf> = fs::read_dir(rustup.join("toolchains"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    toolchains.sort();
    for toolchain in toolchains {
        into.field("toolchain", toolchain.to_string_lossy().as_bytes());
        // A new target or component changes the folder; an update changes the compiler.
        for part in ["lib/rustlib", "bin/rustc"] {
            into.field(part, file_state(&toolchain.join(part)).as_bytes());
        }
    }
}

/// Returns the modification time and the size of a file or folder.
fn file_state(path: &Path) -> String {
    match fs::metadata(path) {
        Ok(meta) => format!("{:?} {}", meta.modified().ok(), meta.len()),
        Err(_) => String::new(),
    }
}

fn rustup_home(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let explicit = env.get("RUSTUP_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    explicit.or_else(|| hitctl_platform::home_dir(env).map(|home| home.join(".rustup")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_targets_lists_targets_with_standard_library() {
        let sysroot = tempfile::tempdir().unwrap();
        let file = |path: &str| {
            let path = sysroot.path().join("lib/rustlib").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        file("x86_64-unknown-linux-gnu/lib/libcore-1.rlib");
        file("x86_64-unknown-linux-gnu/lib/libstd-1.rlib");
        file("aarch64-unknown-none/lib/libcore-1.rlib");
        file("aarch64-unknown-linux-musl/lib/libstd-1.so");
        file("etc/gdb_lookup.py");
        assert_eq!(installed_targets(sysroot.path()), ["x86_64-unknown-linux-gnu".to_owned()].into());
        assert_eq!(installed_targets(Path::new("/nonexistent")), BTreeSet::new());
    }

    #[test]
    fn fingerprint_changes_with_toolchain_and_flags() {
        let home = tempfile::tempdir().unwrap();
        let rustlib = home.path().join("toolchains/stable/lib/rustlib");
        fs::create_dir_all(&rustlib).unwrap();
        let env = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let home = ("RUSTUP_HOME".to_owned(), home.path().to_string_lossy().into_owned());
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .chain([home])
                .collect()
        };
        let hash = |env: &BTreeMap<String, String>| {
            let mut hasher = Hasher::default();
            fingerprint(env, &mut hasher);
            hasher.hex()
        };
        let plain = hash(&env(&[]));
        assert_eq!(
            hash(&env(&[("EDITOR", "vi"), ("CARGO_PKG_NAME", "x"), ("CARGO_TERM_COLOR", "always")])),
            plain
        );
        for changed in
            [("RUSTFLAGS", "-g"), ("CARGO_PROFILE_LAMBDA_LTO", "off"), ("RUSTUP_TOOLCHAIN", "beta")]
        {
            assert_ne!(hash(&env(&[changed])), plain, "{changed:?}");
        }
        fs::create_dir(rustlib.join("aarch64-unknown-linux-musl")).unwrap();
        let time = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        fs::File::open(&rustlib).unwrap().set_times(time).unwrap();
        assert_ne!(hash(&env(&[])), plain);
    }
}
