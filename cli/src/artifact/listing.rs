//! Which files the function is built from, and which part of `Cargo.lock` is about them.
//!
//! Shared by `build.rs`, which packs them into the program, and by the build itself, which asks whether they changed.
//! Must use nothing but the standard library, and must give the same answer on every machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

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

/// One `[[package]]` of a lock file.
struct Locked<'a> {
    text: &'a str,
    name: &'a str,
    version: &'a str,
    source: &'a str,
    dependencies: Vec<&'a str>,
}

impl<'a> Locked<'a> {
    fn parse(text: &'a str) -> Self {
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
    fn is(&self, dependency: &str) -> bool {
        let mut words = dependency.splitn(3, ' ');
        words.next() == Some(self.name)
            && words.next().is_none_or(|version| version == self.version)
            && words.next().is_none_or(|source| source.trim_matches(['(', ')']) == self.source)
    }
}

/// The part of a lock file that the packages `roots` need, as cargo itself would write it: `--locked` accepts it in a
/// workspace of just those members.
pub(crate) fn prune_lock(lock: &str, roots: &[&str]) -> String {
    let mut blocks = lock.split("[[package]]\n");
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

    // Cargo names a dependency by as little as is unambiguous, and with fewer packages less is needed.
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for &at in &kept {
        versions.entry(packages[at].name).or_default().push(packages[at].version);
    }
    let shortest = |dependency: &str| {
        let target = kept.iter().map(|&at| &packages[at]).find(|package| package.is(dependency));
        let Some(target) = target else { return dependency.to_owned() };
        let named = versions.get(target.name).map_or(&[][..], Vec::as_slice);
        match named.iter().filter(|version| **version == target.version).count() {
            _ if named.len() == 1 => target.name.to_owned(),
            1 => format!("{} {}", target.name, target.version),
            _ => dependency.to_owned(),
        }
    };

    let mut out = header.to_owned();
    for &at in &kept {
        out.push_str("[[package]]\n");
        for line in packages[at].text.trim_end().lines() {
            match line.strip_prefix(" \"").and_then(|rest| rest.strip_suffix("\",")) {
                Some(dependency) => out.extend([" \"", &shortest(dependency), "\","]),
                None => out.push_str(line),
            }
            out.push('\n');
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}
