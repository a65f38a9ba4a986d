//! Lists the crates of the workspace and their root files.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new("../..").canonicalize().unwrap()
}

/// Returns the folders of the crates, as listed in the workspace's manifest.
pub(crate) fn members() -> Vec<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = [")).unwrap();
    members.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Returns the root file of a crate, or `None` when the crate has no sources.
pub(crate) fn source_root(member: &str) -> Option<PathBuf> {
    let source = root().join(member).join("src");
    ["lib.rs", "main.rs"].map(|file| source.join(file)).into_iter().find(|file| file.exists())
}
