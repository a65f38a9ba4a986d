//! Checks the conventions of every crate and every source file.

use std::fs;
use std::path::{Path, PathBuf};

use super::imports::Imports;
use super::workspace::{members, root, source_root};

/// A crate, the prefixes of the dependencies that it must not have, and the reason. Crate boundaries enforce all other
/// rules.
const FORBIDDEN: &[(&str, &[&str], &str)] = &[
    (
        "config",
        &["hitctl-engine", "aws-", "clap", "tokio"],
        "config only reads and checks what the user writes",
    ),
    ("function", &["hitctl-engine", "clap", "tokio", "aws-"], "the function starts in milliseconds"),
    (
        "cli/engine",
        &["aws-", "clap", "indicatif", "toml", "hitctl-"],
        "the engine must not know clouds or the command line",
    ),
    ("cli/platform", &["hitctl-", "aws-", "clap"], "the platform is below all other crates"),
    ("cli/stack", &["aws-", "clap", "indicatif", "tokio"], "the stack has no side effects"),
    ("cli/counts", &["aws-", "clap", "indicatif", "tokio"], "counts have no side effects"),
    (
        "cli/local",
        &["aws-", "clap", "indicatif", "hitctl-report"],
        "the local cloud is a cloud, not a client",
    ),
    (
        "cli/cloud",
        &["clap", "indicatif", "hitctl-report", "hitctl-artifact"],
        "a cloud must not print or build",
    ),
    ("cli/tune", &["aws-", "clap", "indicatif", "hitctl-report"], "tune uses a cloud through its trait"),
    (
        "cli/report",
        &["aws-", "clap", "hitctl-cloud", "hitctl-local", "hitctl-resources"],
        "the report only formats",
    ),
    ("cli", &["indicatif", "aws-"], "commands return views and print nothing"),
];

#[test]
fn crate_dependencies_respect_the_layers() {
    for (name, forbidden, reason) in FORBIDDEN {
        for dependency in dependencies(&manifest(name)) {
            let bad = forbidden.iter().find(|start| dependency.starts_with(**start));
            // Every crate may depend on the configuration.
            let bad = bad.filter(|_| dependency != "hitctl-config");
            assert!(bad.is_none(), "{name} must not depend on {dependency}: {reason}");
        }
    }
}

/// A kind may use the declarations of another kind, such as its settings and the scopes of its operations, but not its driver.
#[test]
fn resource_kind_does_not_import_driver_of_another_kind() {
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

/// The lints of the workspace apply only to crates that inherit them. Versions are in the workspace's manifest only.
#[test]
fn crates_inherit_lints_and_versions_of_the_workspace() {
    let workspace = manifest(".");
    assert!(members().len() >= 14, "{:?}", members());
    for member in members() {
        let manifest = manifest(&member);
        assert!(
            manifest.contains("\n[lints]\nworkspace = true\n"),
            "{member} does not inherit the lints of the workspace"
        );
        for (number, line) in manifest.lines().enumerate().filter(|(_, line)| line.contains(" = ")) {
            let versioned =
                line.contains("version = \"") || line.split(" = ").nth(1).unwrap().starts_with("\"0");
            assert!(
                !versioned,
                "{member}/Cargo.toml:{}: move the version to the manifest of the workspace",
                number + 1
            );
        }
        if !matches!(member.as_str(), "function" | "cli/local" | "cli/emulators" | "bench") {
            let package = format!("\n{} = {{ opt-level = \"s\"", package_name(&manifest));
            assert!(
                workspace.contains(&package),
                "{member} has no `opt-level = \"s\"` in [profile.release.package]"
            );
        }
    }
    for lint in [
        "unsafe_code = \"forbid\"",
        "missing_docs = ",
        "unwrap_used = ",
        "allow_attributes = ",
        "print_stdout = ",
    ] {
        assert!(workspace.contains(lint), "the workspace lacks {lint}");
    }
}

#[test]
fn source_files_are_short_have_a_header_and_no_todos() {
    let mut checked = 0;
    for folder in ["config", "function", "cli", "bench", "examples"] {
        for file in sources(&root().join(folder)) {
            let text = fs::read_to_string(&file).unwrap();
            let path = file.display();
            checked += 1;
            assert!(text.starts_with("//!"), "{path} has no module header");
            let lines = text.lines().count();
            assert!(lines <= 600, "{path} has {lines} lines: split it by responsibility");
            assert!(!file.ends_with("mod.rs"), "{path}: the file of a module `x` is `x.rs`");
            // A build script and a fuzz target compile a file of another crate.
            let shares = file.ends_with("build.rs") || path.to_string().contains("/fuzz/");
            assert!(
                shares || !text.contains(concat!("\n#[pa", "th = ")),
                "{path}: files follow the names of modules"
            );
            for word in
                [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("#[ig", "nore"), concat!("todo", "!(")]
            {
                assert!(!text.contains(word), "{path} contains {word}");
            }
        }
    }
    assert!(checked > 200, "only {checked} files were checked");
}

/// Code for one operating system is in `cli/platform`, so that every other file compiles and behaves alike everywhere. Tests may use
/// Unix directly.
#[test]
fn only_the_platform_crate_has_code_for_one_operating_system() {
    let words = ["std::os::", "cfg(unix)", "cfg(windows)", "target_os", "target_family"];
    for member in
        members().iter().filter(|member| !matches!(member.as_str(), "cli/platform" | "cli/emulators"))
    {
        for file in sources(&root().join(member).join("src")) {
            if file.ends_with("tests.rs") || file.to_string_lossy().ends_with("_tests.rs") {
                continue;
            }
            let text =
                fs::read_to_string(&file).unwrap().replace("#[cfg(unix)]\n#[cfg(test)]", "#[cfg(test)]");
            let end = ["#[cfg(test)]", "#[cfg(all(test"].iter().filter_map(|start| text.find(start)).min();
            let code = &text[..end.unwrap_or(text.len())];
            for word in words {
                assert!(
                    !code.contains(word),
                    "{} contains `{word}`: move it to cli/platform",
                    file.display()
                );
            }
        }
    }
}

/// A test file that no module declares is never run.
#[test]
fn test_files_of_the_command_line_are_declared() {
    let folder = root().join("cli/tests/it");
    let main = fs::read_to_string(folder.join("main.rs")).unwrap();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_rust = path.extension().is_some_and(|ending| ending == "rs");
        if is_rust && name != "main" {
            assert!(main.contains(&format!("\nmod {name};\n")), "main.rs does not declare {name}");
        }
    }
}

/// A source file that no module declares is not compiled.
#[test]
fn source_files_belong_to_a_module() {
    for member in members() {
        // The manifest of the benchmarks lists their programs.
        let Some(lib) = source_root(&member).filter(|_| member != "bench") else { continue };
        let mut declared: Vec<PathBuf> = Imports::of_crate(&lib).edges.into_keys().collect();
        let main = lib.with_file_name("main.rs");
        if main.exists() {
            declared.extend(Imports::of_crate(&main).edges.into_keys());
        }
        for file in sources(lib.parent().unwrap()) {
            let name = file.file_stem().unwrap().to_str().unwrap();
            let is_test = ["tests", "_tests", "fixtures"].iter().any(|end| name.ends_with(end));
            let is_test_code = is_test
                || name.starts_with("test_")
                || file
                    .components()
                    .any(|part| part.as_os_str().to_str().is_some_and(|part| part.ends_with("tests")));
            assert!(is_test_code || declared.contains(&file), "no module declares {}", file.display());
        }
    }
}

fn manifest(folder: &str) -> String {
    fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap()
}

fn package_name(manifest: &str) -> &str {
    manifest.split("name = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap()
}

/// Returns the names in the `[dependencies]` sections of a manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut in_dependencies = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_dependencies =
                line == "[dependencies]" || line.starts_with("[target.") && line.ends_with("dependencies]");
        } else if in_dependencies && !line.trim().is_empty() && !line.starts_with('#') {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            names.push(name.to_owned());
        }
    }
    names
}

/// Returns all source files below a folder.
pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
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
