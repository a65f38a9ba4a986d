//! The function's sources: those of a checkout, or those embedded in this program, which are unpacked into the user's cache.
//!
//! This module handles files only. The build decides how to use them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use hitctl_engine::Fault;
use hitctl_platform::project;

use super::source_files::{self, LockedPackage};
use super::store::{self, Hasher};

/// The embedded sources of the function at the time when this program was built: sorted relative paths with contents.
static EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

const LOCK_FILE: &str = "Cargo.lock";

/// The files at the root of the workspace that a build depends on. They are optional.
const WORKSPACE_FILES: [&str; 5] =
    ["Cargo.toml", LOCK_FILE, "rust-toolchain.toml", "rust-toolchain", ".cargo/config.toml"];

/// The sources that the function is built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FunctionSource {
    /// A checkout of hitctl. Edits in the checkout are deployed.
    Checkout {
        /// The root folder of the checkout.
        root: PathBuf,
    },
    /// The sources embedded in the program.
    Embedded {
        /// The folder of hitctl in the user's cache.
        cache: PathBuf,
    },
}

impl FunctionSource {
    /// Chooses the sources to build from.
    ///
    /// If `cwd` is in the checkout that this program was built in, it is used. Any other checkout around `cwd` is used only with
    /// `from_source`, because a build runs code of the checkout. Otherwise the embedded sources are used, which a build unpacks into
    /// `cache`.
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
            return Ok(Self::Embedded { cache: cache.to_owned() });
        }
        let Some(root) = project::search_dirs(cwd).into_iter().find(|dir| is_checkout(dir)) else {
            return Err(Fault::fatal(
                "no_checkout",
                format!("{} is not in a checkout of hitctl", cwd.display()),
            )
            .hinted("leave out `--from-source`; hitctl contains the sources of the function"));
        };
        let manifest = root.join("Cargo.toml");
        match project::check_trusted(&manifest, cwd, env) {
            Ok(()) => Ok(Self::Checkout { root }),
            Err(error) => Err(Fault::fatal(
                "untrusted_checkout",
                format!("{} is not trusted: {error}", manifest.display()),
            )
            .hinted("clone hitctl yourself, then run the command in your clone")),
        }
    }

    /// Returns the folder in which tools are run to read their versions. It is not the working directory, where a
    /// toolchain file could select another toolchain.
    pub fn tool_dir(&self) -> PathBuf {
        match self {
            Self::Checkout { root } => root.clone(),
            Self::Embedded { .. } => PathBuf::from("/"),
        }
    }

    /// Returns the root of the workspace to build: the checkout, or the folder that the embedded sources are unpacked into.
    pub(super) fn root(&self) -> PathBuf {
        match self {
            Self::Checkout { root } => root.clone(),
            Self::Embedded { cache } => cache.join("src").join(&embedded_hash()[..16]),
        }
    }

    /// Returns cargo's target directory for the function.
    ///
    /// It is not the checkout's own `target/`: a build there by an editor or by `cargo test` would block a deploy on
    /// cargo's lock, and vice versa. Nothing is built twice, because no other build uses the profile `lambda`. The
    /// directory is inside `target/`, so that `cargo clean` removes it.
    pub(super) fn target_dir(&self, env: &BTreeMap<String, String>) -> PathBuf {
        match self {
            Self::Checkout { root } => {
                let explicit = env.get("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty());
                explicit.map_or_else(|| root.join("target"), |dir| root.join(dir)).join("hitctl")
            }
            Self::Embedded { cache } => cache.join("target"),
        }
    }

    /// Returns the lock file that prevents concurrent builds.
    pub(super) fn lock_file(&self, env: &BTreeMap<String, String>) -> PathBuf {
        match self {
            Self::Checkout { .. } => self.target_dir(env).join("build.lock"),
            Self::Embedded { cache } => cache.join("build.lock"),
        }
    }

    /// Adds the name and the content of every source file to a fingerprint.
    pub(super) fn fingerprint(&self, into: &mut Hasher) -> Result<(), Fault> {
        let root = match self {
            Self::Embedded { .. } => {
                into.field("carried", embedded_hash().as_bytes());
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
        for name in WORKSPACE_FILES {
            let path = root.join(name);
            match fs::read(&path) {
                Ok(content) => into.field(name, &content),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(&path, error)),
            }
        }
        Ok(())
    }

    /// Unpacks the embedded sources. Only missing or different files are written, so that cargo sees no change in the others.
    pub(super) fn unpack(&self) -> Result<(), Fault> {
        if matches!(self, Self::Checkout { .. }) {
            return Ok(());
        }
        let root = self.root();
        for (name, content) in EMBEDDED {
            let path = root.join(name);
            let existing = fs::read(&path);
            let is_current = if *name == LOCK_FILE {
                existing.is_ok_and(|found| keeps_versions(&found, content))
            } else {
                existing.is_ok_and(|found| found == *content)
            };
            if is_current {
                continue;
            }
            store::write_atomically(&path, content)?;
        }
        Ok(())
    }

    /// Whether cargo must not change the lock file (`--locked`). This applies to a checkout with a lock file. In the embedded lock
    /// file, cargo may remove unused packages, and [`FunctionSource::check_versions`] checks the others.
    pub(super) fn locked(&self) -> bool {
        matches!(self, Self::Checkout { root } if root.join(LOCK_FILE).is_file())
    }

    /// Checks that cargo used every dependency in the version of the embedded lock file.
    pub(super) fn check_versions(&self) -> Result<(), Fault> {
        if matches!(self, Self::Checkout { .. }) {
            return Ok(());
        }
        let path = self.root().join(LOCK_FILE);
        let unchanged = fs::read(&path).is_ok_and(|found| keeps_versions(&found, embedded_file(LOCK_FILE)));
        if unchanged {
            return Ok(());
        }
        Err(Fault::fatal("versions_changed", format!("expected the crate versions that hitctl contains, found others in {}", path.display()))
            .hinted("run the command again; if the error persists, build in a checkout: `git clone https://github.com/hitctl/hitctl`"))
    }

    /// Whether a build of the function compiles C code, according to the lock file. TLS cryptography usually does.
    pub(super) fn needs_c_compiler(&self) -> bool {
        let lock = match self {
            Self::Checkout { root } => fs::read_to_string(root.join(LOCK_FILE)).unwrap_or_default(),
            Self::Embedded { .. } => String::from_utf8_lossy(embedded_file(LOCK_FILE)).into_owned(),
        };
        let pruned = source_files::prune_lock(&lock, &[source_files::PACKAGE]);
        // The crate `cc` compiles C code in build scripts.
        pruned.lines().any(|line| line == "name = \"cc\"")
    }
}

/// Returns the checkout that this program was built in, if `cwd` is in it and it still belongs to this user.
fn own_checkout(cwd: &Path, env: &BTreeMap<String, String>) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let root = hitctl_platform::canonicalize(root).ok()?;
    let is_inside = hitctl_platform::canonicalize(cwd).ok()?.starts_with(&root);
    (is_inside && is_checkout(&root) && project::check_trusted(&root.join("Cargo.toml"), cwd, env).is_ok())
        .then_some(root)
}

/// Whether a folder is the root of a checkout of this project: it contains all its packages, with their names.
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

/// Returns the content of an embedded file, or an empty slice if there is no file of this name.
fn embedded_file(name: &str) -> &'static [u8] {
    EMBEDDED.iter().find(|(known, _)| *known == name).map_or(&[], |(_, content)| content)
}

/// Whether a lock file is complete, contains the function, and has only packages that `other` contains with the same
/// version and checksum.
fn keeps_versions(lock: &[u8], other: &[u8]) -> bool {
    let (Ok(lock), Ok(other)) = (std::str::from_utf8(lock), std::str::from_utf8(other)) else { return false };
    let packages: Vec<LockedPackage> =
        lock.split(source_files::PACKAGE_HEADER).skip(1).map(LockedPackage::parse).collect();
    let identities: BTreeSet<&str> =
        other.split(source_files::PACKAGE_HEADER).skip(1).map(package_identity).collect();
    packages.iter().any(|package| package.name == source_files::PACKAGE)
        && lock
            .split(source_files::PACKAGE_HEADER)
            .skip(1)
            .map(package_identity)
            .all(|package| identities.contains(package))
        && packages
            .iter()
            .flat_map(|package| &package.dependencies)
            .all(|dependency| packages.iter().any(|package| package.matches_dependency(dependency)))
}

/// Returns the part of a package entry before its dependencies: name, version, source and checksum.
fn package_identity(block: &str) -> &str {
    block.split("dependencies = [").next().unwrap_or(block).trim_end()
}

/// Returns the SHA-256 of the embedded sources, in hex.
fn embedded_hash() -> String {
    let mut hasher = Hasher::default();
    for (name, content) in EMBEDDED {
        hasher.field(name, content);
    }
    hasher.hex()
}

#[cfg(test)]
mod tests;
