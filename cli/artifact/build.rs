//! Embeds the sources of the function in the program, so that the program can build the function without a checkout.
//!
//! The embedded files are a complete workspace: `config/`, `function/`, a `Cargo.toml` with only these members, and the part of
//! `Cargo.lock` that they need.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "src/source_files.rs"]
mod source_files;

fn main() -> Result<(), Box<dyn Error>> {
    let manifest_dir = PathBuf::from(env_variable("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env_variable("OUT_DIR")?);
    let root = manifest_dir.ancestors().nth(2).ok_or("the crate is not two folders below the workspace")?;
    for path in ["Cargo.toml", "Cargo.lock"].iter().chain(&source_files::FOLDERS) {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    println!("cargo::rerun-if-changed=src/source_files.rs");
    println!("cargo::rerun-if-changed=build.rs");

    let manifest = out.join("embedded.Cargo.toml");
    fs::write(&manifest, members_only(&read(&root.join("Cargo.toml"))?)?)?;
    let lock = out.join("embedded.Cargo.lock");
    let roots = [source_files::PACKAGE, "hitctl-config"];
    fs::write(&lock, source_files::prune_lock(&read(&root.join("Cargo.lock"))?, &roots))?;

    let mut files = vec![("Cargo.lock".to_owned(), lock), ("Cargo.toml".to_owned(), manifest)];
    for name in source_files::list(root)? {
        let path = root.join(&name);
        files.push((name, path));
    }
    files.sort();
    let mut code = String::from("&[\n");
    for (name, path) in files {
        let path = path.to_str().ok_or("the checkout's path is not UTF-8")?;
        writeln!(code, "    ({name:?}, include_bytes!({path:?})),")?;
    }
    code.push_str("]\n");
    fs::write(out.join("embedded.rs"), code)?;
    Ok(())
}

/// Returns the workspace's manifest with the embedded folders as its only members.
fn members_only(manifest: &str) -> Result<String, Box<dyn Error>> {
    let members = format!("members = {:?}", source_files::FOLDERS);
    let mut replaced = 0;
    let mut out = String::new();
    for line in manifest.lines() {
        if line.starts_with("members = [") {
            replaced += 1;
            writeln!(out, "{members}")?;
        } else if !line.starts_with("default-members = [") {
            writeln!(out, "{line}")?;
        }
    }
    if replaced == 1 {
        Ok(out)
    } else {
        Err("expected `members = [..]` on one line of the workspace's Cargo.toml".into())
    }
}

fn read(path: &Path) -> Result<String, Box<dyn Error>> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

#[expect(clippy::disallowed_methods, reason = "a build script gets its folders only from the environment")]
fn env_variable(name: &str) -> Result<String, env::VarError> {
    env::var(name)
}
