//! Where the function's sources are: in a checkout, or in this program, which unpacks them into the user's cache.
//!
//! Knows files only; what is done with them is the build's business.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use hitctl_config::project;
use hitctl_engine::Fault;

use super::source_files::{self, Locked};
use super::store::{self, Hasher};

/// The function's sources as they were when this program was built: relative path and content, sorted.
static CARRIED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/carried.rs"));

const LOCK_FILE: &str = "Cargo.lock";

/// Files beside the folders that a build depends on. Those that are missing are missed by nobody.
const BESIDE: [&str; 5] =
    ["Cargo.toml", LOCK_FILE, "rust-toolchain.toml", "rust-toolchain", ".cargo/config.toml"];

/// Where the function is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A checkout of hitctl: what is edited there is what is deployed.
    Checkout {
        /// Its top folder.
        root: PathBuf,
    },
    /// The sources that the program carries.
    Carried {
        /// The folder of the user's cache that is ours.
        cache: PathBuf,
    },
}

impl Source {
    /// The sources to build from: those of the checkout that this program was built in, when `cwd` is in it; those of any other
    /// checkout around `cwd` only when asked for, since its build runs its code; else the carried ones, which a build unpacks
    /// below `cache`.
    pub fn choose(
        cwd: &Path,
        cache: &Path,
        from_source: bool,
        env: &BTreeMap<String, String>,
    ) -> Result<Self, Fault> {
        if let Some(root) = own_checkout(cwd, env) {
            return Ok(Self::Checkout { root });
        }
        if !from_source {
            return Ok(Self::Carried { cache: cache.to_owned() });
        }
        let Some(root) = project::dirs(cwd).into_iter().find(|dir| is_checkout(dir)) else {
            return Err(Fault::fatal(
                "no_checkout",
                format!("{} is in no checkout of hitctl", cwd.display()),
            )
            .hinted("leave out `--from-source`: this program carries the sources of the function"));
        };
        match project::check(&root.join("Cargo.toml"), cwd, env) {
            Ok(()) => Ok(Self::Checkout { root }),
            Err(why) => Err(Fault::fatal(
                "untrusted_checkout",
                format!("failed to trust the checkout in {}: {why}", root.display()),
            )
            .hinted("clone it yourself, then build from your clone")),
        }
    }

    /// The folder in which tools are asked what they are: a toolchain file in the working directory must not choose them.
    pub fn neutral_dir(&self) -> PathBuf {
        match self {
            Self::Checkout { root } => root.clone(),
            Self::Carried { .. } => PathBuf::from("/"),
        }
    }

    /// The top of the workspace to build: the checkout, or the folder that the carried sources are unpacked into.
    pub(super) fn root(&self) -> PathBuf {
        match self {
            Self::Checkout { root } => root.clone(),
            Self::Carried { cache } => cache.join("src").join(&carried_hash()[..16]),
        }
    }

    /// Cargo's build folder for the function.
    ///
    /// It is not the checkout's own `target/`: a build there by an editor or by `cargo test` would make a deploy wait for
    /// cargo's lock, and the other way round. Nothing is built twice for that, since no other build uses the profile. It
    /// lies within `target/`, so that `cargo clean` takes it along.
    pub(super) fn target_dir(&self, env: &BTreeMap<String, String>) -> PathBuf {
        match self {
            Self::Checkout { root } => {
                let own = env.get("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty());
                own.map_or_else(|| root.join("target"), |dir| root.join(dir)).join("hitctl")
            }
            Self::Carried { cache } => cache.join("target"),
        }
    }

    /// The file whose lock keeps two builds apart.
    pub(super) fn lock_file(&self, env: &BTreeMap<String, String>) -> PathBuf {
        match self {
            Self::Checkout { .. } => self.target_dir(env).join("build.lock"),
            Self::Carried { cache } => cache.join("build.lock"),
        }
    }

    /// Adds every source file, by name and content, to a fingerprint.
    pub(super) fn fingerprint(&self, into: &mut Hasher) -> Result<(), Fault> {
        let root = match self {
            Self::Carried { .. } => {
                into.field("carried", carried_hash().as_bytes());
                return Ok(());
            }
            Self::Checkout { root } => root,
        };
        let unreadable = |path: &Path, error: io::Error| {
            Fault::fatal("source_unreadable", format!("failed to read {}", path.display())).caused_by(error)
        };
        for name in source_files::list(root).map_err(|error| unreadable(root, error))? {
            let path = root.join(&name);
            let content = fs::read(&path).map_err(|error| unreadable(&path, error))?;
            into.field(&name, &content);
        }
        for name in BESIDE {
            let path = root.join(name);
            match fs::read(&path) {
                Ok(content) => into.field(name, &content),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(&path, error)),
            }
        }
        Ok(())
    }

    /// Makes sure that the sources are on disk, whole. Of what an earlier run left half-unpacked or somebody changed,
    /// only what differs is written, so that cargo sees no change where there is none.
    pub(super) fn unpack(&self) -> Result<(), Fault> {
        if matches!(self, Self::Checkout { .. }) {
            return Ok(());
        }
        let root = self.root();
        for (name, content) in CARRIED {
            let path = root.join(name);
            let there = fs::read(&path);
            let whole = if *name == LOCK_FILE {
                there.is_ok_and(|found| keeps_versions(&found, content))
            } else {
                there.is_ok_and(|found| found == *content)
            };
            if whole {
                continue;
            }
            store::write_atomically(&path, content)?;
        }
        Ok(())
    }

    /// Whether cargo is to refuse any change of the lock file. In a checkout, where there is one. Of the carried one cargo
    /// may strike out packages that nothing needs any more; [`Source::check_versions`] sees to the rest.
    pub(super) fn locked(&self) -> bool {
        matches!(self, Self::Checkout { root } if root.join(LOCK_FILE).is_file())
    }

    /// Checks that cargo took every dependency in the version that the program carries.
    pub(super) fn check_versions(&self) -> Result<(), Fault> {
        if matches!(self, Self::Checkout { .. }) {
            return Ok(());
        }
        let path = self.root().join(LOCK_FILE);
        let same = fs::read(&path).is_ok_and(|found| keeps_versions(&found, carried(LOCK_FILE)));
        if same {
            return Ok(());
        }
        Err(Fault::fatal("versions_changed", format!("cargo took other versions of crates than hitctl carries, see {}", path.display()))
            .hinted("run the command again; if it stays so, build in a checkout: `git clone https://github.com/hitctl/hitctl`"))
    }

    /// Whether building the function compiles C, by its lock file. Cryptography for TLS usually does.
    pub(super) fn needs_c_compiler(&self) -> bool {
        let lock = match self {
            Self::Checkout { root } => fs::read_to_string(root.join(LOCK_FILE)).unwrap_or_default(),
            Self::Carried { .. } => String::from_utf8_lossy(carried(LOCK_FILE)).into_owned(),
        };
        let pruned = source_files::prune_lock(&lock, &[source_files::PACKAGE]);
        pruned.lines().any(|line| line == "name = \"cc\"")
    }
}

/// The checkout that this program was built in, when `cwd` is in it and it is still this user's.
fn own_checkout(cwd: &Path, env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?.canonicalize().ok()?;
    let inside = cwd.canonicalize().ok()?.starts_with(&root);
    (inside && is_checkout(&root) && project::check(&root.join("Cargo.toml"), cwd, env).is_ok())
        .then_some(root)
}

/// Whether a folder is the top of a checkout of this project: each of its packages is there, by its name.
fn is_checkout(folder: &Path) -> bool {
    let has = |file: &str, needle: &str| {
        fs::read_to_string(folder.join(file))
            .is_ok_and(|text| text.lines().any(|line| line.trim_end() == needle))
    };
    has("Cargo.toml", "[workspace]")
        && has("Cargo.toml", concat!("repository = \"", env!("CARGO_PKG_REPOSITORY"), "\""))
        && has("function/Cargo.toml", "name = \"hit-counter\"")
        && has("config/Cargo.toml", "name = \"hitctl-config\"")
        && has("cli/Cargo.toml", "name = \"hitctl\"")
}

/// A carried file; empty if there is none of that name.
fn carried(name: &str) -> &'static [u8] {
    CARRIED.iter().find(|(known, _)| *known == name).map_or(&[], |(_, content)| content)
}

/// Whether a lock file is whole, holds the function, and has no package that is not in the `other` one, to the checksum.
fn keeps_versions(lock: &[u8], other: &[u8]) -> bool {
    let (Ok(lock), Ok(other)) = (std::str::from_utf8(lock), std::str::from_utf8(other)) else { return false };
    let packages: Vec<Locked> = lock.split(source_files::BLOCK).skip(1).map(Locked::parse).collect();
    let identities: BTreeSet<&str> = other.split(source_files::BLOCK).skip(1).map(identity).collect();
    packages.iter().any(|package| package.name == source_files::PACKAGE)
        && lock.split(source_files::BLOCK).skip(1).map(identity).all(|package| identities.contains(package))
        && packages
            .iter()
            .flat_map(|package| &package.dependencies)
            .all(|needed| packages.iter().any(|package| package.is(needed)))
}

/// Name, version, source and checksum: what of a package stands before its dependencies.
fn identity(block: &str) -> &str {
    block.split("dependencies = [").next().unwrap_or(block).trim_end()
}

/// SHA-256 of the carried sources, in hex.
fn carried_hash() -> String {
    let mut hasher = Hasher::default();
    for (name, content) in CARRIED {
        hasher.field(name, content);
    }
    hasher.hex()
}

/// The folder of the user's cache that is hitctl's: `$XDG_CACHE_HOME/hitctl`, else `~/Library/Caches/hitctl` on macOS and
/// `~/.cache/hitctl` elsewhere. `None` where there is no home.
pub fn cache_dir(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let absolute = |name: &str| env.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(xdg) = absolute("XDG_CACHE_HOME") {
        return Some(xdg.join("hitctl"));
    }
    let below = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
    absolute("HOME").map(|home| home.join(below).join("hitctl"))
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
