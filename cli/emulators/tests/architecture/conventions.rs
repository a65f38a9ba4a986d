//! Conventions of every crate and every source file.

use std::fs;
use std::path::{Path, PathBuf};

use super::imports::Imports;
use super::workspace::{members, root, source_root};

/// A crate and what it must not depend on, with the reason. Crate boundaries hold the rest.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    ("config", &["hitctl-engine", "aws-", "clap", "tokio"], "config is what the user writes, and pure"),
    ("function", &["hitctl-engine", "clap", "tokio", "aws-"], "the function starts in milliseconds"),
    (
        "cli/engine",
        &["aws-", "clap", "indicatif", "toml", "hitctl-"],
        "the engine knows no cloud and no edge",
    ),
    ("cli/stack", &["aws-", "clap", "indicatif", "tokio"], "the stack is pure"),
    ("cli/counts", &["aws-", "clap", "indicatif", "tokio"], "the numbers are pure"),
    (
        "cli/local",
        &["aws-", "clap", "indicatif", "hitctl-report"],
        "the local cloud is a cloud, not a client",
    ),
    (
        "cli/cloud",
        &["clap", "indicatif", "hitctl-report", "hitctl-artifact"],
        "a cloud draws and builds nothing",
    ),
    ("cli/tune", &["aws-", "clap", "indicatif", "hitctl-report"], "measuring asks a cloud by its trait"),
    (
        "cli/report",
        &["aws-", "clap", "hitctl-cloud", "hitctl-local", "hitctl-resources"],
        "the report only draws",
    ),
    ("cli", &["indicatif", "aws-"], "commands return views and draw nothing"),
];

#[test]
fn crates_depend_on_nothing_that_their_layer_excludes() {
    for (name, forbidden, reason) in FORBIDDEN {
        for dependency in dependencies(&manifest(name)) {
            let bad = forbidden.iter().find(|start| dependency.starts_with(**start));
            // Configuration is below everything.
            let bad = bad.filter(|_| dependency != "hitctl-config");
            assert!(bad.is_none(), "{name} must not depend on {dependency}: {reason}");
        }
    }
}

/// A kind may use what another one declares, such as its settings and the scopes of its operations, and never its driver.
#[test]
fn no_kind_of_resource_imports_the_driver_of_another() {
    let source = root().join("cli/resources/src");
    let imports = Imports::of_crate(&source.join("lib.rs"));
    let kind = |file: &Path| {
        let name = file.strip_prefix(&source).unwrap().components().next().unwrap();
        let name = Path::new(&name).with_extension("").display().to_string();
        hitctl_resources::KINDS.contains(&name.as_str()).then_some(name)
    };
    for (file, targets) in &imports.edges {
        for (target, path) in targets {
            let (Some(from), Some(to)) = (kind(file), kind(target)) else { continue };
            let is_driver = target
                .components()
                .any(|part| Path::new(&part).file_stem().is_some_and(|stem| stem == "aws"));
            assert!(from == to || !is_driver, "{} imports {path}", file.display());
        }
    }
}

/// The lints of the workspace count only where a crate asks for them; versions stand in one place.
#[test]
fn every_crate_has_the_lints_and_versions_of_the_workspace() {
    let workspace = manifest(".");
    assert!(members().len() >= 14, "{:?}", members());
    for member in members() {
        let manifest = manifest(&member);
        assert!(manifest.contains("\n[lints]\nworkspace = true\n"), "{member} has lints of its own");
        for (number, line) in manifest.lines().enumerate().filter(|(_, line)| line.contains(" = ")) {
            let versioned =
                line.contains("version = \"") || line.split(" = ").nth(1).unwrap().starts_with("\"0");
            assert!(!versioned, "{member}/Cargo.toml:{}: versions stand in the workspace", number + 1);
        }
        if !matches!(member.as_str(), "function" | "cli/local" | "cli/emulators" | "bench") {
            let package = format!("\n{} = {{ opt-level = \"s\"", package_name(&manifest));
            assert!(workspace.contains(&package), "{member} is not built small in [profile.release.package]");
        }
    }
    for lint in [
        "unsafe_code = \"forbid\"",
        "missing_docs = ",
        "unwrap_used = ",
        "allow_attributes = ",
        "print_stdout = ",
    ] {
        assert!(workspace.contains(lint), "{lint} is gone from the workspace");
    }
}

#[test]
fn every_source_file_is_short_says_what_it_is_for_and_leaves_nothing_for_later() {
    let mut seen = 0;
    for folder in ["config", "function", "cli", "bench", "examples"] {
        for file in sources(&root().join(folder)) {
            let text = fs::read_to_string(&file).unwrap();
            let place = file.display();
            seen += 1;
            assert!(text.starts_with("//!"), "{place} does not say what it is for");
            let lines = text.lines().count();
            assert!(lines <= 600, "{place} has {lines} lines: split it by meaning");
            for word in
                [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("#[ig", "nore"), concat!("todo", "!(")]
            {
                assert!(!text.contains(word), "{place} has a {word}");
            }
        }
    }
    assert!(seen > 200, "only {seen} files were looked at");
}

/// A test file that nobody names is never run.
#[test]
fn every_file_of_the_command_lines_tests_is_run() {
    let folder = root().join("cli/tests/it");
    let main = fs::read_to_string(folder.join("main.rs")).unwrap();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_rust = path.extension().is_some_and(|ending| ending == "rs");
        if is_rust && name != "main" {
            assert!(main.contains(&format!("\nmod {name};\n")), "main.rs does not name {name}");
        }
    }
}

/// A source file that no module declares is not compiled.
#[test]
fn every_source_file_belongs_to_a_module() {
    for member in members() {
        // The programs of the benchmarks are named in their manifest.
        let Some(lib) = source_root(&member).filter(|_| member != "bench") else { continue };
        let mut declared: Vec<PathBuf> = Imports::of_crate(&lib).edges.into_keys().collect();
        let main = lib.with_file_name("main.rs");
        if main.exists() {
            declared.extend(Imports::of_crate(&main).edges.into_keys());
        }
        for file in sources(lib.parent().unwrap()) {
            let name = file.file_stem().unwrap().to_str().unwrap();
            let is_test = ["tests", "_tests", "fixtures"].iter().any(|end| name.ends_with(end));
            let of_tests = is_test
                || name.starts_with("test_")
                || file
                    .components()
                    .any(|part| part.as_os_str().to_str().is_some_and(|part| part.ends_with("tests")));
            assert!(of_tests || declared.contains(&file), "{} is in no module", file.display());
        }
    }
}

fn manifest(folder: &str) -> String {
    fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap()
}

fn package_name(manifest: &str) -> &str {
    manifest.split("name = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap()
}

/// The names under `[dependencies]`.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside =
                line == "[dependencies]" || line.starts_with("[target.") && line.ends_with("dependencies]");
        } else if inside && !line.trim().is_empty() && !line.starts_with('#') {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            names.push(name.to_owned());
        }
    }
    names
}

/// Every source file below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.ends_with("target") {
            continue;
        }
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}
