//! What is installed to compile with. Asks the tools; decides nothing (see `recipe`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hitctl_config::Arch;
use tokio_util::sync::CancellationToken;

use super::cargo;
use super::process::{Command, ask, find};
use super::recipe::{Facts, Tool, musl_triple};
use super::store::Hasher;

/// rustup may download the toolchain that a checkout asks for before it answers.
const RUST_LIMIT: Duration = Duration::from_mins(10);
/// Other tools have no reason to take long.
const TOOL_LIMIT: Duration = Duration::from_secs(20);

/// The equivalent of `python3 -m ziglang`, in Python's isolated mode (`-I`): a `ziglang.py` in the working directory or on PYTHONPATH is
/// not found, and what `pip install --user` installs still is.
const ZIGLANG: &str = "import runpy, site, sys; sys.path.append(site.getusersitepackages()); \
                       runpy.run_module('ziglang', run_name='__main__', alter_sys=True)";

/// Environment variables that change what is compiled, by prefix.
const RELEVANT: [&str; 13] = [
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

/// Looks at what is installed to build the function with. `cwd` matters where a `rust-toolchain.toml` is above it.
/// Nothing that is missing or broken is an error here.
pub async fn toolchain_facts(env: &BTreeMap<String, String>, cwd: &Path, stop: &CancellationToken) -> Facts {
    let tools = Tools { env, cwd, stop };
    let version = &["--version"];
    let (rust, cargo, zigbuild, cc) = tokio::join!(
        tools.rust(),
        tools.tool("cargo", &["-V"]),
        tools.tool("cargo-zigbuild", version),
        tools.tool("cc", version)
    );
    let mut facts = Facts { zigbuild: zigbuild.ok().flatten(), cc: cc.ok().flatten(), ..rust };
    match cargo {
        Ok(cargo) => facts.cargo = cargo,
        Err(said) => drop(facts.broken.insert("cargo".to_owned(), said)),
    }
    if facts.zigbuild.is_some() {
        facts.zig = tools.zig().await;
    }
    facts.musl_cc = tools.musl_cc();
    facts
}

/// Finds a tool on the `PATH`, else where rustup installs, which a shell that is still open may not know.
pub(super) fn find_tool(name: &str, env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let path = env.get("PATH").map_or("", String::as_str);
    let home = cargo::cargo_home(env).map(|home| home.join("bin"));
    find(name, path, home.as_slice())
}

struct Tools<'a> {
    env: &'a BTreeMap<String, String>,
    cwd: &'a Path,
    stop: &'a CancellationToken,
}

impl Tools<'_> {
    async fn ask(&self, program: &Path, args: &[&str], limit: Duration) -> Result<String, String> {
        let command = Command {
            program: program.to_owned(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            env: cargo::clean_env(self.env),
            cwd: self.cwd.to_owned(),
        };
        ask(&command, limit, self.stop).await
    }

    /// A tool and its version; `Err` is what it said instead.
    async fn tool(&self, name: &str, args: &[&str]) -> Result<Option<Tool>, String> {
        let Some(path) = find_tool(name, self.env) else { return Ok(None) };
        let limit = if matches!(name, "cargo" | "rustc") { RUST_LIMIT } else { TOOL_LIMIT };
        let said = self.ask(&path, args, limit).await?;
        Ok(Some(Tool { path, version: said.lines().next().unwrap_or_default().trim().to_owned() }))
    }

    /// rustc and what it can compile for.
    async fn rust(&self) -> Facts {
        let mut facts = Facts::default();
        let Some(path) = find_tool("rustc", self.env) else { return facts };
        let verbose = match self.ask(&path, &["-vV"], RUST_LIMIT).await {
            Ok(said) => said,
            Err(said) => {
                facts.broken.insert("rustc".to_owned(), said);
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
        if let Ok(sysroot) = self.ask(&path, &["--print", "sysroot"], RUST_LIMIT).await {
            let sysroot = PathBuf::from(sysroot.trim());
            facts.targets = installed_targets(&sysroot);
            facts.sysroot = Some(sysroot);
        }
        facts
    }

    /// zig by itself, else as a Python package, both as cargo-zigbuild finds it.
    async fn zig(&self) -> Option<Tool> {
        let own = self.env.get("CARGO_ZIGBUILD_ZIG_PATH").map(PathBuf::from);
        if let Some(path) = own.or_else(|| find_tool("zig", self.env)) {
            let version = self.ask(&path, &["version"], TOOL_LIMIT).await.ok()?;
            return Some(Tool { version: format!("zig {}", version.trim()), path });
        }
        let path = find_tool("python3", self.env)?;
        let version = self.ask(&path, &["-I", "-c", ZIGLANG, "version"], TOOL_LIMIT).await.ok()?;
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

/// The targets whose standard library lies in a sysroot; what `rustc --print target-libdir` names, for all at once.
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

/// Adds to a fingerprint what tells that another toolchain would be used now, without asking any of it: that takes
/// longer than all the rest of a build with nothing to do.
pub(super) fn fingerprint(env: &BTreeMap<String, String>, into: &mut Hasher) {
    for (name, value) in cargo::clean_env(env) {
        if RELEVANT.iter().any(|prefix| name.starts_with(prefix)) {
            into.field(&name, value.as_bytes());
        }
    }
    for name in ["cargo", "rustc", "cargo-zigbuild", "zig", "python3", "cc", "musl-gcc"] {
        if let Some(path) = find_tool(name, env) {
            into.field(name, path.to_string_lossy().as_bytes());
            into.field("state", state(&path).as_bytes());
            // The standard libraries of a toolchain that rustup does not manage.
            if name == "rustc"
                && let Some(prefix) = path.canonicalize().ok().as_deref().and_then(Path::parent)
            {
                into.field("rustlib", state(&prefix.join("../lib/rustlib")).as_bytes());
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
        // A new target or component changes the folder, an update the compiler.
        for part in ["lib/rustlib", "bin/rustc"] {
            into.field(part, state(&toolchain.join(part)).as_bytes());
        }
    }
}

/// When and how large a file or folder was last written.
fn state(path: &Path) -> String {
    match fs::metadata(path) {
        Ok(meta) => format!("{:?} {}", meta.modified().ok(), meta.len()),
        Err(_) => String::new(),
    }
}

fn rustup_home(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let own = env.get("RUSTUP_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    own.or_else(|| env.get("HOME").map(|home| Path::new(home).join(".rustup")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_counts_as_installed_with_its_standard_library_only() {
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
    fn the_fingerprint_follows_the_toolchain_and_the_flags() {
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
        let print = |env: &BTreeMap<String, String>| {
            let mut hasher = Hasher::default();
            fingerprint(env, &mut hasher);
            hasher.hex()
        };
        let plain = print(&env(&[]));
        assert_eq!(
            print(&env(&[("EDITOR", "vi"), ("CARGO_PKG_NAME", "x"), ("CARGO_TERM_COLOR", "always")])),
            plain
        );
        for changed in
            [("RUSTFLAGS", "-g"), ("CARGO_PROFILE_LAMBDA_LTO", "off"), ("RUSTUP_TOOLCHAIN", "beta")]
        {
            assert_ne!(print(&env(&[changed])), plain, "{changed:?}");
        }
        fs::create_dir(rustlib.join("aarch64-unknown-linux-musl")).unwrap();
        let time = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
        fs::File::open(&rustlib).unwrap().set_times(time).unwrap();
        assert_ne!(print(&env(&[])), plain);
    }
}
