//! Which files the function is built from, and which part of `Cargo.lock` is about them.
//!
//! Shared by `build.rs`, which packs them into the program, and by the build itself, which asks whether they changed.
//! Must use nothing but the standard library, and must give the same answer on every machine.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

/// The folders of a checkout that the function is built from, each a package.
pub(crate) const FOLDERS: [&str; 2] = ["config", "function"];

/// The package that holds the function.
pub(crate) const PACKAGE: &str = "hit-counter";

/// The files below [`FOLDERS`], relative to `root` and with `/`, sorted. Hidden files, build output and snapshots under
/// review are none of them.
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

/// What begins a package in a lock file.
pub(crate) const BLOCK: &str = "[[package]]\n";

/// One `[[package]]` of a lock file.
pub(crate) struct Locked<'a> {
    text: &'a str,
    pub(crate) name: &'a str,
    version: &'a str,
    source: &'a str,
    pub(crate) dependencies: Vec<&'a str>,
}

impl<'a> Locked<'a> {
    /// Reads what stands between one [`BLOCK`] and the next.
    pub(crate) fn parse(text: &'a str) -> Self {
        let field = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
            line.and_then(|rest| rest.strip_suffix('"')).unwrap_or_default()
        };
        let dependencies =
            text.lines().filter_map(|line| line.strip_prefix(" \"")?.strip_suffix("\",")).collect();
        Self { text, name: field("name"), version: field("version"), source: field("source"), dependencies }
    }

    /// Whether a line of another package's `dependencies` means this one: `name`, `name version` or
    /// `name version (source)`.
    pub(crate) fn is(&self, dependency: &str) -> bool {
        let mut words = dependency.splitn(3, ' ');
        words.next() == Some(self.name)
            && words.next().is_none_or(|version| version == self.version)
            && words.next().is_none_or(|source| source.trim_matches(['(', ')']) == self.source)
    }
}

/// The part of a lock file that the packages `roots` need. It may hold a few packages more than cargo would write for
/// those alone, since features that others ask for add some; never a package less, or in another version.
pub(crate) fn prune_lock(lock: &str, roots: &[&str]) -> String {
    let mut blocks = lock.split(BLOCK);
    let header = blocks.next().unwrap_or_default();
    let packages: Vec<Locked> = blocks.map(Locked::parse).collect();

    let mut kept = BTreeSet::new();
    let mut open: Vec<usize> = (0..packages.len()).filter(|&at| roots.contains(&packages[at].name)).collect();
    while let Some(at) = open.pop() {
        if kept.insert(at) {
            for dependency in &packages[at].dependencies {
                open.extend((0..packages.len()).filter(|&other| packages[other].is(dependency)));
            }
        }
    }
    let kept: Vec<&str> = kept.iter().map(|&at| packages[at].text.trim_end()).collect();
    let separator = format!("\n\n{BLOCK}");
    format!("{header}{BLOCK}{}\n", kept.join(&separator))
}
