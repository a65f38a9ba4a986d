//! Lists the source files of the function, and extracts the part of `Cargo.lock` that they need.
//!
//! This module is shared by `build.rs`, which embeds the files in the program, and by the build, which checks whether
//! they changed. It must use only the standard library and return the same result on every machine.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

/// The folders of the packages that the function is built from.
pub(crate) const FOLDERS: [&str; 2] = ["config", "function"];

/// The name of the function's package.
pub(crate) const PACKAGE: &str = "hit-counter";

/// Returns the sorted files below [`FOLDERS`], as paths relative to `root` that are separated by `/`. Hidden files,
/// build output and snapshots under review are left out.
pub(crate) fn list(root: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        walk(&root.join(folder), folder, &mut found)?;
    }
    found.sort();
    Ok(found)
}

fn walk(folder: &Path, name: &str, found: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file_name = entry.file_name();
        let Some(file_name) = file_name.to_str() else { continue };
        if file_name.starts_with('.') || matches!(file_name, "target" | "proptest-regressions") {
            continue;
        }
        let inner = format!("{name}/{file_name}");
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &inner, found)?;
        } else if kind.is_file() && !inner.ends_with(".snap.new") && !inner.ends_with('~') {
            found.push(inner);
        }
    }
    Ok(())
}

/// The first line of a package in a lock file.
pub(crate) const PACKAGE_HEADER: &str = "[[package]]\n";

/// A `[[package]]` entry of a lock file.
pub(crate) struct LockedPackage<'a> {
    text: &'a str,
    pub(crate) name: &'a str,
    version: &'a str,
    source: &'a str,
    pub(crate) dependencies: Vec<&'a str>,
}

impl<'a> LockedPackage<'a> {
    /// Parses the text between one [`PACKAGE_HEADER`] and the next.
    pub(crate) fn parse(text: &'a str) -> Self {
        let field = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
            line.and_then(|rest| rest.strip_suffix('"')).unwrap_or_default()
        };
        let dependencies =
            text.lines().filter_map(|line| line.strip_prefix(" \"")?.strip_suffix("\",")).collect();
        Self { text, name: field("name"), version: field("version"), source: field("source"), dependencies }
    }

    /// Whether an item of another package's `dependencies` refers to this package. Items have the form `name`, `name version` or
    /// `name version (source)`.
    pub(crate) fn matches_dependency(&self, dependency: &str) -> bool {
        let mut words = dependency.splitn(3, ' ');
        words.next() == Some(self.name)
            && words.next().is_none_or(|version| version == self.version)
            && words.next().is_none_or(|source| source.trim_matches(['(', ')']) == self.source)
    }
}

/// Returns the part of a lock file that the packages `roots` need. It may contain a few more packages than cargo would
/// write for these alone, because features that other packages enable add dependencies. No needed package is missing,
/// and all versions are unchanged.
pub(crate) fn prune_lock(lock: &str, roots: &[&str]) -> String {
    let mut blocks = lock.split(PACKAGE_HEADER);
    let header = blocks.next().unwrap_or_default();
    let packages: Vec<LockedPackage> = blocks.map(LockedPackage::parse).collect();

    let mut kept = BTreeSet::new();
    let mut pending: Vec<usize> =
        (0..packages.len()).filter(|&index| roots.contains(&packages[index].name)).collect();
    while let Some(index) = pending.pop() {
        if kept.insert(index) {
            for dependency in &packages[index].dependencies {
                pending.extend(
                    (0..packages.len()).filter(|&other| packages[other].matches_dependency(dependency)),
                );
            }
        }
    }
    let kept: Vec<&str> = kept.iter().map(|&index| packages[index].text.trim_end()).collect();
    let separator = format!("\n\n{PACKAGE_HEADER}");
    format!("{header}{PACKAGE_HEADER}{}\n", kept.join(&separator))
}
