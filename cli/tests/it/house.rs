//! Holds the import table of ARCHITECTURE.md: who may use what. Crate walls first, then the rooms inside `cli/src`.

use std::fs;
use std::path::{Path, PathBuf};

/// A crate and the only dependencies that it may name.
const CRATES: &[(&str, &[&str])] = &[
    ("config", &["regex-lite", "serde", "serde_json", "sha2", "strsim", "thiserror", "toml"]),
    ("cli/engine", &["futures", "serde", "serde_json", "sha2", "thiserror", "tokio", "tokio-util"]),
    ("cli/resources", &["hitctl-config", "hitctl-engine", "serde", "serde_json"]),
    (
        "cli/local",
        &[
            "axum",
            "base64",
            "bytes",
            "dynoxide-rs",
            "futures",
            "hitctl-config",
            "hitctl-engine",
            "hitctl-resources",
            "http-body-util",
            "hyper",
            "hyper-util",
            "jiff",
            "rustix",
            "serde",
            "serde_json",
            "sha2",
            "tempfile",
            "thiserror",
            "tokio",
            "tokio-util",
            "zip",
        ],
    ),
    (
        "function",
        &[
            "hitctl-config",
            "httparse",
            "hmac",
            "ring",
            "rustls",
            "serde",
            "serde_json",
            "sha2",
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

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("cli has a parent").to_path_buf()
}

#[test]
fn crates_depend_only_on_what_the_table_allows() {
    for (dir, allowed) in CRATES {
        let manifest = fs::read_to_string(top().join(dir).join("Cargo.toml")).unwrap();
        for dependency in dependencies(&manifest) {
            assert!(allowed.contains(&dependency.as_str()), "{dir} must not depend on {dependency}");
        }
    }
}

#[test]
fn rooms_name_only_what_the_table_allows() {
    for (room, forbidden, reason) in ROOMS {
        let files = sources(&top().join(room));
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
    for file in sources(&top().join("cli/src")) {
        if file.starts_with(top().join("cli/src/report")) {
            continue;
        }
        for (number, line) in code(&fs::read_to_string(&file).unwrap()) {
            assert!(!line.contains("indicatif"), "{}:{number} draws", file.display());
        }
    }
}

#[test]
fn every_kind_is_one_file_and_two_lines() {
    let registry = fs::read_to_string(top().join("cli/resources/src/lib.rs")).unwrap();
    for kind in hitctl_resources::KINDS {
        assert!(top().join(format!("cli/resources/src/{kind}.rs")).exists(), "{kind} has no file of its own");
        assert!(registry.contains(&format!("mod {kind};")), "{kind} is not in the registry");
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
