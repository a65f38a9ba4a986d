//! Holds the import table of ARCHITECTURE.md: who may use what. Crate walls first, then the rooms inside `cli/src`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::checkout;

/// A crate and the only dependencies that it may name.
const CRATES: &[(&str, &[&str])] = &[
    ("config", &["hmac", "regex-lite", "serde", "serde_json", "sha2", "strsim", "toml"]),
    ("cli/engine", &["futures", "serde", "serde_json", "thiserror", "tokio", "tokio-util"]),
    (
        "cli/resources",
        &[
            // The drivers, behind the feature `aws`.
            "aws-sdk-apigatewayv2",
            "aws-sdk-cloudwatchlogs",
            "aws-sdk-dynamodb",
            "aws-sdk-eventbridge",
            "aws-sdk-iam",
            "aws-sdk-lambda",
            "aws-sdk-resourcegroupstagging",
            "aws-sdk-sqs",
            "aws-smithy-runtime-api",
            "aws-smithy-types",
            "aws-types",
            "base64",
            "futures",
            "hitctl-config",
            "hitctl-engine",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "tokio",
        ],
    ),
    (
        "cli/local",
        &[
            "axum",
            "base64",
            "bytes",
            "crc32fast",
            "dynoxide-rs",
            "futures",
            "getrandom",
            "hex",
            "hitctl-config",
            "hitctl-engine",
            "hitctl-resources",
            "http-body-util",
            "hyper",
            "hyper-util",
            "jiff",
            "md5",
            "percent-encoding",
            "quick-xml",
            "rusqlite",
            "rustix",
            "serde",
            "serde_json",
            "sha2",
            "tempfile",
            "thiserror",
            "tokio",
            "tokio-util",
            "uuid",
            "zip",
        ],
    ),
    (
        "cli/emulators",
        &["bytes", "http-body-util", "hyper", "hyper-util", "jiff", "serde_json", "sha2", "tokio"],
    ),
    (
        "function",
        &[
            "hitctl-config",
            "httparse",
            "miniz_oxide",
            "ring",
            "rustls",
            "serde",
            "serde_json",
            "webpki-roots",
        ],
    ),
];

/// A room (a file or folder below the top level) and what its code must not name, with the reason.
const ROOMS: &[(&str, &[&str], &str)] = &[
    (
        "config/src",
        &["hitctl_engine", "aws_", "clap::", "tokio::"],
        "config is what the user writes, and pure",
    ),
    (
        "cli/engine/src",
        &["aws_", "clap", "indicatif", "toml::", "std::fs", "std::env"],
        "the engine knows no cloud and no edge",
    ),
    ("function/src", &["hitctl_engine", "clap", "hitctl::"], "the function starts in milliseconds"),
    (
        "cli/local/src",
        &["aws_sdk", "hitctl::report", "indicatif", "clap"],
        "the local cloud is a cloud, not a client",
    ),
    ("cli/resources/src", &["crate::report", "clap", "indicatif"], "a kind is data and one driver"),
    (
        "cli/src/stack.rs",
        &["aws_", "tokio", "hitctl_local", "crate::commands", "crate::cloud"],
        "the parts list is pure",
    ),
    (
        "cli/src/tune",
        &["aws_", "clap::", "crate::commands", "indicatif"],
        "measuring asks a cloud by its trait, and knows no command",
    ),
    (
        "cli/src/commands",
        &["println!", "print!", "eprintln!", "indicatif", "aws_"],
        "commands return views and draw nothing",
    ),
    (
        "cli/src/report",
        &["aws_", "crate::commands", "hitctl_local", "hitctl_resources"],
        "the report only draws",
    ),
];

#[test]
fn crates_depend_only_on_what_the_table_allows() {
    for (dir, allowed) in CRATES {
        let manifest = fs::read_to_string(checkout().join(dir).join("Cargo.toml")).unwrap();
        for dependency in dependencies(&manifest) {
            assert!(allowed.contains(&dependency.as_str()), "{dir} must not depend on {dependency}");
        }
    }
}

#[test]
fn rooms_name_only_what_the_table_allows() {
    for (room, forbidden, reason) in ROOMS {
        let files = sources(&checkout().join(room));
        assert!(!files.is_empty(), "{room} is gone: update the table");
        for file in files {
            for (number, line) in code(&fs::read_to_string(&file).unwrap()) {
                for word in *forbidden {
                    assert!(!line.contains(word), "{}:{number} names {word:?}, but {reason}", file.display());
                }
            }
        }
    }
}

#[test]
fn only_the_report_draws() {
    for file in sources(&checkout().join("cli/src")) {
        if file.starts_with(checkout().join("cli/src/report")) {
            continue;
        }
        for (number, line) in code(&fs::read_to_string(&file).unwrap()) {
            assert!(!line.contains("indicatif"), "{}:{number} draws", file.display());
        }
    }
}

#[test]
fn every_kind_is_one_file_and_two_lines() {
    let registry = fs::read_to_string(checkout().join("cli/resources/src/lib.rs")).unwrap();
    for kind in hitctl_resources::KINDS {
        assert!(
            checkout().join(format!("cli/resources/src/{kind}.rs")).exists(),
            "{kind} has no file of its own"
        );
        assert!(registry.contains(&format!("mod {kind};")), "{kind} is not in the registry");
    }
}

#[test]
fn no_kind_knows_another() {
    for kind in hitctl_resources::KINDS {
        let file = checkout().join(format!("cli/resources/src/{kind}.rs"));
        for (number, line) in code(&fs::read_to_string(file).unwrap()) {
            for other in hitctl_resources::KINDS.iter().filter(|other| *other != kind) {
                let named = ["crate", "super"].iter().any(|from| line.contains(&format!("{from}::{other}")));
                assert!(!named, "{kind}.rs:{number} names {other}");
            }
        }
    }
}

/// The lints of the workspace count only where a crate asks for them; versions stand in one place.
#[test]
fn every_crate_has_the_lints_and_the_versions_of_the_house() {
    let workspace = fs::read_to_string(checkout().join("Cargo.toml")).unwrap();
    let members = workspace.lines().find_map(|line| line.strip_prefix("members = [")).unwrap();
    let members: Vec<_> = members.split('"').skip(1).step_by(2).collect();
    assert!(members.len() >= 7, "{members:?}");
    for member in members {
        let manifest = fs::read_to_string(checkout().join(member).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("\n[lints]\nworkspace = true\n"), "{member} has lints of its own");
        for (number, line) in manifest.lines().enumerate().filter(|(_, line)| line.contains(" = ")) {
            let versioned =
                line.contains("version = \"") || line.split(" = ").nth(1).unwrap().starts_with("\"0");
            assert!(!versioned, "{member}/Cargo.toml:{}: versions stand in the workspace", number + 1);
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
    for room in ["config", "function", "cli", "bench", "examples"] {
        for file in sources(&checkout().join(room)) {
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
fn every_test_file_here_is_run() {
    let here = checkout().join("cli/tests/it");
    let main = fs::read_to_string(here.join("main.rs")).unwrap();
    for entry in fs::read_dir(&here).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_rust = path.extension().is_some_and(|ending| ending == "rs");
        if is_rust && name != "main" {
            assert!(main.contains(&format!("\nmod {name};\n")), "main.rs does not name {name}");
        }
    }
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

/// Every source file there.
fn sources(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_path_buf()];
    }
    let Ok(entries) = fs::read_dir(place) else { return Vec::new() };
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

/// The lines of a file that are code: no comments, and nothing from the unit tests at its end.
fn code(text: &str) -> Vec<(usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, line))
        .collect()
}
